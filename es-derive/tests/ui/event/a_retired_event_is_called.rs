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

    #[event("Barked", retired)]
    fn barked(&mut self, times: u32) {
        self.tricks.push(times.to_string());
    }

    fn command(&mut self) {
        self.barked(3);
        Dog::barked(self, 3);
    }
}

fn main() {}
