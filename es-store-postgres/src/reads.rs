//! What readers ask.
use std::borrow::Cow;
use std::pin::pin;

use deadpool_postgres::ClientWrapper;
use es_core::persistence::{
    CommitId, Committed, Filter, FollowerId, LogPage, Record, Slice, Span, StoredEvent, Visit,
};
use es_core::{Position, StreamId, Version};
use es_store_sql::names::Names;
use futures_lite::StreamExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, RowStream};
use uuid::Uuid;

use crate::error::Fault;
use crate::names::{self, written};
use crate::records::{bound, column, counter, further, limit, ordinal, records, schema, time};
use crate::sql::Sql;

/// The rows that answer a statement, which is prepared once for each connection.
async fn rows(
    client: &ClientWrapper,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<RowStream, Fault> {
    let statement = client.prepare_cached(statement).await?;
    let values = values.iter().copied();
    Ok(client.query_raw(&statement, values).await?)
}

/// The one row that answers a statement, if any.
pub(crate) async fn row(
    client: &ClientWrapper,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, Fault> {
    let statement = client.prepare_cached(statement).await?;
    Ok(client.query_opt(&statement, values).await?)
}

pub(crate) async fn stream(
    client: &ClientWrapper,
    sql: &Sql,
    stream: &StreamId,
    slice: Slice,
    names: &Names,
) -> Result<Vec<Record>, Fault> {
    let statement = if slice.descending {
        &sql.read_stream_backwards
    } else {
        &sql.read_stream
    };
    let found = slice_of(client, statement, stream, slice).await?;
    records(found, Some(stream), names).await
}

/// Shows events as they come over the line, without a copy. Says with an error whether any was shown.
pub(crate) async fn visit(
    client: &ClientWrapper,
    sql: &Sql,
    stream: &StreamId,
    slice: Slice,
    visit: &mut Visit<'_>,
    shown: &mut bool,
) -> Result<(), Fault> {
    let statement = if slice.descending {
        &sql.visit_stream_backwards
    } else {
        &sql.visit_stream
    };
    let mut found = pin!(slice_of(client, statement, stream, slice).await?);
    while let Some(row) = found.try_next().await? {
        let name = names::read(column(&row, 1)?);
        let event = StoredEvent {
            version: Version::from(ordinal(&row, 0)?),
            event: &name,
            schema: schema(&row, 2)?,
            payload: column(&row, 3)?,
            time: time(column(&row, 4)?),
        };
        *shown = true;
        if visit(event).is_break() {
            break;
        }
    }
    Ok(())
}

async fn slice_of(
    client: &ClientWrapper,
    statement: &str,
    stream: &StreamId,
    slice: Slice,
) -> Result<RowStream, Fault> {
    let values: [&(dyn ToSql + Sync); 5] = [
        &written(&stream.category),
        &stream.id,
        &bound(slice.after.get()),
        &bound(slice.up_to.get()),
        &limit(slice.limit),
    ];
    rows(client, statement, &values).await
}

pub(crate) async fn log(
    client: &ClientWrapper,
    sql: &Sql,
    span: Span,
    filter: &Filter,
    names: &Names,
) -> Result<LogPage, Fault> {
    // Asked first, on the same connection: nothing up to the head is missing on a page that is read after it.
    let head = async {
        let head = head(client, sql).await?;
        Ok::<_, Fault>(head.min(span.up_to))
    };
    let page = async {
        let (after, up_to) = (bound(span.after.get()), bound(span.up_to.get()));
        let limit = limit(span.limit);
        let Some(admitted) = Admitted::by(filter) else {
            let found = rows(client, &sql.read_log, &[&after, &up_to, &limit]).await?;
            return records(found, None, names).await;
        };
        let Admitted {
            whole,
            categories,
            events,
        } = &admitted;
        let values: [&(dyn ToSql + Sync); 6] = [&after, &up_to, &limit, whole, categories, events];
        let found = rows(client, &sql.read_filtered_log, &values).await?;
        records(found, None, names).await
    };
    // Statements that were not prepared yet would be sent in any order.
    client.prepare_cached(&sql.read_head).await?;
    let (end, page) = tokio::try_join!(biased; head, page)?;
    let last = page.last().map(|record| record.position);
    let read_to = match last {
        Some(last) if page.len() == span.limit => last,
        None if span.limit == 0 => span.after,
        // The page may know of more than the head did.
        last => span.after.max(end).max(last.unwrap_or_default()),
    };
    Ok(LogPage {
        records: page,
        read_to,
    })
}

/// What a filter admits, as columns: categories of which all is admitted, and events with their categories.
pub(crate) struct Admitted<'a> {
    pub(crate) whole: Vec<Cow<'a, str>>,
    pub(crate) categories: Vec<Cow<'a, str>>,
    pub(crate) events: Vec<Cow<'a, str>>,
}

impl<'a> Admitted<'a> {
    /// `None` where that is everything.
    pub(crate) fn by(filter: &'a Filter) -> Option<Self> {
        let parts = filter.parts()?;
        let (mut whole, mut categories, mut events) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            match &part.events {
                None => whole.push(written(&part.category)),
                Some(some) => {
                    for event in some {
                        categories.push(written(&part.category));
                        events.push(written(event));
                    }
                }
            }
        }
        Some(Self {
            whole,
            categories,
            events,
        })
    }
}

pub(crate) async fn ids(
    client: &ClientWrapper,
    sql: &Sql,
    category: &str,
    after: Option<Uuid>,
    at_most: usize,
) -> Result<Vec<Uuid>, Fault> {
    let first = match after {
        None => Uuid::nil(),
        Some(after) => match after.as_u128().checked_add(1) {
            Some(next) => Uuid::from_u128(next),
            None => return Ok(Vec::new()),
        },
    };
    let statement = client.prepare_cached(&sql.read_ids).await?;
    let rows = client
        .query(&statement, &[&written(category), &first, &limit(at_most)])
        .await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

pub(crate) async fn head(client: &ClientWrapper, sql: &Sql) -> Result<Position, Fault> {
    let row = row(client, &sql.read_head, &[]).await?.ok_or_else(no_log)?;
    Ok(Position::from(counter(&row, 0)?))
}

pub(crate) fn no_log() -> Fault {
    Fault::unlike(0, "the row of the log is missing")
}

/// What became of a commit.
pub(crate) async fn outcome(
    client: &ClientWrapper,
    sql: &Sql,
    commit: CommitId,
) -> Result<Option<Committed>, Fault> {
    let row = row(
        client,
        &sql.read_commits,
        &[&[Uuid::from(commit)].as_slice()],
    )
    .await?;
    Ok(match row {
        Some(row) => Some(found(&row)?.committed),
        None => None,
    })
}

/// A commit that is stored, and where its events are.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    pub(crate) committed: Committed,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

pub(crate) fn found(row: &Row) -> Result<Found, Fault> {
    let first: i64 = column(row, 1)?;
    let count: i64 = column(row, 2)?;
    let others = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_sub(1));
    let others = others.ok_or_else(|| Fault::unlike(2, "a commit has no such number of events"))?;
    let last = further(first, others).map_err(|full| Fault::unlike(2, full))?;
    Ok(Found {
        committed: Committed {
            commit: CommitId::from(column::<Uuid>(row, 0)?),
            position: Some(Position::from(last.cast_unsigned())),
            time: time(column(row, 3)?),
        },
        first,
        last,
    })
}

pub(crate) async fn checkpoint(
    client: &ClientWrapper,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Position, Fault> {
    let values: [&(dyn ToSql + Sync); 2] = [&written(&follower.name), &written(&follower.log)];
    Ok(match row(client, &sql.read_checkpoint, &values).await? {
        Some(row) => Position::from(counter(&row, 0)?),
        None => Position::START,
    })
}

pub(crate) async fn owner(client: &ClientWrapper, sql: &Sql) -> Result<Option<String>, Fault> {
    let row = row(client, &sql.read_owner, &[])
        .await?
        .ok_or_else(no_log)?;
    Ok(column::<Option<&str>>(&row, 0)?.map(|owner| names::read(owner).into_owned()))
}
