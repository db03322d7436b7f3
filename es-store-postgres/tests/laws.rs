//! The Postgres store keeps the laws of a store, whole: nothing of them is left out.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its law")]

use std::sync::LazyLock;

use bytes::Bytes;
use es_core::system::InlineError;
use es_core::testing::laws::{Anything, Harness, JOURNAL, Journal, Noted};
use es_core::{Application, BoxError, Follower, Position, Projection, Recorded, Version};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use futures_core::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::task::unconstrained;
use tokio_postgres::error::SqlState;
use tokio_postgres::{NoTls, Transaction};

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

/// What a journal notes, in a table.
struct Pages(Journal);

impl Projection for Pages {
    const NAME: &'static str = JOURNAL;
    type Events = Anything;
}

impl PostgresProjection for Pages {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let table = tx.table("journal");
        tx.batch_execute(&format!(
            "CREATE TABLE IF NOT EXISTS {table} (
                 id bigint GENERATED ALWAYS AS IDENTITY, follower text, stream uuid, version bigint, position bigint, revision bigint
             )"
        ))
        .await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<Anything>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let noted = self.0.note(&event);
        let insert = format!(
            "INSERT INTO {} (follower, stream, version, position, revision) VALUES ($1, $2, $3, $4, $5)",
            tx.table("journal")
        );
        let version = i64::try_from(noted.version.get())?;
        let position = i64::try_from(noted.position.get())?;
        let insert = tx.prepared(&insert).await?;
        let revision = i64::from(noted.revision);
        tx.execute(
            &insert,
            &[
                &noted.follower,
                &noted.stream,
                &version,
                &position,
                &revision,
            ],
        )
        .await?;
        self.0.fails(&event)
    }
}

struct PostgresHarness {
    log: TestLog,
}

impl PostgresHarness {
    async fn store(&self) -> PostgresStore {
        let builder = self.log.builder().payload_limit(PAYLOAD_LIMIT);
        builder.connect().await.unwrap()
    }

    async fn noted_in(&self, table: &str) -> Vec<Noted> {
        let (client, connection) = tokio_postgres::connect(self.log.url(), NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let query = format!(
            "SELECT follower, stream, version, position, revision FROM {}.{table} ORDER BY id",
            self.log.schema()
        );
        let rows = match client.query(&query, &[]).await {
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Vec::new(),
            rows => rows.unwrap(),
        };
        connection.abort();
        let counter = |number: i64| u64::try_from(number).unwrap();
        let noted = rows.iter().map(|row| Noted {
            follower: row.get(0),
            stream: row.get(1),
            version: Version::from(counter(row.get(2))),
            position: Position::from(counter(row.get(3))),
            revision: u32::try_from(row.get::<_, i64>(4)).unwrap(),
        });
        noted.collect()
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

    const WHOLE: bool = true;

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

    fn follow(&self, store: &PostgresStore, journal: Journal) -> Option<Box<dyn Follower>> {
        Some(journal.follower(store.project(Pages(journal.clone()))))
    }

    fn inline<'a>(
        &'a self,
        store: &'a PostgresStore,
        app: &'a Application,
        journal: Journal,
    ) -> Option<BoxFuture<'a, Result<(), InlineError>>> {
        Some(Box::pin(store.inline(app, Pages(journal))))
    }

    fn end_inline<'a>(
        &'a self,
        store: &'a PostgresStore,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async {
            store.end_inline::<Pages>(app).await.unwrap();
        }))
    }

    fn noted<'a>(
        &'a self,
        _: &'a PostgresStore,
        tag: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<Noted>> {
        Box::pin(async move {
            match tag {
                Some(tag) => self.noted_in(&format!("journal__{tag}")).await,
                None => self.noted_in("journal").await,
            }
        })
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        // A law polls followers by itself, in a loop that never yields: tokio would hold everything up until it does.
        RUNTIME.block_on(unconstrained(future))
    }
}

es_core::store_laws!(PostgresHarness);
