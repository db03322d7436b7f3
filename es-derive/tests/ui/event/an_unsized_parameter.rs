use std::borrow::Cow;

use es_core::{Aggregate, Root, events};

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

    #[event("Named")]
    fn name(&mut self, name: str) {}

    #[event("Tagged")]
    fn tag(&mut self, tags: [u8]) {}

    #[event("Called")]
    fn call(&mut self, name: impl Into<str>) {}

    #[event("Noted")]
    fn note(&mut self, note: Cow<str>, more: Option<Cow<[u8]>>) {}
}

fn main() {}
