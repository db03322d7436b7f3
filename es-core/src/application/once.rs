//! Commands that are done once, however often they are given.
use std::future::Future;
use std::time::SystemTime;

use super::{
    Application, Decision, Error, LogError, Repository, Result, SaveError, Subject, UpdateError,
    Updated, update,
};
use crate::domain::{Outcome, Position, StreamId, Version};
use crate::persistence::{CommitId, Filter, Metadata, ReadError, Span};

/// Takes one command, which is done once under its key: see [`Application::once`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is given a command: `.update(..)` or `.update_all(..)`"]
pub struct Once {
    app: Application,
    key: CommitId,
}

/// What became of a command that is done [once](Application::once).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done<T> {
    /// It was done now, or recorded nothing.
    Now(T),
    /// It is stored, by an earlier call with this key, or by this one where the answer was lost.
    Before(DoneBefore),
}

/// What is known of a command that was done: where its last event is. [`Application::get_at`] has the aggregate as it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DoneBefore {
    /// The stream of its last event.
    pub stream: StreamId,
    /// The version of that.
    pub version: Version,
    /// The position of that.
    pub position: Position,
    /// When it was done.
    pub time: SystemTime,
    /// Who did it and why, and whatever else was said with it.
    pub metadata: Metadata,
}

/// What `update` and `update_all` of a command that is done [once](Application::once) answer; `R` is what the closure returns: `()` or a `Result`.
pub type OnceResult<R, V = Version> =
    Result<Done<Updated<<R as Outcome>::Value, V>>, UpdateError<<R as Outcome>::Refusal>>;

impl<T, V> Done<Updated<T, V>> {
    /// The position of the last event; `None` where the decision recorded nothing.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self {
            Self::Now(updated) => updated.position,
            Self::Before(before) => Some(before.position),
        }
    }
}

impl Once {
    pub(super) const fn new(app: Application, key: CommitId) -> Self {
        Self { app, key }
    }

    /// As [`Application::update`], once.
    ///
    /// # Errors
    /// Those of [`Application::update`], and [`SaveError::KeyTaken`].
    pub fn update<S, F, R>(
        self,
        id: S::Id,
        decide: F,
    ) -> impl Future<Output = OnceResult<R>> + Send + use<S, F, R>
    where
        S: Subject<Versions = Version>,
        F: FnMut(&mut S) -> R + Send,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        self.decide(S::streams(&id), decide)
    }

    /// As [`Application::update_all`], once. The ids follow from the command, and not from a query, which may give others the next time.
    ///
    /// # Errors
    /// Those of [`Application::update_all`], and [`SaveError::KeyTaken`].
    pub fn update_all<I, F, S, R>(
        self,
        ids: I,
        decide: F,
    ) -> impl Future<Output = OnceResult<R, S::Versions>> + Send + use<I, F, S, R>
    where
        (I, F): Decision<S, R>,
        S: Subject,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        let mut decision = (ids, decide);
        async move {
            let streams = decision.streams();
            self.decide(streams, |subject: &mut S| decision.decide(subject))
                .await
        }
    }

    async fn decide<S, F, R>(self, streams: S::Streams, decide: F) -> OnceResult<R, S::Versions>
    where
        S: Subject,
        F: FnMut(&mut S) -> R + Send,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        let Self { app, key } = self;
        let repository = app.repository.clone();
        let mut asked = Vec::new();
        S::each_stream(&streams, &mut |stream| asked.push(stream.clone()));
        let found = before(&repository, key, &asked).await;
        if let Some(before) = found.map_err(UpdateError::Failed)? {
            return Ok(Done::Before(before));
        }
        let answer = update::update(app, Some(key), streams, decide).await;
        if matches!(&answer, Ok(updated) if updated.position.is_some()) {
            return answer.map(Done::Now);
        }
        // Refused, perhaps, or nothing was left to do, because somebody else did just that meanwhile.
        match before(&repository, key, &asked).await {
            Ok(Some(before)) => Ok(Done::Before(before)),
            Ok(None) => answer.map(Done::Now),
            Err(error) => match answer {
                Err(UpdateError::Failed(Error::Save(unknown @ SaveError::Unknown { .. }))) => {
                    Err(UpdateError::Failed(unknown.into()))
                }
                // A refusal would be the last word about what may be done.
                _ => Err(UpdateError::Failed(error)),
            },
        }
    }
}

/// What was done under a key, which is taken to be the same command where it was done to one of the aggregates that this asks for.
async fn before(
    repository: &Repository,
    key: CommitId,
    asked: &[StreamId],
) -> Result<Option<DoneBefore>> {
    let outcome = repository.outcome(key).await?;
    let Some(position) = outcome.and_then(|committed| committed.position) else {
        return Ok(None);
    };
    let store = repository.store().await.map_err(LogError::from)?;
    let span = Span::after(Position::from(position.get().saturating_sub(1))).up_to(position);
    let page = store.read_log(span, &Filter::everything()).await;
    let mut records = page.map_err(LogError::from)?.records.into_iter();
    let Some(last) = records.next().filter(|last| last.commit == key) else {
        let lost = format!("commit `{key}` is not at position {position}, where it ends");
        return Err(LogError::from(ReadError::Damaged(lost.into())).into());
    };
    // An empty list may be what a query gives once there is nothing left to do.
    if !asked.is_empty() && !asked.contains(&last.stream) {
        return Err(Error::Save(SaveError::KeyTaken {
            key,
            stream: last.stream,
        }));
    }
    Ok(Some(DoneBefore {
        stream: last.stream,
        version: last.version,
        position,
        time: last.time,
        metadata: last.metadata,
    }))
}
