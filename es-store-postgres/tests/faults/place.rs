//! The store as faults see it: a schema on the server.
use es_core::{Application, System};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{OpenError, PostgresStore, PostgresStoreBuilder};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use trials::block_on;
use trials::faults::Log;
use uuid::Uuid;

use crate::{lease, server};

pub(crate) struct Place {
    url: String,
    schema: String,
    /// Absent where it is another process's.
    _log: Option<TestLog>,
}

impl Place {
    /// A schema on a server, whether it is there or not.
    pub(crate) fn of(url: &str, schema: &str) -> Self {
        Self {
            url: url.to_owned(),
            schema: schema.to_owned(),
            _log: None,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(&self.url)
            .schema(&self.schema)
            .application_name(&self.schema)
    }

    /// A session of one's own in the schema.
    pub(crate) async fn session(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls)
            .await
            .expect("the server answers");
        tokio::spawn(connection);
        client
            .batch_execute(&format!("SET search_path = {}", self.schema))
            .await
            .expect("it is there");
        client
    }

    /// Ends the sessions of the stores of the log, waits for their end, and says how many there were.
    pub(crate) async fn terminate(&self, client: &Client) -> usize {
        let statement = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1";
        let ended = client.query(statement, &[&self.schema]).await;
        ended.expect("it may").len()
    }
}

fn open_as(builder: PostgresStoreBuilder) -> PostgresStore {
    block_on(builder.connect()).expect("the server answers")
}

impl Log for Place {
    type Store = PostgresStore;

    const LARGEST: usize = 256 * 1024 * 1024;

    const UNGUARDED: (&'static str, usize) = ("ALTER TABLE es_events DISABLE TRIGGER USER", 3);

    const DELETIONS: &'static [&'static str] =
        &["DELETE FROM es_events WHERE false", "TRUNCATE es_events"];

    const EDITS: (usize, usize) = (150, 3_000);

    const COLUMNS: &'static [&'static str] = &[];

    fn fresh() -> Self {
        let url = server::server().url();
        let log = block_on(TestLog::on(url)).expect("it can be made");
        let mut place = Self::of(log.url(), log.schema());
        place._log = Some(log);
        place
    }

    fn at(address: &str) -> Self {
        let (schema, url) = address.split_once(' ').expect("two words");
        Self::of(url, schema)
    }

    fn address(&self) -> String {
        format!("{} {}", self.schema, self.url)
    }

    fn open(&self) -> PostgresStore {
        open_as(self.builder())
    }

    fn open_without_limit(&self) -> PostgresStore {
        open_as(self.builder().payload_limit(usize::MAX))
    }

    /// Its sessions may still be at work.
    fn left_behind(&self) -> Option<bool> {
        block_on(async {
            let session = self.session().await;
            self.terminate(&session).await
        });
        None
    }

    fn execute(&self, statements: &str) -> Result<u64, String> {
        let executed = block_on(async { self.session().await.simple_query(statements).await });
        let answers = executed.map_err(|error| match error.as_db_error() {
            Some(said) => said.message().to_owned(),
            None => error.to_string(),
        })?;
        match answers.last() {
            Some(SimpleQueryMessage::CommandComplete(rows)) => Ok(*rows),
            _ => Ok(0),
        }
    }

    fn bytes(bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("'\\x{digits}'")
    }

    fn uuid(id: Uuid) -> String {
        format!("'{id}'")
    }

    fn named(&self, name: &str, mut found: impl FnMut(&'static str, PostgresStore)) -> usize {
        let as_schema = PostgresStore::builder(&self.url).schema(name);
        let ways = [
            ("table prefix", self.builder().table_prefix(name)),
            ("schema", as_schema),
        ];
        let mut refused = 0;
        for (way, builder) in ways {
            let opened = block_on(async {
                let store = builder.connect().await?;
                store.migrate().await?;
                Ok(store)
            });
            match opened {
                Ok(store) => found(way, store),
                Err(OpenError::Prefix { .. } | OpenError::Schema { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(other) => panic!("{way} {name:?}: {other:?}"),
            }
            if way == "schema" {
                let quoted = name.replace('"', "\"\"");
                let drop = format!("DROP SCHEMA \"{quoted}\" CASCADE");
                self.execute(&drop).expect("it is there");
            }
        }
        refused
    }

    fn following(store: &PostgresStore, aloud: bool) -> System {
        lease::following(store, aloud)
    }

    async fn note_inside(store: &PostgresStore, app: &Application) {
        lease::note_inside(store, app).await;
    }

    fn noted(&self) -> Vec<u64> {
        block_on(lease::noted(self))
    }
}
