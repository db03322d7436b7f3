//! What a follower does in one transaction: makes its tables, handles a batch, swaps what was built anew.
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::persistence::{LeaseError, Record, Recorded};
use es_core::system::{Batch, HandleError, Output};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};
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
use crate::tables::{Made, Work, within};

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
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let [name, log] = key(&batch.output.follower);
    let key: [&(dyn ToSql + Sync); 2] = [&name, &log];
    let looking = async {
        let (begun, standing) = in_time(shared.patience, async {
            let begun = transaction.query_one(&own.begun, &[]);
            let standing = transaction.query_opt(&own.standing, &key);
            Ok(tokio::try_join!(biased; begun, standing)?)
        })
        .await?;
        let begun: i64 = column(&begun, 0)?;
        Ok::<_, Undone>((begun, followers::standing_in(standing.as_ref())?))
    };
    own.work.write_to(Made::new(ending));
    let mut handling = Handling {
        patience: shared.patience,
        projection,
        transaction: &transaction,
        work: &own.work,
    };
    if batch.dry.is_some() {
        let (_, standing) = looking.await?;
        let tried = async {
            if standing.revision == 0 {
                handling.create().await?;
            }
            handling.rehearse(&batch.records, &own.begun).await
        };
        let tried = tried.await;
        in_time(shared.patience, async { Ok(transaction.rollback().await?) }).await?;
        return tried;
    }
    let looking = async {
        let (begun, standing) = looking.await?;
        let advance = batch.advance(0, batch.records.len());
        match advance.refusal(&standing) {
            Some(refused) => Err(Undone::refused(refused)),
            None => Ok(begun),
        }
    };
    // The answer is not waited for: what it refuses is rolled back, however far it was handled.
    let handling = async { Ok(handling.all(&batch.records, longest).await) };
    let (begun, handled) = tokio::try_join!(biased; looking, handling)?;
    let handled = match handled {
        Ok(handled) => handled,
        Err(Undone::Handle(error)) => {
            let rollback = in_time(shared.patience, async { Ok(transaction.rollback().await?) });
            return Err(match rollback.await {
                Ok(()) => Undone::Handle(error),
                Err(_) => Undone::Again(error.into()),
            });
        }
        Err(undone) => return Err(undone),
    };

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
            let standing = followers::standing_in(row.as_ref())?;
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

/// What calls the projection, within the follower's transaction.
struct Handling<'t, 'c, P> {
    patience: Duration,
    projection: &'t mut P,
    transaction: &'t Transaction<'c>,
    work: &'t Arc<Work>,
}

impl<P: PostgresProjection> Handling<'_, '_, P> {
    async fn create(&mut self) -> Result<(), Undone> {
        let created = within(self.work, self.projection.create(self.transaction)).await;
        created.map_err(|error| Undone::Handle(HandleError::Prepare(error)))
    }

    /// Handles events until there are no more, or no more time, and says how many; one in any case.
    async fn all(&mut self, records: &[Record], longest: Duration) -> Result<usize, Undone> {
        let started = Instant::now();
        for (place, record) in records.iter().enumerate() {
            self.one(place, record).await?;
            if started.elapsed() >= longest {
                return Ok(place + 1);
            }
        }
        Ok(records.len())
    }

    /// Handles events of which nothing is kept: there is no commit that would find out what the handler did not pass on.
    async fn rehearse(&mut self, records: &[Record], ask: &Statement) -> Result<usize, Undone> {
        for (place, record) in records.iter().enumerate() {
            self.one(place, record).await?;
            let asked = in_time(self.patience, async {
                Ok(self.transaction.query_one(ask, &[]).await?)
            });
            match asked.await {
                Err(fault) if fault.is_of_the_transaction() => {
                    let source = WENT_ON.into();
                    return Err(Undone::Handle(HandleError::Event { place, source }));
                }
                asked => drop(asked?),
            }
        }
        Ok(records.len())
    }

    async fn one(&mut self, place: usize, record: &Record) -> Result<(), Undone> {
        let handled = in_time(self.patience, async {
            let handle = async {
                let event = Recorded::of(record)?;
                self.projection.handle(event, self.transaction).await
            };
            Ok(within(self.work, handle).await)
        });
        match handled.await? {
            Ok(()) => Ok(()),
            Err(source) if is_of_the_moment(&*source) => Err(Undone::Again(source)),
            Err(source) => Err(Undone::Handle(HandleError::Event { place, source })),
        }
    }
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
