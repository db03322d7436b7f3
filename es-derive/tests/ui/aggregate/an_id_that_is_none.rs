use es_core::{Aggregate, Root, events};

#[derive(Debug, Clone)]
struct DogId(u64);

#[derive(Aggregate)]
#[aggregate("Dog", id = DogId)]
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
