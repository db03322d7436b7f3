//! Gets aggregates by replaying their streams, and saves what they recorded.
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;
use futures_lite::future;
use uuid::Uuid;

use super::cache::Cache;
use super::categories::Categories;
use super::owner::Owner;
use super::retry::Pauses;
use super::save::staging::Keeping;
use super::update::Turns;
use super::wait::why_stopped;
use super::{Application, LoadError, LogError, OpenError, Retry, SnapshotPolicy, WaitError};
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{
    Clock, Codecs, CommitId, Committed, DecodeError, Filter, FollowerId, LogPage, Record, Slice,
    Span, Store, Verification,
};

/// How many records are read at once, so that a long stream does not fill the memory.
pub(super) const PAGE: usize = 1_000;

/// How many are read at first where they are kept until they are used: they may be large.
pub(super) const FEW: usize = 100;

/// After how long somebody who waits for a change looks whether there was one.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How reading the log goes on after it failed: for ever.
const RECONNECT: Pauses = Pauses {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(10),
};

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
    pub(super) trace_payloads: bool,
}

struct Shared {
    /// Only [`Repository::store`] gives it out.
    store: Arc<dyn Store>,
    /// Absent where the application has no name.
    owner: Option<Owner>,
    clock: Arc<dyn Clock>,
    codecs: Codecs,
    retry: Retry,
    turns: Turns,
    keeping: Keeping,
    categories: Categories,
    /// What is written can be read beside what is stored.
    keys_fit: AtomicBool,
    trace_payloads: bool,
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
                owner: settings.name.map(Owner::new),
                clock: settings.clock,
                codecs: settings.codecs,
                retry: settings.retry,
                turns: Turns::default(),
                keeping: Keeping {
                    snapshots: settings.snapshots,
                    cache: Cache::new(settings.cache),
                },
                categories: Categories::default(),
                keys_fit: AtomicBool::new(false),
                trace_payloads: settings.trace_payloads,
            }),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.shared.owner.as_ref().map(|owner| owner.name.as_str())
    }

    /// The store, once it is known to be this application's.
    pub(super) async fn store(&self) -> Result<&dyn Store, OpenError> {
        let store = &*self.shared.store;
        if let Some(owner) = &self.shared.owner {
            owner.check(store).await?;
        }
        Ok(store)
    }

    /// The store, whosever it is.
    pub(super) fn shared_store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.store)
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }

    pub(super) fn codecs(&self) -> &Codecs {
        &self.shared.codecs
    }

    pub(super) fn keys_fit(&self) -> &AtomicBool {
        &self.shared.keys_fit
    }

    pub(super) fn traces_payloads(&self) -> bool {
        self.shared.trace_payloads
    }

    pub(super) fn keeping(&self) -> &Keeping {
        &self.shared.keeping
    }

    pub(super) fn categories(&self) -> &Categories {
        &self.shared.categories
    }

    /// What became of a commit.
    pub(super) async fn outcome(&self, commit: CommitId) -> Result<Option<Committed>, LogError> {
        Ok(self.store().await?.outcome(commit).await?)
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

    /// The version of a stream, 0 where it has no events.
    pub(super) async fn newest(&self, stream: &StreamId) -> Result<Version, LoadError> {
        let newest = Slice::all().descending().limit(1);
        let newest = self.read(stream, newest).await?;
        Ok(newest.first().map_or(Version::NEW, |record| record.version))
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

    pub(super) async fn verify(&self) -> Result<Verification, LogError> {
        Ok(self.store().await?.verify().await?)
    }

    pub(super) async fn checkpoint(&self, follower: &FollowerId) -> Result<Position, WaitError> {
        let checkpoint = self.store().await?.checkpoint(follower).await;
        checkpoint.map_err(|source| WaitError::Store {
            follower: follower.clone(),
            source,
        })
    }

    /// Why a follower does not go on, in words, as far as its store knows.
    pub(super) async fn stopped(&self, follower: &FollowerId) -> Option<String> {
        why_stopped(&*self.shared.store, follower).await
    }

    pub(super) fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    /// Ends when the store changes after this call, as far as it says so.
    pub(super) fn changed(&self) -> BoxFuture<'static, ()> {
        self.shared.store.changed()
    }

    /// Waits for a change, but not so long that one which nobody told of stays unseen.
    pub(super) async fn until(&self, changed: BoxFuture<'static, ()>) {
        future::or(changed, self.sleep(LOOK_AGAIN)).await;
    }

    pub(super) fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.shared.clock.sleep(duration)
    }

    /// How long to wait before an update is tried again; `None`: it is not.
    pub(super) fn pause_before_retry(&self, failed_attempts: u32) -> Option<Duration> {
        self.shared.retry.pause(failed_attempts)
    }

    pub(super) fn turns(&self) -> &Turns {
        &self.shared.turns
    }

    /// Waits before something that must not be given up is tried again.
    pub(super) async fn pause_after(&self, failures: u32) {
        if failures > 0 {
            self.sleep(RECONNECT.draw(failures)).await;
        }
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").finish_non_exhaustive()
    }
}
