//! A memory store with one fault.
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use es_core::persistence::{
    AppendError, CheckpointStore, Commit, CommitId, Committed, Dropped, Epoch, EventStore, Filter,
    FollowerId, KeepError, Lease, LeaseError, LeaseRequest, LogPage, Parked, ParkedError, Placed,
    Placement, ReadError, Record, Slice, Snapshot, Span, Standing, Verdict, Visit,
};
use es_core::testing::Intercept;
use es_core::testing::laws::{JOURNAL, Noted};
use es_core::{Position, StreamId, Version};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use uuid::Uuid;

use crate::faults::Fault::{self, *};

/// How often a handle was asked which log it keeps.
static ASKED: AtomicU64 = AtomicU64::new(0);

/// Which handle of its log a store is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Handle {
    First,
    Another,
    Reopened,
}

/// What the handles of a broken log share, beside the memory store.
#[derive(Default)]
pub(crate) struct World {
    /// How many events, commits or reads came so far.
    count: AtomicU64,
    /// What the writers' clocks said.
    pub(crate) times: Mutex<Vec<SystemTime>>,
    /// Events of commits that are not yet stored, and may never be.
    pub(crate) early: Mutex<Vec<Record>>,
    /// Checkpoints that went where they must not.
    pub(crate) astray: Mutex<HashMap<FollowerId, Position>>,
    /// How many commits still have to fail for the sake of another.
    pub(crate) taken_along: AtomicU64,
    /// The next change is told to nobody.
    pub(crate) quiet: AtomicBool,
    pub(crate) refused: Mutex<Vec<CommitId>>,
    pub(crate) waiting: AtomicU64,
    /// Connections are cut, which the next commit finds out.
    pub(crate) cut: AtomicBool,
    /// The same, which the next read of the log finds out.
    pub(crate) log_cut: AtomicBool,
    /// How far anybody has read the log.
    pub(crate) read_to: AtomicU64,
    /// What followers noted and should not have.
    pub(crate) extras: Mutex<Vec<Noted>>,
    /// What was noted before something was begun anew.
    pub(crate) left: Mutex<Vec<Noted>>,
    /// Events that were left out once.
    pub(crate) shown: Mutex<HashSet<Position>>,
    /// The revision of what runs inside of commits; 0 where nothing does.
    pub(crate) inside: AtomicU64,
    pub(crate) remembered: Mutex<HashMap<FollowerId, Position>>,
    /// What something built has lost, or should have, since it took its place or was begun anew.
    pub(crate) after: Mutex<After>,
}

/// What is told of followers besides what is kept of them, or in its place.
#[derive(Default)]
pub(crate) struct After {
    /// Taken from their standing, parked events and so on.
    pub(crate) lost: HashSet<FollowerId>,
    pub(crate) parked: HashMap<FollowerId, Vec<Parked>>,
    pub(crate) dropped: HashMap<FollowerId, Vec<Dropped>>,
}

pub(crate) struct Broken {
    pub(crate) fault: Fault,
    pub(crate) store: MemoryStore,
    pub(crate) world: Arc<World>,
    pub(crate) handle: Handle,
    pub(crate) seen_when_opened: Position,
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Broken {
    pub(crate) fn count(&self) -> u64 {
        self.world.count.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn counted(&self) -> u64 {
        self.world.count.load(Ordering::SeqCst)
    }

    pub(crate) fn reopened(&self) -> bool {
        self.handle == Handle::Reopened
    }

    fn is_cut(&self) -> bool {
        self.world.cut.load(Ordering::SeqCst)
    }

    pub(crate) async fn version(&self, stream: &StreamId) -> u64 {
        let newest = Slice::all().descending().limit(1);
        let newest = self.store.read_stream(stream, newest).await;
        let newest = newest.expect("memory can be read");
        newest.first().map_or(0, |record| record.version.get())
    }

    /// The follower under whose name a checkpoint is kept.
    pub(crate) fn kept_for(&self, follower: &FollowerId) -> FollowerId {
        let (name, log) = (follower.name.clone(), follower.log.clone());
        let cut = |name: &str| name.split('\0').next().unwrap_or_default().to_owned();
        match self.fault {
            MixesFollowers => FollowerId::new("any", log),
            MixesLogs => FollowerId::new(name, "any"),
            CutsNamesAtNul => FollowerId::new(cut(&name), cut(&log)),
            GluesNames => FollowerId::new(format!("{name}/{log}"), ""),
            _ => FollowerId::new(name, log),
        }
    }
}

impl Intercept for Broken {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(self.commit_wrongly(commit))
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        Box::pin(async move {
            match self.fault {
                ForgetsOutcomes => Ok(None),
                ForgetsCommitIdsOnReopen if self.reopened() => Ok(None),
                KnowsNoCommitWhileDisconnected if self.is_cut() => Ok(None),
                _ => self.store.outcome(commit).await,
            }
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        if self.fault == KnowsNoStreamWhileDisconnected && self.is_cut() {
            return Box::pin(async { Ok(Vec::new()) });
        }
        Box::pin(self.read_stream_wrongly(stream, slice))
    }

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        Box::pin(self.visit_stream_wrongly(stream, slice, visit))
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(self.read_log_wrongly(span, filter))
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        Box::pin(self.read_ids_wrongly(category, after, limit))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move {
            let head = self.store.head().await?;
            Ok(match self.fault {
                SaysTheHeadIsTheNextPosition => head.next(),
                ReadsWhatWasThereWhenOpened => head.min(self.seen_when_opened),
                _ => head,
            })
        })
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.changed_wrongly()
    }

    fn identity(&self) -> Option<u64> {
        match self.fault {
            IsTakenForEveryLog => Some(1),
            IsTakenForAnotherLogEachTime => Some(ASKED.fetch_add(1, Ordering::SeqCst)),
            _ => self.store.identity(),
        }
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        Box::pin(async move {
            match self.fault {
                BelongsToWhoeverAsks => Ok(name.to_owned()),
                ForgetsTheOwnerOnReopen if self.reopened() => Ok(name.to_owned()),
                _ => self.store.owner(name).await,
            }
        })
    }

    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        Box::pin(async move {
            match self.fault {
                ForgetsCheckpointsOnReopen if self.reopened() => return Ok(Position::START),
                KnowsNoCheckpointWhileDisconnected if self.is_cut() => {
                    return Ok(Position::START);
                }
                _ => {}
            }
            let astray = locked(&self.world.astray).get(follower).copied();
            let position = match astray {
                Some(position) => position,
                None => self.store.checkpoint(&self.kept_for(follower)).await?,
            };
            Ok(match self.fault {
                SaysACheckpointIsOneBefore => Position::from(position.get().saturating_sub(1)),
                RemembersCheckpoints => *locked(&self.world.remembered)
                    .entry(follower.clone())
                    .or_insert(position),
                _ => position,
            })
        })
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        Box::pin(async move {
            let position = Intercept::checkpoint(self, follower).await?;
            let mut standing = self.store.standing(&self.kept_for(follower)).await?;
            if self.fault == NamesWhoHadALease && standing.holder.is_none() {
                standing.holder = Some("whoever had it".to_owned());
            }
            let has_lost = locked(&self.world.after).lost.contains(follower);
            match self.fault {
                ForgetsWhyOneStopped => standing.stopped = None,
                SwapsWithoutTheCommit if has_lost => standing.stands_at = None,
                SwapsAndLowersTheEpoch if has_lost => standing.epoch = Epoch::NONE,
                ForgetsTheRevisionOnReopen if self.reopened() => standing.revision = 0,
                _ => {}
            }
            Ok(Standing {
                position,
                ..standing
            })
        })
    }

    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        Box::pin(async move {
            let mut known = self.store.followers().await?;
            match self.fault {
                KnowsNoFollowers => known.clear(),
                TakesWhatRunsInsideForAFollower => known.push(FollowerId::new(JOURNAL, "laws")),
                _ => {}
            }
            Ok(known)
        })
    }

    fn place(&self, mut placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        Box::pin(async move {
            placement.follower = self.kept_for(&placement.follower);
            match self.fault {
                PlacesNobody => return Ok(()),
                PlacesUnderAnyEpoch => {
                    placement.epoch = self.store.standing(&placement.follower).await?.epoch;
                }
                ForgetsWhoPlaced => placement.by.clear(),
                _ => {}
            }
            match self.store.place(placement).await {
                Err(LeaseError::Inline { .. }) if self.fault == PlacesWhatRunsInside => Ok(()),
                placed => placed,
            }
        })
    }

    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        Box::pin(async move {
            let has_lost = locked(&self.world.after).lost.contains(follower);
            if self.fault == SwapsWithoutWhoPlaced && has_lost {
                return Ok(Vec::new());
            }
            self.store.placed(&self.kept_for(follower)).await
        })
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(self.lease_wrongly(request))
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        Box::pin(async move {
            let mut parked = self.store.parked(&self.kept_for(follower)).await?;
            let after = locked(&self.world.after);
            if self.fault == SwapsWithoutWhatIsParked && after.lost.contains(follower) {
                parked.clear();
            }
            if self.fault == ParksAnewWhatFailsAgain {
                for parked in &mut parked {
                    parked.since += Duration::from_secs(parked.attempts.into());
                }
            }
            parked.extend(after.parked.get(follower).into_iter().flatten().cloned());
            Ok(parked)
        })
    }

    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        Box::pin(async move {
            let follower = self.kept_for(follower);
            let is_quiet = self.fault == TellsOfNoDecision;
            self.world.quiet.store(is_quiet, Ordering::SeqCst);
            self.store.decide(&follower, stream, verdict).await
        })
    }

    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        Box::pin(async move {
            let mut dropped = self.store.dropped(&self.kept_for(follower)).await?;
            let known = self.store.followers().await?;
            let after = locked(&self.world.after);
            match self.fault {
                ForgetsWhoDropped => dropped.clear(),
                ForgetsWhyTheForgottenFailed if !known.contains(follower) => {
                    for dropped in &mut dropped {
                        dropped.failure = None;
                    }
                }
                TellsOfTheLastDroppedFirst => dropped.reverse(),
                SwapsWithoutWhatWasDropped if after.lost.contains(follower) => {
                    dropped.retain(|dropped| dropped.by != "ann");
                }
                _ => {}
            }
            dropped.extend(after.dropped.get(follower).into_iter().flatten().cloned());
            Ok(dropped)
        })
    }

    fn keep_snapshot(&self, snapshot: Snapshot) -> BoxFuture<'_, Result<(), KeepError>> {
        Box::pin(self.keep_snapshot_wrongly(snapshot))
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        up_to: Version,
    ) -> BoxFuture<'a, Result<Option<Snapshot>, ReadError>> {
        Box::pin(self.read_snapshot_wrongly(stream, up_to))
    }

    fn drop_snapshots<'a>(
        &'a self,
        stream: Option<&'a StreamId>,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        Box::pin(self.drop_snapshots_wrongly(stream))
    }
}
