//! What writes: a connection, and what is known of where the log ends. Whoever writes has it, the task or a caller.
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use es_core::persistence::{Commit, Committed};
use futures_core::future::BoxFuture;
use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::time::{Instant, timeout};
use tokio_postgres::Statement;
use tracing::debug;

use super::{Desk, TRACED};
use crate::commit::{self, End, Hope};
use crate::connection::in_time;
use crate::error::Fault;
use crate::inline::Session;
use crate::locked::Locked;
use crate::sql::Sql;
use crate::tell::Tell;

/// The connection that writes, and what is prepared on it.
pub(super) struct Pen {
    pub(super) client: ClientWrapper,
    append: Statement,
    append_one: Statement,
    pub(super) locked: Locked,
    pub(super) tell: Tell,
    /// Present once a projection runs inside of commits.
    pub(super) session: Option<Session>,
}

impl Pen {
    pub(super) async fn new(client: ClientWrapper, sql: &Sql) -> Result<Self, Fault> {
        Ok(Self {
            append: client.prepare(&sql.append).await?,
            append_one: client.prepare(&sql.append_one).await?,
            locked: Locked::prepare(&*client, sql).await?,
            tell: Tell::prepare(&*client, sql).await?,
            session: None,
            client,
        })
    }

    /// Writes a group by one statement, which others are told by where it is `quick`, and behind it where it is not.
    async fn write(&self, hope: &Hope<'_>, handle: &str, quick: bool) -> Result<bool, Fault> {
        let append = match hope.is_one {
            true => &self.append_one,
            false => &self.append,
        };
        let told = quick.then_some(handle);
        let written = hope.write(&*self.client, append, told).await?;
        if written && !quick {
            self.tell.send(&*self.client, handle).await;
        }
        Ok(written)
    }
}

#[derive(Default)]
pub(super) struct Hand {
    pub(super) pen: Option<Pen>,
    /// Where the log ends, as far as is known.
    pub(super) end: Option<End>,
    /// Nobody else moved it, when it was last looked at.
    pub(super) undisturbed: bool,
    /// One commit was all that was asked for, when it was last written, and no projection ran inside of it.
    pub(super) alone: bool,
    /// The last group took so long that others are told behind the next.
    slow: bool,
}

/// From when on others are told of a group behind it, which takes the server some 40 µs more, and not within it, where all who notify on the server
/// wait for the disk one after the other.
const LONG: Duration = Duration::from_micros(500);

/// Until when they are again.
const SHORT: Duration = Duration::from_micros(400);

/// How much longer a group may take for each of its events, on any disk.
const EACH: Duration = Duration::from_micros(10);

impl Hand {
    fn is_to_lend(&self) -> bool {
        let is_open = |pen: &Pen| !pen.client.is_closed();
        self.alone
            && self.undisturbed
            && self.end.is_some()
            && self.pen.as_ref().is_some_and(is_open)
    }

    /// Writes a group by one statement, where nobody else has written; `None`: nothing is written, and it has to be judged.
    pub(super) async fn write(
        &mut self,
        desk: &Desk,
        commits: &[&Commit],
        metadata: &[Option<String>],
    ) -> Result<Option<Vec<Committed>>, Fault> {
        if !self.undisturbed {
            return Ok(None);
        }
        let Some(end) = self.end else { return Ok(None) };
        let Some(hope) = Hope::new(end, commits, metadata) else {
            return Ok(None);
        };
        let Some(pen) = self.pen.take() else {
            return Ok(None);
        };
        // Where this is dropped meanwhile, nothing is known.
        self.end = None;
        let since = Instant::now();
        let written = in_time(desk.patience, pen.write(&hope, &desk.handle, !self.slow)).await;
        let written = match written {
            Ok(written) => written,
            Err(fault) => {
                self.undisturbed = false;
                if !fault.is_lost() {
                    self.pen = Some(pen);
                }
                return Err(fault);
            }
        };
        self.pen = Some(pen);
        if !written {
            self.end = Some(end);
            return Ok(None);
        }
        self.end = Some(hope.end);
        let events = u32::try_from(hope.end.head - end.head).unwrap_or(u32::MAX);
        let quick = if self.slow { SHORT } else { LONG };
        self.slow = since.elapsed() > quick + EACH.saturating_mul(events);
        debug!(target: TRACED, refused = 0, "committed");
        desk.changed.notify(usize::MAX);
        Ok(Some(hope.committed))
    }

    /// The same with one commit.
    pub(super) async fn write_one(
        &mut self,
        desk: &Desk,
        commit: &Commit,
    ) -> Result<Option<Committed>, Fault> {
        let commits = [commit];
        let metadata = commit::metadata(&commits)?;
        let written = self.write(desk, &commits, &metadata).await?;
        Ok(written.and_then(|committed| committed.into_iter().next()))
    }
}

/// What a caller writes with a hand that it has lent. Anybody may help by polling it too.
pub(super) type Writing = Shared<BoxFuture<'static, ()>>;

/// Where the hand is.
#[derive(Default)]
pub(super) struct Place(Mutex<Hold>);

#[derive(Default)]
struct Hold {
    state: State,
    /// The task is waiting for it, and nobody else has it before.
    wanted: bool,
}

enum State {
    Free(Box<Hand>),
    Lent(Writing),
    /// The task has it.
    Taken,
}

impl Default for State {
    fn default() -> Self {
        Self::Free(Box::default())
    }
}

/// How long the task waits before it looks again. A caller may be woken in its stead that does not go on.
const LOOK: Duration = Duration::from_millis(10);

impl Place {
    /// For the task: takes it, once it is free. A caller who has it and does not go on is helped.
    pub(super) async fn take(&self) -> Box<Hand> {
        loop {
            let writing = {
                let hold = &mut *self.hold();
                match mem::replace(&mut hold.state, State::Taken) {
                    State::Free(hand) => {
                        hold.wanted = false;
                        return hand;
                    }
                    State::Taken => return Box::default(),
                    State::Lent(writing) => {
                        hold.wanted = true;
                        hold.state = State::Lent(writing.clone());
                        writing
                    }
                }
            };
            drop(timeout(LOOK, writing).await);
        }
    }

    /// Lends it to what is made of it, where it is free and has nothing else to do.
    pub(super) fn lend<T, F>(
        &self,
        job: T,
        write: impl FnOnce(Box<Hand>, T) -> F,
    ) -> Result<Writing, T>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hold = &mut *self.hold();
        match mem::replace(&mut hold.state, State::Taken) {
            State::Free(hand) if !hold.wanted && hand.is_to_lend() => {
                let writing = write(hand, job).boxed().shared();
                hold.state = State::Lent(writing.clone());
                Ok(writing)
            }
            other => {
                hold.state = other;
                Err(job)
            }
        }
    }

    pub(super) fn give_back(&self, hand: Box<Hand>) {
        self.hold().state = State::Free(hand);
    }

    fn hold(&self) -> MutexGuard<'_, Hold> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
