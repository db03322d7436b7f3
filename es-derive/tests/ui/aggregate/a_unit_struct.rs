use es_core::Aggregate;

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog;

fn main() {}
