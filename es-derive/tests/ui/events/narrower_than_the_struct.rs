use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
pub struct Dog {
    root: Root<Self>,
}

#[events(vis = pub(crate))]
impl Dog {
    #[event("Registered")]
    pub fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {}
