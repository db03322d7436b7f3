use es_core::{Aggregate, Application, Root, events};
use uuid::Uuid;

macro_rules! id {
    ($name:ident) => {
        #[derive(Debug, Clone)]
        struct $name(Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

id!(DogId);
id!(CatId);

#[derive(Aggregate)]
#[aggregate("Dog", id = DogId)]
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

fn look_up(app: &Application, cat: CatId) {
    let _ = app.get::<Dog>(cat);
}

fn main() {}
