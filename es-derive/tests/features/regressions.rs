//! Programs that once went wrong without a word.
use super::*;
use es_core::application::SaveError;

macro_rules! price {
    ($name:ident, $stored:literal, $price:expr) => {
        #[derive(Aggregate, Debug, PartialEq)]
        #[aggregate($stored)]
        struct $name {
            root: Root<Self>,
            total: i64,
        }

        #[events]
        impl $name {
            #[event("Made", id = Uuid::from_u128(($price * 3) as u128))]
            fn make() -> Self {
                Self {
                    root: Root::new(),
                    total: $price * 3,
                }
            }

            #[event("Doubled")]
            fn double(&mut self) {
                self.total = $price * 2;
            }

            fn plain(&self) -> i64 {
                -$price
            }
        }
    };
}

price!(Sum, "Sum", 1 + 2);

#[test]
fn an_expression_given_to_a_macro_stays_one() {
    let mut sum = Sum::make();
    assert_eq!(
        (sum.total, sum.id(), sum.plain()),
        (9, Uuid::from_u128(9), -3)
    );
    sum.double();
    assert_eq!(sum.total, 6);
}

#[derive(Aggregate, Debug, PartialEq, Serialize, Deserialize)]
#[aggregate("Snap", snapshot_every = 10)]
struct Snap {
    root: Root<Self>,
    late: bool,
    count: u32,
}

#[events]
impl Snap {
    #[event("Made")]
    fn make() -> Self {
        Self {
            root: Root::new(),
            late: false,
            count: 0,
        }
    }

    #[event("Edited")]
    fn edit(&mut self) {
        self.late |= self.created_at().is_some() || self.modified_at().is_some();
        self.count += 1;
    }
}

#[test]
fn no_body_sees_the_times_since_replaying_knows_them_at_its_end_only() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut snap = Snap::make();
    block_on(app.save(&mut snap))?;
    snap.edit();
    block_on(app.save(&mut snap))?;
    assert!(!snap.late && snap.created_at().is_some());
    assert_eq!(block_on(app.get::<Snap>(snap.id()))?, snap);
    Ok(())
}

#[test]
fn only_a_saved_aggregate_has_a_snapshot() -> es_core::Result<()> {
    let snapshots = Snap::SNAPSHOTS.unwrap();
    let app = Application::new(MemoryStore::new());
    let mut snap = Snap::make();
    assert!((snapshots.write)(&snap).is_err(), "its events are pending");
    let blank = Snap {
        root: Root::new(),
        late: false,
        count: 0,
    };
    assert!((snapshots.write)(&blank).is_err(), "no event created it");
    block_on(app.save(&mut snap))?;
    let written = (snapshots.write)(&snap).unwrap();
    assert_eq!((snapshots.read)(&written).unwrap(), snap);

    let of_version_0 = String::from_utf8(written)
        .unwrap()
        .replace("\"version\":1", "\"version\":0");
    assert!((snapshots.read)(of_version_0.as_bytes()).is_err());
    Ok(())
}

#[test]
fn a_decision_cannot_put_another_aggregate_in_the_place_of_the_one_it_is_given()
-> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut snap = Snap::make();
    block_on(app.save(&mut snap))?;
    let refused = block_on(app.update(snap.id(), |snap: &mut Snap| {
        *snap = Snap::make();
        snap.edit();
    }));
    let error = Error::from(refused.unwrap_err());
    assert!(
        matches!(&error, Error::Save(SaveError::Replaced { stream }) if stream.id == snap.id()),
        "{error:?}"
    );
    assert_eq!(block_on(app.get::<Snap>(snap.id()))?, snap);
    Ok(())
}

#[test]
fn an_event_recorded_while_something_else_panics_is_whole() {
    struct Guard<'a>(&'a mut Snap);

    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.edit();
        }
    }

    let mut snap = Snap::make();
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = Guard(&mut snap);
        panic!("something else");
    }));
    assert!(unwound.is_err());
    assert_eq!(snap.pending().len(), 2);
    block_on(Application::new(MemoryStore::new()).save(&mut snap)).unwrap();
}

trait Item: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl Item for u8 {}

#[derive(Aggregate, Debug)]
#[aggregate("Bag")]
struct Bag<T, U> {
    root: Root<Self>,
    items: Vec<T>,
    other: Option<U>,
}

#[events]
impl<T: Item + Into<U>, U: Send + Sync + 'static> Bag<T, U> {
    #[event("Sewn")]
    fn sew() -> Self {
        Self {
            root: Root::new(),
            items: Vec::new(),
            other: None,
        }
    }

    #[event("Filled")]
    fn fill(&mut self, item: T) {
        self.other = Some(item.clone().into());
        self.items.push(item);
    }
}

#[derive(Aggregate, Debug)]
#[aggregate("Pouch")]
struct Pouch<T: Send + Sync + 'static> {
    root: Root<Self>,
    items: Vec<T>,
}

#[events]
impl Pouch<String> {
    #[event("Sewn")]
    fn sew(first: &str) -> Self {
        Self {
            root: Root::new(),
            items: vec![first.to_owned()],
        }
    }
}

#[test]
fn bounds_may_stand_on_the_impl_alone_and_an_impl_may_be_for_one_type() {
    let mut bag = Bag::<u8, u32>::sew();
    bag.fill(3);
    assert_eq!((bag.items.len(), bag.other), (1, Some(3)));
    let _: &[BagEvent<u8>] = bag.pending();
    assert_eq!(Pouch::sew("a").items, ["a"]);
}

/// A type of another crate, without serde.
#[derive(Debug, Clone, PartialEq)]
struct Foreign(u8);

mod foreign {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer>(
        foreign: &Foreign,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        foreign.0.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Foreign, D::Error> {
        u8::deserialize(deserializer).map(Foreign)
    }
}

trait HasDifference {
    fn difference(&self, _: &str) {}
}

impl<T> HasDifference for T {}

mod one {
    #[derive(es_core::Aggregate, Debug, PartialEq)]
    #[aggregate("One")]
    pub(super) struct Dog {
        pub(super) root: es_core::Root<Self>,
        pub(super) seen: Vec<super::Foreign>,
    }
}

mod two {
    #[derive(es_core::Aggregate, Debug, PartialEq)]
    #[aggregate("Two")]
    pub(super) struct Dog {
        pub(super) root: es_core::Root<Self>,
    }
}

#[events(type_name = r#One)]
impl one::Dog {
    #[event("Found")]
    fn find(#[serde(with = "foreign")] foreign: Foreign, name: impl Into<String> + Debug) -> Self {
        let _ = name;
        Self {
            root: Root::new(),
            seen: vec![foreign],
        }
    }

    #[event("Lost", retired)]
    fn lose(&mut self) {}
}

#[events(type_name = Two)]
impl two::Dog {
    #[event("Found")]
    fn find() -> Self {
        Self { root: Root::new() }
    }

    #[event("Lost", retired)]
    fn lose(&mut self) {}
}

#[test]
fn a_foreign_type_is_stored_by_the_users_functions() {
    "".difference("");
    let dog = one::Dog::find(Foreign(7), "Fido");
    es_core::testing::assert_replays(&dog);
    es_core::testing::assert_replays(&two::Dog::find());
    let stored = serde_json::to_value(&dog.pending()[0]).unwrap();
    assert_eq!(stored["Found"]["foreign"], 7);
}

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Lossy")]
struct Lossy {
    root: Root<Self>,
    kept: Option<Option<u8>>,
}

#[events]
impl Lossy {
    #[event("Made")]
    fn make(kept: Option<Option<u8>>) -> Self {
        Self {
            root: Root::new(),
            kept,
        }
    }
}

#[test]
#[should_panic = "does not come back the same"]
fn the_kit_finds_an_event_that_a_store_would_give_back_otherwise() {
    when_created(|| Lossy::make(Some(None))).then([LossyEvent::Made { kept: Some(None) }]);
}

#[test]
fn a_fingerprint_changes_with_what_a_body_uses() {
    macro_rules! scaled {
        ($module:ident, $by:literal, $default:literal) => {
            mod $module {
                use super::*;

                #[derive(Aggregate)]
                #[aggregate("Scaled")]
                pub(super) struct Scaled {
                    root: Root<Self>,
                    sum: u8,
                }

                fn ten() -> u8 {
                    10
                }

                #[events]
                impl Scaled {
                    const BY: u8 = $by;

                    #[event("Made")]
                    fn make(#[serde(default = $default)] amount: u8) -> Self {
                        let _ = ten;
                        Self {
                            root: Root::new(),
                            sum: amount * Self::BY,
                        }
                    }
                }

                impl Scaled {
                    pub(super) fn sum() -> u8 {
                        Self::make(1).sum
                    }
                }
            }
        };
    }

    scaled!(once, 1, "ten");
    scaled!(twice, 2, "ten");
    scaled!(other, 1, "u8::default");
    assert_eq!(
        (
            once::Scaled::sum(),
            twice::Scaled::sum(),
            other::Scaled::sum()
        ),
        (1, 2, 1)
    );
    assert_ne!(once::Scaled::FINGERPRINT, twice::Scaled::FINGERPRINT);
    assert_ne!(once::Scaled::FINGERPRINT, other::Scaled::FINGERPRINT);
}

#[test]
fn a_fingerprint_changes_with_the_methods_that_bodies_call() {
    macro_rules! priced {
        ($module:ident, $by:literal, $refused:literal) => {
            mod $module {
                use super::*;

                #[derive(Aggregate)]
                #[aggregate("Priced")]
                pub(super) struct Priced {
                    root: Root<Self>,
                    sum: u64,
                }

                #[events]
                impl Priced {
                    /// A decision, which replay does not call.
                    pub(super) fn decide(price: u64) -> Option<Self> {
                        (price != $refused).then(|| Self::price(price))
                    }

                    #[event("Priced")]
                    fn price(price: u64) -> Self {
                        Self {
                            root: Root::new(),
                            sum: Self::rounded(price),
                        }
                    }

                    fn scaled(price: u64) -> u64 {
                        price * $by
                    }

                    fn rounded(price: u64) -> u64 {
                        Self::scaled(price) / 10 * 10
                    }
                }

                impl Priced {
                    pub(super) fn sum(price: u64) -> Option<u64> {
                        Self::decide(price).map(|priced| priced.sum)
                    }
                }
            }
        };
    }

    priced!(once, 1, 13);
    priced!(twice, 2, 13);
    priced!(superstitious, 1, 17);
    assert_eq!(once::Priced::sum(17), Some(10));
    assert_eq!(twice::Priced::sum(17), Some(30));
    assert_eq!(superstitious::Priced::sum(17), None);
    assert_ne!(once::Priced::FINGERPRINT, twice::Priced::FINGERPRINT);
    assert_eq!(
        once::Priced::FINGERPRINT,
        superstitious::Priced::FINGERPRINT
    );
}

/// Its events are called as its fields are.
#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Shelf")]
struct Shelf {
    root: Root<Self>,
    tags: Vec<String>,
    open: bool,
    seen: String,
}

#[events]
impl Shelf {
    #[event("Built")]
    fn build() -> Self {
        Self {
            root: Root::new(),
            tags: vec!["new".to_owned()],
            open: true,
            seen: String::new(),
        }
    }

    #[event("Tagged")]
    fn tags(&mut self, tags: Vec<String>) {
        debug_assert!(self.tags[0] != "x");
        self.tags = tags;
    }

    #[event("Opened")]
    fn open(&mut self) {
        self.seen = format!("{} {}", if self.open { 1 } else { 2 }, self.tags[0]);
    }
}

#[test]
fn a_body_reads_a_field_that_has_the_name_of_an_event() {
    let mut shelf = Shelf::build();
    shelf.tags(vec!["a".to_owned()]);
    shelf.open();
    assert_eq!(shelf.seen, "1 a");
    es_core::testing::assert_replays(&shelf);
}
