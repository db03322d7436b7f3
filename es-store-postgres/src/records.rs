//! Between records and rows.
use std::error::Error as StdError;
use std::mem;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use es_core::persistence::{CommitId, Metadata, Record};
use es_core::{Position, StreamId, Version};
use futures_lite::StreamExt;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use crate::error::Fault;
use crate::names::{self, Names, Seen};

/// How many bytes of payloads share one allocation: who keeps one record keeps no more than these.
const SHARED: usize = 32 * 1024;

/// How many records there is room for at first: most streams are shorter.
const USUAL: usize = 64;

/// Reads records, whose stream is `known` where all are of one. Payloads are parts of buffers that they share.
pub(crate) async fn records(
    rows: RowStream,
    known: Option<&StreamId>,
    names: &Names,
) -> Result<Vec<Record>, Fault> {
    let mut rows = pin!(rows);
    let mut records = Vec::with_capacity(USUAL);
    let mut names = Seen::new(names);
    let mut payloads = Payloads::default();
    while let Some(row) = rows.try_next().await? {
        payloads.push(&mut records, column(&row, 4)?);
        records.push(record(&row, known, &mut names)?);
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
fn record(row: &Row, known: Option<&StreamId>, names: &mut Seen<'_>) -> Result<Record, Fault> {
    let stream = match known {
        Some(stream) => stream.clone(),
        None => StreamId::new(names.name(column(row, 8)?), column(row, 9)?),
    };
    let metadata = match column::<Option<&str>>(row, 5)? {
        None => Metadata::new(),
        Some(text) => serde_json::from_str(text).map_err(|source| Fault::unlike(5, source))?,
    };
    Ok(Record {
        stream,
        version: Version::from(ordinal(row, 1)?),
        position: Position::from(ordinal(row, 0)?),
        event: names.name(column(row, 2)?),
        schema: schema(row, 3)?,
        payload: Bytes::new(),
        metadata,
        time: time(column(row, 6)?),
        commit: CommitId::from(column::<Uuid>(row, 7)?),
    })
}

/// A column, of which no text and no number is without its place.
pub(crate) fn column<'a, T: FromSql<'a>>(row: &'a Row, place: usize) -> Result<T, Fault> {
    row.try_get(place)
        .map_err(|source| Fault::unlike(place, source))
}

/// A name in a row.
pub(crate) fn name(row: &Row, place: usize) -> Result<String, Fault> {
    Ok(names::read(column(row, place)?).into_owned())
}

/// The schema version of an event.
pub(crate) fn schema(row: &Row, place: usize) -> Result<u32, Fault> {
    u32::try_from(column::<i64>(row, place)?).map_err(|source| Fault::unlike(place, source))
}

/// A bound as Postgres knows it; beyond its largest number there is nothing.
pub(crate) fn bound(counter: u64) -> i64 {
    i64::try_from(counter).unwrap_or(i64::MAX)
}

/// A counter as Postgres keeps it.
///
/// # Errors
/// Postgres does not count so far.
pub(crate) fn stored(counter: u64) -> Result<i64, Full> {
    i64::try_from(counter).map_err(|_| Full)
}

/// So many places further on.
///
/// # Errors
/// Postgres does not count so far.
pub(crate) fn further(counter: i64, by: usize) -> Result<i64, Full> {
    let by = i64::try_from(by).map_err(|_| Full)?;
    counter.checked_add(by).ok_or(Full)
}

/// A number is too large for a column.
#[derive(Debug, thiserror::Error)]
#[error("a number is beyond 9223372036854775807, the last that Postgres counts to")]
pub(crate) struct Full;

/// A counter that Postgres kept: from 0 on.
pub(crate) fn counter(row: &Row, place: usize) -> Result<u64, Fault> {
    counted(column(row, place)?, place)
}

pub(crate) fn counted(number: i64, place: usize) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|source| Fault::unlike(place, source))
}

/// The place of something that is there: from 1 on.
pub(crate) fn ordinal(row: &Row, place: usize) -> Result<u64, Fault> {
    match counter(row, place)? {
        0 => {
            let none: Box<dyn StdError + Send + Sync> = "nothing is at place 0".into();
            Err(Fault::unlike(place, none))
        }
        ordinal => Ok(ordinal),
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
