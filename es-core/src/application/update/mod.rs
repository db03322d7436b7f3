//! Get, decide, save, and again where another writer was faster.

mod decision;
mod subject;
mod turns;

use std::collections::HashSet;
use std::time::Duration;
use std::{error, fmt};

use futures_core::future::BoxFuture;
use futures_lite::future;
use tracing::Instrument;

pub use decision::Decision;
use subject::Saving;
pub use subject::Subject;
use turns::Turn;
pub(super) use turns::Turns;

use super::load::Seen;
use super::save::staging::Unchanged;
use super::{Application, Error, Repository, SaveError, traced};
use crate::domain::{Outcome, Position, StreamId, Version};
use crate::persistence::CommitId;

/// How long somebody has the turn at most while others wait: it may be a future that is polled no more.
const PATIENCE: Duration = Duration::from_secs(2);

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

/// In a commit of that id, where there is a `key`.
pub(super) async fn update<S, F, R>(
    app: Application,
    key: Option<CommitId>,
    streams: S::Streams,
    decide: F,
) -> UpdateResult<R, S::Versions>
where
    S: Subject,
    F: FnMut(&mut S) -> R + Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    if let Some(stream) = twice::<S>(&streams).cloned() {
        return Err(failed(SaveError::Twice { stream }));
    }
    let span = traced::updating(|| all::<S>(&streams));
    let deciding = decide_and_save(app, key, streams, decide);
    deciding.instrument(span).await
}

/// The first decision is taken on what the cache has seen last, where it has. Then only a commit, which checks the versions, proves it right:
/// whatever else comes of it is decided again on what the store has. What comes of several aggregates without a commit is proved by one
/// without events, since they were not read at one time.
async fn decide_and_save<S, F, R>(
    app: Application,
    key: Option<CommitId>,
    streams: S::Streams,
    mut decide: F,
) -> UpdateResult<R, S::Versions>
where
    S: Subject,
    F: FnMut(&mut S) -> R + Send,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let repository = &app.repository;
    let mut failed_attempts = 0;
    let mut asked = Seen::AtSomeTime;
    let mut turn = None;
    if repository.turns().are_taken() && repository.pause_before_retry(1).is_some() {
        let mut streams = all::<S>(&streams).into_iter();
        if let Some(stream) = streams.find(|stream| repository.turns().is_taken(stream)) {
            turn = Some(in_turn(repository, stream.clone()).await);
        }
    }
    loop {
        let (mut subject, seen) = S::get(repository, &streams, asked).await.map_err(failed)?;
        let got = subject.versions();
        let answer = decide(&mut subject).into_result();
        let unchanged = answer.is_err() || !subject.is_changed();
        if unchanged && seen != Seen::Now {
            asked = Seen::Now;
            continue;
        }
        let misfit = subject.misfit(&streams, &got);
        if let Some(misfit) = misfit.filter(|_| answer.is_ok()) {
            if seen == Seen::Now {
                return Err(failed(misfit));
            }
            asked = Seen::Now;
            continue;
        }
        let saved = if unchanged {
            let proved = match count::<S>(&streams) {
                0 | 1 => Ok(()),
                _ => repository.confirm(several::<S>(&streams, &got)).await,
            };
            proved.map(|()| (got, None))
        } else {
            let saving = Saving {
                subject: &mut subject,
                streams: &streams,
            };
            let saved = repository.save_checked(&app.metadata, key, saving, Unchanged::Checked);
            saved.await.map(|saved| (saved.version, saved.position))
        };
        match (saved, answer) {
            (Ok((version, position)), Ok(value)) => {
                return Ok(Updated {
                    value,
                    version,
                    position,
                });
            }
            (Ok(_), Err(refusal)) => return Err(UpdateError::Refused(refusal)),
            (Err(unknown @ SaveError::Unknown { .. }), _) => return Err(failed(unknown)),
            (Err(_), _) if seen != Seen::Now => asked = Seen::Now,
            (Err(conflict), _) => {
                let (SaveError::Conflict { stream, .. } | SaveError::AlreadyExists { stream }) =
                    &conflict
                else {
                    return Err(failed(conflict));
                };
                failed_attempts += 1;
                traced::deciding_again(failed_attempts, &conflict);
                let Some(pause) = repository.pause_before_retry(failed_attempts) else {
                    return Err(UpdateError::Failed(too_late(repository, conflict).await));
                };
                let mut pauses = true;
                if turn
                    .as_ref()
                    .is_none_or(|turn: &Turn<'_>| turn.stream != *stream)
                {
                    drop(turn.take());
                    // Whoever stands in line waits there.
                    pauses = !repository.turns().is_taken(stream);
                    turn = Some(in_turn(repository, stream.clone()).await);
                }
                if pauses {
                    repository.sleep(pause).await;
                }
                asked = Seen::Now;
            }
        }
    }
}

pub(super) async fn update_all<S, D, R>(
    app: Application,
    mut decision: D,
) -> UpdateResult<R, S::Versions>
where
    S: Subject,
    D: Decision<S, R>,
    R: Outcome<Value: Send, Refusal: Send>,
{
    let streams = decision.streams();
    update(app, None, streams, |subject| decision.decide(subject)).await
}

fn all<S: Subject>(streams: &S::Streams) -> Vec<&StreamId> {
    let mut all = Vec::new();
    S::each_stream(streams, &mut |stream| all.push(stream));
    all
}

/// The first that is named once more.
fn twice<S: Subject>(streams: &S::Streams) -> Option<&StreamId> {
    let count = count::<S>(streams);
    // Most updates are of one aggregate, and need no set.
    if count < 2 {
        return None;
    }
    let mut others = HashSet::with_capacity(count);
    let mut streams = all::<S>(streams).into_iter();
    streams.find(|stream| !others.insert(*stream))
}

fn count<S: Subject>(streams: &S::Streams) -> usize {
    let mut count = 0;
    S::each_stream(streams, &mut |_| count += 1);
    count
}

/// The streams with the versions that were got.
fn several<S: Subject>(streams: &S::Streams, got: &S::Versions) -> Vec<(StreamId, Version)> {
    let mut versions = Vec::new();
    S::each_version(got, &mut |version| versions.push(version));
    all::<S>(streams)
        .into_iter()
        .cloned()
        .zip(versions)
        .collect()
}

/// Waits for the turn, beside the update, which would be larger for nothing where nobody meets.
fn in_turn(repository: &Repository, stream: StreamId) -> BoxFuture<'_, Turn<'_>> {
    Box::pin(async move {
        let turn = repository.turns().join(stream);
        loop {
            let first = turn.first();
            let comes = async {
                turn.comes().await;
                true
            };
            let is_late = async {
                repository.sleep(PATIENCE).await;
                false
            };
            if future::or(comes, is_late).await {
                return turn;
            }
            if let Some(first) = first {
                turn.pass_over(first);
            }
        }
    })
}

/// Where what was absent is there now, another writer was faster: to create it is not what was decided, at least not now.
async fn too_late(repository: &Repository, conflict: SaveError) -> Error {
    let SaveError::AlreadyExists { stream } = conflict else {
        return conflict.into();
    };
    Error::Save(match repository.newest(&stream).await {
        Ok(actual) => SaveError::Conflict {
            stream,
            expected: Version::NEW,
            actual,
        },
        Err(_) => SaveError::AlreadyExists { stream },
    })
}

fn failed<E>(error: impl Into<Error>) -> UpdateError<E> {
    UpdateError::Failed(error.into())
}
