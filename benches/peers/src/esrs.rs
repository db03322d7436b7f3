//! esrs with its Postgres store.
//!
//! Dogs are loaded without a lock: that two writers do not both win is seen to by an index. The log is sorted by the writers' clocks, and
//! rebuilding reads it in one stream, without any checkpoint.
use std::convert::Infallible;

use esrs::manager::AggregateManager;
use esrs::store::EventStore;
use esrs::store::postgres::{PgStore, PgStoreBuilder};
use esrs::{Aggregate, AggregateState};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::place::{Place, postgres_durability};
use crate::school::{self, Follows, Learned, School, trick};

struct Dog;

#[derive(Default)]
struct State {
    name: String,
    tricks: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
enum DogEvent {
    Registered { name: String },
    TrickAdded { trick: String },
}

impl Aggregate for Dog {
    const NAME: &'static str = "dog";
    type State = State;
    type Command = String;
    type Event = DogEvent;
    type Error = Infallible;

    fn handle_command(_: &State, trick: String) -> Result<Vec<DogEvent>, Infallible> {
        Ok(vec![DogEvent::TrickAdded { trick }])
    }

    fn apply_event(mut state: State, event: DogEvent) -> State {
        match event {
            DogEvent::Registered { name } => state.name = name,
            DogEvent::TrickAdded { trick } => state.tricks.push(trick),
        }
        state
    }
}

#[derive(Clone)]
pub(crate) struct Esrs {
    pool: PgPool,
    store: PgStore<Dog>,
}

impl Esrs {
    fn manager(&self) -> AggregateManager<PgStore<Dog>> {
        AggregateManager::new(self.store.clone())
    }
}

impl School for Esrs {
    async fn open(place: &Place) -> Self {
        let pool = place.postgres().await;
        let store = PgStoreBuilder::new(pool.clone()).try_build().await;
        Self {
            pool,
            store: store.expect("the database is new"),
        }
    }

    async fn durability(&self) -> String {
        postgres_durability(&self.pool).await
    }

    async fn register(&self, dog: &school::Dog, tricks: usize) {
        let name = dog.name.clone();
        let mut events = vec![DogEvent::Registered { name }];
        events.extend((0..tricks).map(|number| DogEvent::TrickAdded {
            trick: trick(number),
        }));
        let mut new = AggregateState::with_id(dog.id);
        let persisted = self.store.persist(&mut new, events).await;
        persisted.expect("nobody else writes");
    }

    async fn add_trick(&self, dog: &school::Dog, trick: &str) {
        let manager = self.manager();
        let loaded = manager.load(dog.id).await.expect("it can be read");
        let state = loaded.expect("it was saved");
        let handled = manager.handle_command(state, trick.to_owned()).await;
        let state = handled
            .expect("nobody else writes")
            .expect("all is allowed");
        std::hint::black_box(state.name);
    }

    async fn tricks(&self, dog: &school::Dog) -> usize {
        let loaded = self.manager().load(dog.id).await.expect("it can be read");
        loaded.expect("it was saved").inner().tricks.len()
    }
}

impl Follows for Esrs {
    async fn catch_up(&self, _: usize, _: usize) -> Learned {
        let mut learned = Learned::default();
        let mut events = self.store.stream_events(&self.pool);
        while let Some(event) = events.next().await {
            match event.expect("it can be read").payload {
                DogEvent::Registered { .. } => learned.dog(),
                DogEvent::TrickAdded { trick } => learned.trick(&trick),
            }
        }
        learned
    }
}
