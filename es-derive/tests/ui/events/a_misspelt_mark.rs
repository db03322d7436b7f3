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

    #[evnet("Barked")]
    fn bark(&mut self) {}

    #[upcat("Barked", from = 1)]
    fn old_bark(payload: &mut es_core::JsonMap) {}
}

fn main() {}
