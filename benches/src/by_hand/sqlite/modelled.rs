//! A read model: a row for each dog, in the file of the events, moved on together with a checkpoint.
use rusqlite::{Connection, Result, Statement, params};
use uuid::Uuid;

use super::reading::{bound, event, look_at_the_rest};
use crate::by_hand::DogEvent;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS deeds (id BLOB PRIMARY KEY, name TEXT NOT NULL, tricks INTEGER NOT NULL) STRICT";

pub(crate) struct Modelled<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    log: Statement<'c>,
    whole_log: Statement<'c>,
    insert: Statement<'c>,
    update: Statement<'c>,
    checkpoint: Statement<'c>,
}

impl<'c> Modelled<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        connection.execute_batch(TABLE)?;
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            log: connection.prepare(
                "SELECT event, payload, position, stream FROM events WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?,
            whole_log: connection.prepare(
                "SELECT event, payload, position, version, schema, metadata, time, commit_id, category, stream FROM events \
                 WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?,
            insert: connection.prepare("INSERT INTO deeds VALUES (?1, ?2, 0)")?,
            update: connection.prepare("UPDATE deeds SET tricks = tricks + 1 WHERE id = ?1")?,
            checkpoint: connection.prepare(
                "INSERT INTO checkpoints (follower, position) VALUES (?1, ?2) \
                 ON CONFLICT (follower) DO UPDATE SET position = excluded.position",
            )?,
        })
    }

    /// So that the next one begins anew.
    pub(crate) fn drop(connection: &Connection) -> Result<()> {
        connection.execute_batch("DROP TABLE IF EXISTS deeds")
    }

    /// Writes what at most so many events after a position tell, in one transaction, and says the position of the last.
    pub(crate) fn batch(
        &mut self,
        follower: &str,
        after: i64,
        limit: usize,
        whole: bool,
    ) -> Result<i64> {
        self.begin.execute([])?;
        let (log, stream) = match whole {
            true => (&mut self.whole_log, 9),
            false => (&mut self.log, 3),
        };
        let mut last = after;
        let mut rows = log.query((after, bound(limit)))?;
        while let Some(row) = rows.next()? {
            if whole {
                look_at_the_rest(row);
            }
            let id: Uuid = row.get(stream)?;
            match event(row) {
                Some(DogEvent::Registered(event)) => self.insert.execute((id, event.name))?,
                Some(DogEvent::TrickAdded(_)) => self.update.execute([id])?,
                None => 0,
            };
            last = row.get(2)?;
        }
        drop(rows);
        self.checkpoint.execute(params![follower, last])?;
        self.commit.execute([])?;
        Ok(last)
    }

    /// The row of a new dog.
    pub(crate) fn insert(&mut self, id: Uuid, name: &str) -> Result<()> {
        self.insert.execute((id, name))?;
        Ok(())
    }
}
