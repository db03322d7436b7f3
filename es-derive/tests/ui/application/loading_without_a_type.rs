use es_core::{Aggregate, Application, Root, events};
use uuid::Uuid;

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

async fn load(app: Application, id: Uuid) -> es_core::Result<()> {
    let dog = app.get(id).await?;
    Ok(())
}

async fn load_a_name(app: Application, id: Uuid) -> es_core::Result<Uuid> {
    let dog = app.get(id).await?;
    Ok(dog.id())
}

struct Cat;

async fn load_a_cat(app: Application, id: Uuid) -> es_core::Result<()> {
    let cat = app.get::<Cat>(id).await?;
    Ok(())
}

fn main() {}
