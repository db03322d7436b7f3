//! The store itself: readers beside one writer.
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use es_core::persistence::{
    AppendError, Clock, Commit, CommitId, Committed, EventStore, Filter, LogPage, ReadError,
    Record, Slice, Span, Verification, Visit,
};
use es_core::{Position, StreamId};
use event_listener::Event;
use futures_core::future::BoxFuture;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::builder::{Settings, SqliteStoreBuilder};
use crate::connection::{self, Place, Readers};
use crate::error::unreadable;
use crate::inline::Inline;
use crate::names::Names;
use crate::sql::Sql;
use crate::watcher::Watcher;
use crate::writer::{WITHIN, Writer};
use crate::{OpenError, given, reads, verify};

mod checkpoints;
mod snapshots;

/// A log in one SQLite file. Its clones share their connections, which are closed with the last of them.
///
/// Dropping the last one waits until what was accepted is written.
#[derive(Clone)]
pub struct SqliteStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) sql: Arc<Sql>,
    readers: Readers,
    /// Absent where the file is only read.
    writer: Option<Writer>,
    pub(crate) changed: Arc<Event>,
    /// Absent where no other process can have the database.
    watcher: Option<Watcher>,
    names: Names,
    pub(crate) payload_limit: usize,
    pub(crate) inline: Inline,
    clock: Arc<dyn Clock>,
    identity: Option<u64>,
}

impl SqliteStore {
    /// Opens a file, which is created where there is none, and brings its tables up to date.
    ///
    /// By the name `:memory:`, which is SQLite's for that, each opening is a log of its own in memory, as if it were on a connection that
    /// [`builder_on`](Self::builder_on) was given: nobody else sees it, and it is gone with the last clone of the store.
    ///
    /// # Errors
    /// [`OpenError`]; the file is what it was.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open().await
    }

    /// A store of which more is said before it is opened; the path is what [`open`](Self::open) takes.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref().to_owned(), None)
    }

    /// A store on a connection of yours, which becomes its own: the one that writes.
    ///
    /// Where its database has a file, the store opens more connections to it, which read. Where it has none, in memory, readers and the writer
    /// take turns on this one connection, and the log is gone with the last clone of the store.
    ///
    /// What the store needs, it sets: the journal (a write-ahead log, or in memory), `synchronous` as [durability] says, the busy
    /// time-out, which replaces any busy handler, `locking_mode`, and the sizes of the caches. Anything else stays as you set it, functions,
    /// hooks and attached databases among it, and is used on the thread that writes. [`OpenError`] says what is refused: a transaction that is
    /// open, a connection that only reads, a file that has been moved since, temporary tables with the names of the log's.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use es_core::Application;
    /// use es_store_sqlite::SqliteStore;
    /// use rusqlite::Connection;
    ///
    /// let connection = Connection::open_in_memory()?; // or of a file, opened as only you know how
    /// let store = SqliteStore::builder_on(connection).table_prefix("school_").open().await?;
    /// let app = Application::new(store);
    /// # let _ = app;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [durability]: crate::Durability
    pub fn builder_on(connection: Connection) -> SqliteStoreBuilder {
        // Whether it has one is found out when the store is opened.
        SqliteStoreBuilder::new(PathBuf::new(), Some(connection))
    }

    pub(crate) fn with(
        mut settings: Settings,
        given: Option<Connection>,
    ) -> Result<Self, OpenError> {
        check_prefix(&settings.table_prefix)?;
        let sql = Arc::new(Sql::new(&settings.table_prefix));
        let changed = Arc::new(Event::new());
        let inline = Inline::default();
        let (connection, readers) = match given {
            None => (
                connection::writing(&settings)?,
                Readers::of_their_own(settings.clone()),
            ),
            Some(given) => given::accept(given, &mut settings)?,
        };
        let writer = if settings.read_only {
            None
        } else {
            let place = Place::of(&settings.path);
            let writer = Writer::start(
                connection,
                place,
                Arc::clone(&sql),
                Arc::clone(&changed),
                inline.clone(),
                settings.busy_timeout,
            );
            Some(writer.map_err(OpenError::Thread)?)
        };
        let identity = match &readers {
            Readers::OfTheirOwn(_) => {
                let mut hasher = DefaultHasher::new();
                let path = settings.path.canonicalize().ok();
                (&path, &settings.table_prefix).hash(&mut hasher);
                path.map(|_| hasher.finish())
            }
            // Nobody else can have it.
            _ => u64::try_from(Arc::as_ptr(&sql).addr()).ok(),
        };
        let watcher = matches!(readers, Readers::OfTheirOwn(_))
            .then(|| Watcher::new(settings.clone(), Arc::clone(&changed)));
        Ok(Self {
            shared: Arc::new(Shared {
                sql,
                readers,
                writer,
                changed,
                watcher,
                names: Names::default(),
                payload_limit: settings.payload_limit,
                inline,
                clock: Arc::clone(&settings.clock),
                identity,
            }),
        })
    }

    /// Reads the whole log and compares it with what was written: sums, positions, versions, head. It finds accidents and naive tampering; whoever
    /// also computes the sum anew is not found.
    ///
    /// Takes as long as reading everything, and as little memory as reading one event and each finding.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("school.db");
    /// use es_store_sqlite::SqliteStore;
    ///
    /// let store = SqliteStore::open(path).await?;
    /// assert!(store.verify().await?.findings.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ReadError`]: the file is damaged so far that it cannot be read.
    #[expect(
        clippy::unused_async,
        reason = "as with stores that are reached over a network"
    )]
    pub async fn verify(&self) -> Result<Verification, ReadError> {
        self.read(verify::verify)
    }

    pub(crate) fn is_read_alone(&self) -> bool {
        self.shared.writer.is_none()
    }

    /// Reads on this thread: SQLite answers from memory, mostly, and sooner than another thread would be awake.
    fn read<T>(
        &self,
        read: impl FnOnce(&Connection, &Sql) -> rusqlite::Result<T>,
    ) -> Result<T, ReadError> {
        // Where readers and the writer take turns on one connection, a handler has it.
        if let (Readers::OneForAll(_), Some(writer)) = (&self.shared.readers, &self.shared.writer)
            && writer.waits_for_itself()
        {
            return Err(ReadError::Unavailable(WITHIN.into()));
        }
        let reader = self.shared.readers.take().map_err(unreadable)?;
        read(&reader, &self.shared.sql).map_err(unreadable)
    }

    async fn write(
        &self,
        run: impl Fn(&Connection, &Sql) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), es_core::BoxError> {
        match &self.shared.writer {
            Some(writer) => writer.run(run).await,
            None => Err(READ_ONLY.into()),
        }
    }
}

impl SqliteStore {
    /// Runs something in a transaction of its own, which it begins and ends, on the thread that writes.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection, &Sql) -> T + Send + 'static,
    ) -> Result<T, AppendError> {
        match &self.shared.writer {
            Some(writer) => writer.alone(run).await,
            None => Err(AppendError::Failed(READ_ONLY.into())),
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.shared.clock)
    }
}

/// Runs something in a transaction that is committed where it succeeds and changes something.
fn committed<T, E>(
    connection: &Connection,
    run: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, E>>,
) -> rusqlite::Result<Result<T, E>> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let done = run(&transaction)?;
    if done.is_ok() {
        transaction.commit()?;
    }
    Ok(done)
}

const READ_ONLY: &str = "the store was opened to be read alone; open it without `read_only`";

fn check_prefix(prefix: &str) -> Result<(), OpenError> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_name = prefix.len() <= 32
        && prefix.starts_with(|first: char| first.is_ascii_alphabetic())
        && prefix.chars().all(is_word)
        && !prefix.to_ascii_lowercase().starts_with("sqlite_");
    if is_name {
        return Ok(());
    }
    Err(OpenError::Prefix {
        prefix: prefix.to_owned(),
    })
}

impl EventStore for SqliteStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(async move {
            commit.check_sizes(self.shared.payload_limit)?;
            self.shared.names.learn(&commit.appends);
            match &self.shared.writer {
                Some(writer) => writer.commit(commit).await,
                None => Err(AppendError::Failed(READ_ONLY.into())),
            }
        })
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        Box::pin(async move { self.read(|reader, sql| reads::outcome(reader, sql, commit)) })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        Box::pin(async move {
            self.read(|reader, sql| reads::stream(reader, sql, stream, slice, &self.shared.names))
        })
    }

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        Box::pin(
            async move { self.read(|reader, sql| reads::visit(reader, sql, stream, slice, visit)) },
        )
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(async move {
            self.read(|reader, sql| reads::log(reader, sql, span, filter, &self.shared.names))
        })
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        Box::pin(
            async move { self.read(|reader, sql| reads::ids(reader, sql, category, after, limit)) },
        )
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        Box::pin(async move { self.read(reads::head) })
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        let changed = self.shared.changed.listen();
        if let Some(watcher) = &self.shared.watcher {
            watcher.look();
        }
        Box::pin(changed)
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        Box::pin(async move {
            let owner = || {
                self.read(|reader, sql| {
                    reader.query_row(&sql.read_owner, [], |row| row.get::<_, Option<String>>(0))
                })
            };
            if let Some(owner) = owner()? {
                return Ok(owner);
            }
            let claimed = name.to_owned();
            self.write(move |connection, sql| {
                connection.execute(&sql.claim, [&claimed]).map(|_| ())
            })
            .await
            .map_err(ReadError::Unavailable)?;
            // Another process may have been faster.
            Ok(owner()?.unwrap_or_else(|| name.to_owned()))
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verification, ReadError>> {
        Box::pin(SqliteStore::verify(self))
    }

    fn identity(&self) -> Option<u64> {
        self.shared.identity
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}
