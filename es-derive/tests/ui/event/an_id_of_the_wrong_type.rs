use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Found", id = 7)]
    fn find() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Bought", id = name)]
    fn buy(name: &str) -> Self {
        Self { root: Root::new(), tricks: vec![name.to_owned()] }
    }
}

fn main() {}
