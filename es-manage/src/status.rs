//! How a command ended, as a number that tells the truth.
use std::error::Error as StdError;
use std::process::ExitCode;

use es_core::application::{LoadError, SaveError};
use es_core::{BoxError, Error, ErrorKind};
use es_store::Reason;
use serde::Serialize;

/// How a command ended: the exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
#[non_exhaustive]
pub enum Status {
    /// 0: all is well.
    Well = 0,
    /// 1: what was asked for cannot be understood, or is not there.
    Usage = 1,
    /// 2: a follower failed, or something was found or could not be done.
    Failed = 2,
    /// 3: somebody else runs a follower.
    Held = 3,
    /// 4: a store cannot be reached, or is not migrated.
    Unreachable = 4,
}

impl Status {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.code())
    }
}

/// What an error means for the exit status.
pub trait Meaning: StdError {
    /// The exit status.
    fn status(&self) -> Status;
}

impl Meaning for Error {
    fn status(&self) -> Status {
        // What stands in the way of opening a store is known where that store is.
        if let Self::Open(error) = self {
            return of_opening(error);
        }
        match self.kind() {
            // Nobody asked for that: it is the program that has to be corrected.
            ErrorKind::Misuse if !is_of_settings(self) => Status::Failed,
            ErrorKind::NotFound | ErrorKind::Misuse => Status::Usage,
            ErrorKind::Busy if !matches!(self, Self::Wait(_)) => Status::Held,
            ErrorKind::Unavailable | ErrorKind::Unknown => Status::Unreachable,
            _ => Status::Failed,
        }
    }
}

/// Whether what was said by settings, or asked for, is in the way.
fn is_of_settings(error: &Error) -> bool {
    match error {
        Error::Save(error) => matches!(error, SaveError::Open(_) | SaveError::WrongKeys(_)),
        Error::Load(error) => matches!(error, LoadError::Open(_)),
        _ => true,
    }
}

/// What stands in the way of making a system.
pub(crate) fn of_opening(error: &BoxError) -> Status {
    match Reason::of(&**error) {
        Some(Reason::Settings) => Status::Usage,
        Some(_) => Status::Unreachable,
        None => error
            .downcast_ref::<Error>()
            .map_or(Status::Failed, Meaning::status),
    }
}

/// Whether the store is there to be migrated.
pub(crate) fn is_unmigrated(error: &BoxError) -> bool {
    Reason::of(&**error) == Some(Reason::Unmigrated)
}
