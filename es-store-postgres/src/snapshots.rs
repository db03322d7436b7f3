//! Snapshots, apart from commits.
use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use es_core::persistence::Snapshot;
use es_core::{StreamId, Version};
use tokio_postgres::types::ToSql;

use crate::builder::POSTGRES_TAKES;
use crate::error::Fault;
use crate::names::written;
use crate::reads;
use crate::records::{bound, column, counter, stored};
use crate::sql::Sql;

/// Runs a statement that answers nothing.
pub(crate) async fn execute(
    client: &ClientWrapper,
    statement: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<(), Fault> {
    let statement = client.prepare_cached(statement).await?;
    client.execute(&statement, values).await?;
    Ok(())
}

pub(crate) async fn keep(
    client: &ClientWrapper,
    sql: &Sql,
    snapshot: &Snapshot,
) -> Result<(), Fault> {
    if snapshot.state.len() > POSTGRES_TAKES {
        let why = format!("a snapshot has at most {POSTGRES_TAKES} bytes");
        return Err(Fault::Commit(Arc::new(why.into())));
    }
    let values: [&(dyn ToSql + Sync); 5] = [
        &written(&snapshot.stream.category),
        &snapshot.stream.id,
        &stored(snapshot.version.get())?,
        &snapshot.fingerprint.cast_signed(),
        &&*snapshot.state,
    ];
    execute(client, &sql.write_snapshot, &values).await
}

pub(crate) async fn newest(
    client: &ClientWrapper,
    sql: &Sql,
    stream: &StreamId,
    up_to: Version,
) -> Result<Option<Snapshot>, Fault> {
    let values: [&(dyn ToSql + Sync); 3] =
        [&written(&stream.category), &stream.id, &bound(up_to.get())];
    let Some(row) = reads::row(client, &sql.read_snapshot, &values).await? else {
        return Ok(None);
    };
    Ok(Some(Snapshot {
        stream: stream.clone(),
        version: Version::from(counter(&row, 0)?),
        fingerprint: column::<i64>(&row, 1)?.cast_unsigned(),
        state: column::<Vec<u8>>(&row, 2)?.into(),
    }))
}

pub(crate) async fn forget(
    client: &ClientWrapper,
    sql: &Sql,
    stream: Option<&StreamId>,
) -> Result<(), Fault> {
    match stream {
        Some(stream) => {
            let category = written(&stream.category);
            execute(client, &sql.drop_snapshots, &[&category, &stream.id]).await
        }
        None => execute(client, &sql.drop_all_snapshots, &[]).await,
    }
}
