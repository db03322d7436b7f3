//! One follower, once to the end of its log: for a scheduled job, or a person who waits for it.
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;

use super::engine::{Engine, Goal, Turn, followed_into, give_back};
use super::state::State;
use super::{FollowError, FollowerHandle, StopReason, System};
use crate::application::Result;
use crate::domain::Position;
use crate::persistence::LeaseRequest;

impl FollowerHandle {
    /// Has the follower handle what it has not seen, up to the end that the log has now, under one lease, which is given back. An event that fails
    /// is tried again, with pauses, as its settings say. A process manager that writes to the log that it follows goes one batch further, so that
    /// it has passed over what it wrote itself.
    ///
    /// Waits for a lease that somebody else has, for as long as `wait` says. `moved` is told of each batch: where the checkpoint is by then, and
    /// how many events were handled.
    ///
    /// # Errors
    /// [`FollowError::Held`], [`FollowError::Stopped`], [`FollowError::Unreachable`], as [`Error::Follow`](crate::Error::Follow); what was handled
    /// before is kept. So it is where the future is dropped, whose lease is [given back](FollowerHandle::give_back) or taken up by the next call.
    pub async fn catch_up(
        &self,
        wait: Duration,
        moved: &mut (dyn FnMut(Position, usize) + Send),
    ) -> Result<()> {
        let followed = self.followed()?;
        let id = || followed.id.clone();
        let end = followed.app.log().head().await?;
        let running = || FollowError::Running { follower: id() };
        let mut driven = followed.take().ok_or_else(running)?;
        followed.resume();
        let Some(follower) = driven.follower.as_deref_mut() else {
            return Err(running().into());
        };
        if followed.is_stopped() {
            let (follower, source) = (id(), Box::new(stop_reason(followed.state())));
            return Err(FollowError::Stopped { follower, source }.into());
        }
        let mut engine = Engine::new(followed, follower, &self.holder, Goal::Follow);
        let mut left = wait;
        let mut is_last = !followed.writes_where_it_reads();
        let mut moved_since = false;
        let ended = loop {
            match engine.turn().await {
                Turn::CaughtUp | Turn::Built => break Ok(()),
                Turn::Moved(events) => {
                    moved_since |= events > 0;
                    let position = engine.checkpoint();
                    moved(position.unwrap_or_default(), events);
                    // One event may have been set aside, and others before the end be left; or some that were set aside are to be tried again.
                    if position.is_some_and(|position| position >= end)
                        && !engine.has_due().await
                        && mem::replace(&mut is_last, true)
                    {
                        break Ok(());
                    }
                    // Stores that block would never let anybody drop this.
                    future::yield_now().await;
                }
                Turn::Fenced => {}
                Turn::Retry(pause) => engine.pause(followed.clock.sleep(pause)).await,
                Turn::Standby { held_for, free_in } if left.is_zero() => {
                    let holder = match followed.state() {
                        State::Standby { holder } => holder,
                        _ => "another process".to_owned(),
                    };
                    break Err(FollowError::Held {
                        follower: id(),
                        holder,
                        held_for,
                        free_in: Some(free_in),
                    });
                }
                Turn::Standby { free_in, .. } => {
                    let pause = free_in.min(left).min(ASK_AGAIN).max(SHORTEST);
                    left = left.saturating_sub(pause);
                    followed.clock.sleep(pause).await;
                }
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
                Turn::Stopped => {
                    let (follower, source) = (id(), Box::new(stop_reason(followed.state())));
                    break Err(FollowError::Stopped { follower, source });
                }
            }
        };
        engine.release().await;
        if !followed.is_stopped() {
            followed.set(State::Idle);
        }
        Ok(ended?)
    }

    /// Ends the lease that somebody has, and says who that was: for a holder that is known to have gone, under a lease that outlasts it, for instance
    /// because a clock was ahead when it took it. Where it is at work still, nothing that is stored is doubled: it renews its lease, or, where another
    /// has taken that meanwhile, is refused what it writes.
    ///
    /// # Errors
    /// [`FollowError::Held`] where another has just taken it; [`FollowError::Store`], [`FollowError::Unreachable`].
    pub async fn end_lease(&self) -> Result<Option<String>> {
        let followed = self.followed()?;
        let follower = || followed.id.clone();
        let unread = |source| FollowError::Store {
            follower: follower(),
            source,
        };
        let store = &followed.store;
        let seen = store.standing(&followed.id).await.map_err(unread)?;
        let (output, _) = followed_into(followed, seen.revision);
        let standing = store.standing(&output.follower).await.map_err(unread)?;
        let Some(holder) = standing.holder else {
            return Ok(None);
        };
        let request = LeaseRequest {
            follower: output.follower,
            holder: self.holder.clone(),
            length: Duration::ZERO,
            epoch: Some(standing.epoch),
            stopped: None,
        };
        let ended = store.lease(request).await;
        ended.map_err(|error| FollowError::of_lease(&followed.id, error))?;
        Ok(Some(holder))
    }

    /// Gives back the lease of a call that was dropped before its end, so that others need not wait until it ends by itself; nothing where there is
    /// none. Where the store does not answer, it does end by itself.
    ///
    /// # Errors
    /// [`FollowError::NoSuchFollower`], and [`FollowError::Running`] where it is driven meanwhile.
    pub async fn give_back(&self) -> Result<()> {
        let followed = self.followed()?;
        let running = || FollowError::Running {
            follower: followed.id.clone(),
        };
        // Nobody drives it as long as this is held.
        let _driven = followed.take().ok_or_else(running)?;
        if let Some(lease) = followed.take_left() {
            let _ = give_back(followed, &self.holder, &lease.follower, lease.epoch).await;
        }
        // The call may have been dropped before it heard of its lease.
        let standing = followed.store.standing(&followed.id).await;
        if let Ok(standing) = standing
            && standing.holder.as_ref() == Some(&self.holder)
        {
            let _ = give_back(followed, &self.holder, &followed.id, standing.epoch).await;
        }
        Ok(())
    }
}

/// How long at most until a lease is asked for again: its holder may give it back.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A lease that ends just now is not asked for without a pause.
const SHORTEST: Duration = Duration::from_millis(1);

fn stop_reason(state: State) -> StopReason {
    match state {
        State::Stopped(reason) => reason,
        _ => StopReason::Told,
    }
}

impl System {
    /// All of its followers, each behind those that write the events that it follows; those that follow each other in a circle, in the order in
    /// which they were added.
    #[must_use]
    pub fn leaders_first(&self) -> Vec<FollowerHandle> {
        let mut ordered: Vec<_> = self.followed.iter().enumerate().collect();
        // Who is led has all leaders of its leaders, and those themselves; in a circle all have as many.
        ordered.sort_by_cached_key(|(place, _)| self.leaders(*place));
        let handles = ordered.into_iter().map(|(_, followed)| {
            FollowerHandle::new(
                &followed.id.name,
                self.holder.clone(),
                Ok(Arc::clone(followed)),
            )
        });
        handles.collect()
    }

    /// By how many a follower is led, those counted who lead its leaders.
    fn leaders(&self, place: usize) -> usize {
        let mut leaders = vec![false; self.followed.len()];
        let mut led = vec![place];
        while let Some(place) = led.pop() {
            let log = self.followed[place].app.keeps_in();
            for (other, leader) in self.followed.iter().enumerate() {
                if leader.writes_events && Arc::ptr_eq(&leader.store, &log) && !leaders[other] {
                    leaders[other] = true;
                    led.push(other);
                }
            }
        }
        leaders[place] = false;
        leaders.iter().filter(|is| **is).count()
    }
}
