//! One commit inside a transaction that holds the write lock.
use std::collections::HashMap;
use std::time::SystemTime;

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, EncodedEvent, Metadata,
};
use es_core::{Position, StreamId, Version};
use rusqlite::{CachedStatement, Connection, Error, ErrorCode, OptionalExtension, Result, params};
use uuid::Uuid;

use crate::checksum::Columns;
use crate::followers;
use crate::reads::{self, Found};
use crate::records::{bound, counter, further, microseconds, stored, time};
use crate::sql::Sql;

/// The end of the log, as a group of commits moves it.
pub(crate) struct End {
    pub(crate) head: i64,
    /// Of the last event; `None` where there is none.
    pub(crate) time: Option<SystemTime>,
}

/// Writes a commit, or says why it is refused, in which case nothing of it was written.
///
/// # Errors
/// What SQLite could not do; part of the commit may be in the transaction.
pub(crate) fn apply(
    connection: &Connection,
    sql: &Sql,
    end: &mut End,
    commit: &Commit,
) -> Result<std::result::Result<Committed, AppendError>> {
    // That a new stream is there already is seen by the index, when its first event is written.
    if !is_of_a_new_stream(commit)
        && let Some(refused) = refusal(connection, sql, commit)?
    {
        // What is stored already is in its own way.
        return Ok(match reads::found(connection, sql, commit.id)? {
            Some(found) => sent_before(connection, sql, &found, commit)?,
            None => Err(refused),
        });
    }
    let count = commit
        .appends
        .iter()
        .map(|append| append.events.len())
        .sum();
    // Without a row nothing else is in the way of an id that is taken.
    if count == 0
        && let Some(found) = reads::found(connection, sql, commit.id)?
    {
        return sent_before(connection, sql, &found, commit);
    }
    let not_before = end.time.map_or(commit.time, |time| time.max(commit.time));
    let at = microseconds(not_before);
    let head = further(end.head, count)?;
    if let Some(refused) = insert(connection, sql, end.head, count, at, commit)? {
        return match reads::found(connection, sql, commit.id)? {
            Some(found) => sent_before(connection, sql, &found, commit),
            None => match refusal(connection, sql, commit)? {
                Some(conflict) => Ok(Err(conflict)),
                // Then a position is taken: the log is not as its head says.
                None => Err(refused),
            },
        };
    }
    if let Some(advance) = &commit.checkpoint {
        followers::advance(connection, sql, advance, commit.time)?;
    }
    if count == 0 {
        return Ok(Ok(Committed {
            commit: commit.id,
            position: None,
            time: commit.time,
        }));
    }
    end.head = head;
    end.time = Some(time(at));
    Ok(Ok(Committed {
        commit: commit.id,
        position: Some(Position::from(head.cast_unsigned())),
        time: time(at),
    }))
}

fn is_of_a_new_stream(commit: &Commit) -> bool {
    let is_new = |append: &Append| append.expected == Version::NEW && !append.events.is_empty();
    commit.checkpoint.is_none() && matches!(&commit.appends[..], [append] if is_new(append))
}

/// Why a commit cannot be stored: versions and checkpoint are looked at before anything is written.
fn refusal(connection: &Connection, sql: &Sql, commit: &Commit) -> Result<Option<AppendError>> {
    // Most commits are of one append, and need no map.
    let mut versions: HashMap<&StreamId, u64> = HashMap::new();
    let several = commit.appends.len() > 1;
    for append in &commit.appends {
        let actual = match versions.get(&append.stream) {
            Some(version) => *version,
            None => version(connection, sql, &append.stream)?,
        };
        if append.expected.get() != actual {
            return Ok(Some(AppendError::Conflict {
                stream: append.stream.clone(),
                expected: append.expected,
                actual: Version::from(actual),
            }));
        }
        if several {
            versions.insert(&append.stream, actual + append.events.len() as u64);
        }
    }
    match &commit.checkpoint {
        Some(advance) => followers::refusal(connection, sql, advance),
        None => Ok(None),
    }
}

fn version(connection: &Connection, sql: &Sql, stream: &StreamId) -> Result<u64> {
    let mut statement = connection.prepare_cached(&sql.read_version)?;
    let version = statement
        .query_row(params![stream.category, stream.id], |row| counter(row, 0))
        .optional()?;
    Ok(version.unwrap_or(0))
}

/// Writes the events of a commit; or says why its first is not taken, and then nothing was written.
fn insert(
    connection: &Connection,
    sql: &Sql,
    head: i64,
    count: usize,
    time: i64,
    commit: &Commit,
) -> Result<Option<Error>> {
    let mut row = Row {
        statement: connection.prepare_cached(&sql.insert_event)?,
        position: head,
        metadata: json(&commit.metadata)?,
        time,
        commit: commit.id.into(),
        events_in_commit: Some(stored(count as u64)?),
    };
    row.bind_commit()?;
    for append in &commit.appends {
        row.bind_stream(&append.stream)?;
        let mut version = append.expected;
        for event in &append.events {
            version = version.next();
            let first = row.events_in_commit.is_some();
            match row.insert(append, version, event) {
                Err(error) if first && is_taken(&error) => return Ok(Some(error)),
                inserted => inserted?,
            }
        }
    }
    Ok(None)
}

/// What the next row has besides its event.
struct Row<'a> {
    statement: CachedStatement<'a>,
    position: i64,
    metadata: Option<String>,
    time: i64,
    commit: Uuid,
    /// Of the first event of the commit alone.
    events_in_commit: Option<i64>,
}

/// What is bound stays bound from one row to the next, so what is the same is bound once.
impl Row<'_> {
    fn bind_commit(&mut self) -> Result<()> {
        let statement = &mut self.statement;
        statement.raw_bind_parameter(6, &self.metadata)?;
        statement.raw_bind_parameter(7, self.time)?;
        statement.raw_bind_parameter(8, self.commit)
    }

    fn bind_stream(&mut self, stream: &StreamId) -> Result<()> {
        let statement = &mut self.statement;
        statement.raw_bind_parameter(9, &stream.category)?;
        statement.raw_bind_parameter(10, stream.id)
    }

    fn insert(&mut self, append: &Append, version: Version, event: &EncodedEvent) -> Result<()> {
        self.position += 1;
        let columns = Columns {
            position: self.position,
            category: &append.stream.category,
            stream: append.stream.id,
            version: stored(version.get())?,
            event: &event.name,
            schema: event.schema,
            payload: &event.payload,
            metadata: self.metadata.as_deref(),
            time: self.time,
            commit: self.commit,
            events_in_commit: self.events_in_commit.take(),
        };
        let statement = &mut self.statement;
        statement.raw_bind_parameter(1, columns.position)?;
        statement.raw_bind_parameter(2, columns.version)?;
        statement.raw_bind_parameter(3, columns.event)?;
        statement.raw_bind_parameter(4, columns.schema)?;
        statement.raw_bind_parameter(5, columns.payload)?;
        statement.raw_bind_parameter(11, columns.events_in_commit)?;
        statement.raw_bind_parameter(12, columns.checksum())?;
        statement.raw_execute().map(|_| ())
    }
}

/// Versions were checked under the lock: what is taken is the commit's id, or, where the log is damaged, a position.
fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

fn json(metadata: &Metadata) -> Result<Option<String>> {
    if metadata.is_empty() {
        return Ok(None);
    }
    serde_json::to_string(metadata)
        .map(Some)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The first result of a commit that is sent again.
fn sent_before(
    connection: &Connection,
    sql: &Sql,
    found: &Found,
    commit: &Commit,
) -> Result<std::result::Result<Committed, AppendError>> {
    let mut statement = connection.prepare_cached(&sql.read_events_of_commit)?;
    let mut stored = statement.query([found.first, found.last])?;
    for append in &commit.appends {
        let mut version = append.expected;
        for event in &append.events {
            version = version.next();
            let same = match stored.next()? {
                Some(row) => is_same(row, append, version, event)?,
                None => false,
            };
            if !same {
                return Ok(taken(commit.id));
            }
        }
    }
    if stored.next()?.is_some() {
        return Ok(taken(commit.id));
    }
    Ok(Ok(found.committed))
}

fn taken(commit: CommitId) -> std::result::Result<Committed, AppendError> {
    Err(AppendError::IdTaken { commit })
}

fn is_same(
    row: &rusqlite::Row<'_>,
    append: &Append,
    version: Version,
    event: &EncodedEvent,
) -> Result<bool> {
    Ok(row.get_ref(0)?.as_str()? == append.stream.category
        && row.get::<_, Uuid>(1)? == append.stream.id
        && row.get::<_, i64>(2)? == bound(version.get())
        && row.get_ref(3)?.as_str()? == event.name
        && row.get::<_, u32>(4)? == event.schema
        && row.get_ref(5)?.as_blob()? == &*event.payload)
}

/// The end of the log, under the lock.
pub(crate) fn end(connection: &Connection, sql: &Sql) -> Result<End> {
    let mut statement = connection.prepare_cached(&sql.read_head)?;
    statement.query_row([], |row| {
        let head = bound(counter(row, 0)?);
        let last = time(row.get(1)?);
        Ok(End {
            head,
            time: (head > 0).then_some(last),
        })
    })
}

/// Moves the end of the log.
pub(crate) fn move_end(connection: &Connection, sql: &Sql, end: &End) -> Result<()> {
    let mut statement = connection.prepare_cached(&sql.write_head)?;
    statement.execute(params![end.head, end.time.map_or(0, microseconds)])?;
    Ok(())
}
