//! What is done in a dry run: it is known to what comes later in the same run, and to nobody else.
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::LoadError;
use crate::domain::{Aggregate, Replay, StreamId, Version};
use crate::persistence::{Append, StoredEvent, decode_stored};

/// What a dry run of a follower would have done by now. Cheap to clone; the clones are one.
#[derive(Debug, Clone, Default)]
pub struct Rehearsal {
    known: Arc<Mutex<Known>>,
    /// A test does what is outside: there are stand-ins for the real services.
    does_outside: bool,
}

#[derive(Debug, Default)]
struct Known {
    /// What would be behind the events in the store.
    appends: HashMap<StreamId, Append>,
    outside: BTreeMap<String, usize>,
}

impl Rehearsal {
    /// What would be done elsewhere, and how often.
    #[must_use]
    pub fn outside(&self) -> BTreeMap<String, usize> {
        self.known().outside.clone()
    }

    /// One that begins with these events, and does what is outside.
    #[cfg(feature = "testing")]
    pub(crate) fn behind(appends: HashMap<StreamId, Append>) -> Self {
        let known = Known {
            appends,
            outside: BTreeMap::new(),
        };
        Self {
            known: Arc::new(Mutex::new(known)),
            does_outside: true,
        }
    }

    /// What would be behind the events in the store.
    #[cfg(feature = "testing")]
    pub(crate) fn appends(&self) -> HashMap<StreamId, Append> {
        self.known().appends.clone()
    }

    pub(crate) const fn does_outside(&self) -> bool {
        self.does_outside
    }

    /// Takes note of what is, or would be, done elsewhere.
    pub(super) fn note_outside(&self, what: String) {
        *self.known().outside.entry(what).or_default() += 1;
    }

    /// The version that a stream would have, where there would be more of it than there is.
    pub(super) fn version(&self, stream: &StreamId) -> Option<Version> {
        self.known().appends.get(stream).map(end)
    }

    /// Takes note of what would be stored.
    pub(super) fn append(&self, append: Append) {
        let mut known = self.known();
        match known.appends.get_mut(&append.stream) {
            Some(kept) => kept.events.extend(append.events),
            None => drop(known.appends.insert(append.stream.clone(), append)),
        }
    }

    /// An aggregate as if what is noted of it had been stored at this time.
    pub(super) fn of<A: Aggregate>(
        &self,
        stream: &StreamId,
        stored: Option<A>,
        time: SystemTime,
    ) -> Result<Option<A>, LoadError> {
        let known = self.known();
        let Some(append) = known.appends.get(stream) else {
            return Ok(stored);
        };
        let mut replay = stored.map_or_else(|| Replay::new(stream.id), Replay::resume);
        for event in &append.events {
            let stored = StoredEvent {
                version: replay.version().next(),
                event: &event.name,
                schema: event.schema,
                payload: &event.payload,
                time,
            };
            replay.push_saved(decode_stored(stream, stored)?, time)?;
        }
        Ok(replay.finish())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two are the same where they are one.
impl PartialEq for Rehearsal {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.known, &other.known)
    }
}

fn end(append: &Append) -> Version {
    Version::from(append.expected.get() + append.events.len() as u64)
}
