//! The SQLite store keeps the laws of a store, whatever connection it was opened with.
use bytes::Bytes;
use es_core::testing::laws::Harness;
use es_store_sqlite::{SqliteStore, SqliteStoreBuilder};
use futures_core::future::BoxFuture;
use rusqlite::Connection;
use tempfile::TempDir;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

async fn opened(builder: SqliteStoreBuilder) -> SqliteStore {
    let builder = builder.payload_limit(PAYLOAD_LIMIT);
    builder.open().await.expect("it can be opened")
}

fn refused() -> Option<Bytes> {
    Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room")
}

mod on_a_file {
    use super::*;

    struct SqliteHarness {
        folder: TempDir,
    }

    impl SqliteHarness {
        async fn store(&self) -> SqliteStore {
            opened(SqliteStore::builder(self.folder.path().join("log.db"))).await
        }
    }

    impl Harness for SqliteHarness {
        type Store = SqliteStore;

        fn fresh() -> BoxFuture<'static, Self> {
            Box::pin(async { Self { folder: folder() } })
        }

        fn open(&self) -> BoxFuture<'_, SqliteStore> {
            Box::pin(self.store())
        }

        fn reopen(&mut self) -> Option<BoxFuture<'_, SqliteStore>> {
            Some(Box::pin(self.store()))
        }

        fn refused_payload(&self) -> Option<Bytes> {
            refused()
        }
    }

    es_core::store_laws!(SqliteHarness);
}

mod on_a_connection_to_a_file {
    use super::*;

    struct GivenHarness {
        folder: TempDir,
    }

    impl GivenHarness {
        async fn store(&self) -> SqliteStore {
            let connection = Connection::open(self.folder.path().join("log.db"));
            opened(SqliteStore::builder_on(connection.expect("it opens"))).await
        }
    }

    impl Harness for GivenHarness {
        type Store = SqliteStore;

        fn fresh() -> BoxFuture<'static, Self> {
            Box::pin(async { Self { folder: folder() } })
        }

        fn open(&self) -> BoxFuture<'_, SqliteStore> {
            Box::pin(self.store())
        }

        fn reopen(&mut self) -> Option<BoxFuture<'_, SqliteStore>> {
            Some(Box::pin(self.store()))
        }

        fn refused_payload(&self) -> Option<Bytes> {
            refused()
        }
    }

    es_core::store_laws!(GivenHarness);
}

/// What was in memory is gone with its connection, so nothing is reopened: such a store is not durable, and the laws say so.
mod on_a_connection_in_memory {
    use super::*;

    struct MemoryHarness(SqliteStore);

    impl Harness for MemoryHarness {
        type Store = SqliteStore;

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
