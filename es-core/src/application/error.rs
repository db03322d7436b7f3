//! What a use case can fail with.
use super::{LoadError, LogError, SaveError, UpdateError};
use crate::persistence::BoxError;

/// The result of what an [`Application`](super::Application) does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a use case can fail with: the error of the operation that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Saving failed.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// Getting or reading failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Reading the log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The closure of an update refused the command.
    #[error(transparent)]
    Refused(BoxError),
}

impl<E: Into<BoxError>> From<UpdateError<E>> for Error {
    fn from(error: UpdateError<E>) -> Self {
        match error {
            UpdateError::Refused(refusal) => Self::Refused(refusal.into()),
            UpdateError::Failed(error) => error,
        }
    }
}
