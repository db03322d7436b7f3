use es_core::{Aggregate, Root};

#[derive(Aggregate)]
#[aggregate(7)]
struct Number {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("Literal", id = "DogId")]
struct Literal {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("Missing", id)]
struct Missing {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("Empty", id =, crate = es_core)]
struct Empty {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate("NoComma" id = uuid::Uuid)]
struct NoComma {
    root: Root<Self>,
}

#[derive(Aggregate)]
#[aggregate = "Equals"]
struct Equals {
    root: Root<Self>,
}

fn main() {}
