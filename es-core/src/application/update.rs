//! Load, decide, save, and again on conflict.
use std::convert::Infallible;

use super::{Error, Repository, SaveError};
use crate::domain::{Aggregate, Position, Version};

/// How often a command is decided anew before its conflict is given back.
const ATTEMPTS: usize = 16;

/// What a decision answers: `()`, or a `Result` whose error refuses the command.
#[diagnostic::on_unimplemented(
    message = "a decision returns nothing or a `Result`, not `{Self}`",
    note = "end the closure with `Ok::<_, Refusal>(value)` to return a value"
)]
pub trait Outcome {
    /// What it answers when the command is accepted.
    type Value;
    /// What it answers when the command is refused.
    type Refusal;

    /// The answer as a `Result`.
    ///
    /// # Errors
    /// The refusal.
    fn into_result(self) -> Result<Self::Value, Self::Refusal>;
}

impl Outcome for () {
    type Value = ();
    type Refusal = Infallible;

    fn into_result(self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<T, E> Outcome for Result<T, E> {
    type Value = T;
    type Refusal = E;

    fn into_result(self) -> Self {
        self
    }
}

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
