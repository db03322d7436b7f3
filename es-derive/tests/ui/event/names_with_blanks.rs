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

    #[event("Barked ")]
    fn bark(&mut self) {}

    #[event("Sat/*x*/")]
    fn sit(&mut self) {}

    #[event("Été\u{301}")]
    fn summer(&mut self) {}
}

fn main() {}
