//! Gets aggregates by replaying their streams, and saves what they recorded.
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::categories::Categories;
use super::save::{Save, SaveError, Saved, staging};
use super::{LoadError, LogError, Past};
use crate::domain::{Aggregate, AggregateId, Attempt, Position, Replay, StreamId, Version};
use crate::persistence::{
    Append, AppendError, Commit, CommitId, Committed, Filter, LogPage, Metadata, Record, Slice,
    Span, Store, decode, whole_microseconds,
};

/// How many records are read at once, so that a long stream does not fill the memory.
pub(super) const PAGE: usize = 1_000;

/// Gets and saves aggregates; an [`Application`](super::Application) has one, and adds the rest.
#[derive(Clone)]
pub struct Repository {
    store: Arc<dyn Store>,
    categories: Arc<Categories>,
}

impl Repository {
    /// A repository that keeps its events in `store`.
    pub fn new(store: impl Store) -> Self {
        Self {
            store: Arc::new(store),
            categories: Arc::default(),
        }
    }

    /// Gets an aggregate as it is now.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotFound`] where no event created it.
    pub async fn get<A: Aggregate>(&self, id: A::Id) -> Result<A, LoadError> {
        self.get_stream(&StreamId::new(A::CATEGORY, id.to_uuid()))
            .await
    }

    pub(super) async fn get_stream<A: Aggregate>(&self, stream: &StreamId) -> Result<A, LoadError> {
        match self.load(stream, Version::MAX).await? {
            Some(aggregate) => Ok(aggregate),
            None => Err(LoadError::NotFound {
                stream: stream.clone(),
            }),
        }
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn find<A: Aggregate>(&self, id: A::Id) -> Result<Option<A>, LoadError> {
        self.load(&StreamId::new(A::CATEGORY, id.to_uuid()), Version::MAX)
            .await
    }

    /// Gets an aggregate as it was at a version.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NoSuchVersion`] for `Version::NEW` and for versions it has not reached.
    pub async fn get_at<A: Aggregate>(
        &self,
        id: A::Id,
        version: Version,
    ) -> Result<Past<A>, LoadError> {
        let stream = StreamId::new(A::CATEGORY, id.to_uuid());
        if let Some(past) = self.find_at(&stream, version).await? {
            return Ok(past);
        }
        let newest = self
            .read(&stream, Slice::all().descending().limit(1))
            .await?;
        let Some(newest) = newest.first().map(|record| record.version) else {
            return Err(LoadError::NotFound { stream });
        };
        // It may have come while it was looked for.
        if (Version::FIRST..=newest).contains(&version)
            && let Some(past) = self.find_at(&stream, version).await?
        {
            return Ok(past);
        }
        Err(LoadError::NoSuchVersion {
            stream,
            asked: version,
            newest,
        })
    }

    async fn find_at<A: Aggregate>(
        &self,
        stream: &StreamId,
        version: Version,
    ) -> Result<Option<Past<A>>, LoadError> {
        let reached: Option<A> = self.load(stream, version).await?;
        Ok(reached
            .filter(|aggregate| aggregate.version() == version)
            .map(Past::new))
    }

    /// Gets an aggregate as it was at a time.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotYet`] where it was created later.
    pub async fn get_as_of<A: Aggregate>(
        &self,
        id: A::Id,
        time: SystemTime,
    ) -> Result<Past<A>, LoadError> {
        let stream = StreamId::new(A::CATEGORY, id.to_uuid());
        if let Some(aggregate) = self
            .load_while(&stream, Version::MAX, |record| record.time <= time)
            .await?
        {
            return Ok(Past::new(aggregate));
        }
        if self.read(&stream, Slice::all().limit(1)).await?.is_empty() {
            return Err(LoadError::NotFound { stream });
        }
        Err(LoadError::NotYet {
            stream,
            asked: time,
        })
    }

    /// Saves the pending events of one or several aggregates, all or nothing, with who and why.
    ///
    /// The commit's id is kept in the aggregates until its outcome is known. So a save that was given up, or not answered, is settled by the
    /// next one: what it sent is stored once, whatever became of it.
    ///
    /// # Errors
    /// [`SaveError`]; everything is pending still.
    pub async fn save<S: Save>(
        &self,
        metadata: &Metadata,
        mut what: S,
    ) -> Result<Saved<S::Versions>, SaveError> {
        let mut position = None;
        while let Some(doubt) = staging::in_doubt(&mut what) {
            position = self.settle(&mut what, doubt, metadata).await?;
        }
        let appends = staging::stage(&mut what, &self.categories)?;
        if !appends.is_empty() {
            let id = CommitId::draw();
            staging::attempted(&mut what, id, appends.len());
            position = self.commit(&mut what, id, appends, metadata).await?;
        }
        Ok(Saved {
            version: what.versions(),
            position,
        })
    }

    /// Finds out what became of a commit, and sends it again where it is not stored.
    async fn settle<S: Save>(
        &self,
        what: &mut S,
        doubt: Attempt,
        metadata: &Metadata,
    ) -> Result<Option<Position>, SaveError> {
        let commit = CommitId::from(doubt.commit);
        let outcome = self
            .store
            .outcome(commit)
            .await
            .map_err(|error| SaveError::Unknown {
                commit,
                source: Some(Box::new(error)),
            })?;
        if let Some(committed) = outcome {
            staging::settled(what, commit, Some(committed.time));
            return Ok(committed.position);
        }
        // It may be on its way still. Sent again as a whole it is stored once; a part of it would be another commit.
        let Some(appends) = staging::stage_again(what, doubt, &self.categories)? else {
            return Err(SaveError::Unknown {
                commit,
                source: None,
            });
        };
        self.commit(what, commit, appends, metadata).await
    }

    async fn commit<S: Save>(
        &self,
        what: &mut S,
        id: CommitId,
        appends: Vec<Append>,
        metadata: &Metadata,
    ) -> Result<Option<Position>, SaveError> {
        let commit = Commit {
            id,
            time: whole_microseconds(SystemTime::now()),
            metadata: metadata.clone(),
            appends,
            checkpoint: None,
        };
        match self.store.commit(commit).await {
            Ok(committed) => {
                staging::settled(what, id, Some(committed.time));
                Ok(committed.position)
            }
            Err(AppendError::Unavailable(source)) => Err(SaveError::Unknown {
                commit: id,
                source: Some(source),
            }),
            Err(refused) => {
                staging::settled(what, id, None);
                Err(refused.into())
            }
        }
    }

    /// What became of a commit.
    pub(super) async fn outcome(&self, commit: CommitId) -> Result<Option<Committed>, LogError> {
        Ok(self.store.outcome(commit).await?)
    }

    /// Replays a stream up to a version; `None` where there is nothing to replay.
    async fn load<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Option<A>, LoadError> {
        self.load_while(stream, up_to, |_| true).await
    }

    /// As [`load`](Repository::load), and up to the first record that does not belong.
    async fn load_while<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
        belongs: impl Fn(&Record) -> bool + Send,
    ) -> Result<Option<A>, LoadError> {
        self.claim::<A>()?;
        let mut replay = Replay::<A>::new(stream.id);
        loop {
            let slice = Slice::all()
                .after(replay.version())
                .up_to(up_to)
                .limit(PAGE);
            let page = self.read(stream, slice).await?;
            for record in &page {
                if !belongs(record) {
                    return Ok(replay.finish());
                }
                follows(record, replay.version())?;
                replay
                    .push_saved(decode(record)?, record.time)
                    .map_err(|source| LoadError::Replay {
                        stream: stream.clone(),
                        source,
                    })?;
            }
            if page.len() < PAGE {
                return Ok(replay.finish());
            }
        }
    }

    /// Claims its category for a type of aggregate.
    pub(super) fn claim<A: Aggregate>(&self) -> Result<(), LoadError> {
        Ok(self.categories.claim::<A>()?)
    }

    pub(super) async fn read_log(&self, span: Span, filter: &Filter) -> Result<LogPage, LogError> {
        Ok(self.store.read_log(span, filter).await?)
    }

    pub(super) async fn read(
        &self,
        stream: &StreamId,
        slice: Slice,
    ) -> Result<Vec<Record>, LoadError> {
        self.store
            .read_stream(stream, slice)
            .await
            .map_err(|source| LoadError::Store {
                stream: stream.clone(),
                source,
            })
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").finish_non_exhaustive()
    }
}

/// Checks that a record is the next one of its stream, and says its version.
pub(super) fn follows(record: &Record, after: Version) -> Result<Version, LoadError> {
    let expected = after.next();
    if record.version == expected {
        return Ok(expected);
    }
    Err(LoadError::Broken {
        stream: record.stream.clone(),
        expected,
        found: record.version,
    })
}
