//! Commands that are done once, however often they are given.
use std::future::Future;

use super::save::staging::{self, Unchanged};
use super::{
    Application, Decision, Error, LogError, Repository, Result, Save, SaveError, Saved, Subject,
    UpdateError, Updated, update,
};
use crate::domain::{Outcome, Position, StreamId, Version};
use crate::persistence::{CommitId, Committed, Filter, Span};

/// Takes one command, which is done once under its key: see [`Application::once`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is given a command: `.save(..)`, `.update(..)` or `.update_all(..)`"]
pub struct Once {
    app: Application,
    key: CommitId,
}

/// What became of a command that is done [once](Application::once).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done<T> {
    /// It was done now.
    Now(T),
    /// It was done before, under the same key; nothing was done now. The position is that of its last event.
    Before(Committed),
}

/// What an update that is done [once](Application::once) gives where its decision returns `R`: nothing, or a `Result`.
pub type OnceResult<R, V = Version> =
    Result<Done<Updated<<R as Outcome>::Value, V>>, UpdateError<<R as Outcome>::Refusal>>;

impl<V> Done<Saved<V>> {
    /// The position of the last event, now or before; `None` where nothing was pending.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Now(saved) => saved.position,
            Self::Before(committed) => committed.position,
        }
    }
}

impl<T, V> Done<Updated<T, V>> {
    /// The position of the last event, now or before; `None` where the decision recorded nothing.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Now(updated) => updated.position,
            Self::Before(committed) => committed.position,
        }
    }
}

impl Once {
    pub(super) const fn new(app: Application, key: CommitId) -> Self {
        Self { app, key }
    }

    /// As [`Application::save`], once. Where it was done before, what is pending stays pending, and is best forgotten: what was stored may have
    /// another id, unless that follows from the command.
    ///
    /// # Errors
    /// Those of [`Application::save`], and [`SaveError::KeyTaken`].
    pub async fn save<S: Save>(self, mut what: S) -> Result<Done<Saved<S::Versions>>> {
        let Self { app, key } = self;
        let repository = &app.repository;
        let categories = staging::categories(&mut what);
        let is_of_it = |stream: &StreamId| {
            let mut categories = categories.iter();
            categories.any(|category| *category == stream.category)
        };
        if let Some(before) = before(repository, key, is_of_it).await? {
            return Ok(Done::Before(before));
        }
        let saving = repository.save_checked(&app.metadata, Some(key), what, Unchanged::LeftOut);
        match saving.await {
            Ok(saved) if saved.position.is_some() => Ok(Done::Now(saved)),
            // Somebody else may have done it meanwhile.
            saved => match before(repository, key, is_of_it).await {
                Ok(Some(before)) => Ok(Done::Before(before)),
                Ok(None) => Ok(Done::Now(saved?)),
                Err(error) => Err(saved.err().map_or(error, Error::Save)),
            },
        }
    }

    /// As [`Application::update`], once.
    ///
    /// # Errors
    /// Those of [`Application::update`], and [`SaveError::KeyTaken`].
    pub fn update<S, F, R>(
        self,
        id: S::Id,
        decide: F,
    ) -> impl Future<Output = Result<Done<Updated<R::Value>>, UpdateError<R::Refusal>>>
    + Send
    + use<S, F, R>
    where
        S: Subject<Versions = Version>,
        F: FnMut(&mut S) -> R + Send,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        self.decide(S::streams(&id), decide)
    }

    /// As [`Application::update_all`], once.
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
        let is_of_it = |stream: &StreamId| asked.contains(stream);
        let found = before(&repository, key, is_of_it).await;
        if let Some(before) = found.map_err(UpdateError::Failed)? {
            return Ok(Done::Before(before));
        }
        match update::update(app, Some(key), streams, decide).await {
            Ok(updated) if updated.position.is_some() => Ok(Done::Now(updated)),
            // Refused, perhaps, because somebody else did just that meanwhile.
            answer => match before(&repository, key, is_of_it).await {
                Ok(Some(before)) => Ok(Done::Before(before)),
                Ok(None) => Ok(Done::Now(answer?)),
                Err(error) => Err(answer.err().unwrap_or(UpdateError::Failed(error))),
            },
        }
    }
}

/// What was stored under a key, where that is of the same command as far as can be seen.
async fn before(
    repository: &Repository,
    key: CommitId,
    is_of_it: impl Fn(&StreamId) -> bool,
) -> Result<Option<Committed>> {
    let Some(committed) = repository.outcome(key).await? else {
        return Ok(None);
    };
    let last = committed.position.unwrap_or_default();
    let before = Position::from(last.get().saturating_sub(1));
    let store = repository.store().await.map_err(LogError::from)?;
    let span = Span::after(before).up_to(last);
    let page = store.read_log(span, &Filter::everything()).await;
    let page = page.map_err(LogError::from)?;
    match page.records.into_iter().next() {
        Some(record) if !is_of_it(&record.stream) => Err(Error::Save(SaveError::KeyTaken {
            key,
            stream: record.stream,
        })),
        _ => Ok(Some(committed)),
    }
}
