//! Projections inside the commit: they are never behind, and a commit that they cannot handle is refused.
use std::sync::{Arc, Mutex, PoisonError};

use es_core::persistence::{Advance, AppendError, BoxError, EventSet, Filter, FollowerId};
use es_core::system::Projection;
use rusqlite::{Connection, Result, Transaction, TransactionBehavior};

use crate::error::explained;
use crate::names::Names;
use crate::projection::{SqliteProjection, handle, live};
use crate::sql::Sql;
use crate::{SqliteStore, followers, reads};

/// The projections that run inside of each commit of this process.
#[derive(Clone, Default)]
pub(crate) struct Inline {
    all: Arc<Mutex<Vec<Inlined>>>,
}

struct Inlined {
    follower: FollowerId,
    filter: Filter,
    handle: Handle,
}

type Handle =
    Box<dyn FnMut(&es_core::persistence::Record, &Transaction<'_>) -> Result<(), BoxError> + Send>;

/// How many events are read at once.
const PAGE: usize = 1_000;

impl SqliteStore {
    /// Runs a projection inside of every commit of this process from here on: it is never behind, and a commit that it cannot handle fails. It
    /// begins with what the log holds already, which is handled before this returns, and with what other processes wrote without it.
    ///
    /// It reads payloads as they are stored, so those that are compressed or encrypted fail. Its checkpoint has no lease.
    ///
    /// # Errors
    /// [`AppendError::Projection`] where it cannot handle what is there; then it does not run.
    pub async fn inline<P: SqliteProjection>(&self, mut projection: P) -> Result<(), AppendError> {
        let inline = self.shared.inline.clone();
        let added = self.alone(move |connection, sql| {
            let begun = || -> Result<Result<Inlined, AppendError>> {
                let transaction =
                    Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
                let follower = FollowerId::new(P::NAME, "");
                let standing = followers::standing(&transaction, sql, &follower)?;
                if standing.revision == 0 {
                    if let Err(source) = live(|| projection.create(&transaction)) {
                        return Ok(Err(refused(&follower, source)));
                    }
                    let output =
                        rusqlite::params![follower.name, follower.log, P::REVISION, None::<&str>];
                    transaction.execute(&sql.write_output, output)?;
                }
                let mut inlined = Inlined {
                    follower,
                    filter: <P as Projection>::Events::filter(),
                    handle: Box::new(move |record, transaction| {
                        live(|| handle(&mut projection, record, transaction))
                    }),
                };
                if let Err(refused) = inlined.catch_up(&transaction, sql)? {
                    return Ok(Err(refused));
                }
                transaction.commit()?;
                Ok(Ok(inlined))
            };
            match begun() {
                Ok(Ok(inlined)) => {
                    inline.all().push(inlined);
                    Ok(())
                }
                Ok(Err(refused)) => Err(refused),
                Err(error) => Err(AppendError::Failed(explained(&Arc::new(error)))),
            }
        });
        added.await?
    }
}

impl Inline {
    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Has every projection handle what was appended, in its transaction.
    pub(crate) fn handle(
        &self,
        transaction: &Transaction<'_>,
        sql: &Sql,
    ) -> Result<Result<(), AppendError>> {
        for inlined in self.all().iter_mut() {
            if let Err(refused) = inlined.catch_up(transaction, sql)? {
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Inlined>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inlined {
    /// Handles what it has not seen, up to the last event that is in the transaction.
    fn catch_up(
        &mut self,
        transaction: &Transaction<'_>,
        sql: &Sql,
    ) -> Result<Result<(), AppendError>> {
        let names = Names::default();
        let mut position = followers::standing(transaction, sql, &self.follower)?.position;
        let Some((last, commit)) = last(transaction, sql)? else {
            return Ok(Ok(()));
        };
        while position < last {
            let page = reads::page(transaction, sql, position, last, PAGE, &self.filter, &names)?;
            for record in &page {
                if let Err(source) = (self.handle)(record, transaction) {
                    return Ok(Err(refused(&self.follower, source)));
                }
            }
            let to = match page.last() {
                Some(last) if page.len() == PAGE => last.position,
                _ => last,
            };
            let advance = Advance {
                stands_at: (to == last).then_some(commit),
                ..Advance::new(self.follower.clone(), position, to)
            };
            let now = std::time::SystemTime::UNIX_EPOCH;
            followers::advance(transaction, sql, &advance, now)?;
            position = to;
        }
        Ok(Ok(()))
    }
}

fn refused(follower: &FollowerId, source: BoxError) -> AppendError {
    AppendError::Projection {
        projection: follower.name.clone().into_owned(),
        source,
    }
}

/// The last event that is in the transaction, whether the head of the log says so yet or not.
fn last(
    connection: &Connection,
    sql: &Sql,
) -> Result<Option<(es_core::Position, es_core::persistence::CommitId)>> {
    use rusqlite::OptionalExtension;
    let mut statement = connection.prepare_cached(&sql.read_last)?;
    statement
        .query_row([], |row| {
            let position = crate::records::counter(row, 0)?;
            let commit: uuid::Uuid = row.get(1)?;
            Ok((position.into(), commit.into()))
        })
        .optional()
}
