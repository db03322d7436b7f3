use es_core::{Aggregate, Root};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

fn main() {}
