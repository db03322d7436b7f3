use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Bx")]
struct Bx<T> {
    root: Root<Self>,
    items: Vec<T>,
}

#[events]
impl<T> Bx<T> {
    #[event("Made")]
    fn make() -> Self {
        Self { root: Root::new(), items: Vec::new() }
    }

    #[event("Filled")]
    fn fill(&mut self, item: T) {
        self.items.push(item);
    }
}

#[derive(Aggregate)]
#[aggregate("Pair")]
struct Pair<A, B, C> {
    root: Root<Self>,
    of: Option<(A, B)>,
    kind: C,
}

#[events]
impl<A: Default + Eq, B, C> Pair<A, B, C>
where
    A: std::fmt::Debug + Send + Sync,
    B: std::fmt::Debug + Clone + PartialEq + Send + Sync + 'static,
    C: Default + Send + Sync + 'static,
{
    #[event("Made")]
    fn make() -> Self {
        Self { root: Root::new(), of: None, kind: C::default() }
    }

    #[event("Joined")]
    fn join(&mut self, a: &A, b: impl Into<B>) {
        self.of = Some((a.clone(), b));
    }
}

fn main() {
    Bx::make().fill(1_u8);
    Pair::<u8, u8, u8>::make().join(&1, 2);
}
