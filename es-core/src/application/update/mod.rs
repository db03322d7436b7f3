//! Get, decide, save, and again where another writer was faster.

mod decision;

use std::collections::HashSet;
use std::{error, fmt};

pub use decision::Decision;
pub(super) use decision::One;

use super::repository::Seen;
use super::save::staging::Unchanged;
use super::{Application, Error, Save, SaveError};
use crate::domain::{Outcome, Position, Version};

/// What an update did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated<T, V = Version> {
    /// What the decision returned.
    pub value: T,
    /// The version of the aggregate; of several, their versions in the same form.
    pub version: V,
    /// The position of the last event; `None` where the decision recorded nothing.
    pub position: Option<Position>,
}

/// What an update gives where its decision returns `R`: nothing, or a `Result`.
pub type UpdateResult<R, V = Version> =
    Result<Updated<<R as Outcome>::Value, V>, UpdateError<<R as Outcome>::Refusal>>;

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

/// The first decision is taken on what the cache has seen last, where it has: then only a commit, which checks the versions, proves it right.
/// A refusal, or a decision that records nothing, is taken again on what the store has.
pub(super) async fn update<D, T, R>(
    app: Application,
    mut decision: D,
) -> UpdateResult<R, D::Versions>
where
    D: Decision<T, R>,
    T: Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let repository = &app.repository;
    let mut failed_attempts = 0;
    let mut seen = Seen::AtSomeTime;
    loop {
        let (mut several, newest) = decision.get(repository, seen).await.map_err(failed)?;
        let got = D::saving(&mut several).versions();
        let answer = decision.decide(&mut several).into_result();
        if !newest && (answer.is_err() || !D::is_changed(&several)) {
            seen = Seen::Now;
            continue;
        }
        let value = answer.map_err(UpdateError::Refused)?;
        if let Some(stream) = decision.replaced(&several, &got) {
            return Err(failed(SaveError::Replaced { stream }));
        }
        let saving = D::saving(&mut several);
        let saved = repository.save_checked(&app.metadata, saving, Unchanged::Checked);
        match saved.await {
            Ok(saved) => {
                return Ok(Updated {
                    value,
                    version: saved.version,
                    position: saved.position,
                });
            }
            Err(SaveError::Conflict { .. }) if !newest => seen = Seen::Now,
            Err(conflict @ SaveError::Conflict { .. }) => {
                failed_attempts += 1;
                if !repository.pause_before_retry(failed_attempts).await {
                    return Err(failed(conflict));
                }
                seen = Seen::Now;
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

pub(super) async fn update_all<D, T, R>(
    app: Application,
    decision: D,
) -> UpdateResult<R, D::Versions>
where
    D: Decision<T, R>,
    T: Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let streams = decision.streams();
    let mut others = HashSet::with_capacity(streams.len());
    if let Some(stream) = streams.iter().find(|stream| !others.insert(*stream)) {
        let stream = stream.clone();
        return Err(failed(SaveError::Twice { stream }));
    }
    update(app, decision).await
}

fn failed<E>(error: impl Into<Error>) -> UpdateError<E> {
    UpdateError::Failed(error.into())
}
