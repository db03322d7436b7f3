//! Read models in tables of the same file: a batch of events and the checkpoint that covers them are one transaction.
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use es_core::Position;
use es_core::persistence::{
    AppendError, BoxError, BoxFuture, EventSet, Filter, FollowerId, LeaseError, Record, Recorded,
    Store,
};
use es_core::system::{Batch, Follower, HandleError, Output, Projection, Settings};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::error::{
    explained, is_of_a_foreign_key, is_of_what_is_there, is_passing, of_a_read_model,
};
use crate::records::{counter, stored};
use crate::sql::Sql;
use crate::tables::{Made, made, names, runs_inside, within};
use crate::{SqliteStore, followers};

/// A projection onto tables of the file that holds the log, or of another file of the store's.
///
/// It runs in a follower ([`SqliteStore::project`]), or inside of each commit ([`SqliteStore::inline`]).
///
/// ```
/// use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, System, events};
/// use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
/// use es_store_sqlite::rusqlite::Transaction;
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
/// impl SqliteProjection for BookList {
///     fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
///         let books = tx.table("book_list");
///         tx.execute(&format!("CREATE TABLE {books} (id BLOB PRIMARY KEY, title TEXT, borrowed INTEGER)"), ())?;
///         Ok(())
///     }
///
///     fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
///         let (books, id) = (tx.table("book_list"), event.stream.id);
///         match event.event {
///             BookEvent::Added { title } => {
///                 tx.prepare_cached(&format!("INSERT INTO {books} VALUES (?1, ?2, 0)"))?.execute((id, title))?;
///             }
///             BookEvent::Borrowed {} => {
///                 tx.prepare_cached(&format!("UPDATE {books} SET borrowed = borrowed + 1 WHERE id = ?1"))?.execute([id])?;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("library.db");
/// let store = SqliteStore::open(&path).await?;
/// let app = Application::builder(store.clone()).name("library").build();
/// let system = System::new("library").follow(&app, store.project(BookList));
///
/// let mut book = Book::add("Emma");
/// book.borrow_to();
/// app.save(&mut book).await?;
/// system.settle().await?;
///
/// let reader = es_store_sqlite::rusqlite::Connection::open(&path)?;
/// let borrowed: u32 = reader.query_row("SELECT borrowed FROM book_list", (), |row| row.get(0))?;
/// assert_eq!(borrowed, 1);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it writes to SQLite",
    note = "write `impl SqliteProjection for {Self}`, beside `impl Projection for {Self}`: its `create` makes the tables, and its `handle` writes into them"
)]
pub trait SqliteProjection: Projection {
    /// Makes the tables, once, before the first event; for a new revision, and for what is built anew, it makes them beside those that readers see:
    /// ask [`Tables::table`](crate::Tables::table) for every name, those of indexes too. What asks for none, as a table that the program
    /// makes itself, is not built anew. A name that is taken is refused, whatever `IF NOT EXISTS` says.
    ///
    /// # Errors
    /// Whatever is in the way; nothing was made.
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let _ = tx;
        Ok(())
    }

    /// Writes what the event tells into the tables. It runs where the write lock is held: it is quick, and waits for nobody.
    ///
    /// It may be called again for an event whose transaction was rolled back, so what is in `self` must not depend on what was seen before.
    ///
    /// # Errors
    /// Whatever is in the way; the transaction is rolled back.
    fn handle(
        &mut self,
        event: Recorded<Self::Events>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError>;
}

/// How long a batch takes at most, unless set otherwise, before it is committed and writers have their turn.
const BATCH_TIME: Duration = Duration::from_millis(20);

/// How many events are read for a batch at most.
const BATCH: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

impl SqliteStore {
    /// A follower that keeps what the projection makes in this store.
    ///
    /// Batches and commits share the write lock: between two commits at most one batch is written. It ends after 20 ms (see
    /// [`batch_time`](SqliteFollower::batch_time)), so a commit waits for no longer than that, one handler, and the disk.
    pub fn project<P: SqliteProjection>(&self, projection: P) -> SqliteFollower<P> {
        const { P::HAS_A_REVISION };
        SqliteFollower {
            store: self.clone(),
            projection: Arc::new(Mutex::new(projection)),
            ending: String::new(),
            batch_time: BATCH_TIME,
        }
    }
}

/// A projection that follows a log and keeps what it makes in tables.
pub struct SqliteFollower<P> {
    store: SqliteStore,
    /// Shared with the thread that writes.
    projection: Arc<Mutex<P>>,
    /// How the names of the tables end that it writes to.
    ending: String,
    batch_time: Duration,
}

impl<P> SqliteFollower<P> {
    /// How long a batch takes at most before it is committed; one event is handled in any case.
    #[must_use]
    pub fn batch_time(self, longest: Duration) -> Self {
        Self {
            batch_time: longest,
            ..self
        }
    }
}

impl<P> fmt::Debug for SqliteFollower<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteFollower")
            .field("batch_time", &self.batch_time)
            .finish_non_exhaustive()
    }
}

impl<P: SqliteProjection> Follower for SqliteFollower<P> {
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

    /// Rows that are changed again and again are written to the disk once for each batch, so larger ones cost less; what bounds them is their time.
    fn settings(&self) -> Settings {
        Settings {
            batch: BATCH,
            ..Settings::default()
        }
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            let (projection, asked) = (Arc::clone(&self.projection), output.clone());
            let prepared = self.store.alone(move |connection, sql| {
                let mut projection = projection.lock().unwrap_or_else(PoisonError::into_inner);
                prepare(connection, sql, &mut *projection, &asked)
            });
            self.ending = prepared.await??;
            Ok(())
        })
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            let (projection, ending) = (Arc::clone(&self.projection), self.ending.clone());
            let longest = self.batch_time;
            let (now, dry) = (self.store.now(), batch.dry.is_some());
            let handled = self.store.alone(move |connection, sql| {
                let mut projection = projection.lock().unwrap_or_else(PoisonError::into_inner);
                let work = Work {
                    batch: &batch,
                    ending,
                    longest,
                    now,
                };
                work.handle(connection, sql, &mut *projection)
            });
            let handled = handled.await??;
            if !dry {
                self.store.shared.changed.notify(usize::MAX);
            }
            Ok(handled)
        })
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            let built = built.clone();
            let swapped = self
                .store
                .alone(move |connection, sql| swap(connection, sql, &built));
            swapped.await??;
            self.store.shared.changed.notify(usize::MAX);
            Ok(())
        })
    }
}

/// Why what was to be done in a transaction was rolled back.
enum Undone {
    Sqlite(rusqlite::Error),
    Handle(HandleError),
}

impl From<rusqlite::Error> for Undone {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<AppendError> for Undone {
    fn from(error: AppendError) -> Self {
        Self::Handle(error.into())
    }
}

impl From<Undone> for HandleError {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Sqlite(error) => AppendError::Failed(explained(&Arc::new(error))).into(),
            Undone::Handle(error) => error,
        }
    }
}

/// Why what was built is not in the place of what readers see: something of the user's own is in the way, or what passes.
fn not_replaced(error: rusqlite::Error) -> Undone {
    match is_of_what_is_there(&error) {
        true => Undone::Handle(HandleError::Prepare(of_a_read_model(error))),
        false => Undone::Sqlite(error),
    }
}

/// Commits what was made of tables.
fn commit(transaction: &Transaction<'_>) -> Result<(), Undone> {
    transaction
        .execute_batch("COMMIT")
        .map_err(|error| match is_of_a_foreign_key(&error) {
            true => Undone::Handle(HandleError::Prepare(explained(&Arc::new(error)))),
            false => not_committed(error),
        })
}

/// The checkpoint says whether it is stored.
fn not_committed(error: rusqlite::Error) -> Undone {
    AppendError::Unavailable(explained(&Arc::new(error))).into()
}

/// A batch that is handled.
struct Work<'a> {
    batch: &'a Batch,
    ending: String,
    longest: Duration,
    now: SystemTime,
}

impl Work<'_> {
    fn handle<P: SqliteProjection>(
        self,
        connection: &Connection,
        sql: &Sql,
        projection: &mut P,
    ) -> Result<usize, HandleError> {
        if self.batch.dry.is_some() {
            // Else a large transaction would be written to the log that is rolled back.
            set(connection, "cache_spill", false)?;
        }
        let handled = self.handle_in_transaction(connection, sql, projection);
        if self.batch.dry.is_some() {
            set(connection, "cache_spill", true)?;
        }
        Ok(handled?)
    }

    fn handle_in_transaction<P: SqliteProjection>(
        &self,
        connection: &Connection,
        sql: &Sql,
        projection: &mut P,
    ) -> Result<usize, Undone> {
        let batch = self.batch;
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let all = batch.records.len();
        if let Some(refused) = followers::refusal(&transaction, sql, &batch.advance(0, all))? {
            return Err(refused.into());
        }
        let made = match batch.dry {
            None => Made::new(&self.ending),
            Some(_) => self.made_to_rehearse(&transaction, sql, projection)?,
        };
        let started = Instant::now();
        let mut handled = 0;
        let (outcome, _) = within(made, || {
            for (place, record) in batch.records.iter().enumerate() {
                if let Err(source) = handle(projection, record, &transaction) {
                    return Ok(Err(HandleError::Event { place, source }));
                }
                handled = place + 1;
                if batch.dry.is_none() && started.elapsed() >= self.longest {
                    break;
                }
            }
            Ok(Ok(()))
        });
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(failed)) => return Err(Undone::Handle(failed)),
            Err(source) => {
                return Err(Undone::Handle(HandleError::Event {
                    place: handled,
                    source,
                }));
            }
        }
        if batch.dry.is_some() {
            transaction.rollback()?;
            return Ok(handled);
        }
        let advance = batch.advance(0, handled);
        followers::advance(&transaction, sql, &advance, self.now)?;
        if let Err(error) = transaction.execute_batch("COMMIT") {
            return Err(match is_of_a_foreign_key(&error) {
                // Of which event it is is not said: that is found by halves.
                true => Undone::Handle(HandleError::Event {
                    place: handled / 2,
                    source: explained(&Arc::new(error)),
                }),
                false => not_committed(error),
            });
        }
        Ok(handled)
    }
}

impl Work<'_> {
    /// What a dry run writes to: it makes the tables that are not there.
    fn made_to_rehearse<P: SqliteProjection>(
        &self,
        transaction: &Transaction<'_>,
        sql: &Sql,
        projection: &mut P,
    ) -> Result<Made, Undone> {
        let output = &self.batch.output;
        let standing = followers::standing(transaction, sql, &output.follower)?;
        check_outside(transaction, sql, output)?;
        if standing.revision != 0
            && let Some(before) = made(transaction, sql, &output.follower)?
        {
            return Ok(Made::new(&before.ending_of(output)));
        }
        let ending = ending(transaction, sql, output)?;
        if standing.revision == 0 {
            created(transaction, projection, output, &ending, standing.position)?;
        }
        Ok(Made::new(&ending))
    }
}

fn set(connection: &Connection, pragma: &str, on: bool) -> Result<(), HandleError> {
    let set = connection.pragma_update(None, pragma, on);
    set.map_err(|error| Undone::Sqlite(error).into())
}

fn handle<P: SqliteProjection>(
    projection: &mut P,
    record: &Record,
    transaction: &Transaction<'_>,
) -> Result<(), BoxError> {
    let event = Recorded::of(record)?;
    projection.handle(event, transaction)?;
    if transaction.is_autocommit() {
        return Err("the handler ended the transaction; leave that to the follower".into());
    }
    Ok(())
}

/// Makes the tables where they are not there yet, and says how their names end.
fn prepare<P: SqliteProjection>(
    connection: &Connection,
    sql: &Sql,
    projection: &mut P,
    output: &Output,
) -> Result<String, HandleError> {
    let mut prepared = || -> Result<String, Undone> {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let standing = followers::standing(&transaction, sql, &output.follower)?;
        if let Some(fenced) = output.fenced(standing.epoch) {
            return Err(fenced.into());
        }
        check_outside(&transaction, sql, output)?;
        let mut before = made(&transaction, sql, &output.follower)?;
        if output.anew {
            if let Some(before) = before.take() {
                before.drop_tables_beside(&transaction)?;
            }
            let FollowerId { name, log } = &output.follower;
            for statement in &sql.forget {
                transaction.execute(statement, params![name, log])?;
            }
        }
        if standing.revision != 0
            && let Some(before) = before
        {
            return Ok(before.ending_of(output));
        }
        let ending = ending(&transaction, sql, output)?;
        let begins = match output.anew {
            true => Position::START,
            false => standing.position,
        };
        let new = created(&transaction, projection, output, &ending, begins)?;
        let kept = new.to_json()?;
        let FollowerId { name, log } = &output.follower;
        transaction.execute(&sql.write_output, params![name, log, output.revision, kept])?;
        commit(&transaction)?;
        Ok(ending)
    };
    Ok(prepared()?)
}

/// Refuses to write where a projection inside of commits does.
fn check_outside(connection: &Connection, sql: &Sql, output: &Output) -> Result<(), Undone> {
    if !runs_inside(connection, sql, &output.live)? {
        return Ok(());
    }
    let follower = output.live.clone();
    let refused = LeaseError::Inline { follower };
    Err(Undone::Handle(HandleError::Prepare(refused.into())))
}

/// Makes tables whose names end so, and says which.
fn created<P: SqliteProjection>(
    transaction: &Transaction<'_>,
    projection: &mut P,
    output: &Output,
    ending: &str,
    begins: Position,
) -> Result<Made, Undone> {
    let there = names(transaction, begins)?;
    let (created, new) = within(Made::new(ending), || projection.create(transaction));
    let created = created.map_err(|error| new.not_created(error));
    let checked = new
        .check_own(&there)
        .and(created)
        .and_then(|()| new.check_anew(output.tag.is_some()));
    checked.map_err(|error| match is_passing(&*error) {
        true => Undone::Handle(AppendError::Failed(error).into()),
        false => Undone::Handle(HandleError::Prepare(error)),
    })?;
    if transaction.is_autocommit() {
        let ended = "`create` ended the transaction; leave that to the follower";
        return Err(Undone::Handle(HandleError::Prepare(ended.into())));
    }
    Ok(new)
}

/// How the names of tables end that are not there yet.
fn ending(connection: &Connection, sql: &Sql, output: &Output) -> rusqlite::Result<String> {
    let ending = output.table("");
    // The indexes of what readers see have such an ending still where that was built alongside once.
    let live = match output.tag {
        Some(_) => made(connection, sql, &output.live)?,
        None => None,
    };
    Ok(match live {
        Some(live) if live.ending == ending => format!("{ending}_2"),
        _ => ending,
    })
}

/// Puts what was built in the place of what readers see.
fn swap(connection: &Connection, sql: &Sql, built: &Output) -> Result<(), HandleError> {
    // Views of the user's stay as they are written: the table that they name is there again at the end.
    set(connection, "legacy_alter_table", true)?;
    let swapped = swap_in_transaction(connection, sql, built);
    set(connection, "legacy_alter_table", false)?;
    Ok(swapped?)
}

fn swap_in_transaction(connection: &Connection, sql: &Sql, built: &Output) -> Result<(), Undone> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let new = followers::standing(&transaction, sql, &built.follower)?;
    let old = followers::standing(&transaction, sql, &built.live)?;
    if let Some(refused) = built.refusal(&new, &old) {
        return Err(refused.into());
    }
    let (FollowerId { name, log }, from) = (&built.live, &built.follower.name);
    if !built.anew {
        // Somebody may have decided about it, or handled it, since whoever builds looked.
        let mut statement = transaction.prepare_cached(&sql.read_overtaken)?;
        let values = params![name, log, from, stored(old.position.get())?];
        let overtaken = statement.query_row(values, |row| counter(row, 0));
        if let Some(position) = overtaken.optional()? {
            let (follower, position) = (built.follower.clone(), Position::from(position));
            return Err(AppendError::Parking { follower, position }.into());
        }
    }
    let after = made(&transaction, sql, &built.follower)?.unwrap_or_default();
    // A table that is not known to be the projection's is left alone, and then in the way.
    let before = match made(&transaction, sql, &built.live)? {
        Some(before) => before,
        None if old.position == Position::START => Made::default(),
        // Kept before it was kept what is made.
        None => after.clone(),
    };
    before.drop_tables(&transaction).map_err(not_replaced)?;
    after.put_in_place(&transaction).map_err(not_replaced)?;
    // Whoever still writes to what was there is fenced.
    let epoch = old.epoch.next().get().cast_signed();
    for statement in &sql.swap {
        transaction.execute(statement, params![name, log, from, epoch])?;
    }
    let epoch = new.epoch.next().get().cast_signed();
    transaction.execute(&sql.keep_epoch, params![from, log, epoch])?;
    commit(&transaction)
}
