//! Between records and rows.
use bytes::Bytes;
use es_core::persistence::{CommitId, Metadata, Record, StoredEvent};
use es_core::{Position, StreamId, Version};
use es_store_sql::names::{Names, Seen};
use es_store_sql::numbers;
pub(crate) use es_store_sql::numbers::{bound, limit, microseconds, time};
use es_store_sql::payloads::Payloads;
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row, Rows};
use uuid::Uuid;

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
        records.push(record(row, known, records.last(), &mut names)?);
    }
    payloads.hand_out(&mut records);
    Ok(records)
}

/// Reads a record without its payload; what all events of a commit have in common is that of the one before, where it is of the same.
fn record(
    row: &Row<'_>,
    known: Option<&StreamId>,
    before: Option<&Record>,
    names: &mut Seen<'_>,
) -> Result<Record> {
    let stream = match known {
        Some(stream) => stream.clone(),
        None => StreamId::new(names.name(row.get_ref(8)?.as_str()?), row.get(9)?),
    };
    let commit = CommitId::from(row.get::<_, Uuid>(7)?);
    let (metadata, time) = match before.filter(|before| before.commit == commit) {
        Some(before) => (before.metadata.clone(), before.time),
        None => (metadata(row)?, time(row.get(6)?)),
    };
    Ok(Record {
        stream,
        version: Version::from(ordinal(row, 1)?),
        position: Position::from(ordinal(row, 0)?),
        event: names.name(row.get_ref(2)?.as_str()?),
        schema: row.get(3)?,
        payload: Bytes::new(),
        metadata,
        time,
        commit,
    })
}

fn metadata(row: &Row<'_>) -> Result<Metadata> {
    match row.get_ref(5)?.as_str_or_null()? {
        None => Ok(Metadata::new()),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| Error::FromSqlConversionFailure(5, Type::Text, error.into())),
    }
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

/// A counter as SQLite keeps it.
///
/// # Errors
/// SQLite does not count so far.
pub(crate) fn stored(counter: u64) -> Result<i64> {
    numbers::stored(counter).map_err(full)
}

/// So many places further on.
///
/// # Errors
/// SQLite does not count so far.
pub(crate) fn further(counter: i64, by: usize) -> Result<i64> {
    numbers::further(counter, by).map_err(full)
}

fn full(full: numbers::Full) -> Error {
    Error::ToSqlConversionFailure(full.into())
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
