//! Finds what the triggers would have refused: edits behind the back of the store, and damage.
use es_core::StreamId;
use es_core::persistence::Verification;
use es_store_sql::verifier::Verifier;
use rusqlite::{Connection, OptionalExtension, Result, Row};

use crate::checksum::Columns;
use crate::reads;
use crate::records::{bound, counter};
use crate::sql::Sql;

pub(crate) fn verify(connection: &Connection, sql: &Sql) -> Result<Verification> {
    // All of one snapshot.
    let transaction = connection.unchecked_transaction()?;
    let mut verifier = Verifier::default();
    let mut statement = transaction.prepare(&sql.verify_events)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // What cannot be read was not written either.
        verifier.event(row.get(0)?, is_as_written(row).unwrap_or(false));
    }
    let mut statement = transaction.prepare(&sql.verify_streams)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        // One whose name cannot be read was found by its sum.
        if let (Ok(category), Ok(id)) = (row.get::<_, String>(0), row.get(1)) {
            verifier.broken_stream(StreamId::new(category, id));
        }
    }
    verifier.head(reads::head(&transaction, sql)?);
    for trigger in &sql.triggers {
        let there = transaction
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE type = 'trigger' AND name = ?1",
                [trigger],
                |_| Ok(()),
            )
            .optional()?;
        if there.is_none() {
            verifier.unguarded(trigger);
        }
    }
    Ok(verifier.found())
}

fn is_as_written(row: &Row<'_>) -> Result<bool> {
    let columns = Columns {
        position: row.get(0)?,
        version: bound(counter(row, 1)?),
        event: row.get_ref(2)?.as_str()?,
        schema: row.get(3)?,
        payload: row.get_ref(4)?.as_blob()?,
        metadata: row.get_ref(5)?.as_str_or_null()?,
        time: row.get(6)?,
        commit: row.get(7)?,
        category: row.get_ref(8)?.as_str()?,
        stream: row.get(9)?,
        events_in_commit: row.get(10)?,
    };
    Ok(columns.checksum() == row.get::<_, u32>(11)?)
}
