use es_core::Aggregate;

#[derive(Aggregate)]
#[aggregate("Dog")]
enum Dog {
    Puppy,
    Grown,
}

fn main() {}
