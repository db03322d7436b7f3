//! Drives one follower, a turn at a time: lease, page, handler, checkpoint.
//!
//! [`halt`] says why a turn is broken off, [`parking`] what becomes of events that fail.
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_lite::future;
use tracing::Instrument;

use super::ahead::{Ahead, Size};
use super::followed::Followed;
use super::follower::{Batch, Follower, HandleError, Output};
use super::state::{State, told};
use super::watch::LOOK_AGAIN;
use super::{StopReason, traced};
use crate::domain::Position;
use crate::persistence::{
    Advance, BoxFuture, Commit, CommitId, DecodeError, Epoch, Lease, LeaseError, LeaseRequest,
    Metadata, Parked, Parking, Span, Store, whole_microseconds,
};

mod halt;
mod parking;

use halt::{Halt, stored};
use parking::due;

/// What a follower is to do.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// To follow, for ever.
    Follow,
    /// To build what it makes anew under a tag, up to a position, and to put it in its place at the end or not.
    Build {
        tag: String,
        until: Position,
        swap: bool,
    },
}

/// How a turn ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// It is further on, by so many events that it handled.
    Moved(usize),
    /// There is no more for now.
    CaughtUp,
    /// What was to be built is built.
    Built,
    /// An event failed, and will be tried again after a pause.
    Retry(Duration),
    /// A store cannot be reached.
    Unreachable(String),
    /// Somebody else runs it, for so long at most.
    Standby {
        held_for: Option<Duration>,
        free_in: Duration,
    },
    /// Its lease was taken over.
    Fenced,
    /// It does not go on.
    Stopped,
}

pub(super) struct Engine<'a> {
    followed: &'a Followed,
    follower: &'a mut dyn Follower,
    holder: &'a str,
    goal: Goal,
    /// There is one turn alone, so nothing is read for the next.
    once: bool,
    /// Present under a lease.
    run: Option<Run>,
    /// A lease that nobody else has yet: the store could not be reached under it, or its engine was dropped.
    lost: Option<Lease>,
    /// Where it stood when it gave its lease back, because there was nothing to do, and under which epoch.
    rested: Option<(Position, Epoch)>,
}

/// What is known under a lease.
struct Run {
    output: Output,
    lease: Lease,
    renewed: Instant,
    position: Position,
    stands_at: Option<CommitId>,
    parked: Vec<Parked>,
    ahead: Option<Ahead>,
    size: Size,
    /// What is built takes the place of what readers see.
    swaps: bool,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        followed: &'a Followed,
        follower: &'a mut dyn Follower,
        holder: &'a str,
        goal: Goal,
    ) -> Self {
        Self {
            followed,
            follower,
            holder,
            goal,
            once: false,
            run: None,
            lost: followed.take_left(),
            rested: None,
        }
    }

    /// For one turn alone.
    pub(super) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Does the next thing there is to do, and says in the follower's state what came of it.
    pub(super) async fn turn(&mut self) -> Turn {
        let span = traced::turning(&self.followed.id);
        self.take_turn().instrument(span).await
    }

    async fn take_turn(&mut self) -> Turn {
        let halt = match self.next().await {
            Ok(turn) => {
                match &turn {
                    Turn::CaughtUp | Turn::Built => self.followed.set(State::CaughtUp),
                    Turn::Moved(_) if self.builds() => self.followed.set(State::Rebuilding),
                    Turn::Moved(_) => self.followed.set(State::Running),
                    _ => {}
                }
                return turn;
            }
            Err(halt) => halt,
        };
        match halt {
            Halt::Stop(reason) => {
                self.release().await;
                self.followed.set(State::Stopped(reason));
                Turn::Stopped
            }
            Halt::Fenced { epoch, actual } => {
                (self.run, self.lost) = (None, None);
                self.followed.set(State::Fenced { epoch, actual });
                Turn::Fenced
            }
            Halt::Held {
                holder,
                held_for,
                free_in,
            } => {
                // Who was fenced says so until it has the lease again.
                if !matches!(self.followed.state(), State::Fenced { .. }) {
                    self.followed.set(State::Standby { holder });
                }
                Turn::Standby { held_for, free_in }
            }
            Halt::Unreachable(failure) => {
                self.lose();
                self.followed.set(State::Waiting {
                    failure: failure.clone(),
                });
                Turn::Unreachable(failure)
            }
            Halt::Stale => {
                if let Err(Halt::Unreachable(failure)) = self.reload().await {
                    self.lose();
                    return Turn::Unreachable(failure);
                }
                Turn::Moved(0)
            }
        }
    }

    /// Where the checkpoint of what readers see is; `None` without a lease, and while another revision is built.
    pub(super) fn checkpoint(&self) -> Option<Position> {
        let run = self.run.as_ref()?;
        run.output.tag.is_none().then_some(run.position)
    }

    /// How far what is made under the lease is.
    pub(super) fn reached(&self) -> Position {
        let run = self.run.as_ref();
        run.map_or(Position::START, |run| run.position)
    }

    /// Whether something that was set aside is to be tried again.
    pub(super) fn has_due(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| due(&run.parked).is_some())
    }

    /// Gives the lease back, so that another need not wait for its end.
    pub(super) async fn release(&mut self) {
        // Kept until it is given back, so that it is known though this may be dropped here.
        self.lose();
        if let Some(lease) = &self.lost {
            // Where that fails it ends by itself.
            let _ = give_back(self.followed, self.holder, lease).await;
        }
        self.lost = None;
    }

    /// Begins anew, under the same lease where it is still there: waiting for its end would be waiting for nobody.
    fn lose(&mut self) {
        if let Some(run) = self.run.take() {
            self.lost = Some(run.lease);
        }
    }

    fn builds(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| run.output.tag.is_some())
    }

    fn store(&self) -> &dyn Store {
        &*self.followed.store
    }

    /// Waits until there may be something to do. Whoever waits for longer than a lease is good for without being renewed gives it back: there is
    /// nothing to do under it, and renewing the leases of many who wait would be all that a store is asked for.
    pub(super) async fn idle(&mut self, changed: BoxFuture<'static, ()>) {
        let followed = self.followed;
        let Some(run) = &self.run else {
            if let Some((position, _)) = self.rested {
                future::or(changed, followed.watch.moved_from(position)).await;
            }
            return;
        };
        if !run.parked.is_empty() {
            // Somebody may ask for another attempt.
            return future::or(changed, followed.clock.sleep(LOOK_AGAIN)).await;
        }
        let (position, epoch) = (run.position, run.lease.epoch);
        let left = renewed_after(followed).saturating_sub(run.renewed.elapsed());
        let mut moved = pin!(future::or(changed, followed.watch.moved_from(position)));
        let is_moved = async {
            moved.as_mut().await;
            true
        };
        let is_long = async {
            followed.clock.sleep(left).await;
            false
        };
        if !future::or(is_moved, is_long).await {
            self.rested = Some((position, epoch));
            // The run is kept until the lease is given back, so that it is, though this may be dropped here.
            if let Some(run) = &self.run
                && give_back(followed, self.holder, &run.lease).await
            {
                self.run = None;
            }
            self.lose();
            moved.await;
        }
    }

    async fn next(&mut self) -> Result<Turn, Halt> {
        match &mut self.run {
            None => {
                if self.may_rest().await? {
                    return Ok(Turn::CaughtUp);
                }
                self.begin().await?;
            }
            Some(run) if run.renewed.elapsed() > renewed_after(self.followed) => {
                let request = LeaseRequest {
                    follower: run.output.follower.clone(),
                    holder: self.holder.to_owned(),
                    length: self.followed.settings.lease,
                    epoch: Some(run.lease.epoch),
                };
                run.renewed = Instant::now();
                run.lease = self.followed.store.lease(request).await?;
            }
            Some(_) => {}
        }
        let Some(run) = &mut self.run else {
            return Ok(Turn::Moved(0));
        };
        if !run.parked.is_empty() {
            run.parked = self.followed.store.parked(&run.output.follower).await?;
        }
        if let Some(due) = due(&run.parked) {
            return self.try_again(&due).await;
        }
        self.page().await
    }

    /// Whether there is nothing to do still, since it gave its lease back.
    async fn may_rest(&mut self) -> Result<bool, Halt> {
        let Some((position, epoch)) = self.rested else {
            return Ok(false);
        };
        if self.followed.app.log().head().await? != position {
            return Ok(false);
        }
        let standing = self.store().standing(&self.followed.id).await?;
        if standing.epoch != epoch {
            // Whoever had it since may have set something aside, or put another revision in its place.
            let parked = self.store().parked(&self.followed.id).await?;
            let is_as_it_was = standing.position == position
                && standing.revision == self.followed.revision
                && parked.is_empty();
            if !is_as_it_was {
                return Ok(false);
            }
            self.rested = Some((position, standing.epoch));
        }
        Ok(true)
    }

    /// Takes the lease of what is to be made, and finds out where that stands.
    async fn begin(&mut self) -> Result<(), Halt> {
        let checked = self.followed.app.check_owner().await;
        checked.map_err(|error| {
            Halt::Stop(StopReason::Unable {
                failure: told(&error),
            })
        })?;
        let live = &self.followed.id;
        let revision = self.followed.revision;
        let seen = self.store().standing(live).await?.revision;
        let (mut output, swaps) = match &self.goal {
            Goal::Build { tag, swap, .. } => (
                Output::alongside(live.clone(), revision, tag.clone()),
                *swap,
            ),
            Goal::Follow if seen > revision => {
                return Err(Halt::Stop(StopReason::Outdated {
                    live: seen,
                    known: revision,
                }));
            }
            Goal::Follow if seen != 0 && seen < revision => {
                let tag = format!("r{revision}");
                (Output::alongside(live.clone(), revision, tag), true)
            }
            Goal::Follow => (Output::live(live.clone(), revision), false),
        };
        let request = |epoch| LeaseRequest {
            follower: output.follower.clone(),
            holder: self.holder.to_owned(),
            length: self.followed.settings.lease,
            epoch,
        };
        if let Some(lease) = &self.lost
            && lease.follower != output.follower
        {
            let _ = give_back(self.followed, self.holder, lease).await;
            self.lost = None;
        }
        let lost = self.lost.as_ref().map(|lease| lease.epoch);
        let renewed = Instant::now();
        let leased = match self.store().lease(request(lost)).await {
            Err(LeaseError::Fenced { .. }) if lost.is_some() => {
                self.store().lease(request(None)).await
            }
            leased => leased,
        };
        let lease = leased?;
        (self.lost, self.rested) = (None, None);
        output.epoch = Some(lease.epoch);
        self.run = Some(Run {
            output,
            lease,
            renewed,
            position: Position::START,
            stands_at: None,
            parked: Vec::new(),
            ahead: None,
            size: Size::up_to(self.followed.settings.batch.get()),
            swaps,
        });
        // Somebody may have put another revision in its place before the lease was ours.
        if self.store().standing(live).await?.revision != seen {
            self.release().await;
            return Ok(());
        }
        let Some(run) = &self.run else { return Ok(()) };
        let prepared = self.follower.prepare(&run.output).await;
        match prepared {
            Ok(()) => self.reload().await,
            Err(HandleError::Prepare(error)) => Err(Halt::Stop(StopReason::Unable {
                failure: told(&*error),
            })),
            Err(error) => Err(stored(error)),
        }
    }

    /// Reads where the follower stands.
    async fn reload(&mut self) -> Result<(), Halt> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let store = &self.followed.store;
        let standing = store.standing(&run.output.follower).await?;
        if standing.epoch != run.lease.epoch {
            return Err(Halt::Fenced {
                epoch: run.lease.epoch,
                actual: standing.epoch,
            });
        }
        run.position = standing.position;
        run.stands_at = standing.stands_at;
        run.ahead = None;
        run.parked = store.parked(&run.output.follower).await?;
        Ok(())
    }

    /// Reads and handles what comes next.
    async fn page(&mut self) -> Result<Turn, Halt> {
        let Some(run) = &mut self.run else {
            return Ok(Turn::Moved(0));
        };
        is_the_log(self.followed, run.position, run.stands_at).await?;
        let until = match &self.goal {
            Goal::Build { until, .. } => *until,
            Goal::Follow => Position::MAX,
        };
        let before = self
            .followed
            .before()
            .filter(|before| *before > run.position);
        let bound = before.unwrap_or(Position::MAX).min(until);
        let limit = run.size.get();
        let span = Span::after(run.position).up_to(bound).limit(limit);
        let page = match Ahead::take(&mut run.ahead, run.position, bound, limit) {
            Some(page) => page,
            None => self.followed.log.page(span).await?,
        };
        // What is behind a page that is not full is not there yet.
        let mut behind = None;
        if page.records.len() == limit {
            run.size.learn(&page.records);
            if run.ahead.is_none() && !self.once {
                let limit = run.size.get();
                behind = Some(Span::after(page.read_to).up_to(bound).limit(limit));
            }
        }
        if page.read_to <= run.position {
            return self.no_more(until).await;
        }
        let read_to = page.read_to;
        let mut batch = Batch {
            output: run.output.clone(),
            from: run.position,
            records: page.records,
            to: read_to,
            stands_at: None,
            parking: Vec::new(),
            dry: None,
        };
        batch.stands_at = match batch.records.last() {
            Some(last) if last.position == batch.to => Some(last.commit),
            _ => commit_at(self.followed, batch.to).await?,
        };
        self.set_apart(&mut batch);
        if let Some(error) = open(self.followed, &mut batch).await {
            let failure = told(&error);
            return self.failed(&batch.records[0].clone(), failure).await;
        }
        if batch.to < read_to {
            // What comes next is what could not be opened.
            behind = None;
        }
        if batch.records.is_empty() {
            let advance = batch.advance(0, 0);
            self.advance(advance).await?;
            return Ok(Turn::Moved(0));
        }
        let batch = Arc::new(batch);
        let log = &self.followed.log;
        let read = async {
            match behind {
                // Where that fails it is read when its turn comes.
                Some(span) => log.page(span).await.ok(),
                None => None,
            }
        };
        let handling = self.follower.handle(Arc::clone(&batch));
        let (handled, behind) = future::zip(handling, read).await;
        match handled {
            Ok(handled) => {
                let advance = batch.advance(0, handled);
                self.followed.forget_failure();
                self.moved(&advance);
                let mut batch = Arc::unwrap_or_clone(batch);
                let left = batch.records.split_off(handled.min(batch.records.len()));
                if let Some(run) = &mut self.run {
                    let kept = run.ahead.take();
                    let behind = behind.or_else(|| kept?.behind(batch.to));
                    // Read again where some of the events were set apart, which are not among those that are left.
                    let is_whole = left.is_empty() || batch.parking.is_empty();
                    run.ahead = match is_whole {
                        true => Ahead::left_over(left, advance.to, behind),
                        false => None,
                    };
                }
                traced::handled(handled, advance.to);
                Ok(Turn::Moved(handled))
            }
            Err(HandleError::Event { place: 0, source }) => {
                let failure = told(&*source);
                self.failed(&batch.records[0], failure).await
            }
            Err(HandleError::Event { place, .. }) => {
                let last = batch.records.get(place - 1);
                self.followed.set_before(last.map(|record| record.position));
                Ok(Turn::Moved(0))
            }
            Err(error) => Err(stored(error)),
        }
    }

    async fn no_more(&mut self, until: Position) -> Result<Turn, Halt> {
        let Some(run) = &self.run else {
            return Ok(Turn::Moved(0));
        };
        if run.output.tag.is_none() {
            return Ok(Turn::CaughtUp);
        }
        if run.swaps {
            let swapped = self.follower.swap(&run.output).await;
            swapped.map_err(stored)?;
            self.run = None;
            return Ok(match &self.goal {
                Goal::Follow => Turn::Moved(0),
                Goal::Build { .. } => Turn::Built,
            });
        }
        let is_there = run.position >= until || self.followed.log.head().await? <= run.position;
        Ok(if is_there {
            Turn::Built
        } else {
            Turn::Moved(0)
        })
    }

    /// Moves the checkpoint alone.
    async fn advance(&mut self, advance: Advance) -> Result<(), Halt> {
        let commit = Commit {
            id: CommitId::draw(),
            time: whole_microseconds(self.followed.clock.now()),
            metadata: Metadata::new(),
            appends: Vec::new(),
            checkpoint: Some(advance.clone()),
        };
        self.store().commit(commit).await?;
        if !advance.parking.is_empty()
            && let Some(run) = &mut self.run
        {
            run.parked = self.followed.store.parked(&advance.follower).await?;
        }
        self.moved(&advance);
        Ok(())
    }

    fn moved(&mut self, advance: &Advance) {
        if let Some(run) = &mut self.run {
            run.position = advance.to;
            run.stands_at = advance.stands_at;
            // They are in the store; which they are is read before the next page.
            run.parked
                .extend(advance.parking.iter().filter_map(|parking| match parking {
                    Parking::Behind { stream, position } => Some(Parked {
                        stream: stream.clone(),
                        position: *position,
                        failure: None,
                        attempts: 0,
                        since: std::time::SystemTime::UNIX_EPOCH,
                        retry: false,
                    }),
                    _ => None,
                }));
        }
        if self
            .followed
            .before()
            .is_some_and(|before| advance.to >= before)
        {
            self.followed.set_before(None);
        }
    }
}

/// Whoever drives the follower next goes on under the lease, or gives it back.
impl Drop for Engine<'_> {
    fn drop(&mut self) {
        self.lose();
        if let Some(lease) = self.lost.take() {
            self.followed.leave(lease);
        }
    }
}

/// Gives a lease back, and says whether that was heard.
pub(super) async fn give_back(followed: &Followed, holder: &str, lease: &Lease) -> bool {
    let request = LeaseRequest {
        follower: lease.follower.clone(),
        holder: holder.to_owned(),
        length: Duration::ZERO,
        epoch: Some(lease.epoch),
    };
    followed.store.lease(request).await.is_ok()
}

/// After how long a lease is renewed.
fn renewed_after(followed: &Followed) -> Duration {
    followed.settings.lease / 3
}

/// Opens the payloads up to the first that cannot be; where that is the very first, says why.
async fn open(followed: &Followed, batch: &mut Batch) -> Option<DecodeError> {
    for place in 0..batch.records.len() {
        let opened = followed.app.open_record(&mut batch.records[place]).await;
        let Err(error) = opened else { continue };
        let Some(last) = place.checked_sub(1) else {
            return Some(error);
        };
        batch.records.truncate(place);
        batch.to = batch.records[last].position;
        batch.stands_at = Some(batch.records[last].commit);
        let to = batch.to;
        batch.parking.retain(|parking| parking.position() <= to);
        return None;
    }
    None
}

/// Whether the log is the one that the checkpoint was taken of.
async fn is_the_log(
    followed: &Followed,
    position: Position,
    stands_at: Option<CommitId>,
) -> Result<(), Halt> {
    if position == Position::START {
        return Ok(());
    }
    let found = commit_at(followed, position).await?;
    if StopReason::is_the_log(position, stands_at, found) {
        return Ok(());
    }
    Err(Halt::Stop(StopReason::restored(position, stands_at, found)))
}

/// The commit of the event at a position.
async fn commit_at(followed: &Followed, position: Position) -> Result<Option<CommitId>, Halt> {
    let before = Position::from(position.get().saturating_sub(1));
    let log = followed.app.log();
    let page = log.page(Span::after(before).up_to(position)).await?;
    Ok(page.records.first().map(|record| record.commit))
}
