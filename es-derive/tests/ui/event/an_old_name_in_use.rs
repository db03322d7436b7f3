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

    #[event("TrickAdded", was = "TrickLearned")]
    fn add_trick(&mut self) {}

    #[event("TrickLearned")]
    fn learn(&mut self) {}

    #[event("Barked", was = ["TrickAdded", "Growled", "Growled"])]
    fn bark(&mut self) {}
}

fn main() {}
