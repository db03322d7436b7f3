//! What one event of another log brings about: aggregates got, changed and saved, in one commit with the checkpoint.
use std::fmt;

use super::save::staging::{self, Unchanged, Unsaved};
use super::{Application, Error, Result, Save, SaveError};
use crate::domain::{Aggregate, StreamId};
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
    pub(crate) fn new(app: &Application, metadata: Metadata) -> Self {
        Self {
            metadata: app.metadata.clone().and(metadata),
            app: app.clone(),
            members: Members::default(),
            streams: Vec::new(),
        }
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// As [`Application::find`]; [`SaveError::Twice`] where it was given to [`save`](UnitOfWork::save) before: change it first, save it then.
    pub async fn find<A: Aggregate>(&self, id: A::Id) -> Result<Option<A>> {
        self.refuse_saved::<A>(&id)?;
        self.app.find(id).await
    }

    /// Gets an aggregate as it is now.
    ///
    /// # Errors
    /// As [`Application::get`]; [`SaveError::Twice`] where it was given to [`save`](UnitOfWork::save) before: change it first, save it then.
    pub async fn get<A: Aggregate>(&self, id: A::Id) -> Result<A> {
        self.refuse_saved::<A>(&id)?;
        self.app.get(id).await
    }

    /// Takes an aggregate whose pending events are to be stored. Nothing is written yet, and without pending events nothing will be.
    pub fn save<A: Aggregate>(&mut self, aggregate: A) {
        self.streams.push(StreamId::of::<A>(&aggregate.id()));
        self.members.0.push(Box::new(aggregate));
    }

    /// Says more about who and why; what is said here holds where something else was said before.
    pub fn with(&mut self, metadata: Metadata) {
        self.metadata = std::mem::take(&mut self.metadata).and(metadata);
    }

    fn refuse_saved<A: Aggregate>(&self, id: &A::Id) -> Result<()> {
        let stream = StreamId::of::<A>(id);
        if self.streams.contains(&stream) {
            return Err(Error::Save(SaveError::Twice { stream }));
        }
        Ok(())
    }

    /// Encodes what was saved, and stores nothing.
    pub(crate) fn rehearse(&mut self) -> Result<(), SaveError> {
        let categories = self.app.repository.categories();
        staging::stage(&mut self.members, categories, Unchanged::LeftOut).map(|_| ())
    }

    /// Stores what was saved and moves the checkpoint, all or nothing.
    pub(crate) async fn commit(mut self, advance: Advance) -> Result<Committed, SaveError> {
        let repository = &self.app.repository;
        let mut appends = repository.encoded(&mut self.members, Unchanged::LeftOut)?;
        let store = repository.store().await?;
        if !appends.is_empty() {
            repository.check_keys(store).await?;
            if !repository.codecs().are_none() {
                repository.seal(&mut appends).await?;
            }
        }
        let commit = Commit {
            checkpoint: Some(advance),
            ..repository.made(self.metadata.clone(), appends)
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
