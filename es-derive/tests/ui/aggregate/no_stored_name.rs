use es_core::{Aggregate, Root};

#[derive(Aggregate)]
struct Nameless {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate(id = uuid::Uuid)]
struct OnlyAnId {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("")]
struct Empty {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("Dog/Puppy")]
struct Slash {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("\0")]
struct Nul {
    root: Root<Self>,
}

fn main() {}
