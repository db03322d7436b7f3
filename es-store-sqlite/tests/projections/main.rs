//! Projections onto tables, beside the log and inside of its commits.
mod inside;
mod keys;
mod saving;
mod tables;
mod taken;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use es_core::{Application, BoxError, Follower, Projection, Recorded};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction};
use tempfile::TempDir;
use trials::projection_trials;
use trials::projections::{DogEvent, Kennel, wall};
use uuid::Uuid;

/// The tricks of each dog, in a table.
#[derive(Default, Clone)]
struct Wall<const REVISION: u32> {
    failing: Arc<AtomicBool>,
}

impl<const REVISION: u32> Projection for Wall<REVISION> {
    const NAME: &'static str = "wall";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> SqliteProjection for Wall<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [wall, by_dog, seen] = ["wall", "wall_by_dog", "wall_seen"].map(|name| tx.table(name));
        tx.execute_batch(&format!(
            "CREATE TABLE {wall} (position INTEGER PRIMARY KEY, dog BLOB, trick TEXT, revision INTEGER);
             CREATE INDEX {by_dog} ON {wall} (dog);
             CREATE VIEW {seen} AS SELECT * FROM {wall};"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES (?1, ?2, ?3, ?4)", tx.table("wall"));
        tx.execute(&insert, (position, event.stream.id, &trick, REVISION))?;
        if trick == "impossible" && self.failing.load(Ordering::SeqCst) {
            return Err("no dog can do that".into());
        }
        if trick == "absurd" && self.failing.load(Ordering::SeqCst) {
            panic!("as a bug would");
        }
        Ok(())
    }
}

struct File {
    _folder: TempDir,
    path: PathBuf,
    store: SqliteStore,
    app: Application,
}

impl Kennel for File {
    const MADE: &'static [&'static str] = &["wall", "wall_seen"];

    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("kennel.db");
        let store = SqliteStore::open(&path).await.expect("it works");
        let app = Application::builder(store.clone()).name("kennel").build();
        Self {
            _folder: folder,
            path,
            store,
            app,
        }
    }

    fn app(&self) -> &Application {
        &self.app
    }

    fn projected<const REVISION: u32>(&self, failing: &Arc<AtomicBool>) -> impl Follower + 'static {
        let failing = Arc::clone(failing);
        self.store.project(Wall::<REVISION> { failing })
    }

    async fn rows(&self, table: &str) -> Vec<(Uuid, String, i64)> {
        let reader = Connection::open(&self.path).expect("it works");
        let query = format!("SELECT dog, trick, revision FROM {table} ORDER BY position");
        let mut statement = reader.prepare(&query).expect("it works");
        let rows = statement.query_map((), |row| row.try_into());
        rows.expect("it works").map(Result::unwrap).collect()
    }

    async fn made(&self) -> Vec<String> {
        let reader = Connection::open(&self.path).expect("it works");
        let mut statement = reader
            .prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name LIKE 'wall%' ORDER BY name")
            .expect("it works");
        let names = statement.query_map((), |row| row.get(0)).expect("it works");
        names.map(Result::unwrap).collect()
    }

    async fn execute(&self, statement: &str) {
        let connection = Connection::open(&self.path).expect("it works");
        connection.execute(statement, ()).expect("it works");
    }
}

projection_trials!(File);

/// What is in a file and in what SQLite keeps beside it.
fn bytes(path: &Path) -> Vec<Vec<u8>> {
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    [path.to_owned(), beside("-wal")]
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_default())
        .collect()
}

#[test]
fn a_dry_run_leaves_the_file_byte_for_byte_as_it_was() {
    block_on(async {
        let kennel = File::new().await;
        let tricks = vec!["a trick with a long name, so that there are many pages"; 20_000];
        kennel.trained(1, &tricks).await;
        let system = kennel.system::<1>();
        kennel.app.log().head().await.unwrap();
        let before = bytes(&kennel.path);
        let dry = system.dry_run(100_000).await.unwrap();
        assert_eq!(
            (dry.followers[0].events, &dry.followers[0].failure),
            (20_001, &None)
        );
        assert!(bytes(&kennel.path) == before, "a dry run wrote to the file");
        assert_eq!(kennel.made().await, [""; 0]);
        system.settle().await.unwrap();
        assert_eq!(kennel.wall().await[&1].len(), 20_000);
    });
}

#[test]
fn a_file_is_vacuumed_while_it_is_open() {
    block_on(async {
        let kennel = File::new().await;
        let system = kennel.system::<1>();
        kennel.trained(1, &["sit", "bow"]).await;
        system.settle().await.unwrap();
        system.follower("wall").rebuild().await.unwrap();
        kennel.execute("VACUUM").await;
        let reader = Connection::open(&kennel.path).unwrap();
        let is_busy: bool = reader
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))
            .unwrap();
        assert!(!is_busy);
        kennel.trained(2, &["beg"]).await;
        system.settle().await.unwrap();
        let verified = kennel.store.verify().await.unwrap();
        assert_eq!((verified.events, verified.findings.len()), (5, 0));
        assert_eq!(
            kennel.wall().await,
            wall(&[(1, &["sit", "bow"]), (2, &["beg"])])
        );
    });
}
