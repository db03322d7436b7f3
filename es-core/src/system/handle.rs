//! One follower of a system, as a person or another part of the program asks about it.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;

use super::engine::{FORGOTTEN, followed_into};
use super::error::said;
use super::followed::Followed;
use super::{FollowError, State, Status, StopReason};
use crate::application::{Result, SILENT, TimeOut, WaitError, answered, why_stopped};
use crate::domain::{Position, StreamId};
use crate::persistence::{Dropped, Filter, Parked, ReadError, Span, Standing, Stopped, Verdict};

/// After how long somebody who waits looks whether something changed.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A follower of a system, by its name: how it is, how far, what it has set aside.
#[derive(Clone)]
pub struct FollowerHandle {
    name: String,
    pub(super) holder: String,
    /// Or else the names there are.
    followed: Result<Arc<Followed>, Vec<String>>,
}

impl FollowerHandle {
    pub(super) fn new(
        name: &str,
        holder: String,
        followed: Result<Arc<Followed>, Vec<String>>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            holder,
            followed,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn followed(&self) -> Result<&Arc<Followed>, FollowError> {
        self.followed
            .as_ref()
            .map_err(|known| FollowError::NoSuchFollower {
                name: self.name.clone(),
                known: known.clone(),
            })
    }

    /// How it is and how far.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn status(&self) -> Result<Status> {
        let followed = self.followed()?;
        let unread = |source| self.unread(followed, source);
        let standing = followed
            .store
            .standing(&followed.id)
            .await
            .map_err(unread)?;
        let stopped = last_stop(followed, &standing).await.map_err(unread)?;
        let parked = followed.store.parked(&followed.id).await.map_err(unread)?;
        let log = followed.app.log().only(Filter::everything());
        let head = log.head().await?;
        // The event that the checkpoint stands at, and the oldest that was not seen.
        let position = standing.position;
        let before = Position::from(position.get().saturating_sub(1));
        let mut around = log.read(before, 2).await?;
        let stood_at = around.extract_if(.., |record| record.position == position);
        let found = stood_at.last().map(|record| record.commit);
        let oldest = around.into_iter().find(|record| record.position > position);
        let state = match followed.state() {
            stopped @ State::Stopped(_) => stopped,
            _ if !StopReason::is_the_log(position, standing.stands_at, found) => {
                State::Stopped(StopReason::restored(position, standing.stands_at, found))
            }
            _ if standing.revision > followed.revision => State::Stopped(StopReason::Outdated {
                live: standing.revision,
                known: followed.revision,
            }),
            state => state,
        };
        let now = followed.clock.now();
        Ok(Status {
            follower: followed.id.clone(),
            state,
            position,
            head,
            behind: oldest.map_or(Duration::ZERO, |oldest| {
                now.duration_since(oldest.time).unwrap_or_default()
            }),
            parked: parked.len(),
            since: standing.since,
            holder: standing.holder.zip(standing.until),
            stopped,
            revision: standing.revision,
            known: followed.revision,
        })
    }

    /// Waits until it has seen a position, of an event that concerns it or not, and says how far it is then: for those who read what they
    /// wrote. Ends at once where it has, or where there is no position to wait for.
    ///
    /// # Errors
    /// [`WaitError`], as [`Error::Wait`](crate::Error::Wait); [`WaitError::TimedOut`] after `at_most`, with what it does in this system or why it
    /// stopped in another process, and [`WaitError::Parked`] where it could not handle just that event and set it aside;
    /// [`WaitError::Unsettled`] where its store does not say in time whether it did.
    /// [`FollowError::Stopped`] as soon as it stopped in this system at an event, or because the log was restored, and nobody else has its lease.
    /// One that stopped for another reason is waited for: another process may run it.
    pub async fn wait_for<P: Into<Option<Position>>>(
        &self,
        position: P,
        at_most: Duration,
    ) -> Result<Position> {
        let awaited = position.into().unwrap_or_default();
        let followed = self.followed()?;
        let mut time_out = TimeOut::new(followed.clock.sleep(at_most));
        let reached = reached(followed, awaited, &mut time_out, at_most).await?;
        let follower = followed.id.clone();
        let parked = followed.store.parked(&followed.id);
        let Some(parked) = answered(&mut time_out, parked).await else {
            let what = format!("it saw position {reached}; whether it set that aside, {SILENT}");
            return Err(unsettled(followed, at_most, what).into());
        };
        let parked = parked.map_err(|source| unread(followed, source))?;
        if parked.iter().any(|parked| parked.position == awaited) {
            return Err(WaitError::Parked {
                follower,
                position: awaited,
            }
            .into());
        }
        Ok(reached)
    }

    /// What it has set aside, and what waits behind that, in the order of positions.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn parked(&self) -> Result<Vec<Parked>> {
        let followed = self.followed()?;
        let parked = followed.store.parked(&followed.id).await;
        Ok(parked.map_err(|source| self.unread(followed, source))?)
    }

    /// Has what is parked of a stream tried again, in order, by whoever runs the follower.
    ///
    /// # Errors
    /// [`FollowError`]; nothing was changed.
    pub async fn retry(&self, stream: &StreamId) -> Result<()> {
        self.decide(stream, Verdict::Retry).await
    }

    /// Gives up on the first parked event of a stream, and keeps a record of who decided so and why; those behind it are tried again.
    ///
    /// # Errors
    /// [`FollowError`], [`FollowError::Unsaid`] where one of these is blank; nothing was changed.
    pub async fn drop_parked(
        &self,
        stream: &StreamId,
        position: Position,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<()> {
        let (by, reason) = (by.into(), reason.into());
        said(&by, &reason)?;
        let verdict = Verdict::Drop {
            position,
            by,
            reason,
        };
        self.decide(stream, verdict).await
    }

    /// What was given up on, by whom and why.
    ///
    /// # Errors
    /// [`FollowError`].
    pub async fn dropped(&self) -> Result<Vec<Dropped>> {
        let followed = self.followed()?;
        let dropped = followed.store.dropped(&followed.id).await;
        Ok(dropped.map_err(|source| self.unread(followed, source))?)
    }

    /// Lets it go on after it stopped, once the reason is mended; one that fails is given all its attempts again.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollower`].
    pub fn resume(&self) -> Result<()> {
        let followed = self.followed()?;
        if let State::Stopped(StopReason::Unable { failure }) = followed.state()
            && failure == FORGOTTEN
        {
            followed.know(Position::START);
        }
        followed.resume();
        Ok(())
    }

    /// The position of the newest event that was there at a time.
    pub(super) async fn position_at(&self, time: std::time::SystemTime) -> Result<Position> {
        let log = self.followed()?.app.log();
        let (mut before, mut after) = (0, log.head().await?.get() + 1);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            let at = Span::after(Position::from(middle - 1)).limit(1);
            let page = log.page(at).await?;
            match page.records.first() {
                Some(record) if record.time <= time => before = middle,
                _ => after = middle,
            }
        }
        Ok(Position::from(before))
    }

    async fn decide(&self, stream: &StreamId, verdict: Verdict) -> Result<()> {
        let followed = self.followed()?;
        let decided = followed.store.decide(&followed.id, stream, verdict).await;
        decided.map_err(FollowError::from)?;
        followed.told.notify(usize::MAX);
        Ok(())
    }

    pub(super) fn unread(&self, followed: &Followed, source: ReadError) -> FollowError {
        FollowError::Store {
            follower: followed.id.clone(),
            source,
        }
    }
}

impl fmt::Debug for FollowerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowerHandle")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Waits until a follower has seen a position, and says how far it is then; until the time is out, which was `at_most`.
pub(super) async fn reached(
    followed: &Followed,
    awaited: Position,
    time_out: &mut TimeOut<'_>,
    at_most: Duration,
) -> Result<Position> {
    // Whoever gives no time is told as well where it stands.
    let first = answered(time_out, followed.store.checkpoint(&followed.id)).await;
    let first = first.ok_or_else(|| unsettled(followed, at_most, SILENT.to_owned()))?;
    let mut reached = first.map_err(|source| unread(followed, source))?;
    if reached >= awaited {
        return Ok(reached);
    }
    let ended = future::or(
        async {
            loop {
                let changed = followed.changed();
                let told = followed.told.listen();
                let state = followed.state();
                reached = followed.store.checkpoint(&followed.id).await?;
                if reached >= awaited {
                    return Ok::<_, ReadError>(Waited::Reached);
                }
                // Another process may try it.
                if let State::Stopped(reason) = state
                    && is_in_vain(&reason, reached)
                    && followed
                        .store
                        .standing(&followed.id)
                        .await?
                        .holder
                        .is_none()
                {
                    return Ok(Waited::Stopped(reason));
                }
                let news = future::or(changed, told);
                future::or(news, followed.clock.sleep(LOOK_AGAIN)).await;
            }
        },
        async {
            time_out.await;
            Ok(Waited::TimedOut)
        },
    );
    let ended = ended.await.map_err(|source| unread(followed, source))?;
    let follower = followed.id.clone();
    match ended {
        Waited::Reached => Ok(reached),
        Waited::Stopped(reason) => {
            let source = Box::new(reason);
            Err(FollowError::Stopped { follower, source }.into())
        }
        Waited::TimedOut => {
            let state = match followed.state() {
                // What was last done in a step says nothing of whether anybody goes on.
                State::Idle | State::Running | State::Rebuilding | State::CaughtUp => {
                    why_stopped(&*followed.store, &followed.id).await
                }
                state => Some(format!("in this process it is {state}")),
            };
            Err(WaitError::TimedOut {
                follower,
                awaited,
                reached,
                waited: at_most,
                state,
            }
            .into())
        }
    }
}

pub(super) fn unsettled(followed: &Followed, waited: Duration, what: String) -> WaitError {
    WaitError::Unsettled {
        follower: followed.id.clone(),
        waited,
        what,
    }
}

pub(super) fn unread(followed: &Followed, source: ReadError) -> WaitError {
    WaitError::Store {
        follower: followed.id.clone(),
        source,
    }
}

/// Why nobody goes on with what is to be made: where readers see an older revision, that is built beside.
async fn last_stop(followed: &Followed, seen: &Standing) -> Result<Option<Stopped>, ReadError> {
    let (output, _) = followed_into(followed, seen.revision);
    if output.follower == followed.id {
        return Ok(seen.stopped.clone());
    }
    let beside = followed.store.standing(&output.follower).await?;
    match beside.holder {
        Some(_) => Ok(None),
        None => Ok(beside.stopped.or_else(|| seen.stopped.clone())),
    }
}

/// Whether one that stopped here gets no further: nobody has taken it on from there, and nobody will before somebody mends something.
fn is_in_vain(reason: &StopReason, reached: Position) -> bool {
    match reason {
        StopReason::Failed { position, .. } | StopReason::NotKnown { position, .. } => {
            reached < *position
        }
        StopReason::LogRestored { position, .. } => reached == *position,
        // Who runs it elsewhere has no lease while there is nothing to do.
        StopReason::Told
        | StopReason::Outdated { .. }
        | StopReason::Incomplete { .. }
        | StopReason::NameTaken
        | StopReason::Unable { .. } => false,
    }
}

/// How waiting for a position ended.
enum Waited {
    Reached,
    Stopped(StopReason),
    TimedOut,
}
