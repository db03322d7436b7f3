use std::convert::Infallible;

use esrs::Aggregate;
use esrs::manager::AggregateManager;
use esrs::store::postgres::{PgStore, PgStoreBuilder, PgStoreError};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use uuid::Uuid;

pub struct Dog;

#[derive(Default)]
pub struct State {
    pub name: String,
    pub tricks: Vec<String>,
}

#[derive(Serialize, Deserialize)]
pub enum DogEvent {
    Registered { name: String },
    TrickAdded { trick: String },
}

pub enum DogCommand {
    Register(String),
    AddTrick(String),
}

impl Aggregate for Dog {
    const NAME: &'static str = "dog";
    type State = State;
    type Command = DogCommand;
    type Event = DogEvent;
    type Error = Infallible;

    fn handle_command(_: &State, command: DogCommand) -> Result<Vec<DogEvent>, Infallible> {
        Ok(vec![match command {
            DogCommand::Register(name) => DogEvent::Registered { name },
            DogCommand::AddTrick(trick) => DogEvent::TrickAdded { trick },
        }])
    }

    fn apply_event(mut state: State, event: DogEvent) -> State {
        match event {
            DogEvent::Registered { name } => state.name = name,
            DogEvent::TrickAdded { trick } => state.tricks.push(trick),
        }
        state
    }
}

pub async fn add_trick(pool: PgPool, id: Uuid, trick: &str) -> Result<usize, PgStoreError> {
    let store: PgStore<Dog> = PgStoreBuilder::new(pool).try_build().await?;
    let manager = AggregateManager::new(store);
    let state = manager.load(id).await?.unwrap_or_default();
    let command = DogCommand::AddTrick(trick.to_owned());
    let Ok(state) = manager.handle_command(state, command).await?;
    Ok(state.tricks.len())
}
