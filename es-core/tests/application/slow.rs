//! A store that lets others go first, as one behind a file or a network does.
use es_core::persistence::{
    AppendError, CheckpointStore, Commit, CommitId, Committed, EventStore, Filter, FollowerId,
    KeepError, LogPage, ReadError, Record, Slice, Snapshot, SnapshotStore, Span,
};
use es_core::testing::Intercept;
use es_core::{Position, StreamId, Version};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use futures_lite::future::yield_now;
use uuid::Uuid;

/// Yields before and after everything it does.
#[derive(Clone, Default)]
pub(crate) struct Slow(pub(crate) MemoryStore);

fn slowly<'a, T: Send + 'a>(done: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
    Box::pin(async {
        yield_now().await;
        let done = done.await;
        yield_now().await;
        done
    })
}

impl Intercept for Slow {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        slowly(self.0.commit(commit))
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        slowly(self.0.outcome(commit))
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        slowly(self.0.read_stream(stream, slice))
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        slowly(self.0.read_log(span, filter))
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        slowly(self.0.read_ids(category, after, limit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        slowly(self.0.head())
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        slowly(self.0.owner(name))
    }

    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        slowly(self.0.checkpoint(follower))
    }

    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        slowly(self.0.keep_snapshot(snapshot))
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        slowly(self.0.read_snapshot(stream, up_to))
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        slowly(self.0.drop_snapshots(stream))
    }
}
