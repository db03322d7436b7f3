use es_core::{Aggregate, Root, events};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Serialize, Deserialize)]
#[aggregate("Dog", snapshot_every = 0)]
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

#[derive(Aggregate)]
#[aggregate("Cat", snapshot_revision = 2)]
struct Cat {
    root: Root<Self>,
}

#[events]
impl Cat {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

#[derive(Aggregate)]
#[aggregate("Cow", snapshot_every = often, cached = true)]
struct Cow {
    root: Root<Self>,
}

#[events]
impl Cow {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {}
