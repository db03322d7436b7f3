//! How long a group waits for whoever may join it.
use std::time::{Duration, Instant};

/// Whom the next group may expect: who was answered comes again at once, where he does nothing else than save. Without waiting for him there would
/// be two halves that take turns, each as expensive as the whole: with 8 clients on Postgres, two thirds of the commits per second.
///
/// Where nobody came, the next groups do not wait, twice as many each time, so that it costs nothing where everybody has something else to do in
/// between.
///
/// ```
/// use std::time::Duration;
///
/// use es_store_sql::company::Company;
///
/// let mut company = Company::within(Duration::from_millis(100));
/// assert!(!company.awaits(1)); // the first group waits for nobody
/// company.answered(1, 7); // seven came while it was written
/// assert!(company.awaits(7)); // so the one who was answered may come too
/// assert!(!company.awaits(8));
/// ```
#[derive(Debug)]
pub struct Company {
    moment: Duration,
    expected: usize,
    /// Since when it is waited, and how many were there.
    since: Option<(Instant, usize)>,
    /// How many of the next groups do not wait.
    skipped: u32,
    in_vain: u32,
}

/// How many groups do not wait at most, after many that waited in vain.
const SKIPPED: u32 = 256;

impl Company {
    /// Of groups that wait for at most a moment.
    #[must_use]
    pub fn within(moment: Duration) -> Self {
        Self {
            moment,
            expected: 1,
            since: None,
            skipped: 0,
            in_vain: 0,
        }
    }

    /// Whether a group of so many may wait for more, a little.
    pub fn awaits(&mut self, gathered: usize) -> bool {
        if gathered >= self.expected || self.skipped > 0 {
            return false;
        }
        let (since, _) = *self.since.get_or_insert_with(|| (Instant::now(), gathered));
        since.elapsed() < self.moment
    }

    /// A group of so many is answered, while others came that are not in it.
    pub fn answered(&mut self, count: usize, came: usize) {
        match self.since.take() {
            Some((_, before)) if count <= before => {
                self.in_vain = (self.in_vain * 2).clamp(1, SKIPPED);
                self.skipped = self.in_vain;
            }
            Some(_) => self.in_vain = 0,
            None => self.skipped = self.skipped.saturating_sub(1),
        }
        self.expected = count + came;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than the test takes.
    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn who_writes_alone_is_not_kept_waiting() {
        let mut company = Company::within(LONG);
        for _ in 0..10 {
            assert!(!company.awaits(1));
            company.answered(1, 0);
        }
    }

    #[test]
    fn a_group_waits_until_all_are_there_who_were_there_before() {
        let mut company = Company::within(LONG);
        company.answered(3, 2);
        for gathered in 2..5 {
            assert!(company.awaits(gathered));
        }
        assert!(!company.awaits(5));
        company.answered(5, 0);
        assert!(company.awaits(1));
    }

    #[test]
    fn waiting_in_vain_becomes_rare_and_waiting_with_success_usual_again() {
        let mut company = Company::within(Duration::ZERO);
        let mut waited = Vec::new();
        for group in 0..40 {
            // One is answered each time, and another one is there.
            company.answered(1, 1);
            assert!(!company.awaits(1), "the moment is over");
            if company.since.is_some() {
                waited.push(group);
            }
        }
        assert_eq!(waited, [0, 2, 5, 10, 19, 36]);
        company.moment = LONG;
        company.skipped = 0;
        assert!(company.awaits(1));
        company.answered(2, 0);
        assert!(company.awaits(1), "the next one waits, too");
    }
}
