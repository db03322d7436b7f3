//! State, events and the fold.
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::dog::Seen;

#[derive(Clone)]
pub(crate) enum DogEvent {
    Registered(Registered),
    TrickAdded(TrickAdded),
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) name: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TrickAdded {
    pub(crate) trick: String,
}

pub(crate) struct Dog {
    id: Uuid,
    version: u64,
    name: String,
    tricks: Vec<String>,
    pending: Vec<DogEvent>,
}

impl Dog {
    pub(crate) fn register(id: Uuid, name: &str) -> Self {
        let event = DogEvent::Registered(Registered {
            name: name.to_owned(),
        });
        Self {
            pending: vec![event],
            ..Self::create(id, name.to_owned())
        }
    }

    pub(crate) fn add_trick(&mut self, trick: impl Into<String>) {
        let trick = trick.into();
        let event = DogEvent::TrickAdded(TrickAdded {
            trick: trick.clone(),
        });
        self.tricks.push(trick);
        self.version += 1;
        self.pending.push(event);
    }

    /// `None` where the events do not begin with a creation, or have another one later.
    pub(crate) fn replay(id: Uuid, events: impl IntoIterator<Item = DogEvent>) -> Option<Self> {
        let events = events.into_iter();
        let at_least = events.size_hint().0;
        Self::replay_about(id, at_least, events)
    }

    /// As [`replay`](Self::replay), with room for about so many events.
    pub(super) fn replay_about(
        id: Uuid,
        count: usize,
        mut events: impl Iterator<Item = DogEvent>,
    ) -> Option<Self> {
        let DogEvent::Registered(Registered { name }) = events.next()? else {
            return None;
        };
        let mut dog = Self::create(id, name);
        dog.tricks.reserve_exact(count);
        for event in events {
            match event {
                DogEvent::Registered(_) => return None,
                DogEvent::TrickAdded(TrickAdded { trick }) => dog.tricks.push(trick),
            }
        }
        dog.version += dog.tricks.len() as u64;
        Some(dog)
    }

    fn create(id: Uuid, name: String) -> Self {
        Self {
            id,
            version: 1,
            name,
            tricks: Vec::new(),
            pending: Vec::new(),
        }
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pending(&self) -> &[DogEvent] {
        &self.pending
    }

    /// The version without what is pending.
    pub(crate) fn saved_version(&self) -> u64 {
        self.version - self.pending.len() as u64
    }

    pub(crate) fn saved(&mut self) {
        self.pending.clear();
    }

    pub(crate) fn seen(&self) -> Seen {
        Seen {
            id: self.id,
            version: self.version,
            name: self.name.clone(),
            tricks: self.tricks.clone(),
            pending: self.pending.len(),
        }
    }
}
