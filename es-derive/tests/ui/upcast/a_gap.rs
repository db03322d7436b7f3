use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("TrickAdded", schema = 4)]
    fn add_trick(&mut self) {}

    #[upcast("TrickAdded", from = 1)]
    fn first(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded", from = 3)]
    fn third(payload: &mut es_core::JsonMap) {}

    #[event("Barked", schema = 4000000000)]
    fn bark(&mut self) {}
}

fn main() {}
