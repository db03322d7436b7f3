//! Waiting until a follower has seen what was written.
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_lite::future;

use super::{OpenError, Repository};
use crate::domain::Position;
use crate::persistence::{BoxFuture, Clock, FollowerId, ReadError, Store, SystemClock};

/// Why waiting for a follower ended without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The follower did not get there in time.
    #[error(
        "{follower} has reached position {reached} after {waited:?}, not {awaited}; {}",
        in_the_way(.state)
    )]
    TimedOut {
        /// The follower.
        follower: FollowerId,
        /// Where it had to be.
        awaited: Position,
        /// Where it is.
        reached: Position,
        /// How long it was waited for.
        waited: Duration,
        /// What keeps it in this process, or why it stopped elsewhere, in words; nothing where that is not known.
        state: Option<String>,
    },
    /// The follower has seen everything, but is not done; or its store, or the log that it follows, does not say whether it is.
    #[error("{follower} is not done after {waited:?}: {what}; is it running?")]
    Unsettled {
        /// The follower.
        follower: FollowerId,
        /// How long it was waited for.
        waited: Duration,
        /// What it still does, in words.
        what: String,
    },
    /// The follower could not handle just that event, and set it aside: what was written is not in what it makes.
    #[error(
        "{follower} has parked the event at position {position}; `parked` says why, and `retry` has it tried again"
    )]
    Parked {
        /// The follower.
        follower: FollowerId,
        /// The event.
        position: Position,
    },
    /// The store is not this application's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The checkpoint could not be read.
    #[error("cannot read the checkpoint of {follower}")]
    Store {
        /// The follower.
        follower: FollowerId,
        /// Why.
        source: ReadError,
    },
}

pub(super) async fn wait_for(
    repository: &Repository,
    follower: FollowerId,
    awaited: Position,
    at_most: Duration,
) -> Result<Position, WaitError> {
    let mut time_out = TimeOut::new(repository.sleep(at_most));
    // Whoever gives no time is told as well where it stands.
    let Some(first) = answered(&mut time_out, repository.checkpoint(&follower)).await else {
        return Err(WaitError::Unsettled {
            follower,
            waited: at_most,
            what: SILENT.to_owned(),
        });
    };
    let mut reached = first?;
    if reached >= awaited {
        return Ok(reached);
    }
    let in_time = future::or(
        async {
            loop {
                let changed = repository.changed();
                reached = repository.checkpoint(&follower).await?;
                if reached >= awaited {
                    return Ok(true);
                }
                repository.until(changed).await;
            }
        },
        async {
            time_out.await;
            Ok(false)
        },
    );
    match in_time.await {
        Ok(true) => Ok(reached),
        Ok(false) => Err(WaitError::TimedOut {
            state: repository.stopped(&follower).await,
            follower,
            awaited,
            reached,
            waited: at_most,
        }),
        Err(error) => Err(error),
    }
}

/// What is told of a store that did not answer in time.
pub(crate) const SILENT: &str = "its store does not answer";

/// Ends when a time is out, and stays so however often it is asked.
pub(crate) struct TimeOut<'a>(Option<BoxFuture<'a, ()>>);

impl<'a> TimeOut<'a> {
    pub(crate) const fn new(sleep: BoxFuture<'a, ()>) -> Self {
        Self(Some(sleep))
    }
}

impl Future for TimeOut<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.0 {
            ready!(sleep.as_mut().poll(context));
            self.0 = None;
        }
        Poll::Ready(())
    }
}

/// What a store answers before the time is out, or a moment later; `None` where it does not.
pub(crate) async fn answered<T>(
    time_out: &mut TimeOut<'_>,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let late = async {
        time_out.await;
        SystemClock.sleep(AT_MOST).await;
        None
    };
    future::or(async { Some(answer.await) }, late).await
}

/// For how long at most a store is asked for more: whoever asks has waited long enough. A store takes its time by the clock of the machine, also where
/// that of the application hurries in a test.
const AT_MOST: Duration = Duration::from_millis(250);

/// Why a follower does not go on, in words: as its store says in time, or because that says nothing.
pub(crate) async fn why_stopped(store: &dyn Store, follower: &FollowerId) -> Option<String> {
    let stopped = async {
        let standing = store.standing(follower).await.ok()?;
        Some(standing.stopped?.to_string())
    };
    let in_time = async {
        SystemClock.sleep(AT_MOST).await;
        Some(SILENT.to_owned())
    };
    future::or(stopped, in_time).await
}

fn in_the_way(state: &Option<String>) -> &str {
    match state {
        Some(state) => state,
        None => "is it running?",
    }
}
