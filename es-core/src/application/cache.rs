//! The newest states that were seen, so that only what came since has to be read.
use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use crate::domain::{Aggregate, StreamId, Version};

/// Aggregates without pending events, those used last. Only types that ask for it are in it: `#[aggregate("Dog", cached)]`.
pub(super) struct Cache {
    /// Each an [`Entry`] of the type that its category stands for. Absent where nothing is cached.
    entries: Option<Mutex<LruCache<StreamId, Entry>>>,
    /// Whether an aggregate that is got from here is brought up to date first.
    fast_forward: bool,
}

struct Entry {
    version: Version,
    aggregate: Arc<dyn Any + Send + Sync>,
}

impl Cache {
    pub(super) fn new(size: usize, fast_forward: bool) -> Self {
        Self {
            entries: NonZeroUsize::new(size).map(|size| Mutex::new(LruCache::new(size))),
            fast_forward,
        }
    }

    pub(super) fn fast_forward(&self) -> bool {
        self.fast_forward
    }

    /// A copy of an aggregate, as it was when it was seen last.
    pub(super) fn copy<A: Aggregate>(&self, stream: &StreamId) -> Option<A> {
        let copy = A::CACHED?;
        let entry = Arc::clone(&self.entries()?.get(stream)?.aggregate);
        // Copied outside of the lock.
        Some(copy(entry.downcast_ref()?))
    }

    /// Keeps a copy of an aggregate, unless a newer one is here or events are pending in it.
    pub(super) fn keep<A: Aggregate>(&self, stream: &StreamId, aggregate: &A) {
        let (Some(copy), Some(_)) = (A::CACHED, &self.entries) else {
            return;
        };
        if !aggregate.pending().is_empty() {
            return;
        }
        let entry = Entry {
            version: aggregate.version(),
            aggregate: Arc::new(copy(aggregate)),
        };
        let replaced = self
            .entries()
            .and_then(|mut entries| match entries.get(stream) {
                Some(newer) if newer.version > entry.version => Some(entry),
                _ => entries.push(stream.clone(), entry).map(|(_, old)| old),
            });
        // Dropped outside of the lock.
        drop(replaced);
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
