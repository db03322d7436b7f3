use es_core::{Aggregate, Application, Root, events};
use uuid::Uuid;

#[derive(Aggregate)]
#[aggregate("Dog")]
pub struct Dog {
    root: Root<Self>,
    pub name: String,
    pub tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered")]
    pub fn register(name: &str) -> Self {
        Self { root: Root::new(), name: name.to_owned(), tricks: Vec::new() }
    }

    #[event("TrickAdded")]
    pub fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

pub async fn add_trick(app: &Application, id: Uuid, trick: &str) -> es_core::Result<usize> {
    app.update(id, |dog: &mut Dog| dog.add_trick(trick)).await?;
    Ok(app.get::<Dog>(id).await?.tricks.len())
}

pub async fn open(path: &str) -> Result<Application, es_store_sqlite::OpenError> {
    Ok(Application::new(es_store_sqlite::SqliteStore::open(path).await?))
}
