//! Ordered, durable record of what happened: one stream per aggregate, one log for all.
//!
//! Appending is all or nothing and checked against the expected version.
use futures_core::future::BoxFuture;

use super::{BoxError, Commit, CommitId, Committed, Record};
use crate::domain::{Position, StreamId, Version};

/// Appends commits and reads them back.
///
/// Implement this to bring a database; passing the laws in `es_core::testing` (feature `testing`) is the contract.
pub trait EventStore: Send + Sync + 'static {
    /// Writes a commit, whole or not at all.
    ///
    /// The same commit sent again gives the first result and writes nothing. One without events is not kept: it is checked anew each time.
    ///
    /// # Errors
    /// [`AppendError`]; nothing of the commit is stored, except as [`Unavailable`](AppendError::Unavailable) says.
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>>;

    /// Says what became of a commit: its result, or `None` where none of that id is stored.
    ///
    /// `None` says nothing about a commit that is still on its way.
    ///
    /// # Errors
    /// [`ReadError`].
    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>>;

    /// Reads a part of a stream; a stream that does not exist is empty.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>>;

    /// Reads `limit` records of the log, the first of them right after `after`; fewer only where there are no more.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_log(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Record>, ReadError>>;
}

/// Which part of a stream to read, and from which end.
///
/// ```
/// use es_core::Version;
/// use es_core::persistence::Slice;
///
/// let newest_ten = Slice::all().descending().limit(10);
/// let until_the_third = Slice::all().up_to(Version::from(3));
/// # let _ = (newest_ten, until_the_third);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Only versions after this one.
    pub after: Version,
    /// Only versions up to and including this one.
    pub up_to: Version,
    /// Newest first.
    pub descending: bool,
    /// At most as many records, and fewer only where there are no more: readers take a short page for the last.
    pub limit: usize,
}

impl Slice {
    /// The whole stream, oldest first.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            after: Version::NEW,
            up_to: Version::MAX,
            descending: false,
            limit: usize::MAX,
        }
    }

    /// Leaves out the versions up to and including `version`.
    #[must_use]
    pub const fn after(self, version: Version) -> Self {
        Self {
            after: version,
            ..self
        }
    }

    /// Leaves out the versions after `version`.
    #[must_use]
    pub const fn up_to(self, version: Version) -> Self {
        Self {
            up_to: version,
            ..self
        }
    }

    /// Newest first.
    #[must_use]
    pub const fn descending(self) -> Self {
        Self {
            descending: true,
            ..self
        }
    }

    /// At most `limit` records; fewer only where there are no more.
    #[must_use]
    pub const fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// Why a commit was not stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// The stream is at another version than the commit was made for; nothing was stored.
    #[error("stream `{stream}` is at version {actual}, expected {expected}; reload and retry")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version that the commit was made for.
        expected: Version,
        /// The version that the stream has.
        actual: Version,
    },
    /// The commit's id belongs to another commit; nothing was stored.
    #[error("commit id `{commit}` belongs to another commit; draw a new one")]
    IdTaken {
        /// The id.
        commit: CommitId,
    },
    /// The store cannot be reached, or was lost before it answered: the commit may be stored or not. Sent again under its id it is stored once.
    #[error("cannot reach the store; whether it has the commit is not known")]
    Unavailable(#[source] BoxError),
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store cannot be reached.
    #[error("cannot reach the store")]
    Unavailable(#[source] BoxError),
}
