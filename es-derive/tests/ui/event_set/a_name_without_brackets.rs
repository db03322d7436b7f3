use es_core::{Aggregate, EventSet, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

#[derive(EventSet)]
enum SchoolEvent {
    DogEvent,
}

#[derive(EventSet)]
#[event_set(SchoolEvent)]
enum OtherEvent {
    Dog(DogEvent),
}

fn main() {}
