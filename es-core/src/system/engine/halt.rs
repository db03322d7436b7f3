//! Why a turn is broken off, and which error of a store means what.
use std::time::Duration;

use crate::application::{Error, LogError};
use crate::persistence::{AppendError, Epoch, LeaseError, ReadError};
use crate::system::StopReason;
use crate::system::follower::HandleError;
use crate::system::state::told;

/// Why a turn was broken off.
pub(super) enum Halt {
    Stop(StopReason),
    Fenced {
        epoch: Epoch,
        actual: Epoch,
    },
    Held {
        holder: String,
        held_for: Option<Duration>,
        free_in: Duration,
    },
    Unreachable(String),
    /// The checkpoint, or what is parked, is not as was believed.
    Stale,
}

/// Whether an error comes of what cannot be reached, a store or the keys, which says nothing of the event that was handled then.
fn is_away(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<ReadError>() || is_away_with_the_keys(error) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(feature = "aes")]
fn is_away_with_the_keys(error: &(dyn std::error::Error + 'static)) -> bool {
    use crate::persistence::KeyError;
    matches!(error.downcast_ref(), Some(KeyError::Unavailable(_)))
}

#[cfg(not(feature = "aes"))]
fn is_away_with_the_keys(_: &(dyn std::error::Error + 'static)) -> bool {
    false
}

/// Why an event could not be handled, in words.
pub(super) fn failure(error: &(dyn std::error::Error + 'static)) -> Result<String, Halt> {
    match is_away(error) {
        true => Err(Halt::Unreachable(told(error))),
        false => Ok(told(error)),
    }
}

/// What it means that a handler could not keep what it made.
pub(super) fn stored(error: HandleError) -> Halt {
    match error {
        HandleError::Store(refused) => refused.into(),
        HandleError::Prepare(error) => Halt::Stop(StopReason::Unable {
            failure: told(&*error),
        }),
        error => Halt::Unreachable(told(&error)),
    }
}

impl From<AppendError> for Halt {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Fenced { epoch, actual, .. } => Self::Fenced { epoch, actual },
            AppendError::Checkpoint { .. } | AppendError::Parking { .. } => Self::Stale,
            error => Self::Unreachable(told(&error)),
        }
    }
}

impl From<LeaseError> for Halt {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Held {
                holder,
                held_for,
                free_in,
                ..
            } => Self::Held {
                holder,
                held_for,
                free_in,
            },
            LeaseError::Fenced { epoch, actual, .. } => Self::Fenced { epoch, actual },
            LeaseError::Unsupported | LeaseError::Inline { .. } => Self::Stop(StopReason::Unable {
                failure: told(&error),
            }),
            LeaseError::Store(_) => Self::Unreachable(told(&error)),
        }
    }
}

impl From<ReadError> for Halt {
    fn from(error: ReadError) -> Self {
        Self::Unreachable(told(&error))
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match &error {
            Error::Log(LogError::Open(_)) => Self::Stop(StopReason::Unable {
                failure: told(&error),
            }),
            _ => Self::Unreachable(told(&error)),
        }
    }
}
