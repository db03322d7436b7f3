//! What a projection made, made anew beside what readers see.
use std::mem;
use std::time::SystemTime;

use futures_lite::future;

use super::engine::{Engine, Goal, Turn};
use super::state::State;
use super::{FollowError, FollowerHandle, StopReason};
use crate::application::Result;
use crate::domain::Position;

/// How far something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Up to that event.
    Position(Position),
    /// As it was at that time.
    Time(SystemTime),
}

/// The tag of what is built anew by the same revision.
const AGAIN: &str = "again";

/// The revision that is built under that tag, if one is.
pub(super) fn revision_of(tag: &str) -> Option<u32> {
    tag.strip_prefix('r')?.parse().ok()
}

impl FollowerHandle {
    /// Builds the read model anew from the first event, beside the one that readers see, and puts it in its place once it is as far: readers see
    /// the old one or the new one, never a part. Writers go on, and so does whoever runs the follower elsewhere. One that
    /// failed or was broken off leaves no trace in it: the next begins with the first event again, by the handler of its day.
    ///
    /// (A raised [`REVISION`](super::Projection::REVISION) needs no call: its follower does this by itself.)
    ///
    /// # Errors
    /// [`FollowError`]; what readers see is what it was. So it is where an aggregate that they see would be missing, because it was set aside
    /// meanwhile ([`Incomplete`](StopReason::Incomplete)). What was given up on in what they see is given up on again, where it fails
    /// again; that somebody decided so stays on record where it does not.
    pub async fn rebuild(&self) -> Result<()> {
        self.build(Goal::Build {
            tag: AGAIN.to_owned(),
            until: Position::MAX,
            swap: true,
        })
        .await
        .map(|_| ())
    }

    /// Builds the read model as it was at a position or a time, into tables of another name: `into` stands at the end of their names, after two
    /// underscores. Nobody follows there, and what readers see stays; what was built under that name before is thrown away first. Says how far it
    /// is: as far as the log, where that ends before.
    ///
    /// # Errors
    /// [`FollowError`]; what readers see is what it was, and what is under that name may be a part, as where it lacks aggregates that readers see
    /// ([`Incomplete`](StopReason::Incomplete)).
    pub async fn rebuild_until(&self, until: Until, into: &str) -> Result<Position> {
        let is_name = (1..=20).contains(&into.len())
            && into.starts_with(|first: char| first.is_ascii_lowercase())
            && into
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            && into != AGAIN
            && revision_of(into).is_none();
        if !is_name {
            let name = into.to_owned();
            return Err(FollowError::Name { name }.into());
        }
        let until = match until {
            Until::Position(position) => position,
            Until::Time(time) => self.position_at(time).await?,
        };
        self.build(Goal::Build {
            tag: into.to_owned(),
            until,
            swap: false,
        })
        .await
    }

    async fn build(&self, goal: Goal) -> Result<Position> {
        let followed = self.followed()?;
        let id = || followed.id.clone();
        if followed.revision == 0 {
            return Err(FollowError::NotRebuilt { follower: id() }.into());
        }
        if let State::Stopped(source @ StopReason::NameTaken) = followed.state() {
            let (follower, source) = (id(), Box::new(source));
            return Err(FollowError::Stopped { follower, source }.into());
        }
        let running = || FollowError::Running { follower: id() };
        let mut driven = followed.take().ok_or_else(running)?;
        let Some(follower) = driven.follower.as_deref_mut() else {
            return Err(running().into());
        };
        let mut engine = Engine::new(followed, follower, &self.holder, goal);
        let mut moved_since = false;
        let ended = loop {
            match engine.turn().await {
                Turn::Built => break Ok(engine.reached()),
                Turn::Moved(events) => {
                    moved_since |= events > 0;
                    future::yield_now().await;
                }
                Turn::CaughtUp => future::yield_now().await,
                Turn::Retry(pause) => engine.pause(followed.clock.sleep(pause)).await,
                // One connection may have been lost since.
                Turn::Unreachable(_) if mem::take(&mut moved_since) => {}
                Turn::Unreachable(failure) => {
                    let follower = id();
                    break Err(FollowError::Unreachable { follower, failure });
                }
                Turn::Away(failure) => {
                    let follower = id();
                    break Err(FollowError::Away { follower, failure });
                }
                turn @ (Turn::Standby { .. } | Turn::Fenced) => {
                    let (held_for, free_in) = match turn {
                        Turn::Standby { held_for, free_in } => (held_for, Some(free_in)),
                        _ => (None, None),
                    };
                    let holder = match followed.state() {
                        State::Standby { holder } => holder,
                        _ => "another process".to_owned(),
                    };
                    let follower = id();
                    break Err(FollowError::Held {
                        follower,
                        holder,
                        held_for,
                        free_in,
                    });
                }
                Turn::Stopped => {
                    let source = Box::new(match followed.state() {
                        State::Stopped(reason) => reason,
                        _ => StopReason::Told,
                    });
                    let follower = id();
                    break Err(FollowError::Stopped { follower, source });
                }
            }
        };
        engine.release().await;
        followed.set(State::Idle);
        Ok(ended?)
    }
}
