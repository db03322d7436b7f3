//! Time that passes when a test says so.
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;

use crate::persistence::Clock;

/// A clock that stands still until the test moves it. Its clones show the same time.
///
/// Who sleeps by it, as an update does before it decides again, waits until then: in a test that does not move it, take a
/// [hurried](VirtualClock::hurried) one.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use es_core::Application;
/// use es_core::testing::VirtualClock;
/// use es_store_memory::MemoryStore;
///
/// let clock = VirtualClock::at(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
/// let app = Application::builder(MemoryStore::new()).clock(clock.clone()).build();
/// clock.advance(Duration::from_secs(86_400)); // a day later
/// # let _ = app;
/// ```
#[derive(Clone)]
pub struct VirtualClock {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    now: SystemTime,
    /// Those who sleep, woken whenever the time changes.
    sleepers: Vec<Waker>,
    /// Sleeping moves the time on by itself.
    hurried: bool,
}

impl VirtualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                now,
                sleepers: Vec::new(),
                hurried: false,
            })),
        }
    }

    /// The same clock, on which nobody waits: who sleeps moves the time on.
    #[must_use]
    pub fn hurried(self) -> Self {
        self.shared().hurried = true;
        self
    }

    /// Moves the time on, and wakes those whose time has come.
    pub fn advance(&self, by: Duration) {
        let now = self.shared().now + by;
        self.set(now);
    }

    /// Shows another time, which may be an earlier one.
    pub fn set(&self, now: SystemTime) {
        let mut shared = self.shared();
        shared.now = now;
        let sleepers = std::mem::take(&mut shared.sleepers);
        drop(shared);
        sleepers.into_iter().for_each(Waker::wake);
    }

    fn poll_until(&self, end: SystemTime, context: &Context<'_>) -> Poll<()> {
        let mut shared = self.shared();
        if shared.now >= end {
            return Poll::Ready(());
        }
        shared.sleepers.push(context.waker().clone());
        Poll::Pending
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.shared().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        let Some(end) = self.now().checked_add(duration) else {
            return Box::pin(std::future::pending());
        };
        if self.shared().hurried {
            return Box::pin(async move {
                let now = clock.now().max(end);
                clock.set(now);
            });
        }
        Box::pin(poll_fn(move |context| clock.poll_until(end, context)))
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.shared().now)
            .finish_non_exhaustive()
    }
}
