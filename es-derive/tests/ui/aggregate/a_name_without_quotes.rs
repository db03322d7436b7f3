use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate(Dog)]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event(Registered)]
    fn register() -> Self {
        Self { root: Root::new() }
    }

    #[event(name = "Barked")]
    fn bark(&mut self) {}
}

fn main() {}
