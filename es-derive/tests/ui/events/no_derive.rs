use es_core::{Root, events};

struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self) {}
}

fn main() {}
