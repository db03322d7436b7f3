//! The tables that a follower writes to: made before its first event, and put in the place of what readers see.
use std::mem;
use std::sync::Arc;

use es_core::Position;
use es_core::persistence::LeaseError;
use es_core::system::{HandleError, Output};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use super::PostgresProjection;
use super::own::{Own, Undone, begin, is_worth_another_try};
use crate::connection::in_time;
use crate::error::Fault;
use crate::followers::{self, key};
use crate::sql::Sql;
use crate::store::Shared;
use crate::swap;
use crate::tables::{Made, creating};

/// How the names of its tables end.
pub(super) fn ending(output: &Output) -> String {
    output.table("")
}

/// Makes the tables where they are not there yet.
pub(super) async fn prepare<P: PostgresProjection>(
    shared: &Shared,
    own: &mut Own,
    projection: &mut P,
    output: &Output,
) -> Result<(), Undone> {
    let sql = &*shared.sql;
    let work = Arc::clone(&own.work);
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let (standing, before, inside) = in_time(shared.patience, async {
        if output.anew
            && let Some(before) = swap::made(&transaction, sql, &output.follower).await?
        {
            swap::lock_all(&transaction, shared, &before.beside()).await?;
        }
        let standing = followers::locked(&*transaction, sql, &output.follower).await?;
        let before = swap::made(&transaction, sql, &output.follower).await?;
        let inside = swap::runs_inside(&transaction, sql, &output.live).await?;
        Ok((standing, before, inside))
    })
    .await?;
    if let Some(fenced) = output.fenced(standing.epoch) {
        return Err(Undone::Refused(fenced));
    }
    if inside {
        let follower = output.live.clone();
        let refused = LeaseError::Inline { follower };
        return Err(Undone::Handle(HandleError::Prepare(refused.into())));
    }
    if output.anew {
        let forgotten = forget(&transaction, sql, output, before.unwrap_or_default());
        in_time(shared.patience, forgotten).await?;
    } else if standing.revision != 0 && before.is_some() {
        return Ok(());
    }
    let begins = match output.anew {
        true => Position::START,
        false => standing.position,
    };
    let there = swap::there(&transaction, sql, &output.follower, begins);
    let there = in_time(shared.patience, there).await?;
    work.write_to(Made::new(&ending(output)), &transaction);
    let created = creating(&work, &transaction, projection.create(&transaction)).await;
    let made = mem::take(&mut *work.made());
    let created = created.map_err(|error| made.not_created(error));
    // What Postgres says of a name that is none is about something else.
    let checked = made
        .check_own(&there.names, &sql.location.schema)
        .and(made.check())
        .and(created)
        .and_then(|()| made.check_anew(output.tag.is_some()));
    match checked {
        Ok(()) => {}
        Err(error) if is_worth_another_try(&*error) => return Err(Undone::Again(error)),
        Err(error) => return Err(Undone::Handle(HandleError::Prepare(error))),
    }
    if begins == Position::START {
        let since = swap::made_since(&transaction, sql, &output.follower, &there);
        let since = in_time(shared.patience, since).await?;
        let checked = made.check_own(&since, &sql.location.schema);
        checked.map_err(|error| Undone::Handle(HandleError::Prepare(error)))?;
    }
    let kept = serde_json::to_string(&made).map_err(|error| Fault::unlike(0, error))?;
    in_time(
        shared.patience,
        write_output(&transaction, sql, output, &kept),
    )
    .await?;
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(())
}

/// Throws away what was built beside what readers see.
async fn forget(
    transaction: &Transaction<'_>,
    sql: &Sql,
    output: &Output,
    before: Made,
) -> Result<(), Fault> {
    swap::drop_all(transaction, sql, &before.beside()).await?;
    let [name, log] = key(&output.follower);
    for statement in &sql.forget {
        transaction.execute(statement, &[&name, &log]).await?;
    }
    Ok(())
}

async fn write_output(
    transaction: &Transaction<'_>,
    sql: &Sql,
    output: &Output,
    kept: &str,
) -> Result<(), Fault> {
    let [name, log] = key(&output.follower);
    let values: [&(dyn ToSql + Sync); 4] = [&name, &log, &i64::from(output.revision), &kept];
    transaction.execute(&sql.write_output, &values).await?;
    Ok(())
}

/// Puts what was built in the place of what readers see.
pub(super) async fn swap(shared: &Shared, own: &mut Own, built: &Output) -> Result<(), Undone> {
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let swapping = in_time(shared.patience, async {
        Ok(swap::swap(&transaction, shared, built).await)
    });
    swapping.await??;
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(())
}
