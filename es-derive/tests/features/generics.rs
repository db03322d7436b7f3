//! Aggregates with parameters.
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
