//! What a store can be told when it is connected.
use std::fmt;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use es_core::persistence::{BoxError, BoxFuture};
use tokio_postgres::Config;

use crate::sql::Location;
use crate::url::{self, NotAUrl, OfTheStore};
use crate::{OpenError, PostgresStore};

/// How far a commit is on its way to the disk when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the server's disk: `synchronous_commit=on`, or what the server says where that is more.
    #[default]
    Full,
    /// With the server's process: `synchronous_commit=off`. A crash of the server loses the commits of the last moments, though they were
    /// answered. The log stays sound.
    LosesCommitsOnServerCrash,
}

/// How large a payload may be, in bytes, so that what is written at once fits into a message.
pub(crate) const POSTGRES_TAKES: usize = 256 * 1024 * 1024;

/// Asked for a password at each new connection.
pub(crate) type Password =
    Arc<dyn Fn() -> BoxFuture<'static, Result<String, BoxError>> + Send + Sync>;

/// Connects a [`PostgresStore`] that is not as [`PostgresStore::connect`] makes it.
///
/// ```no_run
/// # async fn connect() -> Result<(), es_store_postgres::OpenError> {
/// use std::time::Duration;
///
/// use es_store_postgres::PostgresStore;
///
/// let store = PostgresStore::builder("postgres://school@db/school")
///     .schema("school")
///     .pool_size(16)
///     .statement_timeout(Duration::from_secs(5))
///     .password(|| async { Ok(std::fs::read_to_string("/run/secrets/db")?) })
///     .connect()
///     .await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "`connect` connects the store"]
pub struct PostgresStoreBuilder {
    pub(crate) server: Server,
    pub(crate) location: Location,
    pub(crate) durability: Durability,
    pub(crate) pool_size: usize,
    pub(crate) statement_timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) payload_limit: usize,
    pub(crate) password: Option<Password>,
    pub(crate) migration_command: String,
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
}

/// How the server is reached.
#[derive(Clone)]
pub(crate) enum Server {
    Url(Result<Box<Config>, NotAUrl>),
    Pool(Pool),
}

impl PostgresStoreBuilder {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            location: Location {
                schema: "public".to_owned(),
                prefix: "es_".to_owned(),
            },
            durability: Durability::default(),
            pool_size: 8,
            statement_timeout: Duration::from_secs(30),
            lock_timeout: Duration::from_secs(10),
            payload_limit: 16 * 1024 * 1024,
            password: None,
            migration_command: "`PostgresStore::migrate`".to_owned(),
            #[cfg(feature = "rustls")]
            tls: None,
        }
    }

    /// A store on the server of a URL, which may say something of the store, too.
    pub(crate) fn of(url: &str) -> Self {
        let (server, of_the_store) = match url::read(url) {
            Ok(url) => (Ok(url.config), url.of_the_store),
            Err(not_a_url) => (Err(not_a_url), Vec::new()),
        };
        let builder = Self::new(Server::Url(server));
        of_the_store
            .into_iter()
            .fold(builder, |builder, said| match said {
                OfTheStore::Schema(schema) => builder.schema(schema),
                OfTheStore::TablePrefix(prefix) => builder.table_prefix(prefix),
                OfTheStore::PoolSize(connections) => builder.pool_size(connections),
                OfTheStore::StatementTimeout(timeout) => builder.statement_timeout(timeout),
                OfTheStore::LockTimeout(timeout) => builder.lock_timeout(timeout),
            })
    }

    /// By what the log is told from others; `None` where only the caller's pool knows where it is.
    pub(crate) fn identity(&self) -> Option<u64> {
        let Server::Url(Ok(config)) = &self.server else {
            return None;
        };
        let server = format!("{:?} {:?}", config.get_hosts(), config.get_ports());
        let Location { schema, prefix } = &self.location;
        let mut hasher = DefaultHasher::new();
        (server, config.get_dbname(), schema, prefix).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// The schema that the tables are in; the one in the URL, or `public`, unless this is set. [`migrate`](PostgresStore::migrate) creates it where there is none.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.location.schema = schema.into();
        self
    }

    /// How the names of the tables begin, so that several logs fit into one schema; what the URL says, or `es_`, unless this is set. At most 32 letters, digits and
    /// underscores, a letter first.
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.location.prefix = prefix.into();
        self
    }

    /// How far a commit is on its way to the disk when it is answered; [`Durability::Full`] unless this is set.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many connections read at the same time at most; what the URL says, or 8, unless this is set. One more writes, and one listens once somebody waits for changes.
    pub fn pool_size(mut self, connections: usize) -> Self {
        self.pool_size = connections.max(1);
        self
    }

    /// How long one statement may take, on the server; what the URL says, or 30 s, unless this is set. A commit that takes longer is not stored.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// How long a commit waits for the log while a transaction of somebody's own holds it; what the URL says, or 10 s, unless this is set. It is not stored then. As long
    /// is waited for who reads a table that is to be replaced, and not longer than a statement may take.
    ///
    /// A session that writes, and whose transaction stands still for half as long, between 1 s and 10 s, is ended by the server: its host may be gone,
    /// and with the log's lock it would hold up everybody else's commits. So say the same to all who write to the log. Large payloads are allowed more
    /// time, a second for each megabyte; and with projections inside of commits, whose handlers may await something, it is twice the
    /// [statement time-out](Self::statement_timeout) and a second.
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// Refuses payloads of more than `bytes` bytes; 16 MiB unless this is set, and at most 256 MiB.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.payload_limit = bytes.min(POSTGRES_TAKES);
        self
    }

    /// Asks for the password at each new connection, where it changes with time. It beats the one in the URL.
    pub fn password<F>(mut self, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, BoxError>> + Send + 'static,
    {
        self.password = Some(Arc::new(move || Box::pin(ask())));
        self
    }

    /// The name of the sessions in `pg_stat_activity`; the one in the URL, or `es`, unless this is set.
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        if let Server::Url(Ok(config)) = &mut self.server {
            config.application_name(name);
        }
        self
    }

    /// What a person is told to run where the tables are not up to date, such as `school migrate`.
    pub fn migration_command(mut self, command: impl Into<String>) -> Self {
        self.migration_command = command.into();
        self
    }

    /// How encrypted connections are made; unless this is set, by the certificates that the system trusts (feature `rustls`).
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: rustls::ClientConfig) -> Self {
        self.tls = Some(Arc::new(config));
        self
    }

    /// Connects the store: the server answers, and no table is touched.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn connect(self) -> Result<PostgresStore, OpenError> {
        PostgresStore::with(self).await
    }
}

/// Neither URL nor password is shown.
impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.location.schema)
            .field("table_prefix", &self.location.prefix)
            .field("durability", &self.durability)
            .field("pool_size", &self.pool_size)
            .field("statement_timeout", &self.statement_timeout)
            .field("lock_timeout", &self.lock_timeout)
            .field("payload_limit", &self.payload_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_url_says_is_so_unless_it_is_set() {
        let url = "postgres://db/school?schema=office&table_prefix=dogs_&pool_size=20&statement_timeout=5s&lock_timeout=500ms";
        let said = PostgresStoreBuilder::of(url);
        let set = PostgresStoreBuilder::of("postgres://db/school")
            .schema("office")
            .table_prefix("dogs_")
            .pool_size(20)
            .statement_timeout(Duration::from_secs(5))
            .lock_timeout(Duration::from_millis(500));
        let [said_shown, set_shown] = [&said, &set].map(|builder| format!("{builder:?}"));
        assert_eq!(said_shown, set_shown);
        assert_eq!(said.pool_size(4).pool_size, 4);
    }
}
