//! Finds what the triggers would have refused: edits behind the back of the store, and damage.
use std::pin::pin;

use deadpool_postgres::ClientWrapper;
use es_core::StreamId;
use es_core::persistence::Verification;
use es_store_sql::verifier::Verifier;
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
    let mut verifier = Verifier::default();
    let none: [&str; 0] = [];
    let mut rows = pin!(transaction.query_raw(&sql.verify_events, none).await?);
    while let Some(row) = rows.try_next().await? {
        // What cannot be read was not written either.
        verifier.event(column(&row, 0)?, is_as_written(&row).unwrap_or(false));
    }
    for row in transaction.query(&sql.verify_streams, &[]).await? {
        verifier.broken_stream(StreamId::new(name(&row, 0)?, column(&row, 1)?));
    }
    let head = transaction.query_opt(&sql.read_head, &[]).await?;
    verifier.head(counter(&head.ok_or_else(reads::no_log)?, 0)?.into());
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
            verifier.unguarded(trigger);
        }
    }
    transaction.commit().await?;
    Ok(verifier.found())
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
