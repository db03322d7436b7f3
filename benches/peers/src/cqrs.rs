//! cqrs-es with sqlite-es and postgres-es. Its store in memory is not measured: it prints a line for all that it does.
//!
//! A new dog is committed by the store itself: the framework's `execute` would first look whether there are events, for nothing.
//! The log has no order over streams, so a replay reads one aggregate type, sorted by version, and keeps no checkpoint.
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{
    EventStoreAggregateContext, PersistedEventRepository, PersistedEventStore, QueryReplay,
};
use cqrs_es::{Aggregate, CqrsFramework, DomainEvent, EventEnvelope, EventStore, Query};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlite_es::SqliteEventRepository;
use sqlx::{Executor, PgPool, SqlitePool};

use crate::place::{Place, postgres_durability, sqlite_durability};
use crate::school::{self, Follows, Learned, School, trick};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Dog {
    name: String,
    tricks: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum DogEvent {
    Registered { name: String },
    TrickAdded { trick: String },
}

impl DomainEvent for DogEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Registered { .. } => "Registered".to_owned(),
            Self::TrickAdded { .. } => "TrickAdded".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

struct AddTrick(String);

fn registered(name: String, tricks: usize) -> Vec<DogEvent> {
    let learned = (0..tricks).map(|number| DogEvent::TrickAdded {
        trick: trick(number),
    });
    std::iter::once(DogEvent::Registered { name })
        .chain(learned)
        .collect()
}

impl Aggregate for Dog {
    const TYPE: &'static str = "Dog";
    type Command = AddTrick;
    type Event = DogEvent;
    type Error = Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        AddTrick(trick): AddTrick,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Infallible> {
        sink.write(DogEvent::TrickAdded { trick }, self).await;
        Ok(())
    }

    fn apply(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { name } => self.name = name,
            DogEvent::TrickAdded { trick } => self.tricks.push(trick),
        }
    }
}

/// A pool, and what cqrs-es makes of it.
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    type Repository: PersistedEventRepository + 'static;
    fn open(place: &Place) -> impl Future<Output = Self> + Send;
    fn repository(&self) -> Self::Repository;
    fn durability(&self) -> impl Future<Output = String> + Send;
}

#[derive(Clone)]
pub(crate) struct Sqlite(SqlitePool);

/// As its migrations have it.
const SQLITE: &str = "
    CREATE TABLE events (
        aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence integer CHECK (sequence >= 0) NOT NULL,
        event_type text NOT NULL, event_version text NOT NULL, payload text NOT NULL, metadata text NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    ) STRICT";

impl Engine for Sqlite {
    type Repository = SqliteEventRepository;

    async fn open(place: &Place) -> Self {
        let pool = place.sqlite().await;
        pool.execute(SQLITE).await.expect("the file is new");
        Self(pool)
    }

    fn repository(&self) -> SqliteEventRepository {
        SqliteEventRepository::new(self.0.clone())
    }

    async fn durability(&self) -> String {
        sqlite_durability(&self.0).await
    }
}

#[derive(Clone)]
pub(crate) struct Postgres(PgPool);

/// As its `init.sql` has it.
const POSTGRES: &str = "
    CREATE TABLE events (
        aggregate_type text NOT NULL, aggregate_id text NOT NULL, sequence bigint CHECK (sequence >= 0) NOT NULL,
        event_type text NOT NULL, event_version text NOT NULL, payload json NOT NULL, metadata json NOT NULL,
        PRIMARY KEY (aggregate_type, aggregate_id, sequence)
    )";

impl Engine for Postgres {
    type Repository = PostgresEventRepository;

    async fn open(place: &Place) -> Self {
        let pool = place.postgres().await;
        pool.execute(POSTGRES).await.expect("the database is new");
        Self(pool)
    }

    fn repository(&self) -> PostgresEventRepository {
        PostgresEventRepository::new(self.0.clone())
    }

    async fn durability(&self) -> String {
        postgres_durability(&self.0).await
    }
}

pub(crate) struct Persisted<E: Engine> {
    engine: E,
    cqrs: Arc<CqrsFramework<Dog, PersistedEventStore<E::Repository, Dog>>>,
    store: Arc<PersistedEventStore<E::Repository, Dog>>,
}

impl<E: Engine> Clone for Persisted<E> {
    fn clone(&self) -> Self {
        Self {
            engine: self.engine.clone(),
            cqrs: Arc::clone(&self.cqrs),
            store: Arc::clone(&self.store),
        }
    }
}

impl<E: Engine> School for Persisted<E> {
    async fn open(place: &Place) -> Self {
        let engine = E::open(place).await;
        let store = || PersistedEventStore::new_event_store(engine.repository());
        Self {
            cqrs: Arc::new(CqrsFramework::new(store(), Vec::new(), ())),
            store: Arc::new(store()),
            engine,
        }
    }

    async fn durability(&self) -> String {
        self.engine.durability().await
    }

    async fn register(&self, dog: &school::Dog, tricks: usize) {
        let new = EventStoreAggregateContext {
            aggregate_id: dog.text.clone(),
            aggregate: Dog::default(),
            current_sequence: 0,
            current_snapshot: None,
        };
        let events = registered(dog.name.clone(), tricks);
        let committed = self.store.commit(events, new, HashMap::new()).await;
        committed.expect("nobody else writes");
    }

    async fn add_trick(&self, dog: &school::Dog, trick: &str) {
        let command = AddTrick(trick.to_owned());
        let done = self.cqrs.execute(&dog.text, command).await;
        done.expect("nobody else writes");
    }

    async fn tricks(&self, dog: &school::Dog) -> usize {
        let loaded = self.store.load_aggregate(&dog.text).await;
        loaded.expect("it was saved").aggregate.tricks.len()
    }
}

struct Reader(Arc<Mutex<Learned>>);

#[async_trait]
impl Query<Dog> for Reader {
    async fn dispatch(&self, _: &str, events: &[EventEnvelope<Dog>]) {
        let mut learned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            match &event.payload {
                DogEvent::Registered { .. } => learned.dog(),
                DogEvent::TrickAdded { trick } => learned.trick(trick),
            }
        }
    }
}

impl<E: Engine> Follows for Persisted<E> {
    async fn catch_up(&self, _: usize, _: usize) -> Learned {
        let learned = Arc::new(Mutex::new(Learned::default()));
        let reader = Reader(Arc::clone(&learned));
        let replay = QueryReplay::new(self.engine.repository(), reader);
        replay.replay_all().await.expect("it can be read");
        let learned = learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.clone()
    }
}
