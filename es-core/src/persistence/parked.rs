//! Events that a follower could not handle and set aside, and what has to wait behind them.
use std::time::SystemTime;

use super::{BoxError, FollowerId, ReadError};
use crate::domain::{Position, StreamId};

/// What a commit changes about a follower's parked events, together with its checkpoint. A store refuses what does not fit what it keeps, or what
/// comes before it in the same commit, by [`AppendError::Parking`](super::AppendError::Parking).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parking {
    /// An event failed and is set aside; from here on the later ones of its stream wait behind it.
    Aside {
        /// Its stream, of which nothing is parked yet.
        stream: StreamId,
        /// The event.
        position: Position,
        /// Why, for a person.
        failure: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// An event waits behind one of its stream that is set aside.
    Behind {
        /// Its stream, of which something is parked.
        stream: StreamId,
        /// The event.
        position: Position,
    },
    /// A parked event was handled after all: the first of its stream, and no other.
    Handled {
        /// The event.
        position: Position,
    },
    /// A parked event was tried again, and failed: the first of its stream, and no other. Nobody asks for it to be tried again any more.
    Failed {
        /// The event.
        position: Position,
        /// Why, for a person.
        failure: String,
        /// How often it was tried so far.
        attempts: u32,
    },
}

impl Parking {
    /// The event that it is about.
    #[must_use]
    pub fn position(&self) -> Position {
        match self {
            Self::Aside { position, .. }
            | Self::Behind { position, .. }
            | Self::Handled { position }
            | Self::Failed { position, .. } => *position,
        }
    }
}

/// An event that is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its stream.
    pub stream: StreamId,
    /// The event.
    pub position: Position,
    /// Why it was set aside; `None` where it only waits behind another one.
    pub failure: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when.
    pub since: SystemTime,
    /// Somebody asked for it to be tried again. Of those behind the first of a stream it says nothing: they are tried once nothing is before them.
    pub retry: bool,
}

/// What a person decides about the parked events of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// They are tried again, in order.
    Retry,
    /// The first of them, which is named, is never handled; those behind it are tried again.
    Drop {
        /// The event.
        position: Position,
        /// Who says so.
        by: String,
        /// Why.
        reason: String,
    },
}

/// A parked event that was given up on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// Its stream.
    pub stream: StreamId,
    /// The event.
    pub position: Position,
    /// Why it had been set aside.
    pub failure: Option<String>,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, by the clock of the store.
    pub time: SystemTime,
}

/// Why nothing was decided about parked events. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParkedError {
    /// It is not the first parked event of that stream.
    #[error(
        "{follower} has nothing parked of `{stream}`, or another event first; list what is parked again"
    )]
    NotParked {
        /// The follower.
        follower: FollowerId,
        /// The stream.
        stream: StreamId,
    },
    /// The store does not keep parked events.
    #[error("this store keeps no parked events")]
    Unsupported,
    /// The store could not be read or written.
    #[error("the store could not change what is parked")]
    Store(#[source] BoxError),
}

impl From<ReadError> for ParkedError {
    fn from(error: ReadError) -> Self {
        Self::Store(error.into())
    }
}
