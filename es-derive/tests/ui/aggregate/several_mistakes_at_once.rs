use es_core::{Aggregate, events};

#[derive(Aggregate)]
#[aggregate("", idd = uuid::Uuid)]
struct Dog {
    name: String,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

fn main() {}
