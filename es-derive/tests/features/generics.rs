//! Aggregates with parameters.
use std::marker::PhantomData;

use super::*;

#[derive(Aggregate, Debug, PartialEq)]
#[aggregate("Basket")]
struct Basket<T, U, const MAX: usize>
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
    U: Default + Send + Sync + 'static,
{
    root: Root<Self>,
    items: Vec<T>,
    scratch: U,
    rows: [u8; MAX],
}

#[events]
impl<T, U, const MAX: usize> Basket<T, U, MAX>
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
    U: Default + Send + Sync + 'static,
{
    #[event("Woven")]
    fn weave() -> Self {
        Self {
            root: Root::new(),
            items: Vec::new(),
            scratch: U::default(),
            rows: [0; MAX],
        }
    }

    #[event("Filled")]
    fn fill(&mut self, item: T, more: &[T], by: BTreeMap<String, Option<T>>) {
        self.items.push(item);
        self.items.extend_from_slice(more);
        self.items.extend(by.into_values().flatten());
    }
}

#[test]
fn a_generic_aggregate_has_events_with_the_parameters_they_use() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut basket = Basket::<String, u8, 3>::weave();
    basket.fill("a".to_owned(), &["b".to_owned()], BTreeMap::new());
    let event: &BasketEvent<String> = &basket.pending()[1];
    assert_eq!(event.name(), "Filled");
    block_on(app.save(&mut basket))?;
    assert_eq!(
        block_on(app.get::<Basket<String, u8, 3>>(basket.id()))?,
        basket
    );
    Ok(())
}

#[derive(Aggregate)]
#[aggregate("Grid")]
struct Grid<const W: usize> {
    root: Root<Self>,
    row: Vec<u8>,
}

#[events]
impl<const W: usize> Grid<W> {
    #[event("Drawn")]
    fn draw() -> Self {
        Self {
            root: Root::new(),
            row: vec![0; W],
        }
    }
}

#[test]
fn a_parameter_that_no_event_uses_stays_with_the_aggregate() {
    let grid = Grid::<4>::draw();
    let _: &[GridEvent] = grid.pending();
    assert_eq!(grid.row.len(), 4);
}

/// What its counter says is in no snapshot.
#[derive(Aggregate, Debug, PartialEq, Serialize, Deserialize)]
#[aggregate("Tray", snapshot_every = 2)]
struct Tray<T> {
    root: Root<Self>,
    items: Vec<T>,
    #[serde(skip)]
    count: usize,
}

#[events]
impl<T> Tray<T>
where
    T: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[event("Set")]
    fn set() -> Self {
        Self {
            root: Root::new(),
            items: Vec::new(),
            count: 0,
        }
    }

    #[event("Filled")]
    fn fill(&mut self, item: T) {
        self.items.push(item);
        self.count += 1;
    }

    fn sneak(&mut self, item: T) {
        self.count += 100;
        self.fill(item);
    }
}

#[test]
fn a_snapshot_of_a_generic_aggregate_that_loses_state_is_not_kept() -> es_core::Result<()> {
    let app = Application::new(MemoryStore::new());
    let mut tray = Tray::<u8>::set();
    tray.fill(1);
    block_on(app.save(&mut tray))?;
    assert_eq!(block_on(app.get::<Tray<u8>>(tray.id()))?.count, 1);
    let error = block_on(app.snapshot::<Tray<u8>>(tray.id())).unwrap_err();
    assert!(
        matches!(&error, Error::Snapshot(SnapshotError::NotFaithful { source, .. }) if source.to_string().contains("count: 1")),
        "{error:?}"
    );
    Ok(())
}

#[test]
#[should_panic = "something changed it outside an event"]
fn the_kit_compares_the_states_of_a_generic_aggregate() {
    given::<Tray<u8>>([TrayEvent::Set {}])
        .when(|tray| tray.sneak(1))
        .then([TrayEvent::Filled { item: 1 }]);
}

/// Each field as it would be printed.
fn shown<A: Aggregate>(aggregate: &A) -> Vec<(&'static str, Option<String>)> {
    let mut fields = Vec::new();
    aggregate.describe(&mut |name, value| {
        fields.push((name, value.map(|value| format!("{value:?}"))));
    });
    fields
}

#[test]
fn the_fields_of_a_generic_aggregate_are_shown_as_far_as_its_impl_says_that_they_can_be() {
    let mut tray = Tray::<u8>::set();
    tray.fill(1);
    assert_eq!(
        shown(&tray),
        [
            ("items", Some("[1]".to_owned())),
            ("count", Some("1".to_owned()))
        ]
    );
    let basket = Basket::<String, u8, 1>::weave();
    assert_eq!(
        shown(&basket),
        [
            ("items", Some("[]".to_owned())),
            ("scratch", None),
            ("rows", Some("[0]".to_owned()))
        ]
    );
}

/// A condition that none of these words states may bring the bounds along, and what is stored by functions needs none of serde's.
trait Ware: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl Ware for u8 {}

mod by_its_default {
    use super::*;

    pub(super) fn serialize<T, S: serde::Serializer>(_: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }

    pub(super) fn deserialize<'de, T: Default, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        <()>::deserialize(from).map(|()| T::default())
    }
}

#[derive(Aggregate)]
#[aggregate("Crate")]
struct Crate<W, L> {
    root: Root<Self>,
    wares: Vec<W>,
    label: Option<L>,
}

#[events]
impl<W, L> Crate<W, L>
where
    W: Ware,
    L: Debug + Copy + Ord + Default + Send + Sync + 'static,
{
    #[event("Packed")]
    fn pack(ware: W, #[serde(with = "by_its_default")] label: L) -> Self {
        Self {
            root: Root::new(),
            wares: vec![ware],
            label: Some(label),
        }
    }
}

#[test]
fn bounds_may_be_brought_along() -> es_core::Result<()> {
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
    struct Unwritten;

    let app = Application::new(MemoryStore::new());
    let mut packed = Crate::pack(7_u8, Unwritten);
    block_on(app.save(&mut packed))?;
    let again = block_on(app.get::<Crate<u8, Unwritten>>(packed.id()))?;
    assert_eq!((again.wares, again.label), (vec![7], Some(Unwritten)));
    Ok(())
}

/// Says itself that what it is about lives long enough, which the `impl` need not say again.
#[derive(Aggregate)]
#[aggregate("Slot")]
struct Slot<T: 'static> {
    root: Root<Self>,
    of: PhantomData<T>,
}

#[events]
impl<T: Send + Sync> Slot<T> {
    #[event("Cut")]
    fn cut() -> Self {
        Self {
            root: Root::new(),
            of: PhantomData,
        }
    }
}

#[test]
fn what_the_struct_says_of_a_parameter_need_not_be_said_again() {
    assert_eq!(Slot::<u8>::cut().pending(), [SlotEvent::Cut {}]);
}
