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

    #[event("Barked")]
    fn bark(&self) {}

    #[event("Sold")]
    fn sell(self) {}

    #[event("Boxed")]
    fn put_in_a_box(self: Box<Self>) {}

    #[event("Held")]
    fn hold<'a>(&'a mut self) {}
}

fn main() {}
