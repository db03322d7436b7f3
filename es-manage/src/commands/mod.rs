//! The commands, each a function that returns a report.

pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod import;
pub(crate) mod line;
pub(crate) mod migrate;
pub(crate) mod new_key;
pub(crate) mod parked;
pub(crate) mod place;
pub(crate) mod rebuild;
pub(crate) mod show;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod sync_followers;
pub(crate) mod verify;

use std::error::Error;
use std::{fmt, io};

use es_core::Position;

use self::sync_followers::SyncError;
use crate::{Meaning, Status};

/// How many events are read at once.
const PAGE: usize = 1_000;

/// Why a command on followers was broken off, and what it had done by then, which is kept.
#[derive(Debug)]
pub struct BrokenOff<R> {
    /// What was done.
    pub done: R,
    /// Why nothing more was.
    pub error: SyncError,
}

impl<R> BrokenOff<R> {
    fn after(done: R, error: impl Into<SyncError>) -> Self {
        let error = error.into();
        Self { done, error }
    }
}

impl<R> fmt::Display for BrokenOff<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<R: fmt::Debug> Error for BrokenOff<R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl<R: fmt::Debug> Meaning for BrokenOff<R> {
    fn status(&self) -> Status {
        self.error.status()
    }
}

/// Why events could not be read and handed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// They could not be read.
    #[error(transparent)]
    Events(#[from] es_core::Error),
    /// The log has a hole, so that what was written is no whole export.
    #[error(
        "the log has no event at position {position}, and a part of a log is no export; `verify` tells what is missing"
    )]
    Hole {
        /// The first position that is missing.
        position: Position,
    },
    /// The log ends before what is asked for begins: it is another one, or was restored.
    #[error(
        "the log ends at position {head}, before {after}: it is another log than was exported before, or was restored; export all of it"
    )]
    Before {
        /// What was exported before, as is said.
        after: Position,
        /// Where the log ends.
        head: Position,
    },
    /// They could not be written to where they were to go.
    #[error("cannot write the output after {written} events; nothing of the log was changed")]
    Output {
        /// How many events were written before.
        written: u64,
        /// Why.
        source: io::Error,
    },
}

impl PrintError {
    /// Whether whoever was to read the output has gone.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl Meaning for PrintError {
    fn status(&self) -> Status {
        match self {
            Self::Events(error) => error.status(),
            Self::Before { .. } => Status::Usage,
            Self::Hole { .. } | Self::Output { .. } => Status::Failed,
        }
    }
}
