//! The newest states that were seen, so that only what came since has to be read.
use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::domain::{Aggregate, StreamId, Version};

/// Aggregates without pending events, those used last. Only types that ask for it are in it: `#[aggregate("Dog", cached)]`.
pub(super) struct Cache {
    /// Each an [`Entry`] of the type that its category stands for. Absent where nothing is cached.
    entries: Option<Mutex<LruCache<StreamId, Entry>>>,
    /// How many aggregates there is room for.
    size: usize,
}

struct Entry {
    version: Version,
    aggregate: Arc<dyn Any + Send + Sync>,
}

impl Cache {
    pub(super) fn new(size: usize) -> Self {
        Self {
            // Grows as it fills: a bounded one makes all its room at once.
            entries: (size > 0).then(|| Mutex::new(LruCache::unbounded())),
            size,
        }
    }

    /// A copy of an aggregate, as it was when it was seen last.
    pub(super) fn copy<A: Aggregate>(&self, stream: &StreamId) -> Option<A> {
        let copy = A::CACHED?;
        let entry = Arc::clone(&self.entries()?.get(stream)?.aggregate);
        // Copied outside of the lock.
        Some(copy(entry.downcast_ref()?))
    }

    /// Keeps a copy of an aggregate, unless a newer one is here, or events are pending in it, or one of them panicked.
    pub(super) fn keep<A: Aggregate>(&self, stream: &StreamId, aggregate: &A) {
        let (Some(copy), Some(_)) = (A::CACHED, &self.entries) else {
            return;
        };
        if !aggregate.pending().is_empty() || aggregate.root().is_panicked() {
            return;
        }
        let entry = Entry {
            version: aggregate.version(),
            aggregate: Arc::new(copy(aggregate)),
        };
        // What is in the way is dropped outside of the lock.
        let mut in_the_way = [None, None];
        if let Some(mut entries) = self.entries()
            && entries
                .get(stream)
                .is_none_or(|known| known.version <= entry.version)
        {
            in_the_way[0] = entries.push(stream.clone(), entry);
            if entries.len() > self.size {
                in_the_way[1] = entries.pop_lru();
            }
        }
        drop(in_the_way);
    }

    /// Forgets an aggregate: what is known of it is not what is stored.
    pub(super) fn forget(&self, stream: &StreamId) {
        let forgotten = self.entries().and_then(|mut entries| entries.pop(stream));
        drop(forgotten);
    }

    /// Copies are made outside of the lock, and what is in it is changed at once, so a panic elsewhere does not spoil it.
    fn entries(&self) -> Option<MutexGuard<'_, LruCache<StreamId, Entry>>> {
        let entries = self.entries.as_ref()?;
        Some(entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
