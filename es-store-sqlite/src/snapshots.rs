//! Snapshots, apart from commits.
use es_core::persistence::Snapshot;
use es_core::{StreamId, Version};
use rusqlite::{Connection, OptionalExtension, Result, params};

use crate::records::{bound, counter, stored};
use crate::sql::Sql;

pub(crate) fn keep(connection: &Connection, sql: &Sql, snapshot: &Snapshot) -> Result<()> {
    let mut statement = connection.prepare_cached(&sql.write_snapshot)?;
    statement.execute(params![
        snapshot.stream.category,
        snapshot.stream.id,
        stored(snapshot.version.get())?,
        snapshot.fingerprint.cast_signed(),
        &*snapshot.state
    ])?;
    Ok(())
}

pub(crate) fn newest(
    connection: &Connection,
    sql: &Sql,
    stream: &StreamId,
    up_to: Version,
) -> Result<Option<Snapshot>> {
    let mut statement = connection.prepare_cached(&sql.read_snapshot)?;
    let bounds = params![stream.category, stream.id, bound(up_to.get())];
    statement
        .query_row(bounds, |row| {
            Ok(Snapshot {
                stream: stream.clone(),
                version: Version::from(counter(row, 0)?),
                fingerprint: row.get::<_, i64>(1)?.cast_unsigned(),
                state: row.get::<_, Vec<u8>>(2)?.into(),
            })
        })
        .optional()
}

pub(crate) fn forget(connection: &Connection, sql: &Sql, stream: Option<&StreamId>) -> Result<()> {
    match stream {
        Some(stream) => {
            connection.execute(&sql.drop_snapshots, params![stream.category, stream.id])?
        }
        None => connection.execute(&sql.drop_all_snapshots, [])?,
    };
    Ok(())
}
