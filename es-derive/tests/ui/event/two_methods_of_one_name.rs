use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    age: u8,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), age: 0 }
    }

    #[event("Barked")]
    fn bark(&mut self) {}

    #[event("Barked2")]
    fn bark(&mut self) {}

    #[event("Grown")]
    fn age(&mut self) {}

    fn age(&self) -> u8 {
        self.age
    }
}

fn main() {}
