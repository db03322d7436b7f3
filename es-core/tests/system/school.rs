//! A school of dogs, an office of certificates, and a wall on which tricks are counted.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use es_core::persistence::{BoxFuture, Filter, Store};
use es_core::system::{Batch, HandleError, Output, Settings};
use es_core::{
    Aggregate, Application, BoxError, EventSet, Follower, ProcessManager, Projection, Recorded,
    Root, StreamId, UnitOfWork, events,
};
use es_store_memory::{MemoryProjection, MemoryStore};
use uuid::Uuid;

#[derive(Aggregate, Debug)]
#[aggregate("Dog")]
pub(crate) struct Dog {
    root: Root<Self>,
    pub(crate) tricks: Vec<String>,
}

#[events]
impl Dog {
    #[event("Registered", id = *id)]
    pub(crate) fn register(id: Uuid) -> Self {
        let _ = id;
        Self {
            root: Root::new(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded", was = "TrickLearned")]
    pub(crate) fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

#[derive(Aggregate)]
#[aggregate("Trainer")]
pub(crate) struct Trainer {
    root: Root<Self>,
}

#[events]
impl Trainer {
    #[event("Hired")]
    pub(crate) fn hire() -> Self {
        Self { root: Root::new() }
    }
}

#[derive(Aggregate)]
#[aggregate("Certificate")]
pub(crate) struct Certificate {
    root: Root<Self>,
    pub(crate) tricks: u32,
}

#[events]
impl Certificate {
    #[event("Opened", id = *dog)]
    pub(crate) fn open(dog: Uuid) -> Self {
        let _ = dog;
        Self {
            root: Root::new(),
            tricks: 0,
        }
    }

    #[event("Counted")]
    pub(crate) fn count(&mut self) {
        self.tricks += 1;
    }
}

/// Which tricks each dog has, in order, and how often a trick was asked for that nobody can do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wall {
    pub(crate) tricks: BTreeMap<Uuid, Vec<String>>,
    pub(crate) faults: Faults,
}

/// What goes wrong on the wall.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// The trick named `impossible` fails as long as this holds.
    pub(crate) failing: Arc<AtomicBool>,
    /// The trick named `absurd` panics as long as this holds.
    pub(crate) panicking: Arc<AtomicBool>,
    pub(crate) tried: Arc<AtomicU64>,
}

impl Projection for Wall {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Wall {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        self.faults.tried.fetch_add(1, Ordering::SeqCst);
        let tricks = self.tricks.entry(event.stream.id).or_default();
        match event.event {
            DogEvent::Registered { .. } => {}
            DogEvent::TrickAdded { trick } => {
                tricks.push(trick.clone());
                if trick == "impossible" && self.faults.failing.load(Ordering::SeqCst) {
                    return Err("no dog can do that".into());
                }
                if trick == "absurd" && self.faults.panicking.load(Ordering::SeqCst) {
                    panic!("as a bug would");
                }
            }
        }
        Ok(())
    }
}

/// The events of several aggregates.
#[derive(EventSet)]
pub(crate) enum SchoolEvent {
    Dog(DogEvent),
    Trainer(TrainerEvent),
}

/// How many members the school has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members {
    pub(crate) dogs: u32,
    pub(crate) trainers: u32,
}

impl Projection for Members {
    const NAME: &'static str = "members";
    type Events = SchoolEvent;
}

impl MemoryProjection for Members {
    fn handle(&mut self, event: Recorded<SchoolEvent>) -> Result<(), BoxError> {
        match event.event {
            SchoolEvent::Dog(DogEvent::Registered { .. }) => self.dogs += 1,
            SchoolEvent::Dog(DogEvent::TrickAdded { .. }) => {}
            SchoolEvent::Trainer(TrainerEvent::Hired {}) => self.trainers += 1,
        }
        Ok(())
    }
}

/// Counts tricks on certificates.
pub(crate) struct Certificates;

impl ProcessManager for Certificates {
    const NAME: &'static str = "certificates";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { .. } = event.event {
            let dog = event.stream.id;
            let mut certificate = work
                .find::<Certificate>(dog)
                .await?
                .unwrap_or_else(|| Certificate::open(dog));
            certificate.count();
            work.save(certificate);
        }
        Ok(())
    }
}

pub(crate) fn application(name: &str) -> (MemoryStore, Application) {
    let store = MemoryStore::new();
    let app = Application::builder(store.clone()).name(name).build();
    (store, app)
}

pub(crate) fn dog(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn stream(number: u128) -> StreamId {
    StreamId::new("Dog", dog(number))
}

/// The tricks of a dog on the wall that readers see.
pub(crate) fn tricks(store: &MemoryStore, number: u128) -> Vec<String> {
    let wall = store.view::<Wall>().expect("it was made");
    wall.tricks.get(&dog(number)).cloned().unwrap_or_default()
}

/// Registers a dog with tricks.
pub(crate) async fn trained(app: &Application, number: u128, tricks: &[&str]) {
    let mut dog = Dog::register(dog(number));
    for trick in tricks {
        dog.add_trick(*trick);
    }
    app.save(&mut dog).await.expect("it works");
}

pub(crate) async fn train(app: &Application, number: u128, trick: &str) -> es_core::Position {
    let updated = app
        .update(dog(number), |dog: &mut Dog| dog.add_trick(trick))
        .await;
    updated.expect("it works").position.expect("it works")
}

/// A follower that asks for its lease, and where it stands, elsewhere than it writes: in front of it.
pub(crate) struct Behind<F> {
    pub(crate) front: Arc<dyn Store>,
    pub(crate) follower: F,
}

impl<F: Follower> Follower for Behind<F> {
    fn name(&self) -> &str {
        self.follower.name()
    }

    fn filter(&self) -> Filter {
        self.follower.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.front)
    }

    fn revision(&self) -> u32 {
        self.follower.revision()
    }

    fn settings(&self) -> Settings {
        self.follower.settings()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.prepare(output)
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.follower.handle(batch)
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.swap(built)
    }
}
