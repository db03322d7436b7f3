//! Load, decide, save, and again on conflict.
use std::{error, fmt};

use super::{Application, Error, SaveError};
use crate::domain::{Aggregate, Outcome, Position, StreamId, Version};

/// How often a command is decided anew before its conflict is given back.
const ATTEMPTS: usize = 16;

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated<T> {
    /// What the decision returned.
    pub value: T,
    /// The version of the aggregate.
    pub version: Version,
    /// The position of its last event; `None` where the decision recorded nothing.
    pub position: Option<Position>,
}

/// Why an update did not succeed. Nothing was stored, except as [`SaveError::Unknown`] says.
#[derive(Debug)]
pub enum UpdateError<E> {
    /// The decision refused the command.
    Refused(E),
    /// Getting or saving failed.
    Failed(Error),
}

impl<E: fmt::Display> fmt::Display for UpdateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

/// Either is passed on as it is, so its own cause is the cause.
impl<E: error::Error + 'static> error::Error for UpdateError<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Refused(refusal) => refusal.source(),
            Self::Failed(error) => error.source(),
        }
    }
}

pub(super) async fn update<A, F, R>(
    app: Application,
    stream: StreamId,
    mut decide: F,
) -> Result<Updated<R::Value>, UpdateError<R::Refusal>>
where
    A: Aggregate,
    F: FnMut(&mut A) -> R + Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let mut attempt = 1;
    loop {
        let mut aggregate: A = app.repository.get_stream(&stream).await.map_err(failed)?;
        let got = aggregate.version();
        let value = decide(&mut aggregate)
            .into_result()
            .map_err(UpdateError::Refused)?;
        let recorded = aggregate.version().get() - aggregate.pending().len() as u64;
        if aggregate.root().id() != stream.id || recorded != got.get() {
            return Err(failed(SaveError::Replaced { stream }));
        }
        match app.repository.save(&app.metadata, &mut aggregate).await {
            Ok(saved) => {
                return Ok(Updated {
                    value,
                    version: saved.version,
                    position: saved.position,
                });
            }
            Err(SaveError::Conflict { .. }) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(failed(error)),
        }
    }
}

fn failed<E>(error: impl Into<Error>) -> UpdateError<E> {
    UpdateError::Failed(error.into())
}
