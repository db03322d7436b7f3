use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

#[derive(Aggregate)]
#[aggregate("Cat")]
struct Cat {
    of: Root<Dog>,
}

#[events]
impl Cat {
    #[event("Found")]
    fn find() -> Self {
        Self { of: Root::new() }
    }
}

fn main() {}
