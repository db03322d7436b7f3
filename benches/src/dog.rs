//! The aggregate of the README, and what is looked at to tell that two ways of making it agree.
use es_core::application::SnapshotPolicy;
use es_core::persistence::Store;
use es_core::{Aggregate, Application, Root, events};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Aggregate)]
#[aggregate("Dog")]
pub(crate) struct Dog {
    root: Root<Self>,
    name: String,
    tricks: Vec<String>,
}

#[events(vis = pub(crate))]
impl Dog {
    pub(crate) fn id_for(name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("/dogs/{name}").as_bytes())
    }

    #[event("Registered", id = Self::id_for(name))]
    pub(crate) fn register(name: &str) -> Self {
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded")]
    pub(crate) fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            id: self.id(),
            version: self.version().get(),
            name: self.name.clone(),
            tricks: self.tricks.clone(),
            pending: self.pending().len(),
        }
    }
}

/// The same dog, which may be kept in snapshots and in a cache; taken by hand, so that saving costs nothing more.
#[derive(Aggregate, Clone, Serialize, Deserialize)]
#[aggregate("Dog", snapshot_every = 1_000_000, cached)]
pub(crate) struct KeptDog {
    root: Root<Self>,
    name: String,
    tricks: Vec<String>,
}

#[events(vis = pub(crate))]
impl KeptDog {
    #[event("Registered", id = Dog::id_for(name))]
    pub(crate) fn register(name: &str) -> Self {
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded")]
    pub(crate) fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

/// Two applications on a store that have the dogs from a snapshot of all their events, and from a cache.
pub(crate) async fn keeping(store: impl Store + Clone, dogs: &[Uuid]) -> [Application; 2] {
    let snapshots = Application::builder(store.clone()).cache(0).build();
    for dog in dogs {
        let taken = snapshots.snapshot::<KeptDog>(*dog).await;
        taken.expect("it was saved");
    }
    let cache = Application::builder(store).snapshots(SnapshotPolicy::Off);
    [snapshots, cache.build()]
}

/// A dog, whoever made it.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) id: Uuid,
    pub(crate) version: u64,
    pub(crate) name: String,
    pub(crate) tricks: Vec<String>,
    pub(crate) pending: usize,
}

pub(crate) const NAME: &str = "Fido";

/// As many tricks as asked for, each of its own name.
pub(crate) fn tricks(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("trick number {number}"))
        .collect()
}

/// A dog that was registered and learned as many tricks.
pub(crate) fn trained(count: usize) -> Dog {
    let mut dog = Dog::register(NAME);
    for trick in tricks(count) {
        dog.add_trick(trick);
    }
    dog
}
