//! Between records and rows.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use es_core::persistence::{CommitId, Metadata, Record};
use es_core::{Position, StreamId, Version};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use uuid::Uuid;

/// Reads a record of the columns in their order. `known` is the stream, where all rows are of one.
pub(crate) fn record(row: &Row<'_>, known: Option<&StreamId>) -> Result<Record> {
    let stream = match known {
        Some(stream) => stream.clone(),
        None => StreamId::new(row.get::<_, String>(1)?, row.get(2)?),
    };
    let metadata = match row.get_ref(7)?.as_str_or_null()? {
        None => Metadata::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::FromSqlConversionFailure(7, Type::Text, error.into()))?,
    };
    Ok(Record {
        stream,
        version: Version::from(ordinal(row, 3)?),
        position: Position::from(ordinal(row, 0)?),
        event: row.get::<_, String>(4)?.into(),
        schema: row.get(5)?,
        payload: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
        metadata,
        time: time(row.get(8)?),
        commit: CommitId::from(row.get::<_, Uuid>(9)?),
    })
}

/// A bound as SQLite knows it; beyond its largest number there is nothing.
pub(crate) fn bound(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// A counter as SQLite keeps it.
///
/// # Errors
/// SQLite does not count so far.
pub(crate) fn stored(counter: u64) -> Result<i64> {
    i64::try_from(counter).map_err(|_| full())
}

/// So many places further on.
///
/// # Errors
/// SQLite does not count so far.
pub(crate) fn further(counter: i64, by: usize) -> Result<i64> {
    let by = i64::try_from(by).map_err(|_| full())?;
    counter.checked_add(by).ok_or_else(full)
}

fn full() -> Error {
    Error::ToSqlConversionFailure(
        "a number is beyond 9223372036854775807, the last that SQLite counts to".into(),
    )
}

/// A counter that SQLite kept: from 0 on.
pub(crate) fn counter(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

/// The place of something that is there: from 1 on.
fn ordinal(row: &Row<'_>, column: usize) -> Result<u64> {
    match counter(row, column)? {
        0 => Err(Error::IntegralValueOutOfRange(column, 0)),
        place => Ok(place),
    }
}

pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Microseconds since 1970, before it negative.
pub(crate) fn microseconds(time: SystemTime) -> i64 {
    let (since, sign) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since, 1),
        Err(before) => (before.duration(), -1),
    };
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX) * sign
}

pub(crate) fn time(microseconds: i64) -> SystemTime {
    let distance = Duration::from_micros(microseconds.unsigned_abs());
    let time = if microseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}
