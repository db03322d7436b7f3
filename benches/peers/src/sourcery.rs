//! sourcery with its memory store and with Postgres. It is under the GPL: it is run here, and nothing of the product links it.
//!
//! A new dog is committed by the store itself: the repository would first look whether there are events, for nothing. Positions are drawn by a
//! sequence before the commit, so a reader can pass over what commits later; a projection is loaded in one go, without any checkpoint.
//! What `execute_command` does is written out here, since its future cannot be proved to be `Send`.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sourcery::event::ProjectionEvent;
use sourcery::store::{EventFilter, EventStore, NonEmpty, inmemory, postgres};
use sourcery::{Aggregate, Apply, ApplyProjection, DomainEvent, Handle, Repository};
use sqlx::PgPool;
use uuid::Uuid;

use crate::place::{Place, postgres_durability};
use crate::school::{self, Follows, Learned, School, trick};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registered {
    name: String,
}

impl DomainEvent for Registered {
    const KIND: &'static str = "dog.registered";
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TrickAdded {
    trick: String,
}

impl DomainEvent for TrickAdded {
    const KIND: &'static str = "dog.trick-added";
}

#[derive(Default, Serialize, Deserialize, sourcery::Aggregate)]
#[aggregate(id = Uuid, error = String, events(Registered, TrickAdded))]
struct Dog {
    name: String,
    tricks: Vec<String>,
}

impl Apply<Registered> for Dog {
    fn apply(&mut self, event: &Registered) {
        self.name.clone_from(&event.name);
    }
}

impl Apply<TrickAdded> for Dog {
    fn apply(&mut self, event: &TrickAdded) {
        self.tricks.push(event.trick.clone());
    }
}

struct AddTrick(String);

impl Handle<AddTrick> for Dog {
    fn handle(&self, AddTrick(trick): &AddTrick) -> Result<Vec<DogEvent>, String> {
        let trick = trick.clone();
        Ok(vec![TrickAdded { trick }.into()])
    }
}

#[derive(Default, sourcery::Projection)]
#[projection(id = Uuid, events(Registered, TrickAdded))]
struct Reader(Learned);

impl ApplyProjection<Registered> for Reader {
    fn apply_projection(&mut self, _: &Uuid, _: &Registered, (): &()) {
        self.0.dog();
    }
}

impl ApplyProjection<TrickAdded> for Reader {
    fn apply_projection(&mut self, _: &Uuid, event: &TrickAdded, (): &()) {
        self.0.trick(&event.trick);
    }
}

fn registered(dog: &school::Dog, tricks: usize) -> NonEmpty<DogEvent> {
    let name = dog.name.clone();
    let mut events = NonEmpty::new(Registered { name }.into());
    events.extend((0..tricks).map(|number| {
        let trick = trick(number);
        TrickAdded { trick }.into()
    }));
    events
}

macro_rules! school {
    ($School:ident, $Store:ty) => {
        #[derive(Clone)]
        pub(crate) struct $School {
            pool: Option<PgPool>,
            store: $Store,
            repository: Arc<Repository<$Store>>,
        }

        impl School for $School {
            async fn open(place: &Place) -> Self {
                let (store, pool) = <$Store as Open>::open(place).await;
                Self {
                    pool,
                    repository: Arc::new(Repository::new(store.clone())),
                    store,
                }
            }

            async fn durability(&self) -> String {
                match &self.pool {
                    Some(pool) => postgres_durability(pool).await,
                    None => "nothing is kept".to_owned(),
                }
            }

            async fn register(&self, dog: &school::Dog, tricks: usize) {
                let events = registered(dog, tricks);
                let commit =
                    self.store
                        .commit_events_optimistic(Dog::KIND, &dog.id, None, events, &());
                commit.await.expect("nobody else writes");
            }

            async fn add_trick(&self, dog: &school::Dog, trick: &str) {
                let kinds = <DogEvent as ProjectionEvent>::EVENT_KINDS.iter();
                let filters: Vec<_> = kinds
                    .map(|kind| EventFilter::for_aggregate(*kind, Dog::KIND, dog.id))
                    .collect();
                let stored = self.store.load_events(&filters).await;
                let stored = stored.expect("it can be read");
                let mut aggregate = Dog::default();
                for stored in &stored {
                    let event = DogEvent::from_stored(stored, &self.store);
                    Aggregate::apply(&mut aggregate, &event.expect("a dog's"));
                }
                let command = AddTrick(trick.to_owned());
                let events = aggregate.handle(&command).expect("all is allowed");
                let events = NonEmpty::from_vec(events).expect("there is one");
                let version = stored.last().map(|stored| stored.position);
                let commit =
                    self.store
                        .commit_events_optimistic(Dog::KIND, &dog.id, version, events, &());
                commit.await.expect("nobody else writes");
            }

            async fn tricks(&self, dog: &school::Dog) -> usize {
                let dog: Dog = self.repository.load(&dog.id).await.expect("it was saved");
                dog.tricks.len()
            }
        }
    };
}

trait Open: Sized {
    async fn open(place: &Place) -> (Self, Option<PgPool>);
}

type InMemoryStore = inmemory::Store<Uuid, ()>;
type PostgresStore = postgres::Store<()>;

impl Open for InMemoryStore {
    async fn open(_: &Place) -> (Self, Option<PgPool>) {
        (Self::new(), None)
    }
}

impl Open for PostgresStore {
    async fn open(place: &Place) -> (Self, Option<PgPool>) {
        let pool = place.postgres().await;
        let store = Self::new(pool.clone());
        store.migrate().await.expect("the database is new");
        (store, Some(pool))
    }
}

school!(InMemory, InMemoryStore);
school!(Postgres, PostgresStore);

impl Follows for Postgres {
    async fn catch_up(&self, _: usize, _: usize) -> Learned {
        let loaded = self.repository.load_projection::<Reader>(&()).await;
        loaded.expect("it can be read").0
    }
}
