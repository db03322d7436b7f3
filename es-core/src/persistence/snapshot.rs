//! The state of an aggregate at a version: only ever a shorter way, never the truth.
use bytes::Bytes;
use futures_core::future::BoxFuture;

use super::{BoxError, ReadError};
use crate::domain::{StreamId, Version};

/// The state of an aggregate at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The stream.
    pub stream: StreamId,
    /// The version whose state it is.
    pub version: Version,
    /// Of the code that made it: other code does not use it.
    pub fingerprint: u64,
    /// What the mapper made of the aggregate; to a store, any bytes.
    pub state: Bytes,
}

/// Keeps snapshots. Losing them loses nothing but time.
pub trait SnapshotStore: Send + Sync + 'static {
    /// Keeps a snapshot, in the place of one at the same version.
    ///
    /// # Errors
    /// [`KeepError`]; what was kept is kept still.
    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>>;

    /// The newest snapshot of a stream at or below a version.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>>;

    /// Drops the snapshots of a stream, or all there are.
    ///
    /// # Errors
    /// [`KeepError`].
    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>>;
}

/// Why snapshots could not be kept or dropped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// The store cannot be reached.
    #[error("cannot reach the store")]
    Unavailable(#[source] BoxError),
}
