//! The reference event store: everything in memory, nothing durable, and the laws kept to the letter.
//!
//! For tests, examples, and for seeing what a store has to do.
//!
//! ```
//! use es_core::Application;
//! use es_store_memory::MemoryStore;
//!
//! let app = Application::new(MemoryStore::new());
//! # let _ = app;
//! ```
mod log;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use es_core::persistence::{
    AppendError, Commit, CommitId, Committed, EventStore, ReadError, Record, Slice,
};
use es_core::{Position, StreamId};
use futures_core::future::BoxFuture;

use crate::log::Log;

/// An event store in memory. Its clones share one log, which is gone with the last of them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    log: Arc<Mutex<Log>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The log is never left half changed, so a panic elsewhere under the lock does not spoil it.
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventStore for MemoryStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(async move { self.log().commit(commit) })
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        Box::pin(async move { Ok(self.log().outcome(commit)) })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        Box::pin(async move { Ok(self.log().read_stream(stream, slice)) })
    }

    fn read_log(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>, ReadError>> {
        Box::pin(async move { Ok(self.log().read(after, limit)) })
    }
}
