//! The Postgres store keeps the laws of a store, whole: nothing of them is left out.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its law")]

use std::sync::LazyLock;

use bytes::Bytes;
use es_core::testing::laws::Harness;
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::TestLog;
use futures_core::future::BoxFuture;
use tokio::runtime::Runtime;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

/// Lives as long as the tests: stores work on the runtime that they were connected in.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
});

struct PostgresHarness {
    log: TestLog,
}

impl PostgresHarness {
    async fn store(&self) -> PostgresStore {
        let builder = self.log.builder().payload_limit(PAYLOAD_LIMIT);
        builder.connect().await.unwrap()
    }

    /// Ends all sessions that have touched this log.
    async fn terminate(&self) {
        let (client, connection) = tokio_postgres::connect(self.log.url(), tokio_postgres::NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let killed = client
            .query(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1",
                &[&self.log.schema()],
            )
            .await
            .unwrap();
        assert!(!killed.is_empty(), "a handle has connections");
        connection.abort();
    }
}

impl Harness for PostgresHarness {
    type Store = PostgresStore;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async {
            Self {
                log: TestLog::new().await.unwrap(),
            }
        })
    }

    fn open(&self) -> BoxFuture<'_, PostgresStore> {
        Box::pin(self.store())
    }

    fn reopen(&mut self) -> Option<BoxFuture<'_, PostgresStore>> {
        Some(Box::pin(self.store()))
    }

    fn disconnect<'a>(&'a self, _: &'a PostgresStore) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(self.terminate()))
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        RUNTIME.block_on(future)
    }
}

es_core::store_laws!(PostgresHarness);
