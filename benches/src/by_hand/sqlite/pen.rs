//! Writing: statements prepared once, or those that one connection for all keeps.
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crc32fast::Hasher;
use rusqlite::{Connection, Result, Statement, params};
use uuid::Uuid;

use super::{CATEGORY, connection, head};
use crate::by_hand::{Dog, Encoded, Entry, microseconds};

const INSERT: &str = "INSERT INTO events (position, category, stream, version, event, schema, payload, metadata, time, commit_id, events_in_commit, \
     checksum) VALUES (?1, 'Dog', ?2, ?3, ?4, 1, ?5, NULL, ?6, ?7, ?8, ?9)";

const BEGIN: &str = "BEGIN IMMEDIATE";

/// What the next row is given.
struct Next {
    position: i64,
    commit: u128,
}

impl Next {
    fn of(connection: &Connection) -> Result<Self> {
        Ok(Self {
            position: head(connection)?,
            commit: Uuid::now_v7().as_u128(),
        })
    }

    /// Writes the rows of an entry; where it fails, those before may be in the transaction.
    fn write(&mut self, insert: &mut Statement<'_>, entry: &Entry) -> Result<()> {
        let time = microseconds();
        let commit = Uuid::from_u128(self.commit);
        let mut events_in_commit = i64::try_from(entry.events.len()).ok();
        let mut position = self.position;
        let mut version = i64::try_from(entry.version).unwrap_or(i64::MAX);
        // What is bound stays bound.
        insert.raw_bind_parameter(2, entry.id)?;
        insert.raw_bind_parameter(6, time)?;
        insert.raw_bind_parameter(7, commit)?;
        for event in &entry.events {
            position += 1;
            version += 1;
            let sum = checksum(
                position,
                entry.id,
                version,
                event,
                time,
                commit,
                events_in_commit,
            );
            insert.raw_bind_parameter(1, position)?;
            insert.raw_bind_parameter(3, version)?;
            insert.raw_bind_parameter(4, event.name)?;
            insert.raw_bind_parameter(5, &event.payload)?;
            insert.raw_bind_parameter(8, events_in_commit.take())?;
            insert.raw_bind_parameter(9, sum)?;
            insert.raw_execute()?;
        }
        self.position = position;
        self.commit += 1;
        Ok(())
    }
}

fn entry(dog: &Dog) -> Result<Entry> {
    Entry::of(dog).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn checksum(
    position: i64,
    id: Uuid,
    version: i64,
    event: &Encoded<Vec<u8>>,
    time: i64,
    commit: Uuid,
    events_in_commit: Option<i64>,
) -> u32 {
    let mut sum = Hasher::new();
    sum.update(&position.to_le_bytes());
    sum.update(CATEGORY.as_bytes());
    sum.update(id.as_bytes());
    sum.update(&version.to_le_bytes());
    sum.update(event.name.as_bytes());
    sum.update(&event.payload);
    sum.update(&time.to_le_bytes());
    sum.update(commit.as_bytes());
    sum.update(&events_in_commit.unwrap_or(0).to_le_bytes());
    sum.finalize()
}

/// Writes on the thread of the caller, alone.
pub(crate) struct Pen<'c> {
    next: Next,
    insert: Statement<'c>,
    begin: Statement<'c>,
    commit: Statement<'c>,
    undo: Statement<'c>,
    savepoint: Statement<'c>,
    release: Statement<'c>,
    rollback: Statement<'c>,
    checkpoint: Statement<'c>,
}

impl<'c> Pen<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        Ok(Self {
            next: Next::of(connection)?,
            insert: connection.prepare(INSERT)?,
            begin: connection.prepare(BEGIN)?,
            commit: connection.prepare("COMMIT")?,
            undo: connection.prepare("ROLLBACK")?,
            savepoint: connection.prepare("SAVEPOINT entry")?,
            release: connection.prepare("RELEASE entry")?,
            rollback: connection.prepare("ROLLBACK TO entry")?,
            checkpoint: connection.prepare(
                "INSERT INTO checkpoints (follower, position) VALUES (?1, ?2) \
                 ON CONFLICT (follower) DO UPDATE SET position = excluded.position",
            )?,
        })
    }

    /// Saves what is pending in a dog.
    pub(crate) fn save(&mut self, dog: &mut Dog) -> Result<()> {
        let entry = entry(dog)?;
        // One statement is a transaction of its own.
        if entry.events.len() == 1 {
            self.next.write(&mut self.insert, &entry)?;
        } else {
            self.transaction([&entry])?;
        }
        dog.saved();
        Ok(())
    }

    /// Saves what is pending in a dog, and writes something else in the same transaction.
    pub(crate) fn save_with(
        &mut self,
        dog: &mut Dog,
        more: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let entry = entry(dog)?;
        self.begin.execute([])?;
        self.next.write(&mut self.insert, &entry)?;
        more()?;
        self.commit.execute([])?;
        dog.saved();
        Ok(())
    }

    /// Saves what is pending in many dogs, in one transaction.
    pub(crate) fn save_all(&mut self, dogs: &mut [Dog]) -> Result<()> {
        let entries = dogs.iter().map(entry).collect::<Result<Vec<_>>>()?;
        self.transaction(&entries)?;
        dogs.iter_mut().for_each(Dog::saved);
        Ok(())
    }

    /// Writes all of the entries in one transaction, or none.
    fn transaction<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<()> {
        self.begin.execute([])?;
        for entry in entries {
            if let Err(error) = self.next.write(&mut self.insert, entry) {
                self.undo.execute([])?;
                return Err(error);
            }
        }
        self.commit.execute([])?;
        Ok(())
    }

    /// Writes entries in one transaction, and says which of them are written.
    pub(super) fn group<'e>(
        &mut self,
        entries: impl IntoIterator<Item = &'e Entry>,
    ) -> Result<Vec<bool>> {
        self.begin.execute([])?;
        let written = entries.into_iter().map(|entry| self.entry(entry));
        let written = written.collect::<Result<_>>();
        self.commit.execute([])?;
        written
    }

    /// What fails of a single statement, SQLite takes back by itself; more of them need a savepoint.
    fn entry(&mut self, entry: &Entry) -> Result<bool> {
        if entry.events.len() == 1 {
            return Ok(self.next.write(&mut self.insert, entry).is_ok());
        }
        self.savepoint.execute([])?;
        let written = self.next.write(&mut self.insert, entry).is_ok();
        if !written {
            self.rollback.execute([])?;
        }
        self.release.execute([])?;
        Ok(written)
    }

    pub(crate) fn checkpoint(&mut self, follower: &str, position: i64) -> Result<()> {
        self.checkpoint.execute(params![follower, position])?;
        Ok(())
    }
}

/// One connection for all, behind a mutex: what most programs do.
pub(crate) struct WithOne(Mutex<(Connection, Next)>);

impl WithOne {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let connection = connection(path)?;
        let next = Next::of(&connection)?;
        Ok(Self(Mutex::new((connection, next))))
    }

    /// Saves what is pending in a dog, which is one event.
    pub(crate) fn save_one(&self, dog: &mut Dog) -> Result<()> {
        let entry = entry(dog)?;
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, next) = &mut *guard;
        next.write(&mut *connection.prepare_cached(INSERT)?, &entry)?;
        dog.saved();
        Ok(())
    }
}
