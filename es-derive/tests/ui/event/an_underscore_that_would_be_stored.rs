use es_core::{Aggregate, Root, events};
use serde::{Deserialize, Serialize};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Weather {
    raining: bool,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register(_name: &str) -> Self {
        Self { root: Root::new() }
    }

    #[event("Barked")]
    fn bark(&mut self, _times: u32, mut __type: String) {}

    #[event("Walked")]
    fn walk(&mut self, #[serde(rename = "_far")] _far: u32, #[serde(flatten)] _in: Weather, _1: u8) {}
}

fn main() {
    let mut dog = Dog::register("Fido");
    dog.bark(5, "loud".to_owned());
}
