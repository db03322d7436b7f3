//! What every handler has: the application, and the database for tables of its own.
use deadpool_postgres::{Manager, Pool};
use es_core::application::SnapshotPolicy;
use es_core::{Application, BoxError};
use es_store::Settings;
use es_store_postgres::{PostgresStore, PostgresStoreBuilder};
use tokio_postgres::{Config, NoTls};

#[derive(Clone)]
pub struct Desk {
    pub app: Application,
    /// Only for who writes events in a transaction of his own.
    pub store: PostgresStore,
    pub pool: Pool,
}

/// All that is said about how this program keeps its events; compression and keys come from the environment, as `es_store` documents.
async fn settings(store: PostgresStore) -> Result<Application, BoxError> {
    let builder = Settings::new("school")
        .snapshots(SnapshotPolicy::AsDeclared)
        .cache(10_000)
        .builder_over(store);
    Ok(builder.await?.build())
}

/// Makes the tables, or brings them up to date; nobody does so while requests are served, unless he is told to.
pub async fn migrate(url: &str) -> Result<(), BoxError> {
    migrate_on(PostgresStore::builder(url), &pool(url)?).await
}

pub async fn migrate_on(store: PostgresStoreBuilder, pool: &Pool) -> Result<(), BoxError> {
    store.connect().await?.migrate().await?;
    pool.get().await?.batch_execute(INVOICES).await?;
    Ok(())
}

/// A table of the program's own, beside those of the log.
const INVOICES: &str = "
    CREATE TABLE IF NOT EXISTS invoices (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dog uuid NOT NULL,
        trick text NOT NULL,
        cents bigint NOT NULL CHECK (cents >= 0)
    )";

impl Desk {
    pub async fn open(url: &str) -> Result<Self, BoxError> {
        Self::on(PostgresStore::builder(url), pool(url)?).await
    }

    pub async fn on(store: PostgresStoreBuilder, pool: Pool) -> Result<Self, BoxError> {
        let store = store.connect().await?;
        Ok(Self {
            app: settings(store.clone()).await?,
            store,
            pool,
        })
    }
}

fn pool(url: &str) -> Result<Pool, BoxError> {
    let config: Config = url.parse()?;
    Ok(Pool::builder(Manager::new(config, NoTls)).build()?)
}
