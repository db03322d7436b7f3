//! Connections: a pool that reads, one that writes, and one that listens.
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use deadpool_postgres::{
    ClientWrapper, Connect, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError,
    RecyclingMethod, Runtime, TimeoutType,
};
use es_core::persistence::{BoxError, BoxFuture};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};

use crate::OpenError;
use crate::builder::{Durability, NotAUrl, Password, PostgresStoreBuilder, Server};
use crate::error::Fault;
use crate::tls::Tls;

/// How long one attempt to connect may take, unless the URL says it.
const TO_CONNECT: Duration = Duration::from_secs(5);

/// How long somebody waits for a connection of the pool.
const FOR_A_PLACE: Duration = Duration::from_secs(30);

/// How long somebody waits who has to know whether the server is still there: it ends each statement by itself before.
pub(crate) fn patience(statement_timeout: Duration) -> Duration {
    statement_timeout
        .saturating_mul(2)
        .saturating_add(Duration::from_secs(1))
}

/// What a server answers; who does not answer at all is as good as gone.
pub(crate) async fn in_time<T>(
    patience: Duration,
    answer: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout(patience, answer)
        .await
        .unwrap_or(Err(Fault::Silent))
}

/// What goes on between a client and its server: it has to be polled.
pub(crate) struct Line(Box<Work>);

type Work = dyn FnMut(&mut Context<'_>) -> Poll<Option<Said>> + Send;

/// What a server says without being asked, or why it says nothing any more.
type Said = Result<AsyncMessage, tokio_postgres::Error>;

impl Line {
    pub(crate) fn new<T>(mut connection: Connection<Socket, T>) -> Self
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        Self(Box::new(move |context| connection.poll_message(context)))
    }

    /// The next message that answers no question; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        poll_fn(|context| (self.0)(context)).await
    }

    /// Works until the end.
    fn spawn(mut self) -> JoinHandle<()> {
        tokio::spawn(async move { while let Some(Ok(_)) = self.next().await {} })
    }
}

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Dialer {
    /// How long one attempt may take.
    pub(crate) to_connect: Duration,
    config: Config,
    password: Option<Password>,
    tls: Tls,
    /// Why there was no password: deadpool takes no error of ours.
    no_password: Arc<Mutex<Option<BoxError>>>,
}

impl Dialer {
    /// A connection that says itself what comes on it.
    pub(crate) async fn dial(&self) -> Result<(Client, Line), tokio_postgres::Error> {
        let Some(ask) = &self.password else {
            return self.tls.connect(&self.config).await;
        };
        match ask().await {
            Ok(password) => {
                let mut config = self.config.clone();
                config.password(password);
                self.tls.connect(&config).await
            }
            Err(why) => {
                *self.no_password() = Some(why);
                // This is no address, and so an error.
                self.tls.connect(&Config::new()).await
            }
        }
    }

    fn no_password(&self) -> std::sync::MutexGuard<'_, Option<BoxError>> {
        self.no_password
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connect for Dialer {
    fn connect(
        &self,
        _: &Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async move {
            let (client, line) = self.dial().await?;
            Ok((client, line.spawn()))
        })
    }
}

/// What all connections of one store are made by.
pub(crate) struct Connections {
    pool: Pool,
    /// Absent where the pool is the caller's.
    dialer: Option<Dialer>,
    session: String,
}

impl Connections {
    pub(crate) fn new(settings: &PostgresStoreBuilder) -> Result<Self, OpenError> {
        let session = session(settings);
        let config = match &settings.server {
            Server::Pool(pool) => {
                return Ok(Self {
                    pool: pool.clone(),
                    dialer: None,
                    session,
                });
            }
            Server::Url(Ok(config)) => config,
            Server::Url(Err(NotAUrl::Unreadable)) => return Err(OpenError::Url),
            Server::Url(Err(NotAUrl::Option(option))) => {
                return Err(OpenError::UrlOption { option });
            }
        };
        let mut config = Config::clone(config);
        // The driver's own time-out ends with the line, which a server may have accepted that then says nothing.
        let to_connect = *config.get_connect_timeout().unwrap_or(&TO_CONNECT);
        config.connect_timeout(to_connect);
        if config.get_application_name().is_none() {
            config.application_name("es");
        }
        let dialer = Dialer {
            to_connect,
            tls: Tls::new(settings, &config)?,
            config: config.clone(),
            password: settings.password.clone(),
            no_password: Arc::default(),
        };
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let set = session.clone();
        let pool = Pool::builder(Manager::from_connect(config, dialer.clone(), recycling))
            .max_size(settings.pool_size)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(FOR_A_PLACE))
            .create_timeout(Some(to_connect))
            .post_create(Hook::async_fn(move |client: &mut ClientWrapper, _| {
                let set = set.clone();
                Box::pin(
                    async move { client.batch_execute(&set).await.map_err(HookError::Backend) },
                )
            }))
            .build()
            .map_err(|error| OpenError::Postgres(error.into()))?;
        Ok(Self {
            pool,
            dialer: Some(dialer),
            session,
        })
    }

    /// A connection to read by, given back when it is dropped.
    pub(crate) async fn reader(&self) -> Result<Object, Fault> {
        self.pool.get().await.map_err(|error| self.fault(error))
    }

    /// How many connections may be dead before one is new.
    pub(crate) fn most(&self) -> usize {
        self.pool.status().max_size
    }

    /// A connection to keep.
    pub(crate) async fn writer(&self) -> Result<ClientWrapper, Fault> {
        let client = Object::take(self.reader().await?);
        if self.dialer.is_none() {
            client.batch_execute(&self.session).await?;
        }
        Ok(client)
    }

    /// A connection to listen on; `None` where the pool is the caller's.
    pub(crate) fn dialer(&self) -> Option<Dialer> {
        self.dialer.clone()
    }

    fn fault(&self, error: PoolError) -> Fault {
        let no_password = self
            .dialer
            .as_ref()
            .and_then(|dialer| dialer.no_password().take());
        match (no_password, error) {
            (Some(why), _) => Fault::connect(why),
            (
                None,
                PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)),
            ) => Fault::connecting(error),
            (None, PoolError::Timeout(TimeoutType::Create)) => Fault::connect(
                "the server does not answer; is it a Postgres server, and has it time?",
            ),
            (None, PoolError::Timeout(_)) => Fault::connect(
                "all connections of the pool are in use for longer than 30 s; allow more of them by `pool_size`",
            ),
            (None, error) => Fault::connect(error),
        }
    }
}

/// What each connection is told first. Statements are so simple that there is one right plan for each, which an empty table must not hide.
///
/// What is one statement is a transaction by the session's defaults, and those of a role may be any: to write nothing, which half of the commits
/// would find out, or to be serializable, which a standby refuses from the first statement on.
fn session(settings: &PostgresStoreBuilder) -> String {
    let commit = match settings.durability {
        Durability::Full => {
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        }
        Durability::LosesCommitsOnServerCrash => "SET synchronous_commit = off",
    };
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; \
         SET default_transaction_isolation = 'read committed'; SET default_transaction_read_only = off; \
         SET statement_timeout = {}; SET lock_timeout = {}; SET enable_seqscan = off; SET enable_bitmapscan = off; \
         SET plan_cache_mode = force_generic_plan; SET jit = off; {commit}; COMMIT",
        milliseconds(settings.statement_timeout),
        milliseconds(settings.lock_timeout),
    )
}

/// As Postgres takes it: 0 would be no limit.
pub(crate) fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}
