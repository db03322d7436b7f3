//! disintegrate with its Postgres store.
//!
//! What a decision has read is validated when it is written, in a SERIALIZABLE transaction: where the server sees no order for two of them, which
//! also happens to commits of different dogs, one is refused and made again here. Its listener has an order over the whole log, and reads all that
//! is left for each page.
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{
    Decision, Event, EventListener, EventSourcedStateStore, EventStore, LoadState, NoSnapshot,
    PersistedEvent, StateMutate, StateQuery, StreamQuery, query,
};
use disintegrate_postgres::{
    Error, PgDecisionMaker, PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore,
    decision_maker,
};
use serde::{Deserialize, Serialize};
use sqlx::{Executor, PgPool};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::place::{Place, postgres_durability};
use crate::school::{self, Follows, Learned, School, trick};

const PAGE: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Event, Serialize, Deserialize)]
enum DogEvent {
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
struct Dog {
    #[id]
    dog: Uuid,
    name: String,
    tricks: Vec<String>,
}

impl Dog {
    fn unread(dog: Uuid) -> Self {
        Self {
            dog,
            ..Self::default()
        }
    }
}

impl StateMutate for Dog {
    fn mutate(&mut self, event: DogEvent) {
        match event {
            DogEvent::Registered { name, .. } => self.name = name,
            DogEvent::TrickAdded { trick, .. } => self.tricks.push(trick),
        }
    }
}

struct AddTrick {
    dog: Uuid,
    trick: String,
}

impl Decision for AddTrick {
    type Event = DogEvent;
    type StateQuery = Dog;
    type Error = Infallible;

    fn state_query(&self) -> Dog {
        Dog::unread(self.dog)
    }

    fn process(&self, _: &Dog) -> Result<Vec<DogEvent>, Infallible> {
        Ok(vec![DogEvent::TrickAdded {
            dog: self.dog,
            trick: self.trick.clone(),
        }])
    }
}

/// As it makes them itself, on a server that is new enough for it.
const TABLES: &str = include_str!("../disintegrate.sql");

type Store = PgEventStore<DogEvent, Json<DogEvent>>;

#[derive(Clone)]
pub(crate) struct Disintegrate {
    pool: PgPool,
    store: Store,
    states: EventSourcedStateStore<PgEventId, DogEvent, Store, NoSnapshot>,
    maker: Arc<PgDecisionMaker<DogEvent, Json<DogEvent>, NoSnapshot>>,
}

impl School for Disintegrate {
    async fn open(place: &Place) -> Self {
        let pool = place.postgres().await;
        pool.execute(TABLES).await.expect("the database is new");
        let store: Store = PgEventStore::new_uninitialized(pool.clone(), Json::default());
        Self {
            pool,
            states: EventSourcedStateStore::new(store.clone(), NoSnapshot),
            maker: Arc::new(decision_maker(store.clone(), NoSnapshot)),
            store,
        }
    }

    async fn durability(&self) -> String {
        postgres_durability(&self.pool).await
    }

    async fn register(&self, dog: &school::Dog, tricks: usize) {
        let (dog, name) = (dog.id, dog.name.clone());
        let mut events = vec![DogEvent::Registered { dog, name }];
        events.extend((0..tricks).map(|number| DogEvent::TrickAdded {
            dog,
            trick: trick(number),
        }));
        loop {
            let of_dog: StreamQuery<PgEventId, DogEvent> = query!(DogEvent; dog == dog);
            match self.store.append(events.clone(), of_dog, 0).await {
                Ok(_) => return,
                Err(error) => assert!(is_refused(&error), "{error}"),
            }
        }
    }

    async fn add_trick(&self, dog: &school::Dog, trick: &str) {
        loop {
            let add = AddTrick {
                dog: dog.id,
                trick: trick.to_owned(),
            };
            match self.maker.make(add).await {
                Ok(_) => return,
                Err(disintegrate::DecisionError::StateStore(error)) => {
                    let refused = error.downcast_ref().is_some_and(is_refused);
                    assert!(refused, "{error}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn tricks(&self, dog: &school::Dog) -> usize {
        let loaded = self.states.load(Dog::unread(dog.id)).await;
        loaded.expect("it was saved").state().tricks.len()
    }
}

/// The server saw no order, at the commit or before it.
fn is_refused(error: &Error) -> bool {
    match error {
        Error::Concurrency => true,
        Error::Database(sqlx::Error::Database(error)) => {
            matches!(error.code().as_deref(), Some("40001" | "40P01"))
        }
        _ => false,
    }
}

struct Reader {
    name: &'static str,
    query: StreamQuery<PgEventId, DogEvent>,
    learned: Arc<Mutex<Learned>>,
    events: usize,
    all: Arc<Notify>,
}

#[async_trait]
impl EventListener<PgEventId, DogEvent> for Reader {
    type Error = Infallible;

    fn id(&self) -> &'static str {
        self.name
    }

    fn query(&self) -> &StreamQuery<PgEventId, DogEvent> {
        &self.query
    }

    async fn handle(&self, event: PersistedEvent<PgEventId, DogEvent>) -> Result<(), Infallible> {
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        match event.into_inner() {
            DogEvent::Registered { .. } => learned.dog(),
            DogEvent::TrickAdded { trick, .. } => learned.trick(&trick),
        }
        if learned.dogs + learned.tricks == self.events {
            self.all.notify_one();
        }
        Ok(())
    }
}

impl Follows for Disintegrate {
    async fn catch_up(&self, follower: usize, events: usize) -> Learned {
        let learned = Arc::new(Mutex::new(Learned::default()));
        let all = Arc::new(Notify::new());
        let reader = Reader {
            // It asks for a name that stays.
            name: Box::leak(format!("follower {follower}").into_boxed_str()),
            query: query!(DogEvent),
            learned: Arc::clone(&learned),
            events,
            all: Arc::clone(&all),
        };
        // A page per poll: the shortest time between two that the runtime can tell.
        let pages = PgEventListenerConfig::poller(Duration::from_millis(1)).fetch_size(PAGE);
        PgEventListener::builder(self.store.clone())
            .register_listener(reader, pages)
            .start_with_shutdown(async move { all.notified().await })
            .await
            .expect("it can be read");
        let learned = learned.lock().unwrap_or_else(PoisonError::into_inner);
        learned.clone()
    }
}
