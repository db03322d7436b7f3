//! Snapshots and copies, where they are asked for.
use super::*;

#[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[aggregate("Meter", snapshot_every = 100, snapshot_revision = 3, cached)]
struct Meter {
    root: Root<Self>,
    total: u64,
}

#[events]
impl Meter {
    #[event("Installed")]
    fn install() -> Self {
        Self {
            root: Root::new(),
            total: 0,
        }
    }

    #[event("Read")]
    fn read(&mut self, total: u64) {
        self.total = total;
    }
}

#[test]
fn a_snapshot_is_the_state_again() {
    let mut meter = Meter::install();
    meter.read(7);
    let meter = Meter::replay(meter.id(), meter.pending().to_vec()).unwrap();
    let snapshots = Meter::SNAPSHOTS.unwrap();
    assert_eq!(snapshots.every, 100);
    let again = (snapshots.read)(&(snapshots.write)(&meter).unwrap()).unwrap();
    assert_eq!(again, meter);
    assert!(again.pending().is_empty());
}

#[test]
fn a_copy_for_the_cache_is_the_state_again() {
    let mut meter = Meter::install();
    meter.read(7);
    let mut copy = Meter::CACHED.unwrap()(&meter);
    assert_eq!(copy, meter);
    copy.read(8);
    assert_eq!((meter.total, meter.version().get()), (7, 2), "it is a copy");
}

#[test]
fn what_is_not_asked_for_is_not_there() {
    #[derive(Aggregate)]
    #[aggregate("Plain")]
    struct Plain {
        root: Root<Self>,
    }

    #[events]
    impl Plain {
        #[event("Made")]
        fn make() -> Self {
            Self { root: Root::new() }
        }
    }

    assert!(Plain::SNAPSHOTS.is_none() && Plain::CACHED.is_none());
    assert_eq!(Plain::make().version(), Version::FIRST);
}

/// Two aggregates that differ in the body of one event, or in one field.
#[test]
fn fingerprints_tell_bodies_and_structs_apart() {
    mod other {
        use super::*;

        #[derive(Aggregate, Serialize, Deserialize)]
        #[aggregate("Meter", snapshot_every = 100, snapshot_revision = 3)]
        pub(super) struct Meter {
            root: Root<Self>,
            total: u32,
        }

        #[events]
        impl Meter {
            #[event("Installed")]
            fn install() -> Self {
                Self {
                    root: Root::new(),
                    total: 0,
                }
            }

            #[event("Read")]
            fn read(&mut self, total: u64) {
                self.total += u32::try_from(total).unwrap_or(0);
            }
        }
    }

    assert_ne!(Meter::FINGERPRINT, other::Meter::FINGERPRINT);
    assert_ne!(
        Meter::SNAPSHOTS.unwrap().fingerprint,
        other::Meter::SNAPSHOTS.unwrap().fingerprint
    );
}

/// One aggregate, with what serde is told of it.
macro_rules! labelled {
    ($module:ident, $($serde:meta)?) => {
        mod $module {
            use super::*;

            #[derive(Aggregate, Serialize, Deserialize)]
            #[aggregate("Labelled", snapshot_every = 100)]
            $(#[$serde])?
            pub(super) struct Labelled {
                root: Root<Self>,
                last_label: Option<String>,
            }

            #[events]
            impl Labelled {
                #[event("Made")]
                #[allow(dead_code)]
                pub(super) fn make() -> Self {
                    Self {
                        root: Root::new(),
                        last_label: None,
                    }
                }
            }
        }
    };
}

labelled!(as_it_is,);
labelled!(in_camel_case, serde(rename_all = "camelCase"));
labelled!(in_kebab_case, serde(rename_all = "kebab-case"));

#[test]
fn a_fingerprint_changes_with_what_serde_is_told_of_the_struct() {
    let fingerprints = [
        as_it_is::Labelled::SNAPSHOTS.unwrap().fingerprint,
        in_camel_case::Labelled::SNAPSHOTS.unwrap().fingerprint,
        in_kebab_case::Labelled::SNAPSHOTS.unwrap().fingerprint,
    ];
    assert_ne!(fingerprints[0], fingerprints[1]);
    assert_ne!(fingerprints[0], fingerprints[2]);
    assert_ne!(fingerprints[1], fingerprints[2]);
}
