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

    #[event("Self")]
    fn bark(&mut self) {}

    #[event("trickAdded")]
    fn add_trick(&mut self) {}

    #[event("Trick_Added")]
    fn add_another_trick(&mut self) {}

    #[event("9Lives")]
    fn survive(&mut self) {}
}

fn main() {}
