use es_core::{Aggregate, Root};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

impl Dog {
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

fn main() {
    let dog = Dog::register();
    dog.pending();
}
