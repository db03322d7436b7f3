//! The tables, by version.
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::OpenError;

/// The version that this program writes.
pub(crate) const VERSION: u32 = 3;

/// What the laws rest on, with the version that brought it, so that its absence is noticed: without its indexes a log would take a version twice.
pub(crate) const PARTS: [(u32, &str); 10] = [
    (1, "log"),
    (1, "events"),
    (1, "events_by_stream"),
    (1, "events_by_commit"),
    (1, "checkpoints"),
    (1, "snapshots"),
    (2, "parked"),
    (2, "parked_by_stream"),
    (2, "dropped"),
    (3, "placed"),
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
        2 => format!(
            "ALTER TABLE {p}checkpoints ADD COLUMN commit_id BLOB;
             ALTER TABLE {p}checkpoints ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE {p}checkpoints ADD COLUMN output TEXT;
             ALTER TABLE {p}checkpoints ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE {p}checkpoints ADD COLUMN holder TEXT;
             ALTER TABLE {p}checkpoints ADD COLUMN since INTEGER;
             ALTER TABLE {p}checkpoints ADD COLUMN until INTEGER;
             CREATE TABLE {p}parked (
                 follower TEXT NOT NULL,
                 log TEXT NOT NULL,
                 position INTEGER NOT NULL,
                 category TEXT NOT NULL,
                 stream BLOB NOT NULL,
                 failure TEXT,
                 attempts INTEGER NOT NULL,
                 since INTEGER NOT NULL,
                 retry INTEGER NOT NULL,
                 PRIMARY KEY (follower, log, position)
             ) STRICT, WITHOUT ROWID;
             CREATE INDEX {p}parked_by_stream ON {p}parked (follower, log, category, stream, position);
             CREATE TABLE {p}dropped (
                 follower TEXT NOT NULL,
                 log TEXT NOT NULL,
                 position INTEGER NOT NULL,
                 category TEXT NOT NULL,
                 stream BLOB NOT NULL,
                 failure TEXT,
                 dropped_by TEXT NOT NULL,
                 reason TEXT NOT NULL,
                 time INTEGER NOT NULL,
                 PRIMARY KEY (follower, log, position)
             ) STRICT, WITHOUT ROWID;
             UPDATE {p}log SET version = 2;"
        ),
        3 => format!(
            "ALTER TABLE {p}checkpoints ADD COLUMN stopped TEXT;
             ALTER TABLE {p}checkpoints ADD COLUMN stopped_by TEXT;
             ALTER TABLE {p}checkpoints ADD COLUMN stopped_at INTEGER;
             CREATE TABLE {p}placed (
                 id INTEGER PRIMARY KEY,
                 follower TEXT NOT NULL,
                 log TEXT NOT NULL,
                 from_position INTEGER NOT NULL,
                 to_position INTEGER NOT NULL,
                 placed_by TEXT NOT NULL,
                 reason TEXT NOT NULL,
                 time INTEGER NOT NULL
             ) STRICT;
             UPDATE {p}log SET version = 3;"
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
            None if self.is_absent(&missing) => 0,
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
        if found < VERSION
            && let Some(name) = self.in_the_way(connection, found).map_err(failed)?
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
        for (_, part) in PARTS {
            let part = self.name(part);
            if !exists(connection, &part)? {
                missing.push(part);
            }
        }
        Ok(missing)
    }

    /// Whether nothing of the first version is there, so that there is no log: what has a later part's name is somebody else's.
    fn is_absent(&self, missing: &[String]) -> bool {
        let mut first = PARTS.iter().filter(|(version, _)| *version == 1);
        first.all(|(_, part)| missing.contains(&self.name(part)))
    }

    /// What has a name that a part of the log will need: to SQLite, capitals make no difference.
    fn in_the_way(&self, connection: &Connection, found: u32) -> rusqlite::Result<Option<String>> {
        for (_, part) in PARTS.into_iter().filter(|(version, _)| *version > found) {
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
