//! The commands, each a function that returns a report.

pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod line;
pub(crate) mod migrate;
pub(crate) mod new_key;
pub(crate) mod parked;
pub(crate) mod rebuild;
pub(crate) mod show;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod sync_followers;
pub(crate) mod verify;

use std::io;

use crate::{Meaning, Status};

/// How many events are read at once.
const PAGE: usize = 1_000;

/// Why events could not be read and handed on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// They could not be read.
    #[error(transparent)]
    Events(#[from] es_core::Error),
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
            Self::Output { .. } => Status::Failed,
        }
    }
}
