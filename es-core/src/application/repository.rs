//! Gets aggregates by replaying their streams, and saves what they recorded.
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;
use futures_lite::future;
use uuid::Uuid;

use super::cache::Cache;
use super::categories::Categories;
use super::owner::Owner;
use super::save::staging::{self, Keeping, Unchanged};
use super::{
    Application, LoadError, LogError, OpenError, Past, Retry, Save, SaveError, Saved,
    SnapshotError, SnapshotPolicy, WaitError, snapshots,
};
use crate::domain::{Aggregate, AggregateId, Position, Replay, StreamId, Version};
use crate::persistence::{
    Append, AppendError, Clock, Codecs, Commit, CommitId, Committed, DecodeError, Filter,
    FollowerId, LogPage, Metadata, Record, Slice, Span, Store, decode, whole_microseconds,
};

/// How many records are read at once, so that a long stream does not fill the memory.
pub(super) const PAGE: usize = 1_000;

/// After how long somebody who waits for a change looks whether there was one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How reading the log goes on after it failed: for ever.
const RECONNECT: Retry = Retry::without_end(Duration::from_millis(50), Duration::from_secs(10));

/// Gets and saves aggregates; an [`Application`](super::Application) has one, and adds the rest.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
}

/// What a repository goes by.
pub(super) struct Settings {
    pub(super) store: Arc<dyn Store>,
    pub(super) name: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) codecs: Codecs,
    pub(super) retry: Retry,
    pub(super) snapshots: SnapshotPolicy,
    /// How many aggregates.
    pub(super) cache: usize,
    pub(super) fast_forward: bool,
}

struct Shared {
    /// Only [`Repository::store`] gives it out.
    store: Arc<dyn Store>,
    owner: Owner,
    clock: Arc<dyn Clock>,
    codecs: Codecs,
    retry: Retry,
    keeping: Keeping,
    categories: Categories,
}

/// How new an aggregate must be.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seen {
    /// As the store has it now.
    Now,
    /// As it was when it was seen last, which may be long ago.
    AtSomeTime,
}

impl Repository {
    /// A repository that keeps its events in `store`.
    pub fn new(store: impl Store) -> Self {
        Application::new(store).repository
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self {
            shared: Arc::new(Shared {
                store: settings.store,
                owner: Owner::new(settings.name),
                clock: settings.clock,
                codecs: settings.codecs,
                retry: settings.retry,
                keeping: Keeping {
                    snapshots: settings.snapshots,
                    cache: Cache::new(settings.cache, settings.fast_forward),
                },
                categories: Categories::default(),
            }),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.shared.owner.name.as_deref()
    }

    /// The store, once it is known to be this application's.
    async fn store(&self) -> Result<&dyn Store, OpenError> {
        let store = &*self.shared.store;
        self.shared.owner.check(store).await?;
        Ok(store)
    }

    /// Gets an aggregate as it is now.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotFound`] where no event created it.
    pub async fn get<A: Aggregate>(&self, id: A::Id) -> Result<A, LoadError> {
        let stream = StreamId::new(A::CATEGORY, id.to_uuid());
        let (aggregate, _) = self.get_seen(&stream, self.usual()).await?;
        Ok(aggregate)
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn find<A: Aggregate>(&self, id: A::Id) -> Result<Option<A>, LoadError> {
        let stream = StreamId::new(A::CATEGORY, id.to_uuid());
        let found = self.find_seen(&stream, self.usual()).await?;
        Ok(found.map(|(aggregate, _)| aggregate))
    }

    fn usual(&self) -> Seen {
        if self.shared.keeping.cache.fast_forward() {
            Seen::Now
        } else {
            Seen::AtSomeTime
        }
    }

    /// Gets an aggregate, and says whether it is as the store has it now.
    pub(super) async fn get_seen<A: Aggregate>(
        &self,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<(A, bool), LoadError> {
        match self.find_seen(stream, seen).await? {
            Some(found) => Ok(found),
            None => Err(LoadError::NotFound {
                stream: stream.clone(),
            }),
        }
    }

    async fn find_seen<A: Aggregate>(
        &self,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<Option<(A, bool)>, LoadError> {
        self.claim::<A>()?;
        let cache = &self.shared.keeping.cache;
        let cached: Option<A> = cache.copy(stream);
        if seen == Seen::AtSomeTime
            && let Some(cached) = cached
        {
            return Ok(Some((cached, false)));
        }
        let known = cached.as_ref().map(Aggregate::version);
        let replay = match cached {
            Some(cached) => Replay::resume(cached),
            None => self.begin(stream, Version::MAX).await?,
        };
        let found: Option<A> = self
            .replay(stream, replay, Version::MAX, |_| true)
            .await
            .inspect_err(|_| cache.forget(stream))?;
        if let Some(aggregate) = &found
            && Some(aggregate.version()) != known
        {
            cache.keep(stream, aggregate);
        }
        Ok(found.map(|aggregate| (aggregate, true)))
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
        let replay = self.begin(stream, version).await?;
        let reached: Option<A> = self.replay(stream, replay, version, |_| true).await?;
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
        let begun = self.begin_as_of(&stream, time).await?;
        let in_time = |record: &Record| record.time <= time;
        if let Some(aggregate) = self.replay(&stream, begun, Version::MAX, in_time).await? {
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

    /// Begins with the newest snapshot that is old enough, or with nothing.
    async fn begin_as_of<A: Aggregate>(
        &self,
        stream: &StreamId,
        time: SystemTime,
    ) -> Result<Replay<A>, LoadError> {
        let mut up_to = Version::MAX;
        while let Some(snapshot) = self.newest_snapshot::<A>(stream, up_to).await? {
            // A store that gives what was not asked for would give it for ever.
            if snapshot.version() > up_to {
                break;
            }
            if snapshot
                .modified_at()
                .is_some_and(|modified| modified <= time)
            {
                return Ok(Replay::resume(snapshot));
            }
            up_to = Version::from(snapshot.version().get() - 1);
        }
        Ok(Replay::new(stream.id))
    }

    /// Begins with the newest snapshot at or below a version, or with nothing.
    async fn begin<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Replay<A>, LoadError> {
        Ok(match self.newest_snapshot(stream, up_to).await? {
            Some(snapshot) => Replay::resume(snapshot),
            None => Replay::new(stream.id),
        })
    }

    async fn newest_snapshot<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Option<A>, LoadError> {
        if A::SNAPSHOTS.is_none() || self.shared.keeping.snapshots == SnapshotPolicy::Off {
            return Ok(None);
        }
        let snapshot = self.store().await?.read_snapshot(stream, up_to).await;
        let snapshot = snapshot.map_err(|source| LoadError::Store {
            stream: stream.clone(),
            source,
        })?;
        match snapshot {
            Some(snapshot) => Ok(snapshots::restore(snapshot, &self.shared.codecs).await),
            None => Ok(None),
        }
    }

    /// Takes a snapshot of an aggregate as it is now.
    pub(super) async fn snapshot<A: Aggregate>(&self, id: A::Id) -> Result<Version, SnapshotError> {
        let Some(snapshots) = A::SNAPSHOTS else {
            return Err(SnapshotError::NotDeclared {
                category: A::CATEGORY,
            });
        };
        if self.shared.keeping.snapshots == SnapshotPolicy::Off {
            return Err(SnapshotError::Off);
        }
        let stream = StreamId::new(A::CATEGORY, id.to_uuid());
        let (aggregate, _) = self.get_seen::<A>(&stream, Seen::Now).await?;
        let snapshot = snapshots::take(&aggregate, &snapshots)?;
        let snapshot = snapshots::sealed(snapshot, &self.shared.codecs).await?;
        let store = self.store().await.map_err(LoadError::from)?;
        match store.keep_snapshot(snapshot).await {
            Ok(()) => Ok(aggregate.version()),
            Err(source) => Err(SnapshotError::Keep { stream, source }),
        }
    }

    pub(super) async fn drop_snapshots(&self) -> Result<(), SnapshotError> {
        let store = self.store().await.map_err(LoadError::from)?;
        store
            .drop_snapshots(None)
            .await
            .map_err(SnapshotError::Drop)
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
        what: S,
    ) -> Result<Saved<S::Versions>, SaveError> {
        self.save_checked(metadata, what, Unchanged::LeftOut).await
    }

    pub(super) async fn save_checked<S: Save>(
        &self,
        metadata: &Metadata,
        mut what: S,
        unchanged: Unchanged,
    ) -> Result<Saved<S::Versions>, SaveError> {
        let mut position = None;
        while let Some(doubt) = staging::in_doubt(&mut what) {
            position = self.settle(&mut what, doubt, metadata).await?;
        }
        let mut appends = staging::stage(&mut what, &self.shared.categories, unchanged)?;
        if !appends.is_empty() {
            let store = self.store().await?;
            let sealed = !self.shared.codecs.are_none();
            if sealed {
                self.seal(&mut appends).await?;
            }
            let now = self.now();
            let id = CommitId::draw_at(now);
            staging::attempted(&mut what, id, &appends, sealed);
            let commit = commit(id, now, metadata, appends);
            position = self.commit(store, &mut what, commit).await?;
        }
        Ok(Saved {
            version: what.versions(),
            position,
        })
    }

    async fn seal(&self, appends: &mut [Append]) -> Result<(), SaveError> {
        let codecs = &self.shared.codecs;
        for append in appends {
            let (stream, after) = (&append.stream, append.expected);
            codecs
                .seal_events(stream, after, &mut append.events)
                .await?;
        }
        Ok(())
    }

    /// Finds out what became of a commit, and sends it again where it is not stored.
    async fn settle<S: Save>(
        &self,
        what: &mut S,
        commit: CommitId,
        metadata: &Metadata,
    ) -> Result<Option<Position>, SaveError> {
        let store = self.store().await?;
        let outcome = store.outcome(commit).await;
        let outcome = outcome.map_err(|error| SaveError::Unknown {
            commit,
            source: Some(Box::new(error)),
        })?;
        if let Some(committed) = outcome {
            self.stored(store, what, committed).await;
            return Ok(committed.position);
        }
        // It may be on its way still. Sent again as a whole it is stored once; a part of it would be another commit.
        let Some(appends) = staging::stage_again(what, commit)? else {
            return Err(SaveError::Unknown {
                commit,
                source: None,
            });
        };
        let commit = self::commit(commit, self.now(), metadata, appends);
        self.commit(store, what, commit).await
    }

    async fn commit<S: Save>(
        &self,
        store: &dyn Store,
        what: &mut S,
        commit: Commit,
    ) -> Result<Option<Position>, SaveError> {
        let id = commit.id;
        match store.commit(commit).await {
            Ok(committed) => {
                self.stored(store, what, committed).await;
                Ok(committed.position)
            }
            Err(AppendError::Unavailable(source)) => Err(SaveError::Unknown {
                commit: id,
                source: Some(source),
            }),
            Err(refused) => {
                staging::settled(what, id, None, &self.shared.keeping);
                Err(refused.into())
            }
        }
    }

    /// Takes note that a commit is stored, and keeps the snapshots that are due. One that cannot be kept is only a longer way later.
    async fn stored<S: Save>(&self, store: &dyn Store, what: &mut S, committed: Committed) {
        let keeping = &self.shared.keeping;
        let due = staging::settled(what, committed.commit, Some(committed.time), keeping);
        for snapshot in due {
            if let Ok(snapshot) = snapshots::sealed(snapshot, &self.shared.codecs).await {
                drop(store.keep_snapshot(snapshot).await);
            }
        }
    }

    /// What became of a commit.
    pub(super) async fn outcome(&self, commit: CommitId) -> Result<Option<Committed>, LogError> {
        Ok(self.store().await?.outcome(commit).await?)
    }

    /// Replays what comes next in a stream, up to a version and up to the first record that does not belong; `None` where nothing was
    /// replayed.
    async fn replay<A: Aggregate>(
        &self,
        stream: &StreamId,
        mut replay: Replay<A>,
        up_to: Version,
        belongs: impl Fn(&Record) -> bool + Send,
    ) -> Result<Option<A>, LoadError> {
        self.claim::<A>()?;
        loop {
            let slice = Slice::all()
                .after(replay.version())
                .up_to(up_to)
                .limit(PAGE);
            let mut page = self.read(stream, slice).await?;
            for record in &mut page {
                if !belongs(record) {
                    return Ok(replay.finish());
                }
                follows(record, replay.version())?;
                if !Codecs::is_plain(&record.payload) {
                    self.open(record).await?;
                }
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

    /// Makes the payload of a record JSON again.
    pub(super) async fn open(&self, record: &mut Record) -> Result<(), DecodeError> {
        self.shared.codecs.open_record(record).await
    }

    /// Claims its category for a type of aggregate.
    pub(super) fn claim<A: Aggregate>(&self) -> Result<(), LoadError> {
        Ok(self.shared.categories.claim::<A>()?)
    }

    pub(super) async fn read(
        &self,
        stream: &StreamId,
        slice: Slice,
    ) -> Result<Vec<Record>, LoadError> {
        let records = self.store().await?.read_stream(stream, slice).await;
        records.map_err(|source| LoadError::Store {
            stream: stream.clone(),
            source,
        })
    }

    pub(super) async fn read_ids<A: Aggregate>(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Uuid>, LoadError> {
        self.claim::<A>()?;
        let ids = self
            .store()
            .await?
            .read_ids(A::CATEGORY, after, limit)
            .await;
        ids.map_err(|source| LoadError::Ids {
            category: A::CATEGORY,
            source,
        })
    }

    pub(super) async fn read_log(&self, span: Span, filter: &Filter) -> Result<LogPage, LogError> {
        Ok(self.store().await?.read_log(span, filter).await?)
    }

    pub(super) async fn head(&self) -> Result<Position, LogError> {
        Ok(self.store().await?.head().await?)
    }

    pub(super) async fn checkpoint(&self, follower: &FollowerId) -> Result<Position, WaitError> {
        let checkpoint = self.store().await?.checkpoint(follower).await;
        checkpoint.map_err(|source| WaitError::Store {
            follower: follower.clone(),
            source,
        })
    }

    pub(super) fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    /// Ends when the store changes after this call, as far as it says so.
    pub(super) fn changed(&self) -> BoxFuture<'static, ()> {
        self.shared.store.changed()
    }

    /// Waits for a change, but not so long that one which nobody told of stays unseen.
    pub(super) async fn until(&self, changed: BoxFuture<'static, ()>, at_most: Duration) {
        let sleep = self.shared.clock.sleep(at_most.min(LOOK_AGAIN));
        future::or(changed, sleep).await;
    }

    /// Waits before an update is tried again; `false`: it is not.
    pub(super) async fn pause_before_retry(&self, failed_attempts: u32) -> bool {
        let pause = self.shared.retry.pause(failed_attempts);
        self.pause(pause).await;
        pause.is_some()
    }

    /// Waits before something that must not be given up is tried again.
    pub(super) async fn pause_after(&self, failures: u32) {
        let pause = if failures == 0 {
            None
        } else {
            RECONNECT.pause(failures)
        };
        self.pause(pause).await;
    }

    async fn pause(&self, pause: Option<Duration>) {
        if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
            self.shared.clock.sleep(pause).await;
        }
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").finish_non_exhaustive()
    }
}

fn commit(id: CommitId, now: SystemTime, metadata: &Metadata, appends: Vec<Append>) -> Commit {
    Commit {
        id,
        time: whole_microseconds(now),
        metadata: metadata.clone(),
        appends,
        checkpoint: None,
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
