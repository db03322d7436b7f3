//! The names of the tables that a projection writes to: those that readers see, or others beside them.
use std::collections::{BTreeSet, HashMap};
use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use es_core::persistence::BoxError;
use es_core::system::HandlerPanicked;
use futures_lite::FutureExt;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Error, Statement, Transaction};

use crate::projection::PostgresProjection;

/// Knows the tables that a projection writes to, and the statements that it has prepared.
pub trait Tables {
    /// The name of a table, an index or a view: in a projection that is built beside what readers see it has an ending; else it is `name` itself.
    ///
    /// A name is one word, or two with a dot between them where the first is a schema, each of letters, digits and underscores. With its ending it
    /// has 63 bytes at most, which is all that Postgres looks at.
    fn table(&self, name: &str) -> String;

    /// A statement, which is prepared once for the connection of the follower.
    ///
    /// # Errors
    /// What Postgres has against it.
    fn prepared(&self, statement: &str) -> impl Future<Output = Result<Statement, Error>> + Send;
}

impl Tables for Transaction<'_> {
    fn table(&self, name: &str) -> String {
        let named = WORK.try_with(|work| {
            let mut made = work.made();
            if !made.tables.contains(name) {
                made.tables.insert(name.to_owned());
            }
            format!("{name}{}", made.ending)
        });
        named.unwrap_or_else(|_| name.to_owned())
    }

    async fn prepared(&self, statement: &str) -> Result<Statement, Error> {
        let known = WORK.try_with(|work| work.statements().get(statement).cloned());
        if let Ok(Some(known)) = known {
            return Ok(known);
        }
        let prepared = self.prepare(statement).await?;
        let kept = prepared.clone();
        // Outside of a follower there is nobody to keep it.
        let _ = WORK.try_with(|work| work.statements().insert(statement.to_owned(), kept));
        Ok(prepared)
    }
}

tokio::task_local! {
    /// What the handler writes to that runs in this future.
    static WORK: Arc<Work>;
}

/// What a handler works with.
#[derive(Default)]
pub(crate) struct Work {
    made: Mutex<Made>,
    statements: Mutex<HashMap<String, Statement>>,
}

impl Work {
    /// What the tables are that are written to next.
    pub(crate) fn write_to(&self, made: Made) {
        *self.made() = made;
    }

    pub(crate) fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares everything anew.
    pub(crate) fn forget(&self) {
        self.statements().clear();
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what asks for the names of tables. A panic is an error.
pub(crate) async fn within<T>(
    work: &Arc<Work>,
    run: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    WORK.scope(Arc::clone(work), caught(run)).await
}

/// Lets a projection make its tables, and says which.
///
/// Refused are tables whose names it did not ask for: what is built anew beside them would be written into them.
pub(crate) async fn create<P: PostgresProjection>(
    work: &Arc<Work>,
    projection: &mut P,
    transaction: &Transaction<'_>,
    ending: &str,
) -> Result<Made, BoxError> {
    let before = transaction.query_one(TABLES, &[]).await?;
    let before: Vec<u32> = before.try_get(0)?;
    work.write_to(Made::new(ending));
    within(work, projection.create(transaction)).await?;
    let made = mem::take(&mut *work.made());
    made.check()?;
    if made.tables.is_empty() && !ending.is_empty() {
        return Err(MAKES_NOTHING.into());
    }
    let asked: Vec<String> = made.beside().into_iter().collect();
    match transaction
        .query_opt(NOT_ASKED_FOR, &[&before, &asked])
        .await?
    {
        None => Ok(made),
        Some(table) => {
            let table: &str = table.try_get(0)?;
            Err(format!(
                "`create` made the table `{table}` without asking for its name, so it could not be built anew beside what readers see; write \
                 `tx.table(\"{table}\")` wherever it is named, in `handle`, too"
            )
            .into())
        }
    }
}

/// What a projection is told that is to be built anew, and makes no tables.
const MAKES_NOTHING: &str = "`create` asked for no table by `tx.table(..)`, so nothing can be built beside what readers see; let it make its tables there";

/// All tables that there are.
const TABLES: &str = "SELECT array_agg(oid) FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p')";

/// One that this transaction made, and nobody asked for. A partition is made with its table.
const NOT_ASKED_FOR: &str = "SELECT c.relname::text FROM pg_catalog.pg_class AS c \
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition AND c.oid <> ALL ($1::oid[]) \
     AND c.xmin::text = (txid_current() % 4294967296)::text \
     AND c.oid NOT IN (SELECT to_regclass(name)::oid FROM unnest($2::text[]) AS name WHERE to_regclass(name) IS NOT NULL) LIMIT 1";

/// Runs a handler so that it hands on its panic as an error.
async fn caught<T>(run: impl Future<Output = Result<T, BoxError>>) -> Result<T, BoxError> {
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(HandlerPanicked::new(&*panic).into()))
}

/// What a projection has made, as it is kept beside its checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Made {
    /// How the names of its tables ended when they were made.
    pub(crate) ending: String,
    /// The names of its tables, indexes and views, without the ending.
    pub(crate) tables: BTreeSet<String>,
    /// It runs inside of commits.
    #[serde(default)]
    pub(crate) inline: bool,
}

/// How much of a name Postgres looks at, in bytes.
const NAME: usize = 63;

impl Made {
    pub(crate) fn new(ending: &str) -> Self {
        Self {
            ending: ending.to_owned(),
            ..Self::default()
        }
    }

    /// The names as they were made beside what readers see.
    pub(crate) fn beside(&self) -> BTreeSet<String> {
        let beside = |table| format!("{table}{}", self.ending);
        self.tables.iter().map(beside).collect()
    }

    /// Whether its names can be told apart, and found again.
    ///
    /// # Errors
    /// Which cannot.
    pub(crate) fn check(&self) -> Result<(), BoxError> {
        for name in &self.tables {
            let is_word = |word: &str| {
                word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                    && word
                        .chars()
                        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            };
            let last = name.rsplit('.').next().unwrap_or_default();
            if name.split('.').count() > 2 || !name.split('.').all(is_word) {
                return Err(format!(
                    "`{name}` cannot be the name of a table; use letters, digits and underscores, with a schema and a dot before it or not"
                )
                .into());
            }
            if last.len() + self.ending.len() > NAME {
                return Err(format!(
                    "`{name}{}` is too long, Postgres looks at {NAME} bytes of a name; choose a shorter one",
                    self.ending
                )
                .into());
            }
        }
        Ok(())
    }
}
