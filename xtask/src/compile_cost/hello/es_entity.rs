use es_entity::{
    EntityEvents, EntityEventsBuilder, EntityHydrationError, EsEntity, EsEvent, EsRepo, FromCaller,
    IntoEvents, TryFromEvents,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

es_entity::entity_id! { DogId }

#[derive(EsEvent, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[es_event(id = "DogId")]
pub enum DogEvent {
    Registered { id: DogId, name: String },
    TrickAdded { trick: String },
}

#[derive(EsEntity)]
pub struct Dog {
    pub id: DogId,
    pub name: String,
    pub tricks: Vec<String>,
    events: EntityEvents<DogEvent>,
}

impl Dog {
    pub fn add_trick(&mut self, trick: String) {
        self.tricks.push(trick.clone());
        self.events.push(DogEvent::TrickAdded { trick });
    }
}

impl TryFromEvents<DogEvent> for Dog {
    fn try_from_events(events: EntityEvents<DogEvent>) -> Result<Self, EntityHydrationError> {
        let mut name = String::new();
        let mut tricks = Vec::new();
        for event in events.iter_all() {
            match event {
                DogEvent::Registered { name: given, .. } => name.clone_from(given),
                DogEvent::TrickAdded { trick } => tricks.push(trick.clone()),
            }
        }
        Ok(Self {
            id: *events.id(),
            name,
            tricks,
            events,
        })
    }
}

pub struct NewDog {
    pub id: DogId,
    pub name: String,
    pub tricks: usize,
}

impl IntoEvents<DogEvent> for NewDog {
    type IdSource = FromCaller;

    fn into_events(
        self,
        builder: EntityEventsBuilder<DogEvent, FromCaller>,
    ) -> EntityEvents<DogEvent> {
        let Self { id, name, tricks } = self;
        let registered = DogEvent::Registered { id, name };
        let learned = (0..tricks).map(|number| DogEvent::TrickAdded {
            trick: format!("trick number {number}"),
        });
        builder.initial_events(id, std::iter::once(registered).chain(learned))
    }
}

#[derive(EsRepo, Clone)]
#[es_repo(entity = "Dog", id(source = caller))]
pub struct Dogs {
    pool: PgPool,
}

pub async fn add_trick(dogs: &Dogs, id: DogId, trick: &str) -> Result<usize, Box<dyn std::error::Error>> {
    let mut dog = dogs.find_by_id(id).await?;
    dog.add_trick(trick.to_owned());
    dogs.update(&mut dog).await?;
    Ok(dog.tricks.len())
}

pub async fn register(dogs: &Dogs, new: NewDog) -> Result<Dog, Box<dyn std::error::Error>> {
    Ok(dogs.create(new).await?)
}
