//! Read models in tables of the same database: a batch of events and the checkpoint that covers them are one transaction.
//!
//! It is a transaction of a connection of its own, which takes no lock that writers wait for. Whether the follower may still write is looked at
//! when it begins, and asked again by the statement that moves the checkpoint, which is the last: who was frozen past its lease is refused there.
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use deadpool_postgres::{ClientWrapper, Transaction as Begun};
use es_core::persistence::{
    AppendError, BoxError, BoxFuture, EventSet, Filter, LeaseError, Record, Recorded, Store,
};
use es_core::system::{Batch, Follower, HandleError, HandlerPanicked, Output, Projection};
use futures_lite::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{IsolationLevel, Statement, Transaction};
use uuid::Uuid;

use crate::connection::in_time;
use crate::error::{Fault, is_passing, not_committed};
use crate::followers::{self, key};
use crate::records::{column, stored};
use crate::sql::Sql;
use crate::store::Shared;
use crate::tables::{Made, Work, within};
use crate::{PostgresStore, swap};

/// A projection onto tables of the database that holds the log, or of another store's.
///
/// ```
/// use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, System, events};
/// use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
/// use tokio_postgres::Transaction;
///
/// # #[derive(Aggregate)]
/// # #[aggregate("Book")]
/// # struct Book { root: Root<Self> }
/// # #[events]
/// # impl Book {
/// #     #[event("Added")]
/// #     fn add(title: &str) -> Self { let _ = title; Self { root: Root::new() } }
/// #     #[event("Borrowed")]
/// #     fn borrow_to(&mut self) {}
/// # }
/// struct BookList;
///
/// impl Projection for BookList {
///     const NAME: &'static str = "book_list";
///     type Events = BookEvent;
/// }
///
/// impl PostgresProjection for BookList {
///     async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
///         let books = tx.table("book_list");
///         tx.batch_execute(&format!("CREATE TABLE {books} (id uuid PRIMARY KEY, title text, borrowed int)")).await?;
///         Ok(())
///     }
///
///     async fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
///         let (books, id) = (tx.table("book_list"), event.stream.id);
///         match event.event {
///             BookEvent::Added { title } => {
///                 let insert = tx.prepared(&format!("INSERT INTO {books} VALUES ($1, $2, 0)")).await?;
///                 tx.execute(&insert, &[&id, &title]).await?;
///             }
///             BookEvent::Borrowed {} => {
///                 let update = tx.prepared(&format!("UPDATE {books} SET borrowed = borrowed + 1 WHERE id = $1")).await?;
///                 tx.execute(&update, &[&id]).await?;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), BoxError> {
/// # let log = es_store_postgres::testing::TestLog::new().await?;
/// # let (url, schema) = (log.url(), log.schema());
/// let store = PostgresStore::builder(url).schema(schema).connect().await?;
/// let app = Application::builder(store.clone()).name("library").build();
/// let system = System::new("library").follow(&app, store.project(BookList));
///
/// let mut book = Book::add("Emma");
/// book.borrow_to();
/// app.save(&mut book).await?;
/// system.settle().await?;
///
/// # let (reader, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
/// # tokio::spawn(connection);
/// # reader.batch_execute(&format!("SET search_path = {schema}")).await?;
/// let borrowed: i32 = reader.query_one("SELECT borrowed FROM book_list", &[]).await?.get(0);
/// assert_eq!(borrowed, 1);
/// # Ok(())
/// # }
/// ```
///
/// It runs in a follower ([`PostgresStore::project`]), or inside of each commit ([`PostgresStore::inline`]): then all writers wait for it.
///
/// Its connection finds tables that are named without a schema in that of the log first, and makes them there. Its transactions are READ COMMITTED.
pub trait PostgresProjection: Projection {
    /// Makes the tables, once, before the first event; for a new revision, and for what is built anew, it makes them beside those that readers see:
    /// ask [`Tables::table`](crate::Tables::table) for every name, those of indexes too.
    ///
    /// What takes the place of other tables has the rights that are granted here, and views on them are made here or not at all: Postgres drops
    /// no table that a view of somebody else's needs.
    ///
    /// # Errors
    /// Whatever is in the way; nothing was made.
    fn create(
        &mut self,
        tx: &Transaction<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = tx;
        async { Ok(()) }
    }

    /// Writes what the event tells into the tables. Writers do not wait for it, but the lease runs on.
    ///
    /// It may be called again for an event whose transaction was rolled back, so what is in `self` must not depend on what was seen before. The
    /// server ends a session whose transaction stands still for longer than 10 s, and one call takes no longer than twice the statement time-out.
    ///
    /// # Errors
    /// Whatever is in the way; the transaction is rolled back.
    fn handle(
        &mut self,
        event: Recorded<Self::Events>,
        tx: &Transaction<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// How long a batch takes at most, unless set otherwise: much shorter than a lease.
const BATCH_TIME: Duration = Duration::from_secs(1);

/// How often a batch is tried whose connection broke, or whose transaction Postgres gave up for the sake of another.
const ATTEMPTS: u32 = 3;

impl PostgresStore {
    /// A follower that keeps what the projection makes in the database of this store, over a connection of its own.
    ///
    /// Writers do not wait for it. A batch is committed after one second (see [`batch_time`](PostgresFollower::batch_time)), or once all of it is
    /// handled.
    pub fn project<P: PostgresProjection>(&self, projection: P) -> PostgresFollower<P> {
        PostgresFollower {
            store: self.clone(),
            projection,
            ending: String::new(),
            batch_time: BATCH_TIME,
            own: None,
        }
    }
}

/// A projection that follows a log and keeps what it makes in tables.
pub struct PostgresFollower<P> {
    store: PostgresStore,
    projection: P,
    /// How the names of the tables end that it writes to.
    ending: String,
    batch_time: Duration,
    own: Option<Own>,
}

impl<P> PostgresFollower<P> {
    /// How long a batch takes at most before it is committed; one event is handled in any case. Well below the length of a lease, or else what it
    /// wrote is refused.
    #[must_use]
    pub fn batch_time(self, longest: Duration) -> Self {
        Self {
            batch_time: longest,
            ..self
        }
    }
}

impl<P> fmt::Debug for PostgresFollower<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresFollower")
            .field("batch_time", &self.batch_time)
            .finish_non_exhaustive()
    }
}

/// A follower's own connection, and what is prepared on it.
pub(crate) struct Own {
    pub(crate) client: ClientWrapper,
    begun: Statement,
    standing: Statement,
    advance: Statement,
    notify: Statement,
    /// What handlers had prepared.
    pub(crate) work: Arc<Work>,
}

impl Own {
    pub(crate) async fn connect(shared: &Shared) -> Result<Self, Fault> {
        let client = shared.own_connection().await?;
        let sql = &shared.sql;
        // What the store says to its own sessions would spoil the plans of others' statements.
        client
            .batch_execute(
                "RESET enable_seqscan; RESET enable_bitmapscan; RESET plan_cache_mode; RESET jit; \
                 SET idle_in_transaction_session_timeout = 10000",
            )
            .await?;
        client.execute(FIRST, &[&sql.location.schema]).await?;
        Ok(Self {
            begun: client.prepare(&sql.read_begun).await?,
            standing: client.prepare(&sql.read_standing).await?,
            advance: client.prepare(&sql.move_checkpoint).await?,
            notify: client.prepare(&sql.notify).await?,
            client,
            work: Arc::default(),
        })
    }
}

/// Has tables that are named without a schema found in that of the log first.
pub(crate) const FIRST: &str = "SELECT set_config('search_path', concat_ws(', ', quote_ident($1), nullif(current_setting('search_path'), '')), false)";

/// Begins a transaction, whatever the defaults of the session are.
pub(crate) async fn begin(client: &mut ClientWrapper) -> Result<Begun<'_>, Fault> {
    let begin = client
        .build_transaction()
        .isolation_level(IsolationLevel::ReadCommitted)
        .read_only(false);
    Ok(begin.start().await?)
}

/// Does something over a follower's own connection; again on a new one where it broke. Where a commit had been sent by then, the checkpoint is
/// found to be elsewhere.
macro_rules! with_own {
    ($shared:ident, $kept:expr, $own:ident, $run:expr) => {{
        let mut attempts = 0;
        loop {
            attempts += 1;
            let connected = match $kept.take() {
                Some(own) if !own.client.is_closed() => Ok(own),
                _ => in_time($shared.patience, Own::connect($shared)).await,
            };
            let undone = match connected {
                Err(fault) => Undone::Fault(fault),
                Ok(mut connected) => {
                    let $own = &mut connected;
                    let done: Result<_, Undone> = $run.await;
                    match done {
                        Ok(done) => {
                            *$kept = Some(connected);
                            break Ok(done);
                        }
                        Err(undone @ Undone::Handle(_)) => {
                            // The transaction is rolled back by having been dropped. What is prepared may be what is wrong.
                            connected.work.forget();
                            *$kept = Some(connected);
                            undone
                        }
                        Err(undone) => undone,
                    }
                }
            };
            if let Some(error) = undone.given_up(attempts) {
                break Err(error);
            }
        }
    }};
}

impl<P: PostgresProjection> Follower for PostgresFollower<P> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn filter(&self) -> Filter {
        P::Events::filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn revision(&self) -> u32 {
        P::REVISION
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        let store = self.store.clone();
        Box::pin(store.on_its_runtime(async move {
            let shared = &*self.store.shared;
            let projection = &mut self.projection;
            let prepared = with_own!(
                shared,
                &mut self.own,
                own,
                prepare(shared, own, projection, output)
            );
            self.ending = prepared?;
            Ok(())
        }))
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        let store = self.store.clone();
        Box::pin(store.on_its_runtime(async move {
            let shared = &*self.store.shared;
            let (projection, ending) = (&mut self.projection, &*self.ending);
            let longest = self.batch_time;
            let handled = with_own!(
                shared,
                &mut self.own,
                own,
                handle(shared, own, projection, &batch, ending, longest)
            )?;
            if batch.dry.is_none() {
                shared.changed.notify(usize::MAX);
            }
            Ok(handled)
        }))
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        let store = self.store.clone();
        Box::pin(store.on_its_runtime(async move {
            let shared = &*self.store.shared;
            with_own!(shared, &mut self.own, own, swapped(shared, own, built))?;
            shared.changed.notify(usize::MAX);
            Ok(())
        }))
    }
}

async fn swapped(shared: &Shared, own: &mut Own, built: &Output) -> Result<(), Undone> {
    let transaction = in_time(shared.patience, begin(&mut own.client)).await?;
    let swapping = in_time(shared.patience, async {
        Ok(swap::swap(&transaction, &shared.sql, built, &shared.handle).await)
    });
    swapping.await??;
    in_time(shared.patience, async { Ok(transaction.commit().await?) }).await?;
    Ok(())
}

/// What a handler is told that did not pass on what Postgres said to it.
pub(crate) const WENT_ON: &str = "a statement of the handler failed, and the handler went on; pass its error on, or set a savepoint before it";

/// Why what was to be done in a transaction was rolled back.
pub(crate) enum Undone {
    Fault(Fault),
    /// What a handler met is no fault of the event's: the line broke, or Postgres gave the transaction up for the sake of another.
    Again(BoxError),
    Handle(HandleError),
}

impl<E: Into<Fault>> From<E> for Undone {
    fn from(error: E) -> Self {
        Self::Fault(error.into())
    }
}

impl Undone {
    pub(crate) fn refused(refused: AppendError) -> Self {
        Self::Handle(refused.into())
    }

    /// Why it is not tried again, after so many attempts.
    fn given_up(self, attempts: u32) -> Option<HandleError> {
        let may_try_again = attempts < ATTEMPTS;
        match self {
            Self::Fault(fault @ Fault::Postgres(_)) if fault.is_passing() && may_try_again => None,
            Self::Again(_) if may_try_again => None,
            Self::Again(error) => Some(AppendError::Unavailable(error).into()),
            Self::Fault(fault) => Some(not_committed(fault).into()),
            Self::Handle(error) => Some(error),
        }
    }
}

/// Handles a batch, or as much of it as there is time for.
async fn handle<P: PostgresProjection>(
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

/// Whether an error says something of the line, or of who else was at work, and nothing of the event.
pub(crate) fn is_of_the_moment(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<tokio_postgres::Error>() {
            return is_passing(error);
        }
        cause = error.source();
    }
    false
}

/// Makes the tables where they are not there yet, and says how their names end.
async fn prepare<P: PostgresProjection>(
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

/// Runs a handler so that it hands on its panic as an error.
pub(crate) async fn caught<T>(
    run: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(HandlerPanicked::new(&*panic).into()))
}
