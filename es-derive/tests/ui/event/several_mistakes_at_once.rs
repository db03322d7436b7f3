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

    #[event("barked", idd = 7)]
    async fn bark(&self, (a, b): (u8, u8)) -> bool {
        true
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }

    fn command(&mut self) {
        self.add_trick("sit");
    }
}

fn main() {}
