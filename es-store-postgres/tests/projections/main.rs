//! Projections onto tables, beside the log.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

mod deferred;
mod failing;
mod queued;
mod rights;
mod sessions;
mod strange;
mod tables;
mod taken;
mod unable;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::{Application, BoxError, Follower, Projection, Recorded};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::{Client, NoTls, Transaction};
use trials::projection_trials;
use trials::projections::{DogEvent, Kennel};
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

impl<const REVISION: u32> PostgresProjection for Wall<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [wall, by_dog, seen] = ["wall", "wall_by_dog", "wall_seen"].map(|name| tx.table(name));
        tx.batch_execute(&format!(
            "CREATE TABLE {wall} (position bigint PRIMARY KEY, dog uuid, trick text, revision bigint);
             CREATE INDEX {by_dog} ON {wall} (dog);
             CREATE VIEW {seen} AS SELECT * FROM {wall};"
        ))
        .await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        let failing = self.failing.load(Ordering::SeqCst);
        if trick == "final" && failing {
            return Ok(tx.batch_execute("COMMIT").await?);
        }
        if trick == "careless" && failing {
            let _ = tx.batch_execute("SELECT 1 / 0").await;
            return Ok(());
        }
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES ($1, $2, $3, $4)", tx.table("wall"));
        let insert = tx.prepared(&insert).await?;
        let revision = i64::from(REVISION);
        tx.execute(&insert, &[&position, &event.stream.id, &trick, &revision])
            .await?;
        match &*trick {
            "impossible" if failing => Err("no dog can do that".into()),
            "absurd" if failing => panic!("as a bug would"),
            _ => Ok(()),
        }
    }
}

struct Schema {
    log: TestLog,
    store: PostgresStore,
    app: Application,
    reader: Client,
}

/// A session in the schema of a log.
async fn session(log: &TestLog) -> Client {
    let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let first = format!("SET search_path = {}", log.schema());
    client.batch_execute(&first).await.unwrap();
    client
}

impl Kennel for Schema {
    const MADE: &'static [&'static str] = &["wall", "wall_by_dog", "wall_seen"];

    async fn new() -> Self {
        let log = TestLog::new().await.unwrap();
        let store = log.store().await.unwrap();
        Self {
            app: Application::builder(store.clone()).name("kennel").build(),
            reader: session(&log).await,
            store,
            log,
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
        let query = format!("SELECT dog, trick, revision FROM {table} ORDER BY position");
        let rows = self.reader.query(&query, &[]).await.unwrap();
        let columns = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2)));
        columns.collect()
    }

    async fn made(&self) -> Vec<String> {
        let query = "SELECT relname::text FROM pg_class WHERE relname LIKE 'wall%' AND relname NOT LIKE '%pkey%' \
                     AND relnamespace = to_regnamespace($1)::oid ORDER BY relname";
        let rows = self.reader.query(query, &[&self.log.schema()]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn execute(&self, statement: &str) {
        self.reader.batch_execute(statement).await.unwrap();
    }
}

projection_trials!(Schema);

impl Schema {
    /// A store whose statements end soon.
    async fn hasty(&self) -> PostgresStore {
        let builder = self.log.builder();
        let hasty = builder.statement_timeout(Duration::from_millis(500));
        hasty.connect().await.unwrap()
    }

    /// Whatever there is in the schema, row by row.
    async fn everything(&self) -> Vec<String> {
        let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1)::oid ORDER BY 1";
        let tables = self.reader.query(tables, &[&self.log.schema()]).await;
        let mut all = Vec::new();
        for table in tables.unwrap() {
            let table: String = table.get(0);
            let rows = format!(
                "SELECT t::text, xmin::text, ctid::text FROM {table} AS t ORDER BY t::text"
            );
            for row in self.reader.query(&rows, &[]).await.unwrap() {
                let [text, by, place]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
                all.push(format!("{table}: {text} by {by} at {place}"));
            }
            all.push(table);
        }
        all
    }
}

#[tokio::test]
async fn a_dry_run_leaves_every_row_as_it_was() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"; 2_000]).await;
    let system = kennel.system::<1>();
    kennel.app.log().head().await.unwrap();
    let before = kennel.everything().await;
    let dry = system.dry_run(100_000).await.unwrap();
    assert_eq!(
        (dry.followers[0].events, &dry.followers[0].failure),
        (2_001, &None)
    );
    assert_eq!(kennel.everything().await, before);
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await[&1].len(), 2_000);
}
