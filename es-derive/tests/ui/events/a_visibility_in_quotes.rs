use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events(vis = "pub(crate)")]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {}
