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
    fn bark(&mut self) {}

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: &str) {
        self.bark();
        Self::bark(self);
        Dog::bark(self);
        println!("{:?} {:?}", self.bark(), trick);
        self.r#bark();
        (self).bark();
        <Self>::bark(self);
        self.tricks.push(trick.to_owned());
    }

    #[event("BarkedAndLearned", retired)]
    fn bark_and_learn(&mut self, trick: &str) {
        self.bark();
        self.tricks.push(trick.to_owned());
    }
}

fn main() {}
