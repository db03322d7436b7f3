//! What a follower does in one transaction: makes its tables, handles a batch, swaps what was built anew.
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::persistence::{BoxError, LeaseError, Record, Recorded};
use es_core::system::{Batch, HandleError, Output};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::PostgresProjection;
use super::own::{Own, Undone, begin, is_of_the_moment};
use crate::connection::in_time;
use crate::error::Fault;
use crate::followers::{self, key};
use crate::records::{column, stored};
use crate::sql::Sql;
use crate::store::Shared;
use crate::swap;
use crate::tables::{Made, within};

/// What a handler is told that did not pass on what Postgres said to it.
pub(crate) const WENT_ON: &str = "a statement of the handler failed, and the handler went on; pass its error on, or set a savepoint before it";

/// Makes the tables where they are not there yet, and says how their names end.
pub(super) async fn prepare<P: PostgresProjection>(
    shared: &Shared,
    own: &mut Own,
    projection: &mut P,
    output: &Output,
) -> Result<String, Undone> {
    let sql = &*shared.sql;
    let work = Arc::clone(&own.work);
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let (standing, before, inside) = in_time(shared.patience, async {
        let standing = followers::locked(&*transaction, sql, &output.follower).await?;
        let before = swap::made(&transaction, sql, &output.follower).await?;
        let inside = swap::runs_inside(&transaction, sql, &output.live).await?;
        Ok((standing, before, inside))
    })
    .await?;
    swap::fenced(output, standing.epoch)?;
    if inside {
        let follower = output.live.clone();
        let refused = LeaseError::Inline { follower };
        return Err(Undone::Handle(HandleError::Prepare(refused.into())));
    }
    let ending = match &output.tag {
        Some(tag) => format!("__{tag}"),
        None => String::new(),
    };
    if standing.revision != 0 && before.is_some() {
        return Ok(ending);
    }
    work.write_to(Made::new(&ending));
    let created = within(&work, projection.create(&transaction)).await;
    let made = mem::take(&mut *work.made());
    match created.and_then(|()| made.check()) {
        Ok(()) => {}
        Err(error) if is_of_the_moment(&*error) => return Err(Undone::Again(error)),
        Err(error) => return Err(Undone::Handle(HandleError::Prepare(error))),
    }
    let kept = serde_json::to_string(&made).map_err(|error| Fault::unlike(0, error))?;
    in_time(
        shared.patience,
        write_output(&transaction, sql, output, &kept),
    )
    .await?;
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(ending)
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

/// Handles a batch, or as much of it as there is time for.
pub(super) async fn handle<P: PostgresProjection>(
    shared: &Shared,
    own: &mut Own,
    projection: &mut P,
    batch: &Batch,
    ending: &str,
    longest: Duration,
) -> Result<usize, Undone> {
    let sql = &*shared.sql;
    let follower = &batch.output.follower;
    let work = Arc::clone(&own.work);
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let [name, log] = key(follower);
    let key: [&(dyn ToSql + Sync); 2] = [&name, &log];
    let (begun, standing) = in_time(shared.patience, async {
        let begun = transaction.query_one(&own.begun, &[]);
        let standing = transaction.query_opt(&own.standing, &key);
        Ok(tokio::try_join!(biased; begun, standing)?)
    })
    .await?;
    let begun: i64 = column(&begun, 0)?;
    let standing = match standing {
        Some(row) => followers::standing_of(&row)?.1,
        None => es_core::persistence::Standing::default(),
    };
    let all = batch.records.len();
    if batch.dry.is_none()
        && let Some(refused) = batch.advance(0, all).refusal(&standing)
    {
        return Err(Undone::refused(refused));
    }
    work.write_to(Made::new(ending));
    if batch.dry.is_some() && standing.revision == 0 {
        let created = within(&work, projection.create(&transaction)).await;
        created.map_err(|error| Undone::Handle(HandleError::Prepare(error)))?;
    }
    let started = Instant::now();
    let mut handled = 0;
    for (place, record) in batch.records.iter().enumerate() {
        let handling = in_time(shared.patience, async {
            let handling = within(&work, handle_one(projection, record, &transaction));
            Ok(handling.await)
        });
        if let Err(source) = handling.await? {
            let taken_back = in_time(shared.patience, async { Ok(transaction.rollback().await?) });
            if is_of_the_moment(&*source) || taken_back.await.is_err() {
                return Err(Undone::Again(source));
            }
            return Err(Undone::Handle(HandleError::Event { place, source }));
        }
        handled = place + 1;
        if batch.dry.is_some() {
            // There is no commit that would find out what the handler did not pass on.
            let asked = in_time(shared.patience, async {
                Ok(transaction.query_one(&own.begun, &[]).await?)
            });
            match asked.await {
                Err(fault) if fault.is_of_the_transaction() => {
                    let source = WENT_ON.into();
                    return Err(Undone::Handle(HandleError::Event { place, source }));
                }
                asked => drop(asked?),
            }
        } else if started.elapsed() >= longest {
            break;
        }
    }
    if batch.dry.is_some() {
        in_time(shared.patience, async { Ok(transaction.rollback().await?) }).await?;
        return Ok(handled);
    }

    let advance = batch.advance(0, handled);
    let finished = in_time(shared.patience, async {
        let values: [&(dyn ToSql + Sync); 7] = [
            &name,
            &log,
            &stored(advance.from.get())?,
            &stored(advance.to.get())?,
            &advance.stands_at.map(Uuid::from),
            &advance.epoch.map(|epoch| stored(epoch.get())).transpose()?,
            &begun,
        ];
        let notified: [&(dyn ToSql + Sync); 1] = [&shared.handle];
        let moved = transaction.execute(&own.advance, &values);
        let notified = transaction.execute(&own.notify, &notified);
        let (moved, _) = tokio::try_join!(biased; moved, notified)?;
        if moved == 0 {
            let row = transaction.query_opt(&own.standing, &key).await?;
            let standing = match row {
                Some(row) => followers::standing_of(&row)?.1,
                None => es_core::persistence::Standing::default(),
            };
            return Ok(Err(advance.refusal(&standing)));
        }
        if !advance.parking.is_empty() {
            let first = followers::first_parked(&*transaction, sql, &advance).await?;
            // The checkpoint is past that already, and its row locked.
            if let Some(refused) = followers::parking_refusal(&advance, &first) {
                return Ok(Err(Some(refused)));
            }
            followers::park(&*transaction, sql, &advance).await?;
        }
        Ok(Ok(()))
    });
    let of_the_handler = |why: &str| {
        let (place, source) = (handled.saturating_sub(1), why.into());
        Err(Undone::Handle(HandleError::Event { place, source }))
    };
    match finished.await {
        Err(fault) if fault.is_of_the_transaction() => return of_the_handler(WENT_ON),
        Err(fault) => return Err(fault.into()),
        Ok(Ok(())) => {}
        Ok(Err(Some(refused))) => return Err(Undone::refused(refused)),
        Ok(Err(None)) => {
            return of_the_handler("the handler ended the transaction; leave that to the follower");
        }
    }
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(handled)
}

async fn handle_one<P: PostgresProjection>(
    projection: &mut P,
    record: &Record,
    transaction: &Transaction<'_>,
) -> Result<(), BoxError> {
    let event = Recorded::of(record)?;
    projection.handle(event, transaction).await
}

pub(super) async fn swapped(shared: &Shared, own: &mut Own, built: &Output) -> Result<(), Undone> {
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let swapping = in_time(shared.patience, async {
        Ok(swap::swap(&transaction, &shared.sql, built, &shared.handle).await)
    });
    swapping.await??;
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(())
}
