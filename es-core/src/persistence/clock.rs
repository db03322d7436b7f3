//! What time it is, and waiting for a later one: one seam, so that tests need not wait.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_core::future::BoxFuture;

/// Tells the time and waits.
///
/// Commits take their time from it; retries, polling and waiting sleep by it. For tests: `es_core::testing::VirtualClock`.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Ends after `duration`, counted from this call.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// The clock of the machine; it needs no async runtime.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(futures_timer::Delay::new(duration))
    }
}

/// The clock of the machine, sleeping by tokio's timer (feature `tokio`): under `tokio::time::pause` nobody has to wait.
///
/// What sleeps must run on a tokio runtime whose time is enabled.
#[cfg(feature = "tokio")]
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioClock;

#[cfg(feature = "tokio")]
impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let now = tokio::time::Instant::now();
        // Tokio's own `sleep` looks for the runtime when it is called, which may be outside of it.
        Box::pin(async move {
            match now.checked_add(duration) {
                Some(end) => tokio::time::sleep_until(end).await,
                None => std::future::pending().await,
            }
        })
    }
}

/// A time in whole microseconds, which is what every store keeps.
pub(crate) fn whole_microseconds(time: SystemTime) -> SystemTime {
    let finer = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() % 1_000);
    time - Duration::from_nanos(finer.into())
}
