//! Drives one follower, a turn at a time: lease, page, handler, checkpoint.
//!
//! [`reading`] is where its pages come from, all of one log; [`halt`] says why a turn is broken off, [`leasing`] under which lease it is done,
//! [`parking`] what becomes of events that fail.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_lite::future;
use tracing::Instrument;

use super::ahead::Ahead;
use super::followed::Followed;
use super::follower::{Batch, Follower, HandleError, Output, unpanicked};
use super::state::State;
use super::watch::LOOK_AGAIN;
use super::{StopReason, traced};
use crate::application::size::Size;
use crate::domain::{Position, what_it_said};
use crate::persistence::{
    Advance, Commit, CommitId, Epoch, Lease, Metadata, Parked, Store, whole_microseconds,
};

mod halt;
mod leasing;
mod parking;
mod reading;

pub(super) use halt::is_away;
use halt::{Halt, stored};
pub(super) use leasing::{FORGOTTEN, followed_into, give_back};
use leasing::{outdated, renewal, renewing};
pub(super) use parking::due;
use parking::{IN_A_ROW, must_go_on, note};
use reading::{commit_at, is_the_log, open, read};

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
    /// What an event is handled with cannot be reached; its own store can.
    Away(String),
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
    /// What was built before under the same name is to be thrown away still.
    anew: bool,
    /// Present under a lease.
    run: Option<Run>,
    /// A lease that nobody else has yet: the store could not be reached under it, or its engine was dropped.
    lost: Option<Lease>,
    /// A store could not be reached when it was last asked.
    cut_off: bool,
    /// Where it stood when it gave its lease back, because there was nothing to do, and under which epoch.
    rested: Option<(Position, Epoch)>,
}

/// What is known under a lease.
struct Run {
    output: Output,
    lease: Lease,
    renewed: SystemTime,
    position: Position,
    stands_at: Option<CommitId>,
    /// What is set aside; what persons decided since is not in it.
    parked: Vec<Parked>,
    /// When that was read.
    looked: SystemTime,
    /// Why it does not go on is kept with the lease.
    has_told: bool,
    /// How many parked events were tried again since events were read that are not parked.
    in_a_row: usize,
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
            anew: matches!(goal, Goal::Build { .. }),
            goal,
            once: false,
            run: None,
            lost: followed.take_left(),
            cut_off: false,
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
        // Handlers say themselves where they panicked; key providers, clocks and stores of the program's own may, too.
        let next = unpanicked(self.next()).await.unwrap_or_else(|panic| {
            let failure = format!("it panicked: {}", what_it_said(&*panic));
            Err(Halt::Stop(StopReason::Unable { failure }))
        });
        let halt = match next {
            Ok(turn) => {
                match &turn {
                    Turn::CaughtUp | Turn::Built => self.followed.set(State::CaughtUp),
                    Turn::Moved(_) => self.followed.set(self.at_work()),
                    _ => {}
                }
                return turn;
            }
            Err(halt) => halt,
        };
        match halt {
            Halt::Stop(reason) => {
                self.release_for(&reason).await;
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
                self.cut_off = true;
                self.followed.set(State::Waiting {
                    failure: failure.clone(),
                });
                Turn::Unreachable(failure)
            }
            Halt::Away(failure) => {
                self.followed.set(State::Waiting {
                    failure: failure.clone(),
                });
                Turn::Away(failure)
            }
            Halt::Stale => {
                if let Err(Halt::Unreachable(failure)) = self.reload().await {
                    self.lose();
                    self.cut_off = true;
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

    /// Whether something that was set aside is to be tried again, also because somebody decided so just now.
    pub(super) async fn has_due(&mut self) -> bool {
        let is_due = |run: &Option<Run>| run.as_ref().is_some_and(|run| due(&run.parked).is_some());
        if is_due(&self.run) {
            return true;
        }
        // What is wrong with the store is said by the next turn.
        self.look(Duration::ZERO).await.is_err() || is_due(&self.run)
    }

    fn builds(&self) -> bool {
        let run = self.run.as_ref();
        run.is_some_and(|run| run.output.tag.is_some())
    }

    /// What it does while it has events to handle.
    fn at_work(&self) -> State {
        match self.builds() {
            true => State::Rebuilding,
            false => State::Running,
        }
    }

    fn store(&self) -> &dyn Store {
        &*self.followed.store
    }

    async fn next(&mut self) -> Result<Turn, Halt> {
        let begins = self.run.is_none();
        match &mut self.run {
            None => {
                if self.may_rest().await? {
                    return Ok(Turn::CaughtUp);
                }
                self.begin().await?;
            }
            Some(run) if run.is_due(self.followed) => {
                let request = renewal(self.followed, self.holder, run);
                let (asked, tells) = (self.followed.clock.now(), request.stopped.is_some());
                let lease = self.followed.store.lease(request).await?;
                run.is_renewed(lease, asked, tells);
            }
            Some(_) => {}
        }
        let was_read = self.look(LOOK_AGAIN).await? || begins;
        let Some(run) = &mut self.run else {
            return Ok(Turn::Moved(0));
        };
        if run.in_a_row < IN_A_ROW
            && let Some(due) = due(&run.parked)
        {
            run.in_a_row += 1;
            return self.try_again(&due).await;
        }
        run.in_a_row = 0;
        let turn = self.page().await?;
        if !matches!(turn, Turn::CaughtUp) {
            return Ok(turn);
        }
        if !was_read {
            self.look(Duration::ZERO).await?;
        }
        match self.run.as_ref().and_then(|run| due(&run.parked)) {
            Some(due) => self.try_again(&due).await,
            None => Ok(turn),
        }
    }

    /// Reads and handles what comes next.
    async fn page(&mut self) -> Result<Turn, Halt> {
        let Some(run) = &mut self.run else {
            return Ok(Turn::Moved(0));
        };
        let until = match &self.goal {
            Goal::Build { until, .. } => *until,
            Goal::Follow => Position::MAX,
        };
        let before = self
            .followed
            .before()
            .filter(|before| *before > run.position);
        let bound = before.unwrap_or(Position::MAX).min(until);
        let limit = self.followed.at_once(run.size.get());
        let ahead = Ahead::take(&mut run.ahead, run.position, bound, limit);
        let Ahead { page, read_at, .. } = match ahead {
            Some(ahead) => {
                if !ahead.is_new(self.followed.clock.now()) {
                    is_the_log(self.followed, run.position, run.stands_at).await?;
                }
                ahead
            }
            None => read(self.followed, run.position, run.stands_at, bound, limit).await?,
        };
        // What is behind a page that is not full is not there yet.
        let mut behind = None;
        if page.records.len() == limit {
            if limit == run.size.get() {
                run.size.learn(&page.records);
            }
            if run.ahead.is_none() && !self.once {
                let last = page.records.last();
                let last = last.filter(|last| last.position == page.read_to);
                behind = last.map(|last| (last.commit, self.followed.at_once(run.size.get())));
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
            last => {
                let (read, commit) = match last {
                    Some(last) => (last.position, Some(last.commit)),
                    None => (run.position, run.stands_at),
                };
                let stands_at = commit_at(self.followed, batch.to).await?;
                // Asked last: a log that is the same now was so when that commit was read.
                is_the_log(self.followed, read, commit).await?;
                stands_at
            }
        };
        self.set_apart(&mut batch);
        if let Some(error) = open(self.followed, &mut batch).await {
            let record = batch.records[0].clone();
            return self.failed(&record, &error).await;
        }
        if batch.to < read_to {
            // What comes next is what could not be opened.
            behind = None;
        }
        if batch.records.is_empty() {
            let advance = batch.advance(0, 0);
            self.advance(advance).await?;
            self.followed.widen();
            return Ok(Turn::Moved(0));
        }
        // Said before, since a handler may take long, or never end. What was in its way is said until it is known to be gone.
        let is_in_trouble = matches!(
            self.followed.state(),
            State::Retrying { .. } | State::Waiting { .. }
        );
        if !is_in_trouble {
            self.followed.set(self.at_work());
        }
        let batch = Arc::new(batch);
        // Where that fails it is read when its turn comes.
        let reading = async {
            let (commit, limit) = behind?;
            let read = read(self.followed, batch.to, Some(commit), bound, limit);
            read.await.ok()
        };
        let handling = self.follower.handle(Arc::clone(&batch));
        let working = future::zip(handling, reading);
        let Some(run) = &mut self.run else {
            return Ok(Turn::Moved(0));
        };
        let (handled, behind) = renewing(self.followed, self.holder, run, working).await;
        match handled {
            Ok(handled) => {
                let advance = batch.advance(0, handled);
                self.followed.forget_failure();
                self.followed.widen();
                self.moved(&advance);
                let mut batch = Arc::unwrap_or_clone(batch);
                let left = batch.records.split_off(handled.min(batch.records.len()));
                if let Some(run) = &mut self.run {
                    let kept = run.ahead.take();
                    let behind = behind.or(kept.filter(|kept| kept.is_behind(batch.to)));
                    // Read again where some of the events were set apart, which are not among those that are left.
                    let is_whole = left.is_empty() || batch.parking.is_empty();
                    run.ahead = match is_whole {
                        true => Ahead::left_over(left, advance.to, read_at, behind),
                        false => None,
                    };
                }
                traced::handled(handled, advance.to);
                Ok(Turn::Moved(handled))
            }
            Err(HandleError::Event { place: 0, source }) => {
                self.failed(&batch.records[0], &*source).await
            }
            Err(HandleError::Event { place, .. }) => {
                let last = batch.records.get(place - 1);
                self.followed.set_before(last.map(|record| record.position));
                self.followed.narrow_to(place);
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
        if due(&run.parked).is_some() {
            return Ok(Turn::Moved(0));
        }
        let seen = self.store().standing(&self.followed.id).await?;
        let found = commit_at(self.followed, seen.position).await?;
        let is_gone = !StopReason::is_the_log(seen.position, seen.stands_at, found);
        if must_go_on(self.followed, run, seen.position, is_gone).await? {
            self.look(Duration::ZERO).await?;
            return Ok(Turn::Moved(0));
        }
        if run.swaps {
            // Somebody may have put a newer one there meanwhile.
            if seen.revision > run.output.revision {
                return Err(outdated(seen.revision, run.output.revision));
            }
            let built = Output {
                anew: is_gone,
                ..run.output.clone()
            };
            let swapping = self.follower.swap(&built);
            let swapped = match &mut self.run {
                Some(run) => renewing(self.followed, self.holder, run, swapping).await,
                None => swapping.await,
            };
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
        self.moved(&advance);
        Ok(())
    }

    fn moved(&mut self, advance: &Advance) {
        if let Some(run) = &mut self.run {
            run.position = advance.to;
            run.stands_at = advance.stands_at;
            if run.output.tag.is_none() {
                self.followed.know(advance.to);
            }
            for parking in &advance.parking {
                note(&mut run.parked, parking);
            }
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
