use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    age: u8,
}

#[events(name = DogFact, vis = private)]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), age: 0 }
    }

    #[event("Barked")]
    fn bark(&mut self) {}
}

fn main() {}
