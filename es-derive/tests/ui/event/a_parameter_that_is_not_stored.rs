use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Barked")]
    fn bark(&mut self, #[serde(skip)] loudness: u8) {
        let _ = loudness;
    }
}

fn main() {}
