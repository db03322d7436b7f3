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

    #[event("TrickAdded", schema = 2)]
    fn add_trick(&mut self) {}

    #[upcast("TrickAdded", from = 1)]
    fn right(payload: &mut es_core::JsonMap) {}

    #[upcast("TrikAdded", from = 1)]
    fn misspelt(payload: &mut es_core::JsonMap) {}

    #[upcast("Elephant", from = 1)]
    fn foreign(payload: &mut es_core::JsonMap) {}

    #[upcast]
    fn nameless(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded")]
    fn from_nothing(payload: &mut es_core::JsonMap) {}
}

fn main() {}
