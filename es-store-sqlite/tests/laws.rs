//! The SQLite store keeps the laws of a store.
use bytes::Bytes;
use es_core::testing::laws::Harness;
use es_store_sqlite::SqliteStore;
use futures_core::future::BoxFuture;
use tempfile::TempDir;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

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

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }
}

es_core::store_laws!(SqliteHarness);
