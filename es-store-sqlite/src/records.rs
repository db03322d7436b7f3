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
        version: Version::from(unsigned(row.get(3)?)),
        position: Position::from(unsigned(row.get(0)?)),
        event: row.get::<_, String>(4)?.into(),
        schema: row.get(5)?,
        payload: Bytes::copy_from_slice(row.get_ref(6)?.as_blob()?),
        metadata,
        time: time(row.get(8)?),
        commit: CommitId::from(row.get::<_, Uuid>(9)?),
    })
}

/// A counter as SQLite keeps it; beyond its largest number there is nothing.
pub(crate) fn signed(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// A counter that SQLite kept, which is never negative.
pub(crate) fn unsigned(counter: i64) -> u64 {
    u64::try_from(counter).unwrap_or(0)
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
