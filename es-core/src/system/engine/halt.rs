//! Why a turn is broken off, and which error of a store means what.
use std::convert::Infallible;
use std::error::Error as StdError;
use std::time::Duration;

use crate::application::{Error, LoadError, LogError, OpenError, SaveError, UpdateError};
use crate::persistence::{AppendError, CodecError, DecodeError, Epoch, LeaseError, ReadError};
use crate::system::StopReason;
use crate::system::follower::HandleError;
use crate::system::inline::AnotherRevision;
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
    /// What an event is handled with cannot be reached.
    Away(String),
    /// The checkpoint, or what is parked, is not as was believed.
    Stale,
}

/// Whether an error comes of what cannot be reached, a store or the keys, which says nothing of the event that was handled then.
pub(in crate::system) fn is_away(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        #[cfg(feature = "aes")]
        if let Some(crate::persistence::KeyError::Unavailable(_)) = cause.downcast_ref() {
            return true;
        }
        matches!(cause.downcast_ref(), Some(ReadError::Unavailable(_)))
            || matches!(
                saving(cause),
                Some(
                    SaveError::Unknown { .. }
                        | SaveError::Store(AppendError::Failed(_) | AppendError::Unavailable(_))
                )
            )
    })
}

/// What an application answered that the handler saved to by itself. What a store says of a commit is no cause of it.
fn saving<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e SaveError> {
    let updating = error.downcast_ref::<UpdateError<Infallible>>();
    match (updating, error.downcast_ref()) {
        (Some(UpdateError::Failed(Error::Save(error))), _) | (_, Some(Error::Save(error))) => {
            Some(error)
        }
        _ => None,
    }
}

/// Whether an error comes of what this program does not know and another does, which wrote it: the event itself, or one of an aggregate that its
/// handler asked for.
pub(super) fn is_not_known(error: &(dyn StdError + 'static)) -> bool {
    causes(error).filter_map(not_decoded).any(|error| {
        matches!(
            error,
            DecodeError::UnknownEvent { .. } | DecodeError::FutureSchema { .. }
        )
    })
}

/// Whether an error comes of a key or a feature that this program does not have, and another may: of the event itself, or of an aggregate that its
/// handler asked for or saves. Keys may come late, so it is tried again.
pub(super) fn is_lacking(error: &(dyn StdError + 'static)) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .any(CodecError::is_lacking)
}

/// What could not be decoded. The errors of an application are transparent, so what they hold is no cause of theirs; what keeps from saving is kept
/// in a box.
fn not_decoded<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e DecodeError> {
    if let Some(Error::Load(LoadError::Decode(error)) | Error::Log(LogError::Decode(error))) =
        error.downcast_ref()
    {
        return Some(error);
    }
    if let Some(LoadError::Decode(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(LogError::Decode(error)) = error.downcast_ref() {
        return Some(error);
    }
    if let Some(error) = error.downcast_ref::<Box<DecodeError>>() {
        return Some(error);
    }
    error.downcast_ref()
}

/// An error and its causes.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| {
        // Of the error, not of the reference to it.
        let error: &'e (dyn StdError + 'static) = *error;
        error.source()
    })
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
            error if AnotherRevision::refuses(&error) => Self::Stop(StopReason::Unable {
                failure: told(&error),
            }),
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

impl From<OpenError> for Halt {
    fn from(error: OpenError) -> Self {
        let failure = told(&error);
        match error {
            OpenError::Foreign { .. } => Self::Stop(StopReason::Unable { failure }),
            OpenError::Store(_) => Self::Unreachable(failure),
        }
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        match error {
            Error::Log(LogError::Open(error)) => error.into(),
            error => Self::Unreachable(told(&error)),
        }
    }
}
