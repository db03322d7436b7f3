//! Waiting until nothing is under way any more in a system that runs.
use std::time::Duration;

use futures_lite::future;

use super::engine::due;
use super::followed::Followed;
use super::handle::{LOOK_AGAIN, reached, unread, unsettled};
use super::state::State;
use super::steps::stopped;
use super::{FollowError, StopReason, System};
use crate::application::{Result, SILENT, TimeOut, answered};
use crate::persistence::{Clock, ReadError, SystemClock};

impl System {
    /// Waits until every follower has seen all that there is, and all that came of that: until nothing is under way in a system that
    /// [runs](System::start), here or in other processes. A read model of a new revision is built by then, and what was parked is tried again where
    /// somebody asked for it; what is parked otherwise is under way no more. Where somebody writes all the time it does not end before `at_most`,
    /// which goes by the clock of the machine, whatever clock the applications have.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use es_core::System;
    /// # async fn test(system: System) -> es_core::Result<()> {
    /// let running = system.start();
    /// // .. what is to be tested ..
    /// system.settled(Duration::from_secs(5)).await?;
    /// // .. what has come of it ..
    /// running.stop().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`WaitError::TimedOut`](crate::application::WaitError::TimedOut) or [`Unsettled`](crate::application::WaitError::Unsettled) of a follower that did
    /// not get there, as [`Error::Wait`](crate::Error::Wait), also where nobody runs it, or its store does not answer; [`FollowError::Stopped`] as soon
    /// as one stopped in this system for a reason that somebody has to mend, as [`Error::Follow`](crate::Error::Follow);
    /// [`Error::Log`](crate::Error::Log) where the end of a log cannot be read.
    pub async fn settled(&self, at_most: Duration) -> Result<()> {
        let mut time_out = TimeOut::new(SystemClock.sleep(at_most));
        let mut seen = Vec::new();
        loop {
            let mut heads = Vec::with_capacity(self.followed.len());
            for followed in &self.followed {
                let head = answered(&mut time_out, followed.log.head()).await;
                let what = "the log that it follows does not answer";
                let silent = || unsettled(followed, at_most, what.to_owned());
                heads.push(head.ok_or_else(silent)??);
            }
            for (followed, head) in self.followed.iter().zip(&heads) {
                none_is_in_vain(followed)?;
                reached(followed, *head, &mut time_out, at_most).await?;
                finished(followed, &mut time_out, at_most).await?;
                none_is_in_vain(followed)?;
            }
            // What a follower brought about was in a log before it was said to have seen its cause.
            if heads == seen {
                return Ok(());
            }
            seen = heads;
        }
    }
}

/// Waits until a follower has nothing to do beside what comes.
async fn finished(
    followed: &Followed,
    time_out: &mut TimeOut<'_>,
    at_most: Duration,
) -> Result<()> {
    loop {
        let (changed, told) = (followed.changed(), followed.told.listen());
        let under_way = answered(time_out, under_way(followed)).await;
        let silent = || unsettled(followed, at_most, SILENT.to_owned());
        let under_way = under_way.ok_or_else(silent)?;
        let Some(what) = under_way.map_err(|source| unread(followed, source))? else {
            return Ok(());
        };
        none_is_in_vain(followed)?;
        let news = async {
            let news = future::or(changed, told);
            future::or(news, SystemClock.sleep(LOOK_AGAIN)).await;
            false
        };
        let is_over = future::or(news, async {
            (&mut *time_out).await;
            true
        });
        if is_over.await {
            return Err(unsettled(followed, at_most, what).into());
        }
    }
}

/// What a follower that has seen everything still does.
async fn under_way(followed: &Followed) -> Result<Option<String>, ReadError> {
    let (store, id) = (&followed.store, &followed.id);
    let live = store.standing(id).await?.revision;
    if live != 0 && live < followed.revision {
        let revision = followed.revision;
        return Ok(Some(format!("its revision {revision} is being built")));
    }
    let parked = store.parked(id).await?;
    Ok(due(&parked).map(|due| {
        format!(
            "the event at position {}, which was parked, is to be tried again",
            due.position
        )
    }))
}

/// One that stopped here, and gets no further whoever runs it.
fn none_is_in_vain(followed: &Followed) -> Result<(), FollowError> {
    match followed.state() {
        State::Stopped(StopReason::Told | StopReason::Outdated { .. }) => Ok(()),
        // Another process may run it.
        State::Stopped(StopReason::Unable { .. } | StopReason::Incomplete { .. }) => Ok(()),
        _ => stopped(followed).map_or(Ok(()), Err),
    }
}
