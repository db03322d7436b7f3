//! How far a follower is, kept in the same commit as what it made of the events.
use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use futures_core::future::BoxFuture;

use super::{
    AppendError, CommitId, Dropped, Epoch, Lease, LeaseError, LeaseRequest, Parked, ParkedError,
    Parking, ReadError, Verdict,
};
use crate::domain::{Position, StreamId};

/// Names a follower of one log.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FollowerId {
    /// The follower's name.
    pub name: Cow<'static, str>,
    /// The name of the application whose log it follows.
    pub log: Cow<'static, str>,
}

impl FollowerId {
    /// Names a follower of the log of an application.
    pub fn new(name: impl Into<Cow<'static, str>>, log: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            log: log.into(),
        }
    }
}

impl fmt::Display for FollowerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.log {
            "" => write!(f, "`{}`", self.name),
            log => write!(f, "`{}` on the log of `{log}`", self.name),
        }
    }
}

/// Moves a checkpoint, as a part of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    /// Whose checkpoint.
    pub follower: FollowerId,
    /// Where it must be.
    pub from: Position,
    /// Where it goes: further on, or nowhere where only something parked is changed.
    pub to: Position,
    /// The commit of the event at `to`, by which a log is known again that was restored from a backup. It is kept as it is said, also where the
    /// checkpoint stays.
    pub stands_at: Option<CommitId>,
    /// The lease under which it is moved, where there is one.
    pub epoch: Option<Epoch>,
    /// What becomes parked, and what of it is done.
    pub parking: Vec<Parking>,
}

impl Advance {
    /// Moves a checkpoint from where it is believed to be, without a lease.
    #[must_use]
    pub const fn new(follower: FollowerId, from: Position, to: Position) -> Self {
        Self {
            follower,
            from,
            to,
            stands_at: None,
            epoch: None,
            parking: Vec::new(),
        }
    }

    /// Why a store refuses it, where it keeps `actual` of that follower: an epoch that is past, a place where the checkpoint is not, or one that
    /// is not further on.
    #[must_use]
    pub fn refusal(&self, actual: &Standing) -> Option<AppendError> {
        if let Some(epoch) = self.epoch
            && epoch != actual.epoch
        {
            return Some(AppendError::Fenced {
                follower: self.follower.clone(),
                epoch,
                actual: actual.epoch,
            });
        }
        let moves = self.to > self.from || (self.to == self.from && !self.parking.is_empty());
        (self.from != actual.position || !moves).then(|| AppendError::Checkpoint {
            follower: self.follower.clone(),
            from: self.from,
            to: self.to,
            actual: actual.position,
        })
    }
}

/// What a store keeps of a follower.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its checkpoint: the last position that it has processed.
    pub position: Position,
    /// The commit of the event at that position, where it is known.
    pub stands_at: Option<CommitId>,
    /// Which revision of a projection made what there is; 0 where none did. It is written by the followers of the store's own, as they
    /// [make ready](crate::Follower::prepare) what they write to, and by what begins to run [inside of commits](crate::system::Inlined); by nothing in
    /// these traits but [`place`](CheckpointStore::place), at the start.
    pub revision: u32,
    /// The newest lease.
    pub epoch: Epoch,
    /// Who has the lease, where somebody does: nobody has one that has ended, by the clock of the store.
    pub holder: Option<String>,
    /// When it was taken, by the clock of the store; renewing it changes nothing.
    pub since: Option<SystemTime>,
    /// When the lease ends, by the clock of the store.
    pub until: Option<SystemTime>,
    /// Why whoever has the lease does not go on, or gave back the last one: nothing since it was taken again, or renewed, without a reason, nor once a
    /// lease has ended that was not given back.
    pub stopped: Option<Stopped>,
}

/// That a follower does not go on, as whoever runs it says while it tries again, or said when it stopped before somebody mends something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Why, in words for a person.
    pub reason: String,
    /// Who ran it.
    pub by: String,
    /// When that was said, by the clock of the store.
    pub at: SystemTime,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not go on: {}", self.by, self.reason)
    }
}

impl Standing {
    /// The same, without a lease that has ended by then, and without what its holder said while it had it: for stores, which say the time by the clock
    /// that they grant leases by.
    #[must_use]
    pub fn at(mut self, now: SystemTime) -> Self {
        if self.until.is_some_and(|until| until <= now) {
            (self.holder, self.since, self.until) = (None, None, None);
            self.stopped = None;
        }
        self
    }
}

/// Where a person puts a follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Which follower.
    pub follower: FollowerId,
    /// The lease under which it is put there.
    pub epoch: Epoch,
    /// The last position that it counts as having processed; [`Position::START`] forgets it.
    pub to: Position,
    /// The commit of the event at that position.
    pub stands_at: Option<CommitId>,
    /// Who decides.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Placement {
    /// Why a store refuses it, where it keeps `actual` of that follower.
    #[must_use]
    pub fn refusal(&self, actual: &Standing) -> Option<LeaseError> {
        let is_leased = self.epoch != Epoch::NONE && self.epoch == actual.epoch;
        (!is_leased).then(|| LeaseError::Fenced {
            follower: self.follower.clone(),
            epoch: self.epoch,
            actual: actual.epoch,
        })
    }
}

/// That a person put a follower somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Where its checkpoint was.
    pub from: Position,
    /// Where it was put.
    pub to: Position,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, by the clock of the store.
    pub time: SystemTime,
}

/// Reads checkpoints, which are written by [commits](super::Commit), and keeps what else belongs to a follower: its lease, and what is parked.
///
/// The checks are written once, for all stores: [`Advance::refusal`], [`LeaseRequest::granted`], [`Placement::refusal`]. A store asks them under the lock
/// or in the transaction that it then writes in.
///
/// What is kept about parked events stays as it was first said: [`Parked::since`] when an event fails again, and the failure in the record
/// ([`Dropped::failure`]) when it is given up on, also where its follower is forgotten.
///
/// A store that keeps checkpoints alone leaves out what has a default. No follower of a system can keep its checkpoint in it then, and the laws
/// of followers are not run.
pub trait CheckpointStore: Send + Sync + 'static {
    /// The last position that a follower has processed; [`Position::START`] for one that is not known.
    ///
    /// # Errors
    /// [`ReadError`].
    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>>;

    /// All that is kept of a follower; of one that is not known, that it stands at the start.
    ///
    /// # Errors
    /// [`ReadError`].
    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        Box::pin(async move {
            Ok(Standing {
                position: self.checkpoint(follower).await?,
                ..Standing::default()
            })
        })
    }

    /// Those of whom something is kept besides an epoch, in any order: also those that no program follows any more, and without projections that run
    /// inside of commits.
    ///
    /// # Errors
    /// [`ReadError`].
    fn followers(&self) -> BoxFuture<'_, Result<Vec<FollowerId>, ReadError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Puts a follower where a person says it stands, with a record of who decided so and why; all under a lease, which is given back by it. What it
    /// had parked beyond that place comes to it again. At the start all that it had parked is given up on, as by [`Verdict::Drop`], and nothing is kept
    /// of it any more but its epoch, by which whoever had an earlier lease is refused still, and the records of what was decided: so it is named by
    /// [`followers`](Self::followers) no more.
    ///
    /// What runs inside of commits is put nowhere ([`LeaseError::Inline`]).
    ///
    /// # Errors
    /// [`LeaseError`]; nothing was changed.
    fn place(&self, placement: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        let _ = placement;
        Box::pin(async { Err(LeaseError::Unsupported) })
    }

    /// Where persons put a follower, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    fn placed<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Placed>, ReadError>> {
        let _ = follower;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Takes a lease by raising its epoch, where it is free; renews it without raising it; or gives it back. All by the clock of the store.
    ///
    /// It is refused in this order: under an older epoch as [`Fenced`](LeaseError::Fenced), also where it is to be given back; under the name of a
    /// projection that runs [inside of commits](crate::system::Inlined) as [`Inline`](LeaseError::Inline), under whatever epoch; where somebody else has
    /// it as [`Held`](LeaseError::Held). Beginning to run inside of commits raises the epoch, so who had a lease before is told `Fenced`, and anybody
    /// else `Inline`.
    ///
    /// # Errors
    /// [`LeaseError`]; nothing was changed.
    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        let _ = request;
        Box::pin(async { Err(LeaseError::Unsupported) })
    }

    /// What a follower has parked, in the order of positions.
    ///
    /// # Errors
    /// [`ReadError`].
    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        let _ = follower;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Decides about what a follower has parked of a stream. Who follows under a lease finds it, and is woken.
    ///
    /// # Errors
    /// [`ParkedError`]; nothing was changed.
    fn decide<'a>(
        &'a self,
        follower: &'a FollowerId,
        stream: &'a StreamId,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), ParkedError>> {
        let _ = (follower, stream, verdict);
        Box::pin(async { Err(ParkedError::Unsupported) })
    }

    /// What of a follower's events was given up on, in the order of positions.
    ///
    /// # Errors
    /// [`ReadError`].
    fn dropped<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Dropped>, ReadError>> {
        let _ = follower;
        Box::pin(async { Ok(Vec::new()) })
    }
}
