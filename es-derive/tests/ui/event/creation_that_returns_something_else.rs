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

    #[event("Found")]
    fn find() -> Result<Self, String> {
        Ok(Self { root: Root::new(), tricks: Vec::new() })
    }

    #[event("TrickAdded")]
    fn learn(trick: &str) {
        self.tricks.push(trick.to_owned());
    }

    #[event("Lost")]
    fn lose() {}
}

fn main() {}
