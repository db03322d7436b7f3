//! Read models in tables of the same database: a batch of events and the checkpoint that covers them are one transaction.
//!
//! It is a transaction of a connection of its own, which takes no lock that writers wait for. Whether the follower may still write is looked at
//! while it begins to handle, and asked again by the statement that moves the checkpoint, which is the last: who was frozen past its lease is
//! refused there.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use es_core::persistence::{BoxError, BoxFuture, EventSet, Filter, Recorded, Store};
use es_core::system::{Batch, Follower, HandleError, Output, Projection};
use tokio_postgres::Transaction;

use crate::PostgresStore;
use own::{Own, with_own};

pub(crate) mod batch;
mod output;
pub(crate) mod own;

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
/// #     fn add(title: &str) -> Self { Self { root: Root::new() } }
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
///             BookEvent::Added { title } => tx.queue(&format!("INSERT INTO {books} VALUES ($1, $2, 0)"), (id, title)).await?,
///             BookEvent::Borrowed {} => {
///                 let update = format!("UPDATE {books} SET borrowed = borrowed + 1 WHERE id = $1");
///                 tx.queue(&update, (id,)).await?;
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it writes to Postgres",
    note = "write `impl PostgresProjection for {Self}`, beside `impl Projection for {Self}`: its `create` makes the tables, and its `handle` writes into them"
)]
pub trait PostgresProjection: Projection {
    /// Makes the tables, once, before the first event; for a new revision, and for what is built anew, it makes them beside those that readers see:
    /// ask [`Tables::table`](crate::Tables::table) for every name, those of indexes too. What asks for none, as a table that the program
    /// makes itself, is not built anew. A name that is taken is refused, whatever `IF NOT EXISTS` says.
    ///
    /// The server ends a session whose transaction stands still for longer than 10 s, inside of commits for twice
    /// the statement time-out, and each statement has the statement time-out; nothing else bounds it.
    ///
    /// What takes the place of other tables, views and sequences keeps their owner, where the user that does it may give it to that one, and what was
    /// granted on them and on their columns, to roles and to everybody, as if the owner had granted it. What is granted here, or by default
    /// (`ALTER DEFAULT PRIVILEGES`), is granted besides: what somebody revoked of that is to be revoked here. So what a new revision is not to grant any
    /// more is revoked on the tables that readers see before it takes their place. Where row level security was enabled, or a view had options as
    /// `security_barrier`, and what is made here has not, nothing is kept, so that nobody sees more than before.
    ///
    /// Whatever else somebody did to them by hand is gone with them: policies and row level security, triggers, indexes, comments, settings of storage and
    /// statistics, a place in a publication, and what was granted on a sequence that Postgres made for a column. So make it here. Views on them are made
    /// here or not at all: Postgres drops no table that a view of somebody else's needs, and the follower stops where there is one
    /// ([`Unable`](es_core::system::StopReason::Unable)). What is built under another name (`rebuild_until`) has what is granted here alone.
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

    /// Writes what the event tells into the tables. Writers do not wait for it.
    ///
    /// What is written by [`tx.queue(..)`](crate::Tables::queue) is sent with the statements of other events: on a server on the same machine that is four times
    /// as fast as waiting for each answer (`docs/performance.md`), and more over a network. What a handler that queues runs in another way is run before: it
    /// calls [`tx.flush()`](crate::Tables::flush) first, or asks by what is [`prepared`](crate::Tables::prepared).
    ///
    /// It may be called again for an event whose transaction was rolled back, and be broken off where another follows by now, so what is in `self`
    /// must not depend on what was seen before. The
    /// server ends a session whose transaction stands still for longer than 10 s, inside of commits for twice
    /// the statement time-out, and one call takes no longer than that either.
    ///
    /// # Errors
    /// Whatever is in the way; the transaction is rolled back. A call that takes longer fails too, and so does the event that a constraint refuses
    /// which is looked at with the commit (`DEFERRABLE INITIALLY DEFERRED`): a dry run, which commits nothing, does not find that.
    fn handle(
        &mut self,
        event: Recorded<Self::Events>,
        tx: &Transaction<'_>,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// How long a batch takes at most, unless set otherwise: its tables are locked for no longer.
const BATCH_TIME: Duration = Duration::from_secs(1);

impl PostgresStore {
    /// A follower that keeps what the projection makes in the database of this store, over a connection of its own.
    ///
    /// Writers do not wait for it. A batch is committed after one second (see [`batch_time`](PostgresFollower::batch_time)), or once all of it is
    /// handled.
    pub fn project<P: PostgresProjection>(&self, projection: P) -> PostgresFollower<P> {
        const { P::HAS_A_REVISION };
        PostgresFollower {
            store: self.clone(),
            projection,
            batch_time: BATCH_TIME,
            own: None,
        }
    }
}

/// A projection that follows a log and keeps what it makes in tables.
pub struct PostgresFollower<P> {
    store: PostgresStore,
    projection: P,
    batch_time: Duration,
    own: Option<Own>,
}

impl<P> PostgresFollower<P> {
    /// How long a batch takes at most before it is committed; one event is handled in any case.
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
            with_own!(shared, &mut self.own, own, async {
                output::prepare(shared, own, projection, output)
                    .await
                    .map_err(Undone::or_unable)
            })
        }))
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        let store = self.store.clone();
        Box::pin(store.on_its_runtime(async move {
            let shared = &*self.store.shared;
            let (projection, longest) = (&mut self.projection, self.batch_time);
            let handled = with_own!(
                shared,
                &mut self.own,
                own,
                batch::handle(shared, own, projection, &batch, longest)
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
            with_own!(shared, &mut self.own, own, async {
                let swapped = output::swap(shared, own, built).await;
                swapped.map_err(Undone::or_unable)
            })?;
            shared.changed.notify(usize::MAX);
            Ok(())
        }))
    }
}
