//! Events in a transaction of the caller's own, beside the caller's rows.

use std::sync::Arc;

use es_core::application::Staged;
use es_core::persistence::{AppendError, Committed};
use es_store_sql::Appended;
use rusqlite::{Transaction, TransactionState};

use crate::SqliteStore;
use crate::commit;
use crate::error::explained;

impl SqliteStore {
    /// Appends events to a transaction of yours as its last statement, and commits it: your rows, the events and their positions become
    /// visible together.
    ///
    /// The transaction is of a connection to the same file, and begins as `IMMEDIATE`: from then on other writers wait for it. How durable it
    /// is, is what that connection says (`PRAGMA synchronous`).
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
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::BoxError> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("shop.db");
    /// use es_store_sqlite::SqliteStore;
    /// use rusqlite::{Connection, TransactionBehavior};
    ///
    /// let store = SqliteStore::open(&path).await?;
    /// let app = Application::new(store.clone());
    /// let mut connection = Connection::open(&path)?;
    /// connection.execute("CREATE TABLE invoices (customer TEXT)", ())?;
    ///
    /// let mut order = Order::place();
    /// let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    /// tx.execute("INSERT INTO invoices VALUES (?1)", ["Ann"])?;
    /// store.commit_with(tx, app.stage(&mut order)?)?;
    /// assert!(order.pending().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`AppendError`]; the transaction is rolled back and everything is pending still, except as
    /// [`Unavailable`](AppendError::Unavailable) says.
    pub fn commit_with(
        &self,
        transaction: Transaction<'_>,
        mut staged: Staged<'_>,
    ) -> Result<Committed, AppendError> {
        let committed = match self.append(&transaction, &staged) {
            Ok(committed) => committed,
            Err(refused) => return Err(told(staged, refused)),
        };
        staged.sent();
        if let Err(error) = transaction.execute_batch("COMMIT") {
            let why = explained(&error.into());
            // One that is open still is not stored, once it is rolled back.
            let is_open = !transaction.is_autocommit();
            return Err(match is_open && transaction.rollback().is_ok() {
                true => told(staged, AppendError::Failed(why)),
                false => AppendError::Unavailable(why),
            });
        }
        staged.committed(&committed);
        self.shared.changed.notify(usize::MAX);
        Ok(committed)
    }

    /// Appends events to a transaction that somebody else commits, a pool or an ORM: make it the last statement, for other writers wait from here
    /// until the commit.
    ///
    /// Say [`committed`](Appended::committed) after the commit. Without it the events are pending again, and their fate is found out by the next
    /// save of their aggregates.
    ///
    /// # Errors
    /// [`AppendError`]; everything is pending still, and nothing was appended.
    pub fn append_in<'a>(
        &self,
        transaction: &Transaction<'_>,
        mut staged: Staged<'a>,
    ) -> Result<Appended<'a>, AppendError> {
        match self.append(transaction, &staged) {
            Ok(committed) => {
                staged.sent();
                Ok(Appended::new(
                    staged,
                    committed,
                    Arc::clone(&self.shared.changed),
                ))
            }
            Err(refused) => Err(told(staged, refused)),
        }
    }

    fn append(
        &self,
        connection: &Transaction<'_>,
        staged: &Staged<'_>,
    ) -> Result<Committed, AppendError> {
        let sql = &self.shared.sql;
        staged.commit().check_sizes(self.shared.payload_limit)?;
        let appended = || {
            if connection.transaction_state(Some(rusqlite::MAIN_DB))? != TransactionState::Write {
                return Ok(Err(AppendError::WrongTransaction {
                    needed: "begin it by `transaction_with_behavior(TransactionBehavior::Immediate)`",
                }));
            }
            // What of a refused commit is in the transaction must not be committed with the rest.
            connection.execute_batch("SAVEPOINT es_append")?;
            let appended = write(connection, sql, &self.shared.inline, staged);
            if connection.is_autocommit()
                && let Ok(Err(refused)) = appended
            {
                // Whatever a handler ended the transaction by.
                return Ok(Err(AppendError::Unavailable(refused.into())));
            }
            if !matches!(appended, Ok(Ok(_))) {
                connection.execute_batch("ROLLBACK TO es_append")?;
            }
            connection.execute_batch("RELEASE es_append")?;
            appended
        };
        appended().unwrap_or_else(|error: rusqlite::Error| {
            Err(AppendError::Failed(explained(&error.into())))
        })
    }
}

/// Tells the aggregates what became of their events.
fn told(mut staged: Staged<'_>, why: AppendError) -> AppendError {
    match why {
        AppendError::Unavailable(_) => staged.sent(),
        _ => staged.refused(),
    }
    why
}

fn write(
    connection: &Transaction<'_>,
    sql: &crate::sql::Sql,
    inline: &crate::inline::Inline,
    staged: &Staged<'_>,
) -> rusqlite::Result<Result<Committed, AppendError>> {
    let mut end = commit::end(connection, sql)?;
    let head = end.head;
    let committed = commit::apply(connection, sql, &mut end, staged.commit())?;
    if end.head != head {
        commit::move_end(connection, sql, &end)?;
        if let Err(refused) = inline.handle(connection, sql)? {
            return Ok(Err(refused));
        }
    }
    Ok(committed)
}
