//! For tests: a log of its own for each, migrated and dropped again, and a server to keep it on (feature `testing`).
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use es_core::Application;
//! use es_store_postgres::testing::TestLog;
//!
//! let log = TestLog::new().await?; // in a schema that nobody else has
//! let app = Application::new(log.store().await?);
//! # let _ = app;
//! # Ok(()) // and the schema is dropped with it
//! # }
//! ```
use std::sync::{Mutex, PoisonError};
use std::thread;

use es_core::persistence::BoxError;
use uuid::Uuid;

use crate::{OpenError, PostgresStore, PostgresStoreBuilder};

mod server;

pub use server::{Disk, Server, ServerError};

/// The variable that names a server for tests.
pub const VARIABLE: &str = "ES_TEST_POSTGRES_URL";

/// The server of this process, where none was named.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

/// The URL of the server that tests use: the one that [`VARIABLE`] names, or else a private one, started with the first test and stopped with the
/// process, which waits for no disk.
///
/// # Errors
/// [`ServerError`].
pub fn server_url() -> Result<String, ServerError> {
    if let Ok(url) = std::env::var(VARIABLE)
        && !url.is_empty()
    {
        return Ok(url);
    }
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    match &*server {
        Some(server) => Ok(server.url()),
        None => Ok(server.insert(Server::start(Disk::NotWaitedFor)?).url()),
    }
}

/// Why a test has no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TestLogError {
    /// There is no server.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The server does not let it be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// An empty log in a schema of its own, which is dropped with this.
#[derive(Debug)]
pub struct TestLog {
    url: String,
    schema: String,
}

impl TestLog {
    /// Makes one on the server that tests use.
    ///
    /// # Errors
    /// [`TestLogError`].
    pub async fn new() -> Result<Self, TestLogError> {
        Self::on(server_url()?).await
    }

    /// Makes one on another server.
    ///
    /// # Errors
    /// [`TestLogError`].
    pub async fn on(url: impl Into<String>) -> Result<Self, TestLogError> {
        let log = Self {
            url: url.into(),
            schema: format!("test_{}", Uuid::now_v7().simple()),
        };
        log.builder().connect().await?.migrate().await?;
        Ok(log)
    }

    /// A handle on the log.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn store(&self) -> Result<PostgresStore, OpenError> {
        self.builder().connect().await
    }

    /// A store of this log of which more is said before it is connected. Its sessions have the schema as their `application_name`.
    pub fn builder(&self) -> PostgresStoreBuilder {
        PostgresStore::builder(&self.url)
            .schema(&self.schema)
            .application_name(&self.schema)
    }

    /// The URL of the log, its schema in it: for what takes the URL of a store.
    #[must_use]
    pub fn store_url(&self) -> String {
        let sign = if self.url.contains('?') { '&' } else { '?' };
        let schema = &self.schema;
        format!(
            "{}{sign}schema={schema}&application_name={schema}",
            self.url
        )
    }

    /// The URL of its server.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of its schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }
}

impl Drop for TestLog {
    /// On a thread with a runtime of its own: a test may be dropped outside of any.
    fn drop(&mut self) {
        let (url, schema) = (self.url.clone(), self.schema.clone());
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(drop_schema(&url, &schema))
        });
        // A schema that is left over is no reason to fail a test.
        let _ = dropped.join();
    }
}

async fn drop_schema(url: &str, schema: &str) -> Result<(), BoxError> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    let drop = async {
        // Who still works on the log may be driven by the very thread that waits here.
        let statement = format!(
            "SET lock_timeout = '10s'; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{schema}'; \
             DROP SCHEMA IF EXISTS {} CASCADE",
            crate::sql::quoted(schema)
        );
        client.batch_execute(&statement).await
    };
    tokio::select! {
        dropped = drop => dropped?,
        ended = connection => ended?,
    }
    Ok(())
}
