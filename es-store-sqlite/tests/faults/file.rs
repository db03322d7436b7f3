//! The store as faults see it: a file in a folder of its own.
use std::fs;
use std::path::{Path, PathBuf};

use es_core::{Application, System};
use es_store_sqlite::{OpenError, SqliteStore, SqliteStoreBuilder};
use fastrand::Rng;
use pollster::block_on;
use rusqlite::Connection;
use tempfile::TempDir;
use trials::faults::Log;
use uuid::Uuid;

use crate::{lease, wal};

pub(crate) struct File {
    path: PathBuf,
    /// Absent where it is another process's.
    _folder: Option<TempDir>,
}

/// A store on a file.
pub(crate) fn open(path: &Path) -> SqliteStore {
    open_as(SqliteStore::builder(path))
}

fn open_as(builder: SqliteStoreBuilder) -> SqliteStore {
    block_on(builder.open()).expect("the file opens")
}

impl File {
    pub(crate) fn connection(&self) -> Connection {
        Connection::open(&self.path).expect("it opens")
    }
}

impl Log for File {
    type Store = SqliteStore;

    const LARGEST: usize = 1_000_000_000;

    const UNGUARDED: (&'static str, usize) = (
        "DROP TRIGGER es_events_are_not_changed; DROP TRIGGER es_events_are_not_deleted",
        2,
    );

    const DELETIONS: &'static [&'static str] = &[];

    const EDITS: (usize, usize) = (300, 5_000);

    const COLUMNS: &'static [&'static str] = &[
        "stream = x'01'",
        "commit_id = x''",
        "category = CAST(x'ff' AS TEXT)",
        "event = CAST(x'c328' AS TEXT)",
    ];

    fn fresh() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        Self {
            path: folder.path().join("log.db"),
            _folder: Some(folder),
        }
    }

    fn at(address: &str) -> Self {
        Self {
            path: address.into(),
            _folder: None,
        }
    }

    fn address(&self) -> String {
        self.path.to_str().expect("a path of letters").to_owned()
    }

    fn open(&self) -> SqliteStore {
        open(&self.path)
    }

    fn open_without_limit(&self) -> SqliteStore {
        open_as(SqliteStore::builder(&self.path).payload_limit(usize::MAX))
    }

    /// Half of them have almost no cache, so that large commits reach the file before they end.
    fn open_to_be_killed(&self, rng: &mut Rng) -> SqliteStore {
        let cache = if rng.bool() { 32 } else { 16 * 1024 } * 1024;
        open_as(SqliteStore::builder(&self.path).cache(cache))
    }

    /// A commit was being written where frames come after the last one that ends a transaction.
    fn left_behind(&self) -> Option<bool> {
        let left = fs::read(self.path.with_extension("db-wal")).unwrap_or_default();
        Some(wal::unfinished_frames(&left) > 0)
    }

    fn execute(&self, statements: &str) -> Result<u64, String> {
        let connection = self.connection();
        let executed = connection.execute_batch(statements);
        executed.map_err(|error| error.to_string())?;
        Ok(connection.changes())
    }

    fn bytes(bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("x'{digits}'")
    }

    fn uuid(id: Uuid) -> String {
        Self::bytes(id.as_bytes())
    }

    /// As prefixes in one file.
    fn named(&self, name: &str, mut found: impl FnMut(&'static str, SqliteStore)) -> usize {
        let path = self.path.with_file_name("prefixes.db");
        match block_on(SqliteStore::builder(path).table_prefix(name).open()) {
            Ok(store) => found("table prefix", store),
            Err(OpenError::Prefix { .. } | OpenError::Occupied { .. }) => return 1,
            Err(other) => panic!("{name:?}: {other:?}"),
        }
        0
    }

    fn following(store: &SqliteStore, aloud: bool) -> System {
        lease::following(store, aloud)
    }

    async fn note_inside(store: &SqliteStore, app: &Application) {
        lease::note_inside(store, app).await;
    }

    fn noted(&self) -> Vec<u64> {
        lease::noted(&self.connection())
    }
}
