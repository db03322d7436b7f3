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

    #[event("TrickAdded", was = "TrickLearned", schema = 2)]
    fn add_trick(&mut self) {}

    #[upcast("TrickLearned", from = 1)]
    fn by_its_old_name(_: &mut es_core::JsonMap) {}

    #[event("Barked", schema = 2)]
    fn bark(&mut self) {}

    #[upcast("Barked", to = 2)]
    fn to_what_it_becomes(_: &mut es_core::JsonMap) {}
}

fn main() {}
