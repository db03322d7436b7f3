//! What a use case can fail with.
use super::{LoadError, LogError, SaveError, SnapshotError, UpdateError, WaitError};
use crate::persistence::{AppendError, BoxError};

/// The result of what an [`Application`](super::Application) does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a use case can fail with: the error of the operation that failed.
///
/// Its `Debug`, which is what a `main` that returns it prints, tells the error with its causes; `{:#?}` shows what is in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A store or an application could not be opened.
    #[error(transparent)]
    Open(BoxError),
    /// Saving failed.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Getting or reading failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Reading the log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Taking a snapshot failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Waiting for a follower failed.
    #[error(transparent)]
    Wait(#[from] WaitError),
    /// A follower did not do what it was asked for, which is why.
    #[error(transparent)]
    Follow(BoxError),
    /// The closure of an update refused the command.
    #[error(transparent)]
    Refused(BoxError),
}

__debug_with_causes!(Error {
    Open(error),
    Save(error),
    Load(error),
    Log(error),
    Snapshot(error),
    Wait(error),
    Follow(error),
    Refused(error),
});

impl From<AppendError> for Error {
    fn from(error: AppendError) -> Self {
        Self::Save(error.into())
    }
}

impl<E: Into<BoxError>> From<UpdateError<E>> for Error {
    fn from(error: UpdateError<E>) -> Self {
        match error {
            UpdateError::Refused(refusal) => Self::Refused(refusal.into()),
            UpdateError::Failed(error) => error,
        }
    }
}

// Beyond 128 bytes clippy's `result_large_err` would tell every user to box what we return.
const _: () = assert!(size_of::<Error>() <= 112);
