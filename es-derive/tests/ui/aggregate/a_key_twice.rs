use es_core::{Aggregate, Root, events};
use uuid::Uuid;

#[derive(Aggregate)]
#[aggregate("Dog", id = Uuid)]
#[aggregate("Cat", id = Uuid)]
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
