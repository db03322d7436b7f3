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

    #[event("Barked", schema = 2)]
    fn bark(&mut self) {}

    #[upcast("Barked", from = 1)]
    fn old_bark(_payload: &mut Vec<u8>) {}
}

fn main() {}
