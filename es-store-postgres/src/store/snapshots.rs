//! What a store keeps of aggregates to load them sooner.
use es_core::persistence::{BoxFuture, KeepError, ReadError, Snapshot, SnapshotStore};
use es_core::{StreamId, Version};

use super::{PostgresStore, Shared};
use crate::connection::in_time;
use crate::error::Fault;
use crate::snapshots;

impl SnapshotStore for PostgresStore {
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        let shared = &*self.shared;
        self.keep(async move {
            reading!(
                shared,
                client,
                snapshots::keep(&client, &shared.sql, &snapshot)
            )
        })
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                snapshots::newest(&client, &shared.sql, stream, up_to)
            )
        })
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let shared = &*self.shared;
        self.keep(async move {
            reading!(
                shared,
                client,
                snapshots::forget(&client, &shared.sql, stream)
            )
        })
    }
}
