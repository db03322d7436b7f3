//! A system driven step by step: one follower after the other, nobody waits, and the same happens each time.
use std::sync::Arc;

use futures_lite::future;

use super::engine::{Engine, Goal, Turn};
use super::followed::Followed;
use super::state::State;
use super::{FollowError, StopReason, System};
use crate::application::Result;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stepped {
    /// How many events were handled.
    pub events: usize,
    /// No follower has anything to do: each has caught up, is stopped, waits for what it cannot reach, or is run elsewhere.
    pub idle: bool,
}

impl System {
    /// Lets each follower take one batch, in the order in which they were added. A failed event is tried again by the next step, without a pause.
    ///
    /// The leases are taken for the step and given back at its end, so that several systems may step in turn.
    ///
    /// # Errors
    /// [`FollowError`], where a follower is run by [`start`](System::start), or a store cannot be reached: those behind it have taken no batch then.
    /// [`FollowError::Stopped`] in the step in which a follower stops, of the first that does; the others have taken theirs, and the next steps go on
    /// with those. An event that fails and will be tried again is no error, and a follower whose name another has is told by
    /// [`settle`](System::settle) alone.
    pub async fn step(&self) -> Result<Stepped> {
        match self.take_step().await? {
            (_, Some(stopped)) => Err(stopped.into()),
            (stepped, None) => Ok(stepped),
        }
    }

    /// Says which follower stopped beside what was done.
    async fn take_step(&self) -> Result<(Stepped, Option<FollowError>)> {
        let mut newly = None;
        let mut stepped = Stepped {
            events: 0,
            idle: true,
        };
        for followed in &self.followed {
            if followed.is_stopped() {
                continue;
            }
            let running = || FollowError::Running {
                follower: followed.id.clone(),
            };
            let mut driven = followed.take().ok_or_else(running)?;
            let Some(follower) = driven.follower.as_deref_mut() else {
                continue;
            };
            let engine = Engine::new(followed, follower, &self.holder, Goal::Follow);
            let mut engine = engine.once();
            let turn = engine.turn().await;
            engine.release().await;
            match turn {
                Turn::Moved(events) => {
                    stepped.events += events;
                    stepped.idle = false;
                }
                Turn::Retry(_) | Turn::Fenced => stepped.idle = false,
                Turn::CaughtUp | Turn::Built | Turn::Standby { .. } | Turn::Away(_) => {}
                Turn::Stopped => newly = newly.or_else(|| stopped(followed)),
                Turn::Unreachable(failure) => {
                    let follower = followed.id.clone();
                    let unreachable = FollowError::Unreachable { follower, failure };
                    // That is said by the next step, too.
                    return Err(newly.unwrap_or(unreachable).into());
                }
            }
        }
        Ok((stepped, newly))
    }

    /// Steps until no follower has anything to do; for ever where followers answer each other for ever, and then a time-out around
    /// it ends it between two steps. Of a system that runs, this is
    /// [`settled`](System::settled).
    ///
    /// # Errors
    /// As [`step`](System::step), but [`FollowError::Stopped`] or [`FollowError::Away`], where a follower did not get to the end, once the others
    /// did, also where it stopped before.
    pub async fn settle(&self) -> Result<()> {
        while !self.take_step().await?.0.idle {
            // Stores that block would never let anybody drop this.
            future::yield_now().await;
        }
        none_failed(&self.followed)
    }
}

/// Tells of the first of them that stopped for a reason that somebody has to mend, or waits for what it cannot reach.
pub(super) fn none_failed<'a>(followed: impl IntoIterator<Item = &'a Arc<Followed>>) -> Result<()> {
    for followed in followed {
        if let Some(stopped) = stopped(followed) {
            return Err(stopped.into());
        }
        if let State::Waiting { failure } = followed.state() {
            let follower = followed.id.clone();
            return Err(FollowError::Away { follower, failure }.into());
        }
    }
    Ok(())
}

/// That a follower stopped for a reason that somebody has to mend.
pub(super) fn stopped(followed: &Followed) -> Option<FollowError> {
    match followed.state() {
        State::Stopped(StopReason::Told) => None,
        State::Stopped(reason) => Some(FollowError::Stopped {
            follower: followed.id.clone(),
            source: Box::new(reason),
        }),
        _ => None,
    }
}
