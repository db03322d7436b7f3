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

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: Trick) {}
}

#[derive(Debug, Clone, PartialEq)]
struct Trick;

fn main() {}
