//! A store between an application and its store: for tests of what happens when a store fails, waits or lies.
use futures_core::future::BoxFuture;
use uuid::Uuid;

use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    AppendError, CheckpointStore, Commit, CommitId, Committed, Dropped, EventStore, Filter,
    FollowerId, KeepError, Lease, LeaseError, LeaseRequest, LogPage, Parked, ParkedError, Placed,
    Placement, ReadError, Record, Slice, Snapshot, SnapshotStore, Span, Standing, Store, Verdict,
    Visit, show,
};

/// Changes some of what a store does; what is not written is passed on.
///
/// ```
/// use es_core::persistence::{AppendError, Commit, Committed};
/// use es_core::testing::{Intercept, Intercepted};
/// use es_core::Application;
/// use es_store_memory::MemoryStore;
/// use futures_core::future::BoxFuture;
///
/// struct FullDisk(MemoryStore);
///
/// impl Intercept for FullDisk {
///     type Store = MemoryStore;
///
///     fn store(&self) -> &MemoryStore {
///         &self.0
///     }
///
///     fn commit(&self, _: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
///         Box::pin(async { Err(AppendError::Unavailable("the disk is full".into())) })
///     }
/// }
///
/// let app = Application::new(Intercepted(FullDisk(MemoryStore::new())));
/// # let _ = app;
/// ```
pub trait Intercept: Send + Sync + 'static {
    /// The store behind it.
    type Store: Store;

    /// The store behind it.
    fn store(&self) -> &Self::Store;

    /// See [`EventStore::commit`].
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        self.store().commit(commit)
    }

    /// See [`EventStore::outcome`].
    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        self.store().outcome(commit)
    }

    /// See [`EventStore::read_stream`].
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        self.store().read_stream(stream, slice)
    }

    /// See [`EventStore::visit_stream`]; by itself it shows what [`read_stream`](Self::read_stream) gives.
    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        Box::pin(async move {
            let records = self.read_stream(stream, slice).await?;
            show(&records, visit);
            Ok(())
        })
    }

    /// See [`EventStore::read_log`].
    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        self.store().read_log(span, filter)
    }

    /// See [`EventStore::read_ids`].
    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        self.store().read_ids(category, after, limit)
    }

    /// See [`EventStore::head`].
    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.store().head()
    }

    /// See [`EventStore::changed`].
    fn changed(&self) -> BoxFuture<'static, ()> {
        self.store().changed()
    }

    /// See [`EventStore::identity`].
    fn identity(&self) -> Option<u64> {
        self.store().identity()
    }

    /// See [`EventStore::owner`].
    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        self.store().owner(name)
    }

    /// See [`CheckpointStore::checkpoint`].
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        self.store().checkpoint(follower)
    }

    /// See [`CheckpointStore::standing`].
    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        self.store().standing(follower)
    }

    /// See [`CheckpointStore::followers`].
    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        self.store().followers()
    }

    /// See [`CheckpointStore::place`].
    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        self.store().place(placement)
    }

    /// See [`CheckpointStore::placed`].
    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        self.store().placed(follower)
    }

    /// See [`CheckpointStore::lease`].
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        self.store().lease(request)
    }

    /// See [`CheckpointStore::parked`].
    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        self.store().parked(follower)
    }

    /// See [`CheckpointStore::decide`].
    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        self.store().decide(follower, stream, verdict)
    }

    /// See [`CheckpointStore::dropped`].
    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        self.store().dropped(follower)
    }

    /// See [`SnapshotStore::keep_snapshot`].
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        self.store().keep_snapshot(snapshot)
    }

    /// See [`SnapshotStore::read_snapshot`].
    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        self.store().read_snapshot(stream, up_to)
    }

    /// See [`SnapshotStore::drop_snapshots`].
    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        self.store().drop_snapshots(stream)
    }
}

/// A store as an [`Intercept`] changes it.
#[derive(Debug, Clone, Default)]
pub struct Intercepted<I>(pub I);

impl<I: Intercept> EventStore for Intercepted<I> {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        self.0.commit(commit)
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        self.0.outcome(commit)
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        self.0.read_stream(stream, slice)
    }

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        self.0.visit_stream(stream, slice, visit)
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        self.0.read_log(span, filter)
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        self.0.read_ids(category, after, limit)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.0.head()
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.0.changed()
    }

    fn identity(&self) -> Option<u64> {
        self.0.identity()
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        self.0.owner(name)
    }
}

impl<I: Intercept> CheckpointStore for Intercepted<I> {
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        self.0.checkpoint(follower)
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        self.0.standing(follower)
    }

    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        self.0.followers()
    }

    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        self.0.place(placement)
    }

    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        self.0.placed(follower)
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        self.0.lease(request)
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        self.0.parked(follower)
    }

    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        self.0.decide(follower, stream, verdict)
    }

    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        self.0.dropped(follower)
    }
}

impl<I: Intercept> SnapshotStore for Intercepted<I> {
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        self.0.keep_snapshot(snapshot)
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        self.0.read_snapshot(stream, up_to)
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        self.0.drop_snapshots(stream)
    }
}
