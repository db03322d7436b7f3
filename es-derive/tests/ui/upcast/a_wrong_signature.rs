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

    #[event("TrickAdded", schema = 6)]
    fn add_trick(&mut self) {}

    #[upcast("TrickAdded", from = 1)]
    fn first(payload: es_core::JsonMap) -> es_core::JsonMap {
        payload
    }

    #[upcast("TrickAdded", from = 2)]
    fn second(&mut self) {}

    #[upcast("TrickAdded", from = 3)]
    fn third() {}

    #[upcast("TrickAdded", from = 4)]
    async fn fourth(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded", from = 5)]
    unsafe fn fifth(payload: &mut es_core::JsonMap) {}
}

fn main() {}
