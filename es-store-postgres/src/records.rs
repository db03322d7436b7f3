//! Between records and rows.
use std::error::Error as StdError;
use std::pin::pin;

use bytes::Bytes;
use es_core::persistence::{CommitId, Metadata, Record};
use es_core::{Position, StreamId, Version};
use es_store_sql::names::{Names, Seen};
pub(crate) use es_store_sql::numbers::{Full, bound, further, limit, microseconds, stored, time};
use es_store_sql::payloads::Payloads;
use futures_lite::StreamExt;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use crate::error::Fault;
use crate::names;

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
    let mut seen = Seen::new(names);
    let mut payloads = Payloads::default();
    while let Some(row) = rows.try_next().await? {
        payloads.push(&mut records, column(&row, 4)?);
        records.push(record(&row, known, records.last(), &mut seen)?);
    }
    payloads.hand_out(&mut records);
    Ok(records)
}

/// Reads a record without its payload; what all events of a commit have in common is that of the one before, where it is of the same.
fn record(
    row: &Row,
    known: Option<&StreamId>,
    before: Option<&Record>,
    seen: &mut Seen<'_>,
) -> Result<Record, Fault> {
    let stream = match known {
        Some(stream) => stream.clone(),
        None => StreamId::new(seen.name(&names::read(column(row, 8)?)), column(row, 9)?),
    };
    let commit = CommitId::from(column::<Uuid>(row, 7)?);
    let (metadata, time) = match before.filter(|before| before.commit == commit) {
        Some(before) => (before.metadata.clone(), before.time),
        None => (metadata(row)?, time(column(row, 6)?)),
    };
    Ok(Record {
        stream,
        version: Version::from(ordinal(row, 1)?),
        position: Position::from(ordinal(row, 0)?),
        event: seen.name(&names::read(column(row, 2)?)),
        schema: schema(row, 3)?,
        payload: Bytes::new(),
        metadata,
        time,
        commit,
    })
}

fn metadata(row: &Row) -> Result<Metadata, Fault> {
    match column::<Option<&str>>(row, 5)? {
        None => Ok(Metadata::new()),
        Some(text) => serde_json::from_str(text).map_err(|source| Fault::unlike(5, source)),
    }
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
