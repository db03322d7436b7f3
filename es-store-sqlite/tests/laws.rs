//! The SQLite store keeps the laws of a store.
use bytes::Bytes;
use es_core::testing::laws::{Anything, Harness, JOURNAL, Journal, Noted};
use es_core::{BoxError, Follower, Position, Projection, Recorded, Version};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use futures_core::future::BoxFuture;
use rusqlite::{Connection, Transaction};
use tempfile::TempDir;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

/// What a journal notes, in a table.
struct Pages(Journal);

impl Projection for Pages {
    const NAME: &'static str = JOURNAL;
    type Events = Anything;
}

impl SqliteProjection for Pages {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let table = tx.table("journal");
        tx.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (
                 id INTEGER PRIMARY KEY, follower TEXT, stream BLOB, version INTEGER, position INTEGER, revision INTEGER
             )"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<Anything>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let noted = self.0.note(&event);
        let insert = format!(
            "INSERT INTO {} (follower, stream, version, position, revision) VALUES (?1, ?2, ?3, ?4, ?5)",
            tx.table("journal")
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

struct SqliteHarness {
    folder: TempDir,
}

impl SqliteHarness {
    async fn store(&self) -> SqliteStore {
        SqliteStore::builder(self.folder.path().join("log.db"))
            .payload_limit(PAYLOAD_LIMIT)
            .open()
            .await
            .expect("the file can be opened")
    }
}

impl Harness for SqliteHarness {
    type Store = SqliteStore;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async {
            Self {
                folder: tempfile::tempdir().expect("there is room"),
            }
        })
    }

    fn open(&self) -> BoxFuture<'_, SqliteStore> {
        Box::pin(self.store())
    }

    fn reopen(&mut self) -> Option<BoxFuture<'_, SqliteStore>> {
        Some(Box::pin(self.store()))
    }

    fn follow(&self, store: &SqliteStore, journal: Journal) -> Option<Box<dyn Follower>> {
        Some(journal.follower(store.project(Pages(journal.clone()))))
    }

    fn noted<'a>(&'a self, _: &'a SqliteStore, tag: Option<&'a str>) -> BoxFuture<'a, Vec<Noted>> {
        let table = match tag {
            Some(tag) => format!("journal__{tag}"),
            None => "journal".to_owned(),
        };
        Box::pin(async move {
            let reader = Connection::open(self.folder.path().join("log.db")).unwrap();
            let query = format!(
                "SELECT follower, stream, version, position, revision FROM {table} ORDER BY id"
            );
            let Ok(mut statement) = reader.prepare(&query) else {
                return Vec::new();
            };
            let rows = statement.query_map((), |row| {
                Ok(Noted {
                    follower: row.get(0)?,
                    stream: row.get(1)?,
                    version: Version::from(row.get::<_, i64>(2)?.unsigned_abs()),
                    position: Position::from(row.get::<_, i64>(3)?.unsigned_abs()),
                    revision: row.get(4)?,
                })
            });
            rows.unwrap().map(Result::unwrap).collect()
        })
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }
}

es_core::store_laws!(SqliteHarness);
