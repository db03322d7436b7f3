//! Time that passes when a test says so.
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use event_listener::Event;
use futures_core::future::BoxFuture;
use futures_lite::future;

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
    shared: Arc<Shared>,
    /// Sleeping moves the time on by itself.
    hurried: bool,
}

struct Shared {
    now: Mutex<SystemTime>,
    moved: Event,
}

impl VirtualClock {
    /// A clock that shows this time.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self {
            shared: Arc::new(Shared {
                now: Mutex::new(now),
                moved: Event::new(),
            }),
            hurried: false,
        }
    }

    /// The same clock, on which nobody waits: who sleeps by this one lets others go first, and then moves the time on.
    #[must_use]
    pub fn hurried(self) -> Self {
        Self {
            hurried: true,
            ..self
        }
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        *self.time()
    }

    /// Moves the time on, and wakes those whose time has come.
    ///
    /// # Panics
    /// Where there is no such time.
    pub fn advance(&self, by: Duration) {
        self.change(|now| now + by);
    }

    /// Shows another time, which may be an earlier one.
    pub fn set(&self, time: SystemTime) {
        self.change(|_| time);
    }

    fn change(&self, change: impl FnOnce(SystemTime) -> SystemTime) {
        let mut now = self.time();
        *now = change(*now);
        drop(now);
        self.shared.moved.notify(usize::MAX);
    }

    async fn until(&self, end: SystemTime) {
        loop {
            let moved = self.shared.moved.listen();
            if self.now() >= end {
                return;
            }
            moved.await;
        }
    }

    fn time(&self) -> MutexGuard<'_, SystemTime> {
        self.shared
            .now
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let Some(end) = self.now().checked_add(duration) else {
            return Box::pin(pending());
        };
        let clock = self.clone();
        Box::pin(async move {
            if clock.hurried {
                future::yield_now().await;
                clock.change(|now| now.max(end));
            } else {
                clock.until(end).await;
            }
        })
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualClock")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}
