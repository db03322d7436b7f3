//! What a store keeps of aggregates to load them sooner.
use es_core::persistence::{KeepError, ReadError, Snapshot, SnapshotStore};
use es_core::{StreamId, Version};
use futures_core::future::BoxFuture;

use super::SqliteStore;
use crate::error::not_kept;
use crate::snapshots;

impl SnapshotStore for SqliteStore {
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        Box::pin(async move {
            self.write(move |connection, sql| snapshots::keep(connection, sql, &snapshot))
                .await
                .map_err(not_kept)
        })
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        Box::pin(
            async move { self.read(|reader, sql| snapshots::newest(reader, sql, stream, up_to)) },
        )
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(async move {
            let stream = stream.cloned();
            self.write(move |connection, sql| snapshots::forget(connection, sql, stream.as_ref()))
                .await
                .map_err(not_kept)
        })
    }
}
