//! Dogs and their school: all of the domain, and all that a program can ask of it. It knows no store.
use es_core::{Aggregate, Application, Root, events};
use uuid::Uuid;

#[derive(Aggregate, Debug)]
#[aggregate("Dog")]
pub struct Dog {
    root: Root<Self>,
    name: String,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    pub fn id_for(name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("/dogs/{name}").as_bytes())
    }

    #[event("Registered", id = Self::id_for(name))]
    pub fn register(name: &str) -> Self {
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded")]
    pub fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

pub struct TrainingSchool {
    app: Application,
}

impl TrainingSchool {
    pub fn new(app: Application) -> Self {
        Self { app }
    }

    pub async fn register(&self, name: &str) -> es_core::Result<()> {
        let mut dog = Dog::register(name);
        self.app.save(&mut dog).await?;
        Ok(())
    }

    pub async fn add_trick(&self, name: &str, trick: &str) -> es_core::Result<()> {
        self.app
            .update(Dog::id_for(name), |dog: &mut Dog| dog.add_trick(trick))
            .await?;
        Ok(())
    }

    pub async fn tricks(&self, name: &str) -> es_core::Result<Vec<String>> {
        Ok(self.app.get::<Dog>(Dog::id_for(name)).await?.tricks)
    }
}

/// What there is to see of a dog.
impl Dog {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn tricks(&self) -> &[String] {
        &self.tricks
    }
}
