//! Events in a transaction of the caller's own, beside the caller's rows.
use std::future::Future;
use std::sync::Arc;

use es_core::application::Staged;
use es_core::persistence::{AppendError, Committed};
use es_store_sql::Appended;
use tokio_postgres::{SimpleQueryMessage, Transaction};
use tracing::warn;

use crate::PostgresStore;
use crate::commit::{End, Hope, is_one, judge, metadata};
use crate::error::{Fault, not_committed};
use crate::locked::Locked;
use crate::reads;
use crate::sql::Sql;
use crate::writer::TRACED;

/// A transaction of yours, of tokio-postgres or of deadpool-postgres.
pub trait UserTransaction: Send {
    /// The transaction of tokio-postgres.
    fn transaction(&self) -> &Transaction<'_>;

    /// Commits it.
    fn commit(self) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send;
}

impl UserTransaction for Transaction<'_> {
    fn transaction(&self) -> &Transaction<'_> {
        self
    }

    fn commit(self) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send {
        self.commit()
    }
}

impl UserTransaction for deadpool_postgres::Transaction<'_> {
    fn transaction(&self) -> &Transaction<'_> {
        self
    }

    fn commit(self) -> impl Future<Output = Result<(), tokio_postgres::Error>> + Send {
        self.commit()
    }
}

impl PostgresStore {
    /// Appends events to a transaction of yours as its last statements, and commits it: your rows, the events and their positions become visible
    /// together.
    ///
    /// The transaction is of a connection to the same database, at the isolation level READ COMMITTED, and the outermost one. A savepoint in it
    /// (`transaction.transaction()`) looks the same here, and is stored only once what is around it is committed: the events would be answered as
    /// committed, and lost where that is rolled back. There [`append_in`](PostgresStore::append_in) is for it. How durable the transaction is, is what
    /// its connection says (`synchronous_commit`). Other writers wait from the moment the events are appended until the commit: do all of your own
    /// work before.
    /// A host that vanishes in between keeps the log until the server finds out, which takes hours: say `idle_in_transaction_session_timeout` to your
    /// connections, less than the [lock time-out](crate::PostgresStoreBuilder::lock_timeout) of others.
    /// Two transactions that append first and then change the same rows of yours can stand in each other's way, and Postgres refuses one of them.
    ///
    /// A future that is dropped leaves the events in doubt, and the next save of their aggregates finds out.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, Root, events};
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Order")]
    /// # struct Order { root: Root<Self> }
    /// # #[events]
    /// # impl Order {
    /// #     #[event("Placed")]
    /// #     fn place() -> Self { Self { root: Root::new() } }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), es_core::BoxError> {
    /// # let log = es_store_postgres::testing::TestLog::new().await?;
    /// # let store = log.store().await?;
    /// # let (mut client, connection) = tokio_postgres::connect(log.url(), tokio_postgres::NoTls).await?;
    /// # tokio::spawn(connection);
    /// # client.batch_execute(&format!("SET search_path = {}; CREATE TABLE invoices (customer text)", log.schema())).await?;
    /// let app = Application::new(store.clone());
    /// app.claim().await?; // once, when the program starts: staging waits for nothing
    ///
    /// let mut order = Order::place();
    /// let tx = client.transaction().await?;
    /// tx.execute("INSERT INTO invoices VALUES ($1)", &[&"Ann"]).await?;
    /// store.commit_with(tx, app.stage(&mut order)?).await?;
    /// assert!(order.pending().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AppendError`]; the transaction is rolled back and everything is pending still, except as
    /// [`Unavailable`](AppendError::Unavailable) says.
    pub async fn commit_with<T: UserTransaction>(
        &self,
        transaction: T,
        mut staged: Staged<'_>,
    ) -> Result<Committed, AppendError> {
        let committed = match self.append(transaction.transaction(), &mut staged).await {
            Ok(committed) => committed,
            Err(refused) => return Err(told(staged, refused)),
        };
        if let Err(error) = transaction.commit().await {
            let fault = Fault::from(error);
            if fault.is_lost() {
                return Err(not_committed(fault));
            }
            // Postgres rolled everything back.
            staged.refused();
            return Err(AppendError::Failed(fault.of_your_rows()));
        }
        staged.committed(&committed);
        self.shared.changed.notify(usize::MAX);
        Ok(committed)
    }

    /// Appends events to a transaction that somebody else commits, a pool or an ORM: make it the last statement, for other writers wait from here
    /// until the commit, and for a host that vanished as [`commit_with`](PostgresStore::commit_with) says.
    ///
    /// Say [`committed`](Appended::committed) after the commit, of the outermost transaction where this is a savepoint. Without it the events are
    /// pending again, and their fate is found out by the next save of their aggregates. Pass on whatever fails in the transaction afterwards: Postgres
    /// rolls it back then, also where it is told to commit, and the driver answers that as a commit.
    ///
    /// # Errors
    /// [`AppendError`]; everything is pending still, and nothing was appended.
    pub async fn append_in<'a>(
        &self,
        transaction: &Transaction<'_>,
        mut staged: Staged<'a>,
    ) -> Result<Appended<'a>, AppendError> {
        match self.append(transaction, &mut staged).await {
            Ok(committed) => Ok(Appended::new(
                staged,
                committed,
                Arc::clone(&self.shared.changed),
            )),
            Err(refused) => Err(told(staged, refused)),
        }
    }

    /// What fails here was not committed, whatever failed: that is what comes after.
    async fn append(
        &self,
        transaction: &Transaction<'_>,
        staged: &mut Staged<'_>,
    ) -> Result<Committed, AppendError> {
        staged.commit().check_sizes(self.shared.payload_limit)?;
        // What of a refused commit is in the transaction must not be committed with the rest; the lock is given back too.
        let appended = self.write(transaction, staged).await;
        if let Err(ended @ Fault::Ended) = appended {
            // It has what it had by then.
            return Err(AppendError::Unavailable(ended.explained()));
        }
        let mut rolled_back = Ok(());
        if !matches!(appended, Ok(Ok(_))) {
            let back = "ROLLBACK TO SAVEPOINT es_append; RELEASE SAVEPOINT es_append";
            rolled_back = transaction.batch_execute(back).await;
        }
        let failed = |fault: Fault| AppendError::Failed(fault.explained());
        // Why it was to be rolled back says more than why it could not be.
        let appended = appended.map_err(failed)?;
        rolled_back.map_err(|error| failed(error.into()))?;
        appended
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        staged: &mut Staged<'_>,
    ) -> Result<Result<Committed, AppendError>, Fault> {
        let commit = staged.commit().clone();
        let commits = [&commit];
        let metadata = metadata(&commits)?;
        let sql = &self.shared.sql;
        let begin = begin(sql, &self.shared.handle);
        let begin = async { Ok::<_, Fault>(transaction.simple_query(&begin).await?) };
        let lock = async { Ok::<_, Fault>(transaction.query_typed_opt(&sql.lock, &[]).await?) };
        let append = if is_one(&commits) {
            &sql.append_one
        } else {
            &sql.append
        };
        let prepare = async { Ok::<_, Fault>(transaction.prepare(append).await?) };
        let (begun, end, append) = tokio::join!(biased; begin, lock, prepare);
        let is_meant = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => row.get(0) == Some("read committed"),
            _ => false,
        };
        // Before what became of the lock: an old snapshot is in its way.
        if !begun?.iter().any(is_meant) {
            // The snapshot of the whole transaction is older than the lock.
            return Ok(Err(AppendError::WrongTransaction {
                needed: "begin it at the isolation level READ COMMITTED",
            }));
        }
        let end = End::of(&end?.ok_or_else(reads::no_log)?)?;
        let append = append?;
        if self.shared.inline.is_empty()
            && let Some(mut hope) = Hope::new(end, &commits, &metadata)
            && let Some(committed) = hope.committed.pop()
        {
            // The savepoint ends with the transaction: giving it back would be a round trip, with everybody else waiting.
            staged.sent();
            if hope.write(transaction, &append, None).await? {
                return Ok(Ok(committed));
            }
            let back = "ROLLBACK TO SAVEPOINT es_append";
            transaction.batch_execute(back).await?;
        }
        let locked = Locked::prepare(transaction, sql).await?;
        let known = locked.read(transaction, sql, &commits).await?;
        let mut verdict = judge(known, &commits, &metadata);
        let committed = match verdict.answers.pop() {
            Some(Ok(committed)) => committed,
            Some(Err(refused)) => return Ok(Err(refused)),
            None => return Ok(Err(AppendError::Failed("a commit has no verdict".into()))),
        };
        let parked = locked.park(transaction, &self.shared.sql, &verdict);
        parked.await?;
        // All that follows is sent at once, so from here on the transaction may have it.
        staged.sent();
        let release = async {
            let release = "RELEASE SAVEPOINT es_append";
            Ok(transaction.batch_execute(release).await?)
        };
        let write = locked.write(transaction, &verdict);
        if verdict.rows.count() > 0 && !self.shared.inline.is_empty() {
            write.await?;
            let (sql, patience) = (&self.shared.sql, self.shared.patience);
            match self
                .shared
                .inline
                .handle_in(transaction, sql, patience)
                .await
            {
                Err(refused @ Fault::Inside(_)) => {
                    let refused = not_committed(refused);
                    let error: &(dyn std::error::Error + 'static) = &refused;
                    warn!(target: TRACED, error, "refused by a projection");
                    return Ok(Err(refused));
                }
                handled => handled?,
            }
            release.await?;
            return Ok(Ok(committed));
        }
        tokio::try_join!(biased; write, release)?;
        Ok(Ok(committed))
    }
}

/// Before anything is written: who is told when it is committed, where it is rolled back to, and what the transaction is like. What notifies behind the
/// savepoint is rolled back with it, also where it is written in another way then.
fn begin(sql: &Sql, handle: &str) -> String {
    let channel = &sql.channel;
    format!(
        "SELECT pg_notify('{channel}', '{handle}'); SAVEPOINT es_append; SELECT current_setting('transaction_isolation')"
    )
}

/// Tells the aggregates what became of their events.
fn told(mut staged: Staged<'_>, why: AppendError) -> AppendError {
    match why {
        AppendError::Unavailable(_) => staged.sent(),
        _ => staged.refused(),
    }
    why
}
