use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog<'a> {
    root: Root<Self>,
    name: &'a str,
}

#[events]
impl Dog<'_> {
    #[event("Registered")]
    fn register(name: &str) -> Self {
        Self { root: Root::new(), name: "" }
    }
}

fn main() {}
