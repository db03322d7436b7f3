//! How a command ended, as a number that tells the truth.
use std::error::Error as StdError;
use std::process::ExitCode;

use es_core::application::{
    LoadError, LogError, OpenError as OwnerError, SaveError, SnapshotError, WaitError,
};
use es_core::persistence::{AppendError, ParkedError};
use es_core::system::FollowError;
use es_core::{BoxError, Error};
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
        match self {
            Self::Open(error) => of_opening(error),
            Self::Save(error) => of_saving(error),
            Self::Load(error) => of_loading(error),
            Self::Log(error) => of_log(error),
            Self::Snapshot(error) => of_snapshot(error),
            Self::Wait(WaitError::Store { .. }) => Status::Unreachable,
            Self::Follow(error) => error.downcast_ref().map_or(Status::Failed, of_following),
            _ => Status::Failed,
        }
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

fn of_owner(error: &OwnerError) -> Status {
    match error {
        OwnerError::Foreign { .. } => Status::Usage,
        _ => Status::Unreachable,
    }
}

fn of_loading(error: &LoadError) -> Status {
    match error {
        LoadError::Open(error) => of_owner(error),
        LoadError::NotFound { .. } | LoadError::NoSuchVersion { .. } | LoadError::NotYet { .. } => {
            Status::Usage
        }
        LoadError::Ids { .. } | LoadError::Store { .. } => Status::Unreachable,
        _ => Status::Failed,
    }
}

fn of_log(error: &LogError) -> Status {
    match error {
        LogError::Open(error) => of_owner(error),
        LogError::Store(_) => Status::Unreachable,
        _ => Status::Failed,
    }
}

fn of_saving(error: &SaveError) -> Status {
    match error {
        SaveError::Open(error) => of_owner(error),
        SaveError::Unknown { .. }
        | SaveError::Store(AppendError::Failed(_) | AppendError::Unavailable(_)) => {
            Status::Unreachable
        }
        _ => Status::Failed,
    }
}

fn of_snapshot(error: &SnapshotError) -> Status {
    match error {
        SnapshotError::NotDeclared { .. } | SnapshotError::Off => Status::Usage,
        SnapshotError::Load(error) => of_loading(error),
        SnapshotError::Drop(_) | SnapshotError::Keep { .. } => Status::Unreachable,
        _ => Status::Failed,
    }
}

fn of_following(error: &FollowError) -> Status {
    match error {
        FollowError::NoSuchFollower { .. }
        | FollowError::NotRebuilt { .. }
        | FollowError::Name { .. }
        | FollowError::Parked(ParkedError::NotParked { .. } | ParkedError::Unsupported) => {
            Status::Usage
        }
        FollowError::Running { .. } | FollowError::Held { .. } => Status::Held,
        FollowError::Unreachable { .. }
        | FollowError::Store { .. }
        | FollowError::Parked(ParkedError::Store(_)) => Status::Unreachable,
        _ => Status::Failed,
    }
}
