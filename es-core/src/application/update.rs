//! Load, decide, save, and again on conflict.
use super::{Error, Repository, SaveError};
use crate::domain::{Aggregate, Outcome, Position, Version};

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

/// Why an update changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError<E> {
    /// The decision refused the command.
    #[error("{0}")]
    Refused(E),
    /// Getting or saving failed.
    #[error(transparent)]
    Failed(Error),
}

pub(super) async fn update<A, F, R>(
    repository: Repository,
    id: A::Id,
    mut decide: F,
) -> Result<Updated<R::Value>, UpdateError<R::Refusal>>
where
    A: Aggregate,
    F: FnMut(&mut A) -> R + Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let mut attempt = 1;
    loop {
        let mut aggregate: A = repository.get(id.clone()).await.map_err(failed)?;
        let value = decide(&mut aggregate)
            .into_result()
            .map_err(UpdateError::Refused)?;
        match repository.save(&mut aggregate).await {
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
