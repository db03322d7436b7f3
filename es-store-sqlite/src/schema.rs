//! The tables, by version.
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::OpenError;

/// The version that this program writes.
pub(crate) const VERSION: u32 = 1;

/// The tables whose absence is noticed.
const TABLES: [&str; 4] = ["log", "events", "checkpoints", "snapshots"];

/// The steps, each from the version before it to its own.
///
/// Positions are row ids, which are never drawn twice because nothing is ever deleted. The head of the log has a row of its own, so that it is
/// noticed where the last events were deleted all the same; it is a page more that each commit brings to the disk, which costs a tenth of the
/// commits of one writer (0.73 instead of 0.82 of the same by hand without it). An index of the first events alone finds commits by
/// their id. Records stay in the order of positions on the disk, which is what catching up reads; the index by stream is what loading reads.
fn step(version: u32, prefix: &str) -> String {
    let p = prefix;
    match version {
        1 => format!(
            "CREATE TABLE {p}log (
                 id INTEGER PRIMARY KEY CHECK (id = 1),
                 version INTEGER NOT NULL,
                 head INTEGER NOT NULL,
                 time INTEGER NOT NULL,
                 owner TEXT
             ) STRICT;
             INSERT INTO {p}log (id, version, head, time) VALUES (1, 1, 0, 0);
             CREATE TABLE {p}events (
                 position INTEGER PRIMARY KEY,
                 category TEXT NOT NULL,
                 stream BLOB NOT NULL,
                 version INTEGER NOT NULL,
                 event TEXT NOT NULL,
                 schema INTEGER NOT NULL,
                 payload BLOB NOT NULL,
                 metadata TEXT,
                 time INTEGER NOT NULL,
                 commit_id BLOB NOT NULL,
                 events_in_commit INTEGER,
                 checksum INTEGER NOT NULL
             ) STRICT;
             CREATE UNIQUE INDEX {p}events_by_stream ON {p}events (category, stream, version);
             CREATE UNIQUE INDEX {p}events_by_commit ON {p}events (commit_id) WHERE events_in_commit IS NOT NULL;
             CREATE TRIGGER {p}events_are_not_changed BEFORE UPDATE ON {p}events BEGIN
                 SELECT RAISE(ABORT, 'events are facts: they are not changed; record another event that corrects this one');
             END;
             CREATE TRIGGER {p}events_are_not_deleted BEFORE DELETE ON {p}events BEGIN
                 SELECT RAISE(ABORT, 'events are facts: they are not deleted; record another event that corrects this one');
             END;
             CREATE TABLE {p}checkpoints (
                 follower TEXT NOT NULL,
                 log TEXT NOT NULL,
                 position INTEGER NOT NULL,
                 PRIMARY KEY (follower, log)
             ) STRICT, WITHOUT ROWID;
             CREATE TABLE {p}snapshots (
                 category TEXT NOT NULL,
                 stream BLOB NOT NULL,
                 version INTEGER NOT NULL,
                 fingerprint INTEGER NOT NULL,
                 state BLOB NOT NULL,
                 PRIMARY KEY (category, stream, version)
             ) STRICT;"
        ),
        _ => String::new(),
    }
}

/// Checks the version of the tables, and brings them up to date where that is wanted.
pub(crate) fn prepare(
    connection: &mut Connection,
    path: &Path,
    prefix: &str,
    migrate: bool,
) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite {
        path: path.to_owned(),
        source,
    };
    let found = version(connection, prefix).map_err(sqlite)?;
    if found > VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: VERSION,
        });
    }
    if found < VERSION && !migrate {
        return Err(OpenError::Unmigrated {
            path: path.to_owned(),
            found,
            needed: VERSION,
        });
    }
    if found < VERSION {
        bring_up_to_date(connection, prefix).map_err(sqlite)?;
    }
    match missing_table(connection, prefix).map_err(sqlite)? {
        None => Ok(()),
        Some(table) => Err(OpenError::Incomplete {
            path: path.to_owned(),
            version: VERSION,
            table,
        }),
    }
}

/// All steps in one transaction, whose lock only one process has: another one finds nothing to do.
fn bring_up_to_date(connection: &mut Connection, prefix: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for version in version(&transaction, prefix)? + 1..=VERSION {
        transaction.execute_batch(&step(version, prefix))?;
    }
    transaction.commit()
}

/// The version of the tables; 0 where there are none.
fn version(connection: &Connection, prefix: &str) -> rusqlite::Result<u32> {
    if !exists(connection, &format!("{prefix}log"))? {
        return Ok(0);
    }
    let version = connection
        .query_row(&format!("SELECT version FROM {prefix}log"), [], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(version.unwrap_or(0))
}

fn missing_table(connection: &Connection, prefix: &str) -> rusqlite::Result<Option<String>> {
    for table in TABLES {
        let table = format!("{prefix}{table}");
        if !exists(connection, &table)? {
            return Ok(Some(table));
        }
    }
    Ok(None)
}

fn exists(connection: &Connection, table: &str) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [table],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}
