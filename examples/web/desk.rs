//! What every handler has: the applications of the system, and the database for tables of its own.
use deadpool_postgres::{Manager, Pool};
use es_core::system::FollowerHandle;
use es_core::{Application, BoxError, ProcessManager, System};
use es_store::{AnyStore, Stores};
use es_store_postgres::PostgresStore;
use tokio_postgres::{Config, NoTls};

use crate::certificate::Certificates;
use crate::system::system;

#[derive(Clone)]
pub struct Desk {
    pub school: Application,
    pub office: Application,
    /// Tells how far the office is.
    pub certificates: FollowerHandle,
    /// Only for who writes events in a transaction of his own.
    pub store: PostgresStore,
    pub pool: Pool,
}

/// Where the events are kept: each application has a schema of its own in one database. All else (compression, keys, cache) is said by the
/// environment, as `es_store` documents, and holds for the management binary too.
pub fn stores(url: &str) -> Stores {
    let sign = if url.contains('?') { '&' } else { '?' };
    Stores::new()
        .store_of("school", format!("{url}{sign}schema=school"))
        .store_of("office", format!("{url}{sign}schema=office"))
}

/// Makes the tables, or brings them up to date; nobody does so while requests are served, unless he is told to.
pub async fn migrate(stores: Stores, pool: &Pool) -> Result<(), BoxError> {
    system(stores.migrate(true)).await?;
    pool.get().await?.batch_execute(INVOICES).await?;
    Ok(())
}

/// A table of the program's own, beside those of the logs.
const INVOICES: &str = "
    CREATE TABLE IF NOT EXISTS invoices (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dog uuid NOT NULL,
        trick text NOT NULL,
        cents bigint NOT NULL CHECK (cents >= 0)
    )";

impl Desk {
    /// A desk, and the system behind it, which is still to be started.
    pub async fn open(stores: Stores, pool: Pool) -> Result<(Self, System), BoxError> {
        let store = match stores.settings("school").open_store().await? {
            AnyStore::Postgres(store) => store,
            _ => return Err("invoices are rows of a Postgres database; name one".into()),
        };
        let system = system(stores).await?;
        let application = |name| {
            let found = system.application_named(name).cloned();
            found.ok_or("the system has no such application")
        };
        let school = application("school")?;
        // A lesson is staged, and that waits for nothing.
        school.claim().await?;
        let desk = Self {
            school,
            office: application("office")?,
            certificates: system.follower(Certificates::NAME),
            store,
            pool,
        };
        Ok((desk, system))
    }
}

pub fn pool(url: &str) -> Result<Pool, BoxError> {
    let config: Result<Config, _> = url.parse();
    let config =
        config.map_err(|error| format!("`--store` is no URL of a Postgres database: {error}"))?;
    Ok(Pool::builder(Manager::new(config, NoTls)).build()?)
}
