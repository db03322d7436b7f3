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

    #[event("TrickAdded", schema = 2)]
    fn add_trick(&mut self) {}

    #[upcast("TrickAdded", from = 1)]
    fn first(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded", from = 1)]
    fn again(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded", from = 2)]
    fn too_far(payload: &mut es_core::JsonMap) {}

    #[upcast("TrickAdded", from = 0)]
    fn too_early(payload: &mut es_core::JsonMap) {}
}

fn main() {}
