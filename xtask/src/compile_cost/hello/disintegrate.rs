use std::convert::Infallible;

use disintegrate::serde::json::Json;
use disintegrate::{Decision, Event, NoSnapshot, StateMutate, StateQuery};
use disintegrate_postgres::{PgEventStore, decision_maker};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
pub enum DogEvent {
    Registered {
        #[id]
        dog: Uuid,
        name: String,
    },
    TrickAdded {
        #[id]
        dog: Uuid,
        trick: String,
    },
}

#[derive(Clone, Default, StateQuery, Serialize, Deserialize)]
#[state_query(DogEvent)]
pub struct Dog {
    #[id]
    dog: Uuid,
    name: String,
    tricks: Vec<String>,
}

impl StateMutate for Dog {
    fn mutate(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { name, .. } => self.name = name,
            DogEvent::TrickAdded { trick, .. } => self.tricks.push(trick),
        }
    }
}

pub struct AddTrick {
    pub dog: Uuid,
    pub trick: String,
}

impl Decision for AddTrick {
    type Event = DogEvent;
    type StateQuery = Dog;
    type Error = Infallible;

    fn state_query(&self) -> Dog {
        Dog { dog: self.dog, ..Dog::default() }
    }

    fn process(&self, _: &Dog) -> Result<Vec<DogEvent>, Infallible> {
        Ok(vec![DogEvent::TrickAdded { dog: self.dog, trick: self.trick.clone() }])
    }
}

pub async fn add_trick(pool: PgPool, add: AddTrick) -> Result<(), disintegrate::BoxDynError> {
    let store = PgEventStore::try_new(pool, Json::<DogEvent>::default()).await?;
    decision_maker(store, NoSnapshot).make(add).await?;
    Ok(())
}
