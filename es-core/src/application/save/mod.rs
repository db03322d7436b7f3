//! How saving ends.

mod forms;
mod saving;
mod staged;
pub(super) mod staging;

pub use forms::Save;
pub use staged::Staged;

use super::{CategoryTaken, OpenError};
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{AppendError, BoxError, CommitId, DecodeError, EncodeError, none_of_it};

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved<V = Version> {
    /// The version of the aggregate; of several, their versions in the same form.
    pub version: V,
    /// The position of the last event; `None` where nothing was pending.
    pub position: Option<Position>,
}

/// Why a save failed. What was pending is pending still and not stored, except as [`Unknown`](SaveError::Unknown) says, and except for what was
/// in doubt before: a save settles that first, and then it may be stored, and is no longer pending.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// The store is not this application's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An aggregate with this id was created before.
    #[error("`{stream}` exists already; get it instead of creating it")]
    AlreadyExists {
        /// The stream.
        stream: StreamId,
    },
    /// Another writer was faster.
    #[error("{}", conflict(stream, *expected, *actual))]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version that the aggregate was at when it was got.
        expected: Version,
        /// The version that it has by now.
        actual: Version,
    },
    /// The aggregate was made without an event, so it has no id.
    #[error("no event created this `{category}`; make it by an event method that returns `Self`")]
    NotCreated {
        /// The aggregate's stored name.
        category: &'static str,
    },
    /// The body of one of its events panicked, so its state may be half changed.
    #[error("an event of `{stream}` panicked, so its state cannot be trusted; get it again")]
    Panicked {
        /// The stream.
        stream: StreamId,
    },
    /// The decision of an update put another aggregate, or none, in the place of the one it was given, or created one with another id.
    #[error(
        "the decision about `{stream}` put something else in its place; change the one it is given, and create one that does not exist with the id that was asked for: `#[event(.., id = ..)]`"
    )]
    Replaced {
        /// The stream that was asked for.
        stream: StreamId,
    },
    /// The decision of an update took aggregates out of a `Vec` that it was given, or put others into it.
    #[error(
        "the decision was given {given} aggregates in a `Vec` and left {left}; what it may create is asked for too, and is an `Option`"
    )]
    Resized {
        /// How many were asked for.
        given: usize,
        /// How many were there in the end.
        left: usize,
    },
    /// The key of a command that is done [once](crate::Application::once) is that of another command, which was done. Its text names an aggregate of
    /// that: not for the eyes of any client.
    #[error(
        "key `{key}` was used before, by a command that changed `{stream}`; give every command a key of its own"
    )]
    KeyTaken {
        /// The key.
        key: CommitId,
        /// What that command changed.
        stream: StreamId,
    },
    /// One aggregate was to be saved, or its id was given, twice.
    #[error(
        "`{stream}` occurs twice in what is to be one commit; name it once and change one copy of it"
    )]
    Twice {
        /// The stream.
        stream: StreamId,
    },
    /// Another type of aggregate is stored under the same name.
    #[error(transparent)]
    CategoryTaken(#[from] CategoryTaken),
    /// An event has no stored form.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A commit was sent, and whether it is stored is not known. Saving the same aggregates again finds out, and stores it once.
    #[error(
        "whether commit `{commit}` is stored is not known; save the same aggregates again, give the command again under its key where it has one, or ask for the outcome and get them again"
    )]
    Unknown {
        /// The commit.
        commit: CommitId,
        /// Why there was no answer, or why it was not stored this time; nothing where it is not stored so far, and an aggregate of it is missing in
        /// this save.
        source: Option<BoxError>,
    },
    /// None of the newest encrypted events can be opened with the keys of this application: what it writes could not be read beside them.
    #[error(
        "the newest encrypted events of the log cannot be opened with this application's keys; give it those that the log is written with"
    )]
    WrongKeys(#[source] Box<DecodeError>),
    /// Staging cannot wait, and would have to.
    #[error(
        "staging would have to wait for {what}; call `claim` when the program starts, and use keys that are answered from memory, or `save`"
    )]
    MustWait {
        /// For what.
        what: &'static str,
    },
    /// The store refused the commit.
    #[error("the store did not take the commit")]
    Store(#[source] AppendError),
}

fn conflict(stream: &StreamId, expected: Version, actual: Version) -> String {
    match actual {
        Version::NEW => none_of_it(stream, expected),
        actual => format!(
            "stream `{stream}` is at version {actual}, expected {expected}; get it again and decide again, which `update` does as often as the application's `Retry` says"
        ),
    }
}

impl From<AppendError> for SaveError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict {
                stream,
                expected: Version::NEW,
                ..
            } => Self::AlreadyExists { stream },
            AppendError::Conflict {
                stream,
                expected,
                actual,
            } => Self::Conflict {
                stream,
                expected,
                actual,
            },
            error => Self::Store(error),
        }
    }
}
