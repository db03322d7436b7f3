use es_core::{Aggregate, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
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

fn main() {
    let dog = Dog::register("Fido");
    assert_eq!(dog.pending(), [DogEvent::Registered { name: "Fido".to_owned() }]);
}
