use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog", cached)]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {}
