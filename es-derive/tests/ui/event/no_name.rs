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

    #[event]
    fn bark(&mut self) {}

    #[event("")]
    fn sit(&mut self) {}

    #[event("trick added")]
    fn add_trick(&mut self, trick: &str) {
        self.tricks.push(trick.to_owned());
    }

    #[event(5)]
    fn stay(&mut self) {}

    #[event(schema = 2)]
    fn run(&mut self) {}
}

fn main() {}
