use es_core::{Aggregate, Root as R, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: R<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: R::new() }
    }
}

fn main() {}
