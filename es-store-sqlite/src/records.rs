//! Between records and rows.
use std::mem;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use es_core::persistence::{CommitId, Metadata, Record, StoredEvent};
use es_core::{Position, StreamId, Version};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row, Rows};
use uuid::Uuid;

use crate::names::{Names, Seen};

/// How many bytes of payloads share one allocation: who keeps one record keeps no more than these.
const SHARED: usize = 32 * 1024;

/// How many records there is room for at first: most streams are shorter.
const USUAL: usize = 64;

/// Reads records, whose stream is `known` where all are of one.
///
/// Payloads are parts of buffers that they share. Of what a record takes, half is SQLite's step and a third the reading of its columns: by hand,
/// loading with all of them has two thirds of the speed that it has with name and payload alone (`benches`, `load 100 events from SQLite`).
pub(crate) fn records(
    mut rows: Rows<'_>,
    known: Option<&StreamId>,
    names: &Names,
) -> Result<Vec<Record>> {
    let mut records = Vec::with_capacity(USUAL);
    let mut names = Seen::new(names);
    let mut payloads = Payloads::default();
    while let Some(row) = rows.next()? {
        payloads.push(&mut records, row.get_ref(4)?.as_blob()?);
        records.push(record(row, known, &mut names)?);
    }
    payloads.hand_out(&mut records);
    Ok(records)
}

/// The payloads of the newest records, which have none yet.
#[derive(Default)]
struct Payloads {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Payloads {
    fn push(&mut self, records: &mut [Record], payload: &[u8]) {
        if self.bytes.len() + payload.len() > SHARED {
            self.hand_out(records);
        }
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    fn hand_out(&mut self, records: &mut [Record]) {
        let bytes = Bytes::from(mem::take(&mut self.bytes));
        let waiting = records.len() - self.ends.len();
        let mut start = 0;
        for (record, end) in records[waiting..].iter_mut().zip(self.ends.drain(..)) {
            record.payload = bytes.slice(start..end);
            start = end;
        }
    }
}

/// Reads a record without its payload.
fn record(row: &Row<'_>, known: Option<&StreamId>, names: &mut Seen<'_>) -> Result<Record> {
    let stream = match known {
        Some(stream) => stream.clone(),
        None => StreamId::new(names.name(row.get_ref(8)?.as_str()?), row.get(9)?),
    };
    let metadata = match row.get_ref(5)?.as_str_or_null()? {
        None => Metadata::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::FromSqlConversionFailure(5, Type::Text, error.into()))?,
    };
    Ok(Record {
        stream,
        version: Version::from(ordinal(row, 1)?),
        position: Position::from(ordinal(row, 0)?),
        event: names.name(row.get_ref(2)?.as_str()?),
        schema: row.get(3)?,
        payload: Bytes::new(),
        metadata,
        time: time(row.get(6)?),
        commit: CommitId::from(row.get::<_, Uuid>(7)?),
    })
}

/// Reads what replay needs of a record.
pub(crate) fn event<'r>(row: &'r Row<'_>) -> Result<StoredEvent<'r>> {
    Ok(StoredEvent {
        version: Version::from(ordinal(row, 0)?),
        event: row.get_ref(1)?.as_str()?,
        schema: row.get(2)?,
        payload: row.get_ref(3)?.as_blob()?,
        time: time(row.get(4)?),
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
