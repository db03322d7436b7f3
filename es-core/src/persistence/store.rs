//! Ordered, durable record of what happened: one stream per aggregate, one log for all.
//!
//! Appending is all or nothing and checked against the expected version.
use std::ops::ControlFlow;

use futures_core::future::BoxFuture;
use uuid::Uuid;

use super::{
    BoxError, CheckpointStore, Commit, CommitId, Committed, Epoch, Filter, FollowerId, Record,
    SnapshotStore, StoredEvent, Verification, verification,
};
use crate::domain::{Position, StreamId, Version};

/// Everything an application needs of a database: events, checkpoints, snapshots. Whoever has all three is a store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store",
    note = "an `AnyStore` is one of several: `Settings::builder_and_store` makes the application's builder beside it"
)]
pub trait Store: EventStore + CheckpointStore + SnapshotStore {}

impl<S: EventStore + CheckpointStore + SnapshotStore> Store for S {}

/// Appends commits and reads them back.
///
/// Implement this to bring a database; passing the laws in `es_core::testing` (feature `testing`) is the contract.
pub trait EventStore: Send + Sync + 'static {
    /// Writes a commit, whole or not at all.
    ///
    /// The same commit sent again gives the first result and writes nothing: the same by its id, and by stream, version, name, schema and
    /// payload of its events. One without events is not kept: it is checked anew each time. Under the id of one that is kept it is another
    /// commit, as any that differs; that is looked at before versions and checkpoint are. Which of several other errors is told is the store's
    /// choice.
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

    /// Hands what replay needs of a part of a stream to `visit`, event by event, until it breaks off or there are no more: the same events in
    /// the same order as [`read_stream`](Self::read_stream) gives.
    ///
    /// Unless a store does it with fewer copies, the records are read and shown one after the other. It may keep writers waiting
    /// while `visit` works, so let the limit of the slice be that of a page; `visit` must not use the store.
    ///
    /// # Errors
    /// [`ReadError`]; some events may have been visited by then.
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

    /// Reads what a filter admits of a part of the log, oldest first; fewer than the limit only where there are no more.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>>;

    /// Reads at most `limit` ids of the streams of a category, in ascending order, the first of them right after `after`.
    ///
    /// # Errors
    /// [`ReadError`].
    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>>;

    /// The position of the newest event; [`Position::START`] where there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>>;

    /// Ends when something is committed, events or a checkpoint, after this was called: not after it is first polled, so that who calls, then
    /// reads, and then waits, misses nothing.
    ///
    /// A hint, which only shortens the wait of those who look again from time to time: it may end without a reason, and need not end for what
    /// was committed through another handle. It must not end at once every time: who waits would never let go of its thread.
    fn changed(&self) -> BoxFuture<'static, ()>;

    /// Says which application the log belongs to: the one that asked first, which is `name` where nobody did before.
    ///
    /// # Errors
    /// [`ReadError`].
    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>>;

    /// Reads the whole log and compares it with what was written.
    ///
    /// A store that keeps a sum with each record compares it; unless it does, positions, versions, times and the head are looked at, which
    /// are in the records themselves.
    ///
    /// # Errors
    /// [`ReadError`]: the log is damaged so far that it cannot be read, or the store cannot be reached.
    fn verify(&self) -> BoxFuture<'_, Result<Verification, ReadError>> {
        Box::pin(verification::read_through(self))
    }

    /// A number by which a store of the same kind is told to keep another log, as that of a path, or of how a server is named: the same for clones, and for
    /// whatever is opened in the same way. `None` where nothing is told.
    fn identity(&self) -> Option<u64> {
        None
    }
}

/// What is done with each event of a stream that is [visited](EventStore::visit_stream).
pub type Visit<'v> = dyn FnMut(StoredEvent<'_>) -> ControlFlow<()> + Send + 'v;

/// Shows records to a visitor until he breaks off.
pub(crate) fn show(records: &[Record], visit: &mut Visit<'_>) {
    for record in records {
        if visit(record.stored()).is_break() {
            break;
        }
    }
}

/// Which part of the log to read.
///
/// ```
/// use es_core::Position;
/// use es_core::persistence::Span;
///
/// let next_ten = Span::after(Position::from(20)).limit(10);
/// let until_the_third = Span::all().up_to(Position::from(3));
/// # let _ = (next_ten, until_the_third);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Only positions after this one.
    pub after: Position,
    /// Only positions up to and including this one.
    pub up_to: Position,
    /// At most as many records.
    pub limit: usize,
}

impl Span {
    /// The whole log.
    #[must_use]
    pub const fn all() -> Self {
        Self::after(Position::START)
    }

    /// What comes after `position`.
    #[must_use]
    pub const fn after(position: Position) -> Self {
        Self {
            after: position,
            up_to: Position::MAX,
            limit: usize::MAX,
        }
    }

    /// Leaves out the positions after `position`.
    #[must_use]
    pub const fn up_to(self, position: Position) -> Self {
        Self {
            up_to: position,
            ..self
        }
    }

    /// At most `limit` records.
    #[must_use]
    pub const fn limit(self, limit: usize) -> Self {
        Self { limit, ..self }
    }
}

/// A part of the log, as far as a filter admits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// How far the log was read: nothing up to here that the filter admits is missing, so the next page begins after it. Where the limit was
    /// reached it is the position of the last record; otherwise the end of the span or of the log, whichever comes first. Never before the
    /// beginning of the span: where that lies beyond the log, where the span is empty, or where the limit is 0, it is just that.
    pub read_to: Position,
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
    #[error("{}", conflict(stream, *expected, *actual))]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version that the commit was made for; [`Version::NEW`] where it was to create what exists already.
        expected: Version,
        /// The version that the stream has.
        actual: Version,
    },
    /// The checkpoint is not where its writer believed, or would not move forward; nothing was stored.
    #[error(
        "the checkpoint of {follower} cannot go from {from} to {to}: it is at {actual}; read it again"
    )]
    Checkpoint {
        /// Whose checkpoint.
        follower: FollowerId,
        /// Where its writer believed it to be.
        from: Position,
        /// Where it was to go.
        to: Position,
        /// Where it is.
        actual: Position,
    },
    /// The lease under which the checkpoint was to be moved is somebody else's by now; nothing was stored.
    #[error(
        "{follower} was taken over: its lease is at epoch {actual}, no longer at {epoch}; take it anew"
    )]
    Fenced {
        /// Whose checkpoint.
        follower: FollowerId,
        /// The epoch of the one who wrote.
        epoch: Epoch,
        /// The epoch that there is.
        actual: Epoch,
    },
    /// What is parked is not as the writer of a checkpoint believed; nothing was stored.
    #[error("what {follower} has parked was changed at position {position}; read it again")]
    Parking {
        /// Whose.
        follower: FollowerId,
        /// The event that is not parked as believed.
        position: Position,
    },
    /// A projection that runs inside the commit could not handle its events; nothing was stored.
    #[error("the projection `{projection}` {}; nothing of the commit is stored", refused(event.as_deref()))]
    Projection {
        /// Its name.
        projection: String,
        /// The event that it failed at, of this commit or of one before that it had not seen; nothing where that is not known, as of a constraint that
        /// is looked at last.
        event: Option<Box<RefusedEvent>>,
        /// What its handler answered.
        source: BoxError,
    },
    /// A payload is larger than the store takes; nothing was stored.
    #[error(
        "`{event}` of `{stream}` at version {version} is {size} bytes large, and the store takes {limit}; keep large things elsewhere and \
         record where"
    )]
    TooLarge {
        /// The stream.
        stream: StreamId,
        /// The version it would have.
        version: Version,
        /// Its stored name.
        event: String,
        /// The size of its payload, in bytes.
        size: usize,
        /// The largest payload the store takes, in bytes.
        limit: usize,
    },
    /// The metadata is larger than is taken beside each event; nothing was stored.
    #[error(
        "the metadata has {size} bytes of text, and at most {limit} are taken; keep large things elsewhere and record where"
    )]
    MetadataTooLarge {
        /// How many bytes of text it has.
        size: usize,
        /// The most that is taken, in bytes.
        limit: usize,
    },
    /// A key of the metadata is nested deeper than readers of JSON get; nothing was stored.
    #[error(
        "`{key}` of the metadata is nested deeper than {limit} levels; say it in fewer, or as a text"
    )]
    MetadataTooDeep {
        /// The key.
        key: String,
        /// How many levels there may be.
        limit: usize,
    },
    /// The commit's id belongs to another commit; nothing was stored.
    #[error("commit id `{commit}` belongs to another commit; draw a new one")]
    IdTaken {
        /// The id.
        commit: CommitId,
    },
    /// The caller's transaction cannot take events; nothing was stored.
    #[error("events cannot be added to this transaction; {needed}")]
    WrongTransaction {
        /// What it must be.
        needed: &'static str,
    },
    /// The store could not write; nothing was stored.
    #[error("the store could not write the commit; nothing of it is stored")]
    Failed(#[source] BoxError),
    /// The store cannot be reached, or was lost before it answered: the commit may be stored or not. Sent again under its id it is stored once.
    #[error("cannot reach the store; whether it has the commit is not known")]
    Unavailable(#[source] BoxError),
}

/// An event that a projection inside of commits could not handle.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedEvent {
    /// Its stream.
    pub stream: StreamId,
    /// Its version.
    pub version: Version,
    /// Its stored name.
    pub event: String,
}

impl RefusedEvent {
    /// The one of that record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        Self {
            stream: record.stream.clone(),
            version: record.version,
            event: record.event.clone().into_owned(),
        }
    }
}

fn refused(event: Option<&RefusedEvent>) -> String {
    let Some(refused) = event else {
        return "refused the commit".to_owned();
    };
    let RefusedEvent {
        stream,
        version,
        event,
    } = refused;
    format!("cannot handle `{event}` of `{stream}` at version {version}")
}

/// What was to be created and exists is not got newer by another attempt.
fn conflict(stream: &StreamId, expected: Version, actual: Version) -> String {
    match (expected, actual) {
        (Version::NEW, _) => format!("`{stream}` exists already; get it instead of creating it"),
        (expected, Version::NEW) => none_of_it(stream, expected),
        (expected, actual) => format!(
            "stream `{stream}` is at version {actual}, expected {expected}; reload and retry"
        ),
    }
}

/// That something else is wrong than that another writer was faster: streams get no shorter.
pub(crate) fn none_of_it(stream: &StreamId, expected: Version) -> String {
    format!(
        "this store has no events of `{stream}`, which was got at version {expected}: it was got from another store, or the log was restored from a \
         backup"
    )
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The store cannot be reached.
    #[error("cannot reach the store")]
    Unavailable(#[source] BoxError),
    /// What is stored is not as the store wrote it.
    #[error("the store cannot read what it has")]
    Damaged(#[source] BoxError),
}
