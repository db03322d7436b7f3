use es_core::Aggregate;

#[derive(Aggregate)]
#[aggregate("Dog")]
union Dog {
    puppy: u8,
    grown: u8,
}

fn main() {}
