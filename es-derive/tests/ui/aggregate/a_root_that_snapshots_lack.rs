use es_core::{Aggregate, Root, events};
use serde::{Deserialize, Serialize};

#[derive(Aggregate, Serialize, Deserialize)]
#[aggregate("Dog", snapshot_every = 100)]
struct Dog {
    #[serde(skip, default)]
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

// Who takes no snapshots writes the struct for other purposes.
#[derive(Aggregate, Serialize, Deserialize)]
#[aggregate("Cat")]
struct Cat {
    #[serde(skip)]
    root: Root<Self>,
}

#[events]
impl Cat {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {}
