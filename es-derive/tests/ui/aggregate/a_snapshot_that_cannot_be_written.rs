use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog", snapshot_every = 100)]
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
