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
mod blocks;
mod followers;
mod log;
mod projection;
mod snapshots;
mod streams;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use es_core::persistence::{
    AppendError, CheckpointStore, Clock, Commit, CommitId, Committed, Dropped, EventStore, Filter,
    FollowerId, KeepError, Lease, LeaseError, LeaseRequest, LogPage, Parked, ParkedError, Placed,
    Placement, ReadError, Record, Slice, Snapshot, SnapshotStore, Span, Standing, SystemClock,
    Verdict, Visit,
};
use es_core::{Position, StreamId, Version};
use event_listener::Event;
use futures_core::future::BoxFuture;
use uuid::Uuid;

pub use crate::projection::{MemoryFollower, MemoryProjection};

use crate::log::Log;
use crate::snapshots::Snapshots;

/// A store in memory. Its clones share one log, which is gone with the last of them.
#[derive(Clone)]
pub struct MemoryStore {
    pub(crate) shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    payload_limit: usize,
}

#[derive(Default)]
pub(crate) struct Shared {
    /// Visitors decode what they visit, which must not keep other readers waiting.
    log: RwLock<Log>,
    snapshots: Mutex<Snapshots>,
    pub(crate) changed: Event,
}

/// The largest payload that is taken unless another limit is set, in bytes: that of the other stores, so that a test sees what production refuses.
const PAYLOAD_LIMIT: usize = 16 * 1024 * 1024;

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::default(),
            clock: Arc::new(SystemClock),
            payload_limit: PAYLOAD_LIMIT,
        }
    }

    /// The same store, refusing to take payloads of more than `bytes` bytes; 16 MiB unless this is set.
    #[must_use]
    pub fn payload_limit(self, bytes: usize) -> Self {
        Self {
            payload_limit: bytes,
            ..self
        }
    }

    /// The same store, whose leases end by another clock: a virtual one in tests.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    pub(crate) fn now(&self) -> std::time::SystemTime {
        self.clock.now()
    }

    // What is kept is never left half changed, so a panic elsewhere under a lock does not spoil it.

    pub(crate) fn log(&self) -> RwLockReadGuard<'_, Log> {
        let log = self.shared.log.read();
        log.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn log_to_write(&self) -> RwLockWriteGuard<'_, Log> {
        let log = self.shared.log.write();
        log.unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        let snapshots = self.shared.snapshots.lock();
        snapshots.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("head", &self.log().head())
            .finish_non_exhaustive()
    }
}

impl EventStore for MemoryStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(async move {
            let committed = self.log_to_write().commit(commit, self.payload_limit)?;
            self.shared.changed.notify(usize::MAX);
            Ok(committed)
        })
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

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        Box::pin(async move {
            self.log().visit_stream(stream, slice, visit);
            Ok(())
        })
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(async move { Ok(self.log().read(span, filter)) })
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        Box::pin(async move { Ok(self.log().read_ids(category, after, limit)) })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move { Ok(self.log().head()) })
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(self.shared.changed.listen())
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        Box::pin(async move { Ok(self.log_to_write().owner(name).to_owned()) })
    }

    fn identity(&self) -> Option<u64> {
        u64::try_from(Arc::as_ptr(&self.shared).addr()).ok()
    }
}

impl CheckpointStore for MemoryStore {
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.standing(follower).position) })
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.standing(follower).at(self.now())) })
    }

    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.known()) })
    }

    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        Box::pin(async move {
            let placed = self.log_to_write().followers.place(placement, self.now());
            self.shared.changed.notify(usize::MAX);
            placed
        })
    }

    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.placed(follower)) })
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(async move {
            self.log_to_write()
                .followers
                .lease(request, self.clock.now())
        })
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.parked(follower)) })
    }

    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        Box::pin(async move {
            let now = self.clock.now();
            self.log_to_write()
                .followers
                .decide(follower, stream, verdict, now)?;
            self.shared.changed.notify(usize::MAX);
            Ok(())
        })
    }

    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        Box::pin(async move { Ok(self.log().followers.dropped(follower)) })
    }
}

impl SnapshotStore for MemoryStore {
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        Box::pin(async move {
            self.snapshots().keep(snapshot);
            Ok(())
        })
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        Box::pin(async move { Ok(self.snapshots().newest(stream, up_to)) })
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            self.snapshots().forget(stream);
            Ok(())
        })
    }
}
