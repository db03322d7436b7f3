//! How often, and after which pause, something is tried again.
use std::ops::RangeInclusive;
use std::time::Duration;

/// How an update goes on when another writer was faster: it gets the aggregate again and decides again, after a pause.
///
/// The pause is drawn anew each time, between nothing and a limit that doubles with each attempt; so writers that met once do not meet again.
/// Unless set otherwise there are 24 attempts, and the limit goes from 1 ms to 250 ms, which is 2.5 s of waiting in the mean. Those of one
/// [`Application`](super::Application) and its clones who decide about one aggregate again take turns instead, and whoever comes meanwhile stands in line: a thousand who
/// meet are written one after the other. Who has the turn for 2 s while others wait loses it, since it may be a future that nobody polls any more.
///
/// ```
/// use std::time::Duration;
///
/// use es_core::Application;
/// use es_core::application::Retry;
/// use es_store_memory::MemoryStore;
///
/// let retry = Retry::attempts(5).pauses(Duration::from_millis(2)..=Duration::from_millis(20));
/// let app = Application::builder(MemoryStore::new()).retry(retry).build();
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    attempts: u32,
    pauses: Pauses,
}

impl Retry {
    /// At most so many attempts, the first included; one at least.
    #[must_use]
    pub fn attempts(attempts: u32) -> Self {
        Self {
            attempts: attempts.max(1),
            ..Self::default()
        }
    }

    /// One attempt: a conflict is given back at once.
    #[must_use]
    pub fn never() -> Self {
        Self::attempts(1)
    }

    /// The limit of the first pause, and that of the longest.
    #[must_use]
    pub fn pauses(self, limits: RangeInclusive<Duration>) -> Self {
        Self {
            pauses: Pauses {
                first: *limits.start(),
                longest: *limits.end(),
            },
            ..self
        }
    }

    /// How long to wait after so many failed attempts; `None`: no longer.
    pub(crate) fn pause(&self, failed: u32) -> Option<Duration> {
        (failed < self.attempts).then(|| self.pauses.draw(failed))
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 24,
            pauses: Pauses {
                first: Duration::from_millis(1),
                longest: Duration::from_millis(250),
            },
        }
    }
}

/// Pauses that grow from failure to failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pauses {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Pauses {
    /// Draws the pause after so many failures in a row, from one up.
    pub(crate) fn draw(&self, failures: u32) -> Duration {
        self.limit(failures).mul_f64(fastrand::f64())
    }

    fn limit(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_doubles_up_to_the_longest() {
        let pauses = Retry::default().pauses;
        let limits = [1, 2, 3, 8, 9, 33, u32::MAX].map(|failed| pauses.limit(failed).as_millis());
        assert_eq!(limits, [1, 2, 4, 128, 250, 250, 250]);
    }

    #[test]
    fn a_pause_is_between_nothing_and_its_limit() {
        let retry = Retry::attempts(4);
        for failed in (1..4).cycle().take(1_000) {
            assert!(
                retry
                    .pause(failed)
                    .is_some_and(|pause| pause <= retry.pauses.limit(failed))
            );
        }
        assert_eq!(retry.pause(4), None);
        assert_eq!(Retry::never().pause(1), None);
    }
}
