//! The SQLite store keeps the laws of a store, whatever connection it was opened with.
use std::fs;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use es_core::system::InlineError;
use es_core::testing::laws::{Anything, Harness, JOURNAL, Journal, Noted};
use es_core::{Application, BoxError, Follower, Position, Projection, Recorded, Version};
use es_store_sqlite::{SqliteProjection, SqliteStore, SqliteStoreBuilder, Tables};
use futures_core::future::BoxFuture;
use rusqlite::{Connection, Transaction};
use tempfile::TempDir;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

async fn opened(builder: SqliteStoreBuilder) -> SqliteStore {
    // Laws promise no time, and two processes' worth of writers on a busy disk may wait long for each other.
    let builder = builder
        .payload_limit(PAYLOAD_LIMIT)
        .busy_timeout(Duration::from_secs(60));
    builder.open().await.expect("it can be opened")
}

fn refused() -> Option<Bytes> {
    Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
}

/// For how long a store is cut off.
const MOMENT: Duration = Duration::from_millis(30);

/// Cuts a store off its file for a moment. No line can break there (processes that end and disks that fail are in `tests/faults`). What comes in
/// between is the lock of another process, for which commits wait, and that the file is not in its place: commits fail, and so does whoever
/// needs another connection to read with.
async fn cut_off(path: PathBuf) {
    static CUTS: AtomicUsize = AtomicUsize::new(0);
    if CUTS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        let another = Connection::open(path).expect("it opens");
        another
            .execute_batch("BEGIN IMMEDIATE")
            .expect("nobody has the lock for long");
        thread::spawn(move || {
            thread::sleep(MOMENT);
            another.execute_batch("ROLLBACK").expect("it is ours");
        });
    } else {
        let away = path.with_extension("away");
        fs::rename(&path, &away).expect("it is there");
        thread::spawn(move || {
            thread::sleep(MOMENT);
            fs::rename(away, path).expect("it is there");
        });
    }
}

/// What a journal notes, in a table of its own.
struct Pages<const REVISION: u32>(Journal);

/// How the names of those tables begin.
const PAGES: &str = "pages_of_";

impl<const REVISION: u32> Pages<REVISION> {
    fn table(&self, tx: &Transaction<'_>) -> String {
        tx.table(&format!("{PAGES}{}", self.0.follower))
    }
}

impl<const REVISION: u32> Projection for Pages<REVISION> {
    const NAME: &'static str = JOURNAL;
    const REVISION: u32 = REVISION;
    type Events = Anything;
}

impl<const REVISION: u32> SqliteProjection for Pages<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let table = self.table(tx);
        tx.execute_batch(&format!(
            "CREATE TABLE {table} (
                 id INTEGER PRIMARY KEY, follower TEXT, stream BLOB, version INTEGER, position INTEGER, revision INTEGER
             )"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<Anything>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let noted = self.0.note(&event);
        let insert = format!(
            "INSERT INTO {} (follower, stream, version, position, revision) VALUES (?1, ?2, ?3, ?4, ?5)",
            self.table(tx)
        );
        let version = i64::try_from(noted.version.get())?;
        let position = i64::try_from(noted.position.get())?;
        let mut statement = tx.prepare_cached(&insert)?;
        statement.execute((
            noted.follower,
            noted.stream,
            version,
            position,
            noted.revision,
        ))?;
        self.0.fails(&event)
    }
}

/// What journals have noted in a file, one after the other.
async fn noted_in(path: PathBuf, tag: Option<&str>) -> Vec<Noted> {
    let reader = Connection::open(path).expect("it opens");
    // Of all tables at one moment.
    let reader = reader.unchecked_transaction().expect("it can be read");
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut tables = reader.prepare(tables).expect("it can be read");
    let tables = tables.query_map((), |row| row.get::<_, String>(0));
    let tables = tables.expect("it can be read");
    let mut all = Vec::new();
    for table in tables.map(|table| table.expect("it can be read")) {
        let follower = table.strip_prefix(PAGES);
        let is_asked_for = |follower: &str| match follower.split_once("__") {
            Some((_, ending)) => tag == Some(ending),
            None => tag.is_none(),
        };
        if !follower.is_some_and(is_asked_for) {
            continue;
        }
        let query = format!(
            "SELECT follower, stream, version, position, revision FROM {table} ORDER BY id"
        );
        let mut statement = reader.prepare(&query).expect("it can be read");
        let rows = statement.query_map((), |row| {
            Ok(Noted {
                follower: row.get(0)?,
                stream: row.get(1)?,
                version: Version::from(row.get::<_, i64>(2)?.unsigned_abs()),
                position: Position::from(row.get::<_, i64>(3)?.unsigned_abs()),
                revision: row.get(4)?,
            })
        });
        let rows = rows.expect("it can be read");
        all.extend(rows.map(|row| row.expect("it can be read")));
    }
    all
}

/// How a store comes to its file.
trait Way: Send + Sync + 'static {
    fn builder(path: PathBuf) -> SqliteStoreBuilder;
}

struct OnAFile<W> {
    folder: TempDir,
    way: PhantomData<W>,
}

impl<W: Way> OnAFile<W> {
    fn path(&self) -> PathBuf {
        self.folder.path().join("log.db")
    }

    async fn store(&self) -> SqliteStore {
        opened(W::builder(self.path())).await
    }
}

impl<W: Way> Harness for OnAFile<W> {
    type Store = SqliteStore;

    const WHOLE: bool = true;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async {
            let folder = tempfile::tempdir().expect("there is room");
            let way = PhantomData;
            Self { folder, way }
        })
    }

    fn open(&self) -> BoxFuture<'_, SqliteStore> {
        Box::pin(self.store())
    }

    fn reopen(&mut self) -> Option<BoxFuture<'_, SqliteStore>> {
        Some(Box::pin(self.store()))
    }

    fn disconnect<'a>(&'a self, _: &'a SqliteStore) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(cut_off(self.path())))
    }

    fn follow(&self, store: &SqliteStore, journal: Journal) -> Option<Box<dyn Follower>> {
        Some(journal.follower(store.project(Pages::<1>(journal.clone()))))
    }

    fn inline<'a>(
        &'a self,
        store: &'a SqliteStore,
        app: &'a Application,
        journal: Journal,
    ) -> Option<BoxFuture<'a, Result<(), InlineError>>> {
        Some(match journal.revision {
            2 => Box::pin(store.inline(app, Pages::<2>(journal))),
            _ => Box::pin(store.inline(app, Pages::<1>(journal))),
        })
    }

    fn end_inline<'a>(
        &'a self,
        store: &'a SqliteStore,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async {
            let ended = store.end_inline::<Pages<1>>(app).await;
            ended.expect("it can be written");
        }))
    }

    fn noted<'a>(&'a self, _: &'a SqliteStore, tag: Option<&'a str>) -> BoxFuture<'a, Vec<Noted>> {
        Box::pin(noted_in(self.path(), tag))
    }

    fn refused_payload(&self) -> Option<Bytes> {
        refused()
    }
}

mod by_its_path {
    use super::*;

    struct ByItsPath;

    impl Way for ByItsPath {
        fn builder(path: PathBuf) -> SqliteStoreBuilder {
            SqliteStore::builder(path)
        }
    }

    es_core::store_laws!(OnAFile<ByItsPath>);
}

mod on_a_connection_to_a_file {
    use super::*;

    struct OnAConnection;

    impl Way for OnAConnection {
        fn builder(path: PathBuf) -> SqliteStoreBuilder {
            SqliteStore::builder_on(Connection::open(path).expect("it opens"))
        }
    }

    es_core::store_laws!(OnAFile<OnAConnection>);
}

/// What was in memory is gone with its connection, and no other process can have it, so nothing is reopened or cut off: such a store is not durable,
/// and the laws say so.
mod on_a_connection_in_memory {
    use super::*;

    struct MemoryHarness(SqliteStore);

    impl Harness for MemoryHarness {
        type Store = SqliteStore;

        const CONNECTIONS: bool = false;

        fn fresh() -> BoxFuture<'static, Self> {
            Box::pin(async {
                let connection = Connection::open_in_memory().expect("there is room");
                Self(opened(SqliteStore::builder_on(connection)).await)
            })
        }

        fn open(&self) -> BoxFuture<'_, SqliteStore> {
            Box::pin(async { self.0.clone() })
        }

        fn refused_payload(&self) -> Option<Bytes> {
            refused()
        }
    }

    es_core::store_laws!(MemoryHarness);
}
