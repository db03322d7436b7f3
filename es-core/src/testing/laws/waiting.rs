//! Law 19: waiting for a follower.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;

use super::apps::{PATIENCE, app, handle, within};
use super::{Harness, advance, at, on_threads};
use crate::application::{Application, Error, Result, WaitError};
use crate::domain::Position;
use crate::persistence::{Clock, EventStore, FollowerId, ReadError, Store};
use crate::testing::{Intercept, Intercepted, VirtualClock};

/// Knows for how long somebody has slept by it at most.
#[derive(Clone)]
struct Watched {
    clock: VirtualClock,
    longest: Arc<Mutex<Duration>>,
}

impl Watched {
    fn longest(&self) -> Duration {
        *self.longest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for Watched {
    fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut longest = self.longest.lock().unwrap_or_else(PoisonError::into_inner);
        *longest = duration.max(*longest);
        self.clock.sleep(duration)
    }
}

/// Knows whether a store has said where a follower is.
struct Answering<S> {
    store: S,
    has_answered: Arc<AtomicBool>,
}

impl<S: Store> Intercept for Answering<S> {
    type Store = S;

    fn store(&self) -> &S {
        &self.store
    }

    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, std::result::Result<Position, ReadError>> {
        Box::pin(async move {
            let checkpoint = self.store.checkpoint(follower).await;
            self.has_answered.store(true, Ordering::SeqCst);
            checkpoint
        })
    }
}

fn follower() -> FollowerId {
    FollowerId::new("certificates", "school")
}

/// A wait that was long enough, whatever came of it.
async fn ended<T>(wait: impl Future<Output = Result<T>>) -> Result<T> {
    let ended = within(PATIENCE * 2, wait).await;
    ended.expect("a wait ends")
}

async fn moved(store: &impl EventStore, from: u64, to: u64) {
    let moved = store.commit(advance(&follower(), from, to, [])).await;
    moved.expect("the checkpoint is moved");
}

/// Law 19.
pub async fn waiting_ends_at_once_where_the_follower_has_been(harness: impl Harness) {
    let (store, app) = (harness.open().await, app(&harness).await);
    let wait = async |position: Option<u64>| {
        let position = position.map(Position::from);
        let wait = app.wait_for(follower(), position, Duration::ZERO);
        ended(wait).await.expect("it has been there")
    };
    assert_eq!(wait(None).await, Position::START);
    assert_eq!(wait(Some(0)).await, Position::START);
    for (from, to) in [(0, 4), (4, 7)] {
        moved(&store, from, to).await;
        for awaited in [None, Some(0), Some(3), Some(to)] {
            assert_eq!(wait(awaited).await, Position::from(to), "{awaited:?}");
        }
    }
}

/// Law 19.
pub async fn waiting_ends_when_the_follower_gets_there<H: Harness>(harness: H) {
    let (store, app) = (harness.open().await, app(&harness).await);
    let outcomes = on_threads(2, |number| {
        let wait = app.wait_for(follower(), Position::from(5), PATIENCE);
        H::block_on(async {
            if number == 0 {
                return ended(wait).await;
            }
            // The other has begun to wait, most often.
            for (from, to) in [(0, 2), (2, 4), (4, 9)] {
                futures_timer::Delay::new(Duration::from_millis(5)).await;
                moved(&store, from, to).await;
            }
            ended(wait).await
        })
    });
    for outcome in outcomes {
        assert_eq!(outcome.expect("it gets there"), Position::from(9));
    }
}

/// Law 19.
pub async fn waiting_ends_by_time_out_otherwise(harness: impl Harness) {
    const AT_MOST: Duration = Duration::from_secs(90);
    let store = harness.open().await;
    moved(&store, 0, 3).await;
    for (name, log) in [("certificates", "library"), ("members", "school")] {
        let another = advance(&FollowerId::new(name, log), 0, 9, []);
        store.commit(another).await.expect("it is nobody else's");
    }
    let clock = Watched {
        clock: VirtualClock::at(at(0)),
        longest: Arc::default(),
    };
    let has_answered = Arc::new(AtomicBool::new(false));
    let answering = Answering {
        store: handle(store.into()),
        has_answered: Arc::clone(&has_answered),
    };
    let app = Application::builder(Intercepted(answering))
        .clock(clock.clone())
        .build();
    let mut wait = Box::pin(app.wait_for(follower(), Position::from(5), AT_MOST));
    // A store that says nothing until the time is out is another matter; on a busy machine the first answer may take a while.
    let begun = async {
        while clock.longest() < AT_MOST || !has_answered.load(Ordering::SeqCst) {
            let early = within(Duration::from_millis(5), &mut wait).await;
            assert!(early.is_none(), "it is not there: {early:?}");
        }
    };
    within(PATIENCE * 2, begun)
        .await
        .expect("it begins to wait");
    let clock = clock.clock;
    for passed in [Duration::ZERO, AT_MOST - Duration::from_nanos(1)] {
        clock.advance(passed);
        let early = within(Duration::from_millis(20), &mut wait).await;
        assert!(
            early.is_none(),
            "it is not there after {passed:?}: {early:?}"
        );
    }
    clock.advance(Duration::from_nanos(1));
    match ended(wait).await {
        Err(Error::Wait(WaitError::TimedOut {
            follower: named,
            awaited,
            reached,
            waited,
            ..
        })) => assert_eq!(
            (named, awaited.get(), reached.get(), waited),
            (follower(), 5, 3, AT_MOST)
        ),
        other => panic!("the time is over, and the follower at 3, so not {other:?}"),
    }
}
