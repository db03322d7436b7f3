//! Times as people write them: RFC 3339, in UTC.
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// Microseconds since 1970, before it negative: what every store keeps.
pub(crate) fn microseconds(time: SystemTime) -> i64 {
    let (since, sign) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since, 1),
        Err(before) => (before.duration(), -1),
    };
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX) * sign
}

/// For people: `2024-03-04T09:00:00Z`, with a fraction where there is one; beyond the year 9999, microseconds since 1970.
pub(crate) fn text(time: SystemTime) -> String {
    written(time, |timestamp| timestamp.to_string())
}

/// For programs: always to the microsecond, so that texts are in the order of times.
fn exact(time: SystemTime) -> String {
    written(time, |timestamp| format!("{timestamp:.6}"))
}

fn written(time: SystemTime, write: impl FnOnce(Timestamp) -> String) -> String {
    let microseconds = microseconds(time);
    Timestamp::from_microsecond(microseconds).map_or_else(|_| microseconds.to_string(), write)
}

/// Reads a time of RFC 3339, or a day, which is meant from its beginning in UTC. A time of day without its zone is neither.
pub(crate) fn parse(written: &str) -> Option<SystemTime> {
    moment(written, Time::midnight())
}

/// Reads what [`parse`] does, but means a day as a whole, up to its last moment.
pub(crate) fn parse_end(written: &str) -> Option<SystemTime> {
    moment(written, Time::MAX)
}

fn moment(written: &str, of_day: Time) -> Option<SystemTime> {
    if let Ok(timestamp) = Timestamp::from_str(written) {
        return Some(timestamp.into());
    }
    // 24 is no short form of 2024, but a year by itself.
    let (year, _) = written.split_once('-')?;
    if year.len() != 4 || !year.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // It would read the day of a longer text, and leave out the rest.
    let day = Date::strptime("%Y-%m-%d", written).ok()?;
    let moment = day.to_datetime(of_day).to_zoned(TimeZone::UTC).ok()?;
    Some(moment.timestamp().into())
}

/// "3 days", "2 min", "5 s", for people.
pub(crate) fn rough(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// For `#[serde(with = ..)]`.
pub(crate) mod serde_text {
    use std::time::SystemTime;

    use serde::Serializer;

    pub(crate) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::exact(*time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc() {
        let time = parse("2024-03-04T10:00:00.5+01:00").unwrap();
        assert_eq!(text(time), "2024-03-04T09:00:00.5Z");
        let begin = parse("2024-03-04").unwrap();
        assert_eq!(text(begin), "2024-03-04T00:00:00Z");
        assert_eq!(exact(begin), "2024-03-04T00:00:00.000000Z");
        assert!(exact(begin) < exact(begin + Duration::from_micros(1)));
        let end = parse_end("2024-03-04").unwrap();
        assert_eq!(text(end), "2024-03-04T23:59:59.999999Z");
        let time = "2024-03-04T10:00:00Z";
        assert_eq!(parse_end(time), parse(time));
        for neither in [
            "yesterday",
            "2024",
            "24-03-04",
            "024-03-04",
            "02024-03-04",
            "-024-03-04",
            "+024-03-04",
            " 024-03-04",
            "2024-03-04T10:00",
            "2024-03-04 10:00:00",
            "2024-03-04T10:00:00.5",
        ] {
            assert_eq!(parse(neither), None, "{neither}");
            assert_eq!(parse_end(neither), None, "{neither}");
        }
    }
}
