use es_core::{Aggregate, Root, events};

#[derive(Aggregate)]
#[aggregate("Dog", cached)]
struct Dog<T> {
    root: Root<Self>,
    of: Option<T>,
}

#[events]
impl<T: Send + Sync + 'static> Dog<T> {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new(), of: None }
    }
}

fn main() {}
