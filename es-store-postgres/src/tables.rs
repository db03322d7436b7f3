//! The names of the tables that a projection writes to: those that readers see, or others beside them.
use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use es_core::persistence::BoxError;
use es_core::system::HandlerPanicked;
use futures_lite::FutureExt;
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Statement, Transaction};

use crate::projection::batch::WENT_ON;
use crate::projection::own::of_postgres;
use crate::queue::{NotHandled, Queue, Values, Why};
use crate::sql::Sql;

/// Knows the tables that a projection writes to, and runs its statements.
pub trait Tables {
    /// The name of a table, an index or a view: in a projection that is built beside what readers see it has an ending; else it is `name` itself.
    ///
    /// A name is one word, or two with a dot between them where the first is a schema, each of letters, digits and underscores. With its ending it
    /// has 63 bytes at most, which is all that Postgres looks at.
    fn table(&self, name: &str) -> String;

    /// Has one statement run with those of other events, in their order: many are sent together, so that none waits for the answer to the one before.
    /// A projection that writes so handles several times as many events, and more the further away the server is.
    ///
    /// - Let the text be the same for all events, and what differs be among the values, which are owned (`String`, and not `&str`): each text is prepared once
    ///   for the connection of the follower.
    /// - **What a handler runs in another way comes before what is queued**, also before what earlier events queued, and does not see it: let it call
    ///   [`flush`](Self::flush) first. [`prepared`](Self::prepared) runs what is queued by then.
    /// - A savepoint catches nothing of what is queued: call `flush` before you set one.
    /// - Where one is refused, Postgres writes into its own log that those behind it, up to 255, were refused as well (`current transaction is aborted`).
    /// - A batch may take longer than its [time](crate::PostgresFollower::batch_time) by what is queued last, which the follower keeps to about 50 ms.
    ///
    /// Outside of a follower, and on another connection than the follower's, it is run at once.
    ///
    /// # Errors
    /// None in a follower, which fails at the event that the statement was queued for, as if its handler had returned the error; the handler of a later event is
    /// told it first where that waits, by `flush` or `prepared`. Elsewhere what Postgres has against it.
    fn queue(
        &self,
        statement: &str,
        values: impl Values + Send,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Runs what is queued, and waits for it.
    ///
    /// # Errors
    /// What Postgres has against a statement, which may be of an event before this one; pass it on. It fails that event in any case.
    fn flush(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// A statement, which is prepared once for the connection of the follower. What is [queued](Self::queue) is run first.
    ///
    /// # Errors
    /// What Postgres has against it, or what [`flush`](Self::flush) says.
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

    async fn queue(&self, statement: &str, values: impl Values + Send) -> Result<(), Error> {
        let values = values.into_values();
        let Some(work) = Work::of(self) else {
            let values = values.iter().map(|value| &**value as &(dyn ToSql + Sync));
            return self.execute_raw(statement, values).await.map(|_| ());
        };
        work.queue().push(statement, values);
        Ok(())
    }

    async fn flush(&self) -> Result<(), Error> {
        match Work::of(self) {
            Some(work) => work.flush(self).await,
            None => Ok(()),
        }
    }

    async fn prepared(&self, statement: &str) -> Result<Statement, Error> {
        // Outside of a follower there is nobody to keep it.
        let Some(work) = Work::of(self) else {
            return self.prepare(statement).await;
        };
        work.flush(self).await?;
        if let Some(known) = work.known(statement) {
            return Ok(known);
        }
        let prepared = self.prepare(statement).await?;
        work.keep(statement, prepared.clone());
        Ok(prepared)
    }
}

tokio::task_local! {
    /// What the handler writes to that runs in this future.
    static WORK: Arc<Work>;
}

/// How many statements are kept: whoever writes values into their texts has no end of them.
const MOST_KEPT: usize = 1_000;

/// What a handler works with.
#[derive(Default)]
pub(crate) struct Work {
    made: Mutex<Made>,
    statements: Mutex<HashMap<String, Statement>>,
    queue: Mutex<Queue>,
    /// Where the connection is that is written by.
    client: AtomicUsize,
    /// The log in whose commits it is written, by where its statements are.
    inside: Option<usize>,
}

/// Whether a handler asks that runs inside of a commit to this very log, which waits for it.
pub(crate) fn waits_for_itself(sql: &Sql) -> bool {
    let inside = WORK.try_with(|work| work.inside);
    inside.is_ok_and(|inside| inside == Some(std::ptr::from_ref(sql).addr()))
}

fn address(transaction: &Transaction<'_>) -> usize {
    std::ptr::from_ref(transaction.client()).addr()
}

impl Work {
    /// What is written inside of commits to a log.
    pub(crate) fn inside(sql: &Sql) -> Self {
        Self {
            inside: Some(std::ptr::from_ref(sql).addr()),
            ..Self::default()
        }
    }

    /// What the tables are that are written to next.
    pub(crate) fn write_to(&self, made: Made, transaction: &Transaction<'_>) {
        *self.made() = made;
        self.queue().empty();
        self.client.store(address(transaction), Ordering::Relaxed);
    }

    /// That of whoever runs in a handler, where it writes by the handler's own connection, and not by another.
    fn of(transaction: &Transaction<'_>) -> Option<Arc<Self>> {
        let work = WORK.try_with(Arc::clone).ok()?;
        (work.client.load(Ordering::Relaxed) == address(transaction)).then_some(work)
    }

    pub(crate) fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prepares everything anew.
    pub(crate) fn forget(&self) {
        self.statements().clear();
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A statement that is prepared already.
    pub(crate) fn known(&self, statement: &str) -> Option<Statement> {
        self.statements().get(statement).cloned()
    }

    pub(crate) fn keep(&self, statement: &str, prepared: Statement) {
        let mut statements = self.statements();
        if statements.len() < MOST_KEPT {
            statements.insert(statement.to_owned(), prepared);
        }
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<String, Statement>> {
        self.statements
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs what asks for the names of tables. A panic is an error. What it queues is left to the caller.
pub(crate) async fn within<T>(
    work: &Arc<Work>,
    run: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    WORK.scope(Arc::clone(work), caught(run)).await
}

/// Runs what makes tables, and then what it queued.
pub(crate) async fn creating(
    work: &Arc<Work>,
    transaction: &Transaction<'_>,
    create: impl Future<Output = Result<(), BoxError>>,
) -> Result<(), BoxError> {
    let create = async {
        create.await?;
        Ok(transaction.flush().await?)
    };
    let created = work.handled(0, Duration::MAX, create).await;
    // What makes tables is run once.
    work.forget();
    created.map_err(|NotHandled { why, .. }| match why {
        Why::Failed(error) | Why::Again(error) | Why::Panicked(error) => error,
        Why::WentOn | Why::Silent => WENT_ON.into(),
    })
}

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

const MAKES_NO_TABLES: &str = "`create` asked for no table by `tx.table(..)`, so it cannot be made anew without what readers see; let `create` make \
     its tables, and write `tx.table(..)` wherever they are named, or give the projection another `NAME`, under which it begins anew";

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

    /// Refuses what is made anew and has no tables for it: it would be written into those that readers see.
    ///
    /// # Errors
    /// What to write.
    pub(crate) fn check_anew(&self, is_anew: bool) -> Result<(), BoxError> {
        if is_anew && self.tables.is_empty() {
            return Err(MAKES_NO_TABLES.into());
        }
        Ok(())
    }

    /// Refuses names that were taken before `create`: what is there is somebody else's, and would be thrown away with what readers see when it is
    /// made anew. `there` are the names there were.
    ///
    /// # Errors
    /// Which, and what to do.
    pub(crate) fn check_own(&self, there: &BTreeSet<String>, schema: &str) -> Result<(), BoxError> {
        let beside = self.beside();
        let is_taken = |name: &&String| there.contains(&whole(name, schema));
        if let Some(name) = beside.iter().find(is_taken) {
            return Err(taken(name));
        }
        Ok(())
    }

    /// What is told of a `create` that failed.
    pub(crate) fn not_created(&self, source: BoxError) -> BoxError {
        let refused = of_postgres(&*source).and_then(Error::code);
        let way_out = match refused {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                "; grant this user the right, as CREATE on the schema, or run `sync-followers` or `rebuild` as a user who has it"
            }
            _ => "",
        };
        let beside = self.beside();
        let tables: Vec<_> = beside.iter().map(|name| format!("`{name}`")).collect();
        let tables = match &*tables {
            [] => String::new(),
            tables => format!(" of {}", tables.join(", ")),
        };
        NotCreated {
            tables,
            way_out,
            source,
        }
        .into()
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

/// `create` failed.
#[derive(Debug, thiserror::Error)]
#[error("`create`{tables} failed{way_out}")]
struct NotCreated {
    /// Those that it had asked for by then, in words.
    tables: String,
    way_out: &'static str,
    source: BoxError,
}

/// What to do about a name that somebody else has.
fn taken(name: &str) -> BoxError {
    format!(
        "`{name}` is there already, and it is not known that this follower made it: give the table another name, as that of the projection, or of the \
         log where it follows several; name one that the program makes itself without `tx.table(..)`, which is then not built anew; or drop it \
         where nobody needs what is there, as what was made before the follower was forgotten"
    )
    .into()
}

/// A name as Postgres reads it, with the schema that it is in.
pub(crate) fn whole(name: &str, schema: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.contains('.') {
        true => name,
        false => format!("{schema}.{name}"),
    }
}
