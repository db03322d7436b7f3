use es_core::{Aggregate, Root};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog<'a> {
    root: Root<Self>,
    name: &'a str,
}

fn main() {}
