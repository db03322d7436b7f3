//! The tables, by version.
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::OpenError;

/// The version that this program writes.
pub(crate) const VERSION: u32 = 1;

/// What the laws rest on, so that its absence is noticed: without its indexes a log would take a version twice.
pub(crate) const PARTS: [&str; 6] = [
    "log",
    "events",
    "events_by_stream",
    "events_by_commit",
    "checkpoints",
    "snapshots",
];

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

/// The tables of one log.
pub(crate) struct Log<'a> {
    pub(crate) path: &'a Path,
    pub(crate) prefix: &'a str,
}

impl Log<'_> {
    /// The version of the tables, 0 where there are none; changes nothing.
    ///
    /// # Errors
    /// They are newer, older where that is not accepted, or not as this store makes them.
    pub(crate) fn check(
        &self,
        connection: &Connection,
        accept_older: bool,
    ) -> Result<u32, OpenError> {
        let path = || self.path.to_owned();
        let failed = |source| OpenError::of_file(self.path, source);
        // All of one snapshot: another process may be migrating.
        let connection = &connection.unchecked_transaction().map_err(failed)?;
        let missing = self.missing(connection).map_err(failed)?;
        let found = match self.version(connection).map_err(failed)? {
            None if missing.len() == PARTS.len() => 0,
            None => {
                return Err(OpenError::Incomplete {
                    path: path(),
                    table: self.name("log"),
                });
            }
            Some(found) => found,
        };
        if found > VERSION {
            return Err(OpenError::Newer {
                path: path(),
                found,
                known: VERSION,
            });
        }
        if found < VERSION && !accept_older {
            return Err(OpenError::Unmigrated {
                path: path(),
                found,
                needed: VERSION,
            });
        }
        if found == 0
            && let Some(name) = self.in_the_way(connection).map_err(failed)?
        {
            return Err(OpenError::Occupied { path: path(), name });
        }
        match missing.into_iter().next() {
            Some(table) if found == VERSION => Err(OpenError::Incomplete {
                path: path(),
                table,
            }),
            _ => Ok(found),
        }
    }

    /// Brings the tables up to date: all steps in one transaction, whose lock only one process has; another one finds nothing to do.
    pub(crate) fn migrate(&self, connection: &mut Connection) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for version in self.version(&transaction)?.unwrap_or(0) + 1..=VERSION {
            transaction.execute_batch(&step(version, self.prefix))?;
        }
        transaction.commit()
    }

    /// What the log says; `None` where there is no log.
    fn version(&self, connection: &Connection) -> rusqlite::Result<Option<u32>> {
        let log = self.name("log");
        if !exists(connection, &log)? {
            return Ok(None);
        }
        connection
            .query_row(&format!("SELECT version FROM {log}"), [], |row| row.get(0))
            .optional()
    }

    fn missing(&self, connection: &Connection) -> rusqlite::Result<Vec<String>> {
        let mut missing = Vec::new();
        for part in PARTS {
            let part = self.name(part);
            if !exists(connection, &part)? {
                missing.push(part);
            }
        }
        Ok(missing)
    }

    /// What has a name that a part of the log will need: to SQLite, capitals make no difference.
    fn in_the_way(&self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        for part in PARTS {
            let found = connection
                .query_row(
                    "SELECT name FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE",
                    [self.name(part)],
                    |row| row.get(0),
                )
                .optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn name(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }
}

fn exists(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type IN ('table', 'index') AND name = ?1",
            [name],
            |_| Ok(()),
        )
        .optional()
        .map(|found| found.is_some())
}
