use es_core::{Aggregate, Root};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog(Root<Dog>, String);

fn main() {}
