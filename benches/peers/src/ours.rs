//! This framework.
use std::sync::Arc;

use es_core::persistence::{Advance, Commit, CommitId, EventStore, FollowerId, Metadata, Store};
use es_core::{Aggregate, Application, Position, Root, events};
use es_store_memory::MemoryStore;
use es_store_postgres::PostgresStore;
use es_store_sqlite::SqliteStore;
use uuid::Uuid;

use crate::place::{Place, postgres_durability};
use crate::school::{self, Follows, Learned, School, trick};

const PAGE: usize = 1_000;

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
    name: String,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered", id = Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()))]
    fn register(name: &str) -> Self {
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

#[derive(Clone)]
pub(crate) struct Ours {
    app: Application,
    store: Arc<dyn EventStore>,
    durability: String,
}

impl Ours {
    fn on(store: impl Store + Clone, durability: impl Into<String>) -> Self {
        Self {
            durability: durability.into(),
            app: Application::new(store.clone()),
            store: Arc::new(store),
        }
    }
}

impl School for Ours {
    async fn open(place: &Place) -> Self {
        match place {
            Place::Memory => Self::on(MemoryStore::new(), "nothing is kept"),
            Place::File(path) => {
                let store = SqliteStore::open(path).await;
                // What the store promises by default, and its tests hold it to: nobody else can ask its connection.
                Self::on(store.expect("the file can be made"), "wal, synchronous=2")
            }
            Place::Database(url) => {
                let store = PostgresStore::connect(url).await;
                let store = store.expect("the server answers");
                store.migrate().await.expect("the database is empty");
                // The server's own, which the store leaves as they are.
                let durability = postgres_durability(&place.postgres().await).await;
                Self::on(store, durability)
            }
        }
    }

    async fn durability(&self) -> String {
        self.durability.clone()
    }

    async fn register(&self, dog: &school::Dog, tricks: usize) {
        let mut dog = Dog::register(&dog.name);
        (0..tricks).for_each(|number| dog.add_trick(trick(number)));
        self.app.save(&mut dog).await.expect("nobody else writes");
    }

    async fn add_trick(&self, dog: &school::Dog, trick: &str) {
        let updated = self
            .app
            .update(dog.id, |dog: &mut Dog| dog.add_trick(trick));
        updated.await.expect("nobody else writes");
    }

    async fn tricks(&self, dog: &school::Dog) -> usize {
        let dog: Dog = self.app.get(dog.id).await.expect("it was saved");
        std::hint::black_box(&dog.name);
        dog.tricks.len()
    }
}

impl Follows for Ours {
    async fn catch_up(&self, follower: usize, _: usize) -> Learned {
        let follower = FollowerId::new(format!("follower {follower}"), "school");
        let log = self.app.log();
        let mut learned = Learned::default();
        let mut after = Position::START;
        let mut page = log.read(after, PAGE).await.expect("it can be read");
        while let Some(newest) = page.last().map(|record| record.position) {
            let work = async {
                for record in page {
                    let recorded = log.decode::<DogEvent>(record).await;
                    match recorded.expect("a dog's").event {
                        DogEvent::Registered { .. } => learned.dog(),
                        DogEvent::TrickAdded { trick } => learned.trick(&trick),
                    }
                }
                let checkpoint = Commit {
                    id: CommitId::draw(),
                    time: std::time::UNIX_EPOCH,
                    metadata: Metadata::new(),
                    appends: Vec::new(),
                    checkpoint: Some(Advance::new(follower.clone(), after, newest)),
                };
                let committed = self.store.commit(checkpoint).await;
                committed.expect("nobody else writes");
            };
            let (next, ()) = tokio::join!(biased; log.read(newest, PAGE), work);
            (page, after) = (next.expect("it can be read"), newest);
        }
        learned
    }
}
