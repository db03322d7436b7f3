//! What one event of another log brings about: aggregates got, changed and saved, in one commit with the checkpoint.
use std::fmt;
use std::future::Future;

use super::save::staging::{self, Unchanged, Unsaved};
use super::{Application, Error, LoadError, Rehearsal, Result, Save, SaveError};
use crate::domain::{Aggregate, StreamId, Version};
use crate::persistence::{Advance, AppendError, Commit, Committed, Metadata};

/// Gets aggregates of an application and collects those that are to be saved. They are stored together, in one commit with the checkpoint of
/// whoever reacts, once the reaction has ended well; else nothing is.
///
/// What is stored carries the correlation of the event that is reacted to, or the id of its commit where it has none, and that commit's id as
/// its causation.
pub struct UnitOfWork {
    app: Application,
    members: Members,
    streams: Vec<StreamId>,
    metadata: Metadata,
    /// Present in a dry run.
    rehearsal: Option<Rehearsal>,
    /// What it does outside, or would do, in that.
    outside: Vec<String>,
}

/// Aggregates of any types.
#[derive(Default)]
struct Members(Vec<Box<dyn Unsaved + Send + Sync>>);

impl Save for Members {
    type Versions = ();

    fn versions(&self) {}

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for member in &mut self.0 {
            visit(&mut **member);
        }
    }
}

impl UnitOfWork {
    pub(crate) fn new(app: &Application, metadata: Metadata, rehearsal: Option<Rehearsal>) -> Self {
        Self {
            metadata: app.metadata.clone().and(metadata),
            app: app.clone(),
            members: Members::default(),
            streams: Vec::new(),
            rehearsal,
            outside: Vec::new(),
        }
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// As [`Application::find`]; [`SaveError::Twice`] where it was given to [`save`](UnitOfWork::save) before: change it first, save it then.
    pub async fn find<A: Aggregate>(&self, id: A::Id) -> Result<Option<A>> {
        let stream = self.refuse_saved::<A>(&id)?;
        let found = self.app.find(id).await?;
        match &self.rehearsal {
            Some(rehearsal) => Ok(rehearsal.of(&stream, found, self.app.repository.now())?),
            None => Ok(found),
        }
    }

    /// Gets an aggregate as it is now. Where the reaction rests on what it reads there, give it to [`save`](UnitOfWork::save) too.
    ///
    /// # Errors
    /// As [`Application::get`]; [`SaveError::Twice`] where it was given to [`save`](UnitOfWork::save) before: change it first, save it then.
    pub async fn get<A: Aggregate>(&self, id: A::Id) -> Result<A> {
        let stream = StreamId::of::<A>(&id);
        let found = self.find(id).await?;
        found.ok_or_else(|| LoadError::NotFound { stream }.into())
    }

    /// Takes an aggregate whose pending events are to be stored. Nothing is written yet. With one that has no pending events, the others are
    /// stored only if nobody has changed it since it was got: the reaction rests on it, as the decision of [`update_all`](Application::update_all) does on all
    /// that it is given. Where somebody has, the event is reacted to again. What was only got, and not given back, may be another by then.
    pub fn save<A: Aggregate>(&mut self, aggregate: A) {
        self.streams.push(StreamId::of::<A>(&aggregate.id()));
        self.members.0.push(Box::new(aggregate));
    }

    /// Says more about who and why; what is said here holds where something else was said before.
    pub fn with(&mut self, metadata: Metadata) {
        self.metadata = std::mem::take(&mut self.metadata).and(metadata);
    }

    /// Does something elsewhere that is not undone with the commit: sends a mail, calls a service. It happens at least once, for the event may be
    /// reacted to again. A dry run does not even begin it, but says `what` would be done, and gives `None`; a test by `testing::reacting` does it.
    ///
    /// A command to another application is done [once](Application::once) under a key that follows from the event:
    /// `Uuid::new_v5(&event.commit.into(), b"..")`, with its stream and version where a commit has several.
    ///
    /// ```
    /// # use es_core::{BoxError, UnitOfWork};
    /// # async fn send(to: &str) -> Result<u64, BoxError> { Ok(to.len() as u64) }
    /// # async fn react(work: &mut UnitOfWork) -> Result<(), BoxError> {
    /// let receipt: Option<u64> = work.outside("send a mail", || send("ann@example.org")).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the effect.
    pub async fn outside<T, E, F: Future<Output = Result<T, E>>>(
        &mut self,
        what: impl Into<String>,
        effect: impl FnOnce() -> F,
    ) -> Result<Option<T>, E> {
        if let Some(rehearsal) = &self.rehearsal
            && !rehearsal.does_outside()
        {
            self.outside.push(what.into());
            return Ok(None);
        }
        let done = effect().await?;
        if self.rehearsal.is_some() {
            self.outside.push(what.into());
        }
        Ok(Some(done))
    }

    fn refuse_saved<A: Aggregate>(&self, id: &A::Id) -> Result<StreamId> {
        let stream = StreamId::of::<A>(id);
        if self.streams.contains(&stream) {
            return Err(Error::Save(SaveError::Twice { stream }));
        }
        Ok(stream)
    }

    /// Encodes what was saved, with the keys there are, and sees whether it is what comes next in its streams, but stores nothing: what comes
    /// later in the dry run finds it. The limits of the store are not tried.
    pub(crate) async fn rehearse(mut self, rehearsal: &Rehearsal) -> Result<()> {
        let repository = &self.app.repository;
        let categories = repository.categories();
        let appends = staging::stage(&mut self.members, categories, Unchanged::Checked)?;
        for append in &appends {
            let (stream, expected) = (append.stream.clone(), append.expected);
            let actual = match rehearsal.version(&stream) {
                Some(version) => version,
                None => repository.newest(&stream).await?,
            };
            if actual != expected {
                return Err(Error::Save(match expected {
                    Version::NEW => SaveError::AlreadyExists { stream },
                    _ => SaveError::Conflict {
                        stream,
                        expected,
                        actual,
                    },
                }));
            }
        }
        if !appends.is_empty() {
            let store = repository.store().await.map_err(SaveError::from)?;
            repository.seal(store, &mut appends.clone()).await?;
        }
        for append in appends {
            if !append.events.is_empty() {
                rehearsal.append(append);
            }
        }
        for what in self.outside {
            rehearsal.note_outside(what);
        }
        Ok(())
    }

    /// Stores what was saved and moves the checkpoint, all or nothing.
    pub(crate) async fn commit(mut self, advance: Advance) -> Result<Committed, SaveError> {
        let repository = &self.app.repository;
        let mut appends = repository.encoded(&mut self.members, Unchanged::Checked)?;
        let store = repository.store().await?;
        if !appends.is_empty() {
            repository.seal(store, &mut appends).await?;
        }
        let commit = Commit {
            checkpoint: Some(advance),
            ..repository.stamp().commit(self.metadata.clone(), appends)
        };
        staging::attempted(&mut self.members, &commit, false);
        let id = commit.id;
        match store.commit(commit).await {
            Ok(committed) => {
                repository
                    .stored(store, &mut self.members, id, committed.time)
                    .await;
                Ok(committed)
            }
            // Whether it is stored is told by the checkpoint.
            Err(error @ AppendError::Unavailable(_)) => Err(SaveError::Store(error)),
            Err(refused) => Err(repository.refused(refused)),
        }
    }
}

impl fmt::Debug for UnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnitOfWork")
            .field("saved", &self.streams)
            .finish_non_exhaustive()
    }
}
