//! Counters and times as 64-bit numbers of a database.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A number is too large for a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number is beyond 9223372036854775807, the last that the database counts to")]
pub struct Full;

/// A bound as a database knows it; beyond its largest number there is nothing.
#[inline]
#[must_use]
pub fn bound(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// The most rows that are asked for.
#[inline]
#[must_use]
pub fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A counter as a database keeps it.
///
/// # Errors
/// No database counts so far.
#[inline]
pub fn stored(counter: u64) -> Result<i64, Full> {
    i64::try_from(counter).map_err(|_| Full)
}

/// So many places further on.
///
/// # Errors
/// No database counts so far.
#[inline]
pub fn further(counter: i64, by: usize) -> Result<i64, Full> {
    let by = i64::try_from(by).map_err(|_| Full)?;
    counter.checked_add(by).ok_or(Full)
}

/// Microseconds since 1970, before it negative.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// use es_store_sql::numbers::{microseconds, time};
///
/// let moment = UNIX_EPOCH - Duration::from_micros(5);
/// assert_eq!(microseconds(moment), -5);
/// assert_eq!(time(-5), moment);
/// ```
#[inline]
#[must_use]
pub fn microseconds(time: SystemTime) -> i64 {
    let (since, sign) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since, 1),
        Err(before) => (before.duration(), -1),
    };
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX) * sign
}

/// The time of that many [`microseconds`]; 1970 where the system's clock knows none.
#[inline]
#[must_use]
pub fn time(microseconds: i64) -> SystemTime {
    let distance = Duration::from_micros(microseconds.unsigned_abs());
    let time = if microseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
