use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }

    #[cfg_attr(not(any()), event("Barked"))]
    fn bark(&mut self) {}

    #[cfg_attr(any(), doc = "an event")]
    fn sit(&self) {}
}

fn main() {}
