//! Finds what the triggers would have refused: edits behind the back of the store, and damage.
use std::pin::pin;

use deadpool_postgres::ClientWrapper;
use es_core::persistence::{Finding, Verification};
use es_core::{Position, StreamId};
use futures_lite::StreamExt;
use tokio_postgres::{IsolationLevel, Row};

use crate::checksum::Columns;
use crate::error::Fault;
use crate::reads;
use crate::records::{bound, column, counter, name, schema};
use crate::sql::Sql;

pub(crate) async fn verify(client: &mut ClientWrapper, sql: &Sql) -> Result<Verification, Fault> {
    // All of one snapshot, however long it takes.
    let transaction = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    // All is read: an index of everything would only be in the way of sorting it.
    transaction
        .batch_execute("SET LOCAL statement_timeout = 0; SET LOCAL enable_seqscan = on")
        .await?;
    let mut found = Verification::default();
    let mut last = 0;
    let none: [&str; 0] = [];
    let mut rows = pin!(transaction.query_raw(&sql.verify_events, none).await?);
    while let Some(row) = rows.try_next().await? {
        found.events += 1;
        let position: i64 = column(&row, 0)?;
        // What cannot be read was not written either.
        if !is_as_written(&row).unwrap_or(false) {
            found.findings.push(Finding::Altered { position });
        }
        if position != last + 1 {
            found.findings.push(Finding::Hole {
                after: Position::from(last.unsigned_abs()),
                next: position,
            });
        }
        last = position.clamp(0, i64::MAX - 1);
    }
    for row in transaction.query(&sql.verify_streams, &[]).await? {
        let stream = StreamId::new(name(&row, 0)?, column(&row, 1)?);
        found.findings.push(Finding::Stream { stream });
    }
    let head = transaction.query_opt(&sql.read_head, &[]).await?;
    let head = Position::from(counter(&head.ok_or_else(reads::no_log)?, 0)?);
    if bound(head.get()) != last {
        found.findings.push(Finding::Head {
            head,
            last: Position::from(last.unsigned_abs()),
        });
    }
    for trigger in &sql.triggers {
        let there = transaction
            .query_opt(
                "SELECT 1 FROM pg_catalog.pg_trigger AS t \
                 JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND t.tgname = $3 AND t.tgenabled IN ('O', 'A')",
                &[&sql.location.schema, &sql.location.name("events"), trigger],
            )
            .await?;
        if there.is_none() {
            found.findings.push(Finding::Unguarded {
                trigger: trigger.clone(),
            });
        }
    }
    transaction.commit().await?;
    Ok(found)
}

fn is_as_written(row: &Row) -> Result<bool, Fault> {
    let (category, event) = (name(row, 8)?, name(row, 2)?);
    let columns = Columns {
        position: column(row, 0)?,
        version: bound(counter(row, 1)?),
        event: &event,
        schema: schema(row, 3)?,
        payload: column(row, 4)?,
        metadata: column(row, 5)?,
        time: column(row, 6)?,
        commit: column(row, 7)?,
        category: &category,
        stream: column(row, 9)?,
        events_in_commit: column(row, 10)?,
    };
    Ok(i64::from(columns.checksum()) == column::<i64>(row, 11)?)
}
