//! What readers ask.
use es_core::persistence::{
    CommitId, Committed, Filter, FollowerId, LogPage, Record, Slice, Span, Visit,
};
use es_core::{Position, StreamId};
use rusqlite::types::Value;
use rusqlite::{
    Connection, Error, OptionalExtension, Result, Rows, Statement, params, params_from_iter,
};
use uuid::Uuid;

use crate::names::Names;
use crate::records::{bound, counter, event, further, limit, records, time};
use crate::sql::Sql;

pub(crate) fn stream(
    connection: &Connection,
    sql: &Sql,
    stream: &StreamId,
    slice: Slice,
    names: &Names,
) -> Result<Vec<Record>> {
    let statement = sql.read_stream.of(slice);
    let mut statement = connection.prepare_cached(statement)?;
    let rows = query(&mut statement, stream, slice)?;
    records(rows, Some(stream), names)
}

/// Shows events as SQLite has them, without a copy.
pub(crate) fn visit(
    connection: &Connection,
    sql: &Sql,
    stream: &StreamId,
    slice: Slice,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let statement = sql.visit_stream.of(slice);
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = query(&mut statement, stream, slice)?;
    while let Some(row) = rows.next()? {
        if visit(event(row)?).is_break() {
            break;
        }
    }
    Ok(())
}

fn query<'s>(
    statement: &'s mut Statement<'_>,
    stream: &StreamId,
    slice: Slice,
) -> Result<Rows<'s>> {
    statement.query(params![
        stream.category,
        stream.id,
        bound(slice.after.get()),
        bound(slice.up_to.get()),
        limit(slice.limit)
    ])
}

pub(crate) fn log(
    connection: &Connection,
    sql: &Sql,
    span: Span,
    filter: &Filter,
    names: &Names,
) -> Result<LogPage> {
    // The head first, in the same snapshot: what is committed after it is no part of this page.
    let transaction = connection.unchecked_transaction()?;
    let end = head(&transaction, sql)?.min(span.up_to);
    let page = page(
        &transaction,
        sql,
        span.after,
        end,
        span.limit,
        filter,
        names,
    )?;
    let read_to = match page.last() {
        Some(last) if page.len() == span.limit => last.position,
        None if span.limit == 0 => span.after,
        _ => span.after.max(end),
    };
    Ok(LogPage {
        records: page,
        read_to,
    })
}

/// What a filter admits of the events after one position, up to another.
pub(crate) fn page(
    connection: &Connection,
    sql: &Sql,
    after: Position,
    up_to: Position,
    count: usize,
    filter: &Filter,
    names: &Names,
) -> Result<Vec<Record>> {
    let Some(parts) = filter.parts() else {
        let mut statement = connection.prepare_cached(&sql.read_log)?;
        let bounds = params![bound(after.get()), bound(up_to.get()), limit(count)];
        return records(statement.query(bounds)?, None, names);
    };
    let counts = |part: &es_core::persistence::FilterPart| part.events.as_ref().map(Vec::len);
    let statement = sql.filtered_log(parts.iter().map(counts));
    let mut statement = connection.prepare_cached(&statement)?;
    let mut values = vec![
        Value::from(bound(after.get())),
        Value::from(bound(up_to.get())),
    ];
    for part in parts {
        values.push(Value::from(part.category.clone().into_owned()));
        let events = part.events.iter().flatten();
        values.extend(events.map(|name| Value::from(name.clone().into_owned())));
    }
    values.push(Value::from(limit(count)));
    records(statement.query(params_from_iter(values))?, None, names)
}

/// Each id is found after the one before it, so that the events of a stream are not read.
pub(crate) fn ids(
    connection: &Connection,
    sql: &Sql,
    category: &str,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<Uuid>> {
    let transaction = connection.unchecked_transaction()?;
    let mut statement = transaction.prepare_cached(&sql.read_ids)?;
    let mut ids = Vec::new();
    // Nothing is shorter than no bytes, so every id comes after them.
    let mut after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    while ids.len() < limit {
        let next: Option<Uuid> = statement
            .query_row(params![category, after], |row| row.get(0))
            .optional()?;
        let Some(id) = next else { break };
        after = id.as_bytes().to_vec();
        ids.push(id);
    }
    Ok(ids)
}

pub(crate) fn head(connection: &Connection, sql: &Sql) -> Result<Position> {
    let mut statement = connection.prepare_cached(&sql.read_head)?;
    statement.query_row([], |row| Ok(Position::from(counter(row, 0)?)))
}

/// What became of a commit.
pub(crate) fn outcome(
    connection: &Connection,
    sql: &Sql,
    commit: CommitId,
) -> Result<Option<Committed>> {
    Ok(found(connection, sql, commit)?.map(|found| found.committed))
}

/// A commit that is stored, and where its events are.
pub(crate) struct Found {
    pub(crate) committed: Committed,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

pub(crate) fn found(connection: &Connection, sql: &Sql, commit: CommitId) -> Result<Option<Found>> {
    let mut statement = connection.prepare_cached(&sql.read_commit)?;
    let row = statement.query_row([Uuid::from(commit)], |row| {
        let first: i64 = row.get(0)?;
        let count: i64 = row.get(1)?;
        let others = usize::try_from(count)
            .ok()
            .and_then(|count| count.checked_sub(1));
        let others = others.ok_or(Error::IntegralValueOutOfRange(1, count))?;
        let last = further(first, others)?;
        Ok(Found {
            committed: Committed {
                commit,
                position: Some(Position::from(last.cast_unsigned())),
                time: time(row.get(2)?),
            },
            first,
            last,
        })
    });
    row.optional()
}

pub(crate) fn checkpoint(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Position> {
    let mut statement = connection.prepare_cached(&sql.read_checkpoint)?;
    let position = statement
        .query_row(params![follower.name, follower.log], |row| counter(row, 0))
        .optional()?;
    Ok(Position::from(position.unwrap_or(0)))
}
