use es_core::{Aggregate, Root, events};

macro_rules! more {
    () => {};
}

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    age: u8,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), age: 0 }
    }

    #[event("Aged")]
    const LIMIT: u8 = 3;

    #[event("Barked")]
    more!();

    #[event("Named")]
    fn name(&mut self, name: &str);
}

fn main() {}
