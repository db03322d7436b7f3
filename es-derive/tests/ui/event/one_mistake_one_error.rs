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
    fn register() -> Option<Self> {
        Some(Self { root: Root::new(), tricks: Vec::new() })
    }

    #[event("Adopted")]
    fn adopt() -> Self {
        Self { root: Root::new(), tricks: Vec::new() }
    }

    #[event("Fed")]
    fn feed(&mut self, food: &str) -> bool {
        food.is_empty()
    }

    #[event("TrickAdded", schema = 2)]
    fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }

    #[event("Barked", was = "")]
    fn bark(&mut self, #[serde(skip)] loudness: u8) {}

    #[event("Washed", was = "Fed")]
    fn wash(&mut self) {
        self.sleep();
    }

    #[event("Slept", sinze = 2)]
    fn sleep(&self) {}

    #[event("Walked", id = 3)]
    async fn walk(&mut self, miles: f64) {}
}

fn say(event: &DogEvent) -> usize {
    match event {
        DogEvent::Registered {} | DogEvent::Adopted {} => 0,
        DogEvent::Fed { food } => food.len(),
        DogEvent::TrickAdded { trick } => trick.len(),
        DogEvent::Barked { loudness } => usize::from(*loudness),
        DogEvent::Washed {} | DogEvent::Slept {} => 1,
        DogEvent::Walked { miles } => miles.to_bits() as usize,
    }
}

fn main() {
    let mut dog = Dog::adopt();
    dog.add_trick("sit");
    dog.feed("bone");
    say(&DogEvent::Fed { food: "bone".to_owned() });
}
