//! es-entity, which is made for Postgres. It has no log that could be followed.
//!
//! Its statements are checked when this is compiled, against what `.sqlx` says of them: see the README.
use es_entity::{
    EntityEvents, EntityEventsBuilder, EntityHydrationError, EsEntity, EsEvent, EsRepo, FromCaller,
    IntoEvents, TryFromEvents,
};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};

use crate::place::{Place, postgres_durability};
use crate::school::{self, School, trick};

es_entity::entity_id! { DogId }

#[derive(EsEvent, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[es_event(id = "DogId")]
enum DogEvent {
    Registered { id: DogId, name: String },
    TrickAdded { trick: String },
}

#[derive(EsEntity)]
struct Dog {
    id: DogId,
    name: String,
    tricks: Vec<String>,
    events: EntityEvents<DogEvent>,
}

impl Dog {
    fn add_trick(&mut self, trick: String) {
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

struct NewDog {
    id: DogId,
    name: String,
    tricks: usize,
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
            trick: trick(number),
        });
        builder.initial_events(id, std::iter::once(registered).chain(learned))
    }
}

#[derive(EsRepo, Clone)]
#[es_repo(entity = "Dog", id(source = caller))]
struct Dogs {
    pool: PgPool,
}

/// As its documentation has it.
pub(crate) const TABLES: &str = include_str!("../es_entity.sql");

#[derive(Clone)]
pub(crate) struct EsEntityDogs(Dogs);

impl School for EsEntityDogs {
    async fn open(place: &Place) -> Self {
        let pool = place.postgres().await;
        pool.execute(TABLES).await.expect("the database is new");
        Self(Dogs { pool })
    }

    async fn durability(&self) -> String {
        postgres_durability(&self.0.pool).await
    }

    async fn register(&self, dog: &school::Dog, tricks: usize) {
        let created = self.0.create(NewDog {
            id: dog.id.into(),
            name: dog.name.clone(),
            tricks,
        });
        created.await.expect("nobody else writes");
    }

    async fn add_trick(&self, dog: &school::Dog, trick: &str) {
        let found = self.0.find_by_id(DogId::from(dog.id)).await;
        let mut dog = found.expect("it was saved");
        dog.add_trick(trick.to_owned());
        self.0.update(&mut dog).await.expect("nobody else writes");
    }

    async fn tricks(&self, dog: &school::Dog) -> usize {
        let found = self.0.find_by_id(DogId::from(dog.id)).await;
        let dog = found.expect("it was saved");
        std::hint::black_box((&dog.id, &dog.name));
        dog.tricks.len()
    }
}
