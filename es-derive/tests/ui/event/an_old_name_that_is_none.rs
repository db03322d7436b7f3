use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered", was = "Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }

    #[event("Barked", was = ["Howled", "Growled", "Howled"])]
    fn bark(&mut self) {}
}

fn main() {}
