use es_core::{Aggregate, Application, Projection, Root, System, events};
use es_store_memory::MemoryStore;

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

#[derive(Default, Clone)]
struct Dogs;

impl Projection for Dogs {
    const NAME: &'static str = "dogs";
    type Events = DogEvent;
}

fn main() {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    let system = System::new("school").follow(&app, store.project(Dogs));
    let unprojected = System::new("school").follow(&app, Dogs);
}
