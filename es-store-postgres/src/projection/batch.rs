//! A batch of events and the checkpoint that covers them, in one transaction.
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::persistence::{LeaseError, Record, Recorded, Standing};
use es_core::system::{Batch, HandleError, Output};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Statement, Transaction};
use uuid::Uuid;

use super::PostgresProjection;
use super::output::ending;
use super::own::{ENDLESS, Own, STANDSTILL, STOOD_STILL, Undone, begin, is_worth_another_try};
use crate::connection::in_time;
use crate::error::Fault;
use crate::followers::{self, key};
use crate::queue::{NotHandled, Why};
use crate::records::{column, stored};
use crate::store::Shared;
use crate::swap;
use crate::tables::{Made, Work, creating};

/// What a handler is told that did not pass on what Postgres said to it.
pub(crate) const WENT_ON: &str = "a statement of the handler failed, and the handler went on; pass its error on, or set a savepoint before it, behind `tx.flush()`";

/// What is said of an event for which something was queued that panics when it is written.
const UNWRITTEN: &str = "a value that was queued panicked where the driver was to write it";

/// Handles a batch, or as much of it as there is time for.
pub(super) async fn handle<P: PostgresProjection>(
    shared: &Shared,
    own: &mut Own,
    projection: &mut P,
    batch: &Batch,
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
    own.work
        .write_to(Made::new(&ending(&batch.output)), &transaction);
    let mut handling = Handling {
        patience: shared.patience,
        projection,
        transaction: &transaction,
        work: &own.work,
    };
    let refusal = |standing: &Standing| batch.advance(0, batch.records.len()).refusal(standing);
    let looking = async {
        let (begun, standing) = looking.await?;
        match refusal(&standing) {
            Some(refused) => Err(Undone::Refused(refused)),
            None => Ok((begun, standing)),
        }
    };
    let ((begun, _), handled) = match batch.dry {
        None => {
            // Events are handled before there is an answer: who is refused has written nothing, however far he came.
            let handling = async { Ok(handling.all(&batch.records, longest).await) };
            tokio::try_join!(biased; looking, handling)?
        }
        Some(_) => {
            let looked = looking.await?;
            let prepared = handling.prepare_to_rehearse(shared, &batch.output, &looked.1);
            prepared.await?;
            let handled = handling.rehearse(&batch.records, &own.begun).await;
            (looked, handled)
        }
    };
    let handled = match handled {
        Err(mut failed @ (Undone::Handle(HandleError::Event { .. }) | Undone::Endless { .. })) => {
            let rollback = in_time(shared.patience, async { Ok(transaction.rollback().await?) });
            // Of a session that does not answer, nothing is said of the event; one that the server ended meanwhile was left alone by the handler.
            match (rollback.await, failed) {
                (Ok(()), undone) => failed = undone,
                (Err(_), Undone::Handle(HandleError::Event { source, .. })) => {
                    return Err(Undone::Again(source));
                }
                (Err(fault @ Fault::Silent), _) => return Err(Undone::Again(fault.explained())),
                (Err(_), endless) => return Err(endless),
            }
            let looking = in_time(shared.patience, async {
                Ok(own.client.query_opt(&own.standing, &key).await?)
            });
            let standing = looking.await?;
            // What another has done meanwhile may be what was in the way.
            return Err(match refusal(&followers::standing_in(standing.as_ref())?) {
                Some(refused) => Undone::Refused(refused),
                None => failed,
            });
        }
        handled => handled?,
    };
    if batch.dry.is_some() {
        in_time(shared.patience, async { Ok(transaction.rollback().await?) }).await?;
        return Ok(handled);
    }

    let advance = batch.advance(0, handled);
    let finished = in_time(shared.patience, async {
        let values: [&(dyn ToSql + Sync); 8] = [
            &name,
            &log,
            &stored(advance.from.get())?,
            &stored(advance.to.get())?,
            &advance.stands_at.map(Uuid::from),
            &advance.epoch.map(|epoch| stored(epoch.get())).transpose()?,
            &begun,
            // Who follows is fenced by the epoch.
            &None::<i64>,
        ];
        let moved = transaction.execute(&own.advance, &values).await?;
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
        Ok(Err(Some(refused))) => return Err(Undone::Refused(refused)),
        Ok(Err(None)) => {
            return of_the_handler("the handler ended the transaction; leave that to the follower");
        }
    }
    let committed = in_time(shared.patience, async { Ok(transaction.commit().await?) });
    match committed.await {
        Ok(()) => {
            own.tell.send(&*own.client, &shared.handle).await;
            Ok(handled)
        }
        // Which event it is of is not said: half of them are tried next, until it fails alone.
        Err(fault) if fault.is_of_one() => {
            let (place, source) = (handled / 2, fault.of_your_rows());
            Err(Undone::Handle(HandleError::Event { place, source }))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// What calls the projection, within the follower's transaction.
struct Handling<'t, 'c, P> {
    patience: Duration,
    projection: &'t mut P,
    transaction: &'t Transaction<'c>,
    work: &'t Arc<Work>,
}

impl<P: PostgresProjection> Handling<'_, '_, P> {
    /// Makes the tables that a dry run writes to, where they are not there.
    async fn prepare_to_rehearse(
        &mut self,
        shared: &Shared,
        output: &Output,
        standing: &Standing,
    ) -> Result<(), Undone> {
        let sql = &*shared.sql;
        let refused = |error| Undone::Handle(HandleError::Prepare(error));
        let inside = swap::runs_inside(self.transaction, sql, &output.live);
        if in_time(shared.patience, inside).await? {
            let follower = output.live.clone();
            return Err(refused(LeaseError::Inline { follower }.into()));
        }
        if standing.revision != 0 {
            return Ok(());
        }
        let there = swap::there(self.transaction, sql, &output.follower, standing.position);
        let there = in_time(shared.patience, there).await?;
        let create = self.projection.create(self.transaction);
        let created = creating(self.work, self.transaction, create).await;
        let made = self.work.made().clone();
        let created = created.map_err(|error| made.not_created(error));
        made.check_own(&there.names, &sql.location.schema)
            .and(made.check())
            .map_err(refused)?;
        created.map_err(|error| match is_worth_another_try(&*error) {
            true => Undone::Again(error),
            false => refused(error),
        })?;
        made.check_anew(output.tag.is_some()).map_err(refused)
    }

    /// Handles events until there are no more, or no more time, and says how many; one in any case.
    async fn all(&mut self, records: &[Record], longest: Duration) -> Result<usize, Undone> {
        let started = Instant::now();
        let mut before = started;
        for (place, record) in records.iter().enumerate() {
            let handled = self.one(place, record).await;
            let now = Instant::now();
            self.unless_ended(place, now.saturating_duration_since(before), handled)?;
            before = now;
            let is_last = now.saturating_duration_since(started) >= longest;
            if is_last || self.work.queue().is_due(now) {
                self.run_queued().await?;
                before = Instant::now();
            }
            if is_last {
                return Ok(place + 1);
            }
        }
        self.run_queued().await?;
        Ok(records.len())
    }

    async fn run_queued(&mut self) -> Result<(), Undone> {
        let ran = self.work.run_queued(self.transaction, self.patience).await;
        ran.map_err(undone)
    }

    /// Handles events of which nothing is kept: there is no commit that would find out what the handler did not pass on.
    async fn rehearse(&mut self, records: &[Record], ask: &Statement) -> Result<usize, Undone> {
        for (place, record) in records.iter().enumerate() {
            let started = Instant::now();
            let handled = self.one(place, record).await;
            self.unless_ended(place, started.elapsed(), handled)?;
            self.run_queued().await?;
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
        let handle = async {
            let event = Recorded::of(record)?;
            self.projection.handle(event, self.transaction).await
        };
        let handled = self.work.handled(place, self.patience, handle).await;
        handled.map_err(undone)
    }

    /// What became of an event, unless its handler took so long that the server had ended the session meanwhile.
    fn unless_ended(
        &self,
        place: usize,
        took: Duration,
        handled: Result<(), Undone>,
    ) -> Result<(), Undone> {
        match handled {
            Err(endless @ Undone::Endless { .. }) => Err(endless),
            _ if took > STANDSTILL && self.transaction.client().is_closed() => {
                let why = STOOD_STILL;
                Err(Undone::Endless { place, why })
            }
            handled => handled,
        }
    }
}

/// What is to be done about an event that is not handled.
fn undone(NotHandled { place, why }: NotHandled) -> Undone {
    let endless = |why| Undone::Endless { place, why };
    let source = match why {
        Why::Again(source) => return Undone::Again(source),
        Why::Silent => return endless(ENDLESS),
        Why::Panicked(_) => return endless(UNWRITTEN),
        Why::WentOn => WENT_ON.into(),
        Why::Failed(source) => source,
    };
    Undone::Handle(HandleError::Event { place, source })
}
