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
use tokio_postgres::{IsolationLevel, NoTls, Transaction};

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

impl<const REVISION: u32> PostgresProjection for Pages<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let table = self.table(tx);
        tx.batch_execute(&format!(
            "CREATE TABLE {table} (
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
            self.table(tx)
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

    /// What journals have noted, one after the other.
    async fn noted_under(&self, tag: Option<&str>) -> Vec<Noted> {
        let (mut client, connection) = tokio_postgres::connect(self.log.url(), NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        // Of all tables at one moment.
        let reading = client.build_transaction();
        let reading = reading.isolation_level(IsolationLevel::RepeatableRead);
        let reading = reading.start().await.unwrap();
        let tables =
            "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = $1 ORDER BY 1";
        let tables = reading.query(tables, &[&self.log.schema()]).await.unwrap();
        let mut all = Vec::new();
        for table in &tables {
            let table: &str = table.get(0);
            let follower = table.strip_prefix(PAGES);
            let is_asked_for = |follower: &str| match follower.split_once("__") {
                Some((_, ending)) => tag == Some(ending),
                None => tag.is_none(),
            };
            if !follower.is_some_and(is_asked_for) {
                continue;
            }
            let query = format!(
                "SELECT follower, stream, version, position, revision FROM {}.{table} ORDER BY id",
                self.log.schema()
            );
            let rows = reading.query(&query, &[]).await.unwrap();
            let counter = |number: i64| u64::try_from(number).unwrap();
            all.extend(rows.iter().map(|row| Noted {
                follower: row.get(0),
                stream: row.get(1),
                version: Version::from(counter(row.get(2))),
                position: Position::from(counter(row.get(3))),
                revision: u32::try_from(row.get::<_, i64>(4)).unwrap(),
            }));
        }
        drop(reading);
        connection.abort();
        all
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
        Some(journal.follower(store.project(Pages::<1>(journal.clone()))))
    }

    fn inline<'a>(
        &'a self,
        store: &'a PostgresStore,
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
        store: &'a PostgresStore,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async {
            store.end_inline::<Pages<1>>(app).await.unwrap();
        }))
    }

    fn noted<'a>(
        &'a self,
        _: &'a PostgresStore,
        tag: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<Noted>> {
        Box::pin(self.noted_under(tag))
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
