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
use tokio::time::Instant;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Socket};

use crate::OpenError;
use crate::builder::{Durability, Password, PostgresStoreBuilder, Server};
use crate::error::Fault;
use crate::tls::Tls;
use crate::url::NotAUrl;

/// How long one attempt to connect may take, unless the URL says it.
const TO_CONNECT: Duration = Duration::from_secs(5);

/// How long somebody waits for a connection of the pool.
const FOR_A_PLACE: Duration = Duration::from_secs(30);

/// How long a line is quiet until the client's system asks over it whether the server's is there still, unless the URL says it; after how long it
/// asks again, and how often.
const QUIET: Duration = Duration::from_secs(10);
const ASKED_AGAIN: Duration = Duration::from_secs(5);
const ASKED: u32 = 2;

/// How long the server's system may leave unanswered what was sent, before the line counts as broken, unless the URL says it. That is a matter of the
/// systems: a statement may take longer.
const UNANSWERED: Duration = Duration::from_secs(20);

/// How long an answer is awaited until it says something of the line that none comes.
const TELLING: Duration = Duration::from_secs(1);

/// What the driver has for [`QUIET`] where nothing is said.
const QUIET_OF_THE_DRIVER: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a transaction may stand still under a lock that others wait for: so that most of them get it before they give up.
pub(crate) fn standstill(lock_timeout: Duration) -> Duration {
    (lock_timeout / 2).clamp(Duration::from_secs(1), Duration::from_secs(10))
}

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
            Server::Url(Err(NotAUrl::Value { option, accepted })) => {
                return Err(OpenError::UrlValue { option, accepted });
            }
        };
        let mut config = Config::clone(config);
        look_after(&mut config);
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
                Box::pin(async move {
                    let told = tokio::time::timeout(to_connect, tell(client, &set));
                    let told = told.await.map_err(|_| HookError::message(NO_ANSWER))?;
                    told.map_err(HookError::Backend)
                })
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

    /// Gives up a connection that is lost, which was asked since then.
    pub(crate) fn give_up(&self, dead: Object, fault: &Fault, since: Instant) {
        drop(Object::take(dead));
        self.lost(fault, since);
    }

    /// Where an answer was awaited in vain for a while, gives up all connections that nobody uses, too: they are to the same server, by the same
    /// way, and where packets vanish each would be found out by waiting. One whose end was told says nothing of others.
    pub(crate) fn lost(&self, fault: &Fault, since: Instant) {
        let is_of_the_line = match fault {
            Fault::Silent => true,
            Fault::Postgres(_) => fault.is_lost() && since.elapsed() > TELLING,
            _ => false,
        };
        if is_of_the_line {
            self.give_up_idle();
        }
    }

    pub(crate) fn give_up_idle(&self) {
        drop(self.pool.retain(|_, _| false));
    }

    /// A connection to keep.
    pub(crate) async fn writer(&self) -> Result<ClientWrapper, Fault> {
        let client = Object::take(self.reader().await?);
        if self.dialer.is_none() {
            tell(&client, &self.session).await?;
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
            (
                None,
                PoolError::Timeout(TimeoutType::Create)
                | PoolError::PostCreateHook(HookError::Message(_)),
            ) => Fault::connect(NO_ANSWER),
            (None, PoolError::Timeout(_)) => Fault::connect(
                "all connections of the pool are in use for longer than 30 s; the server does not answer them, or allow more by `pool_size`",
            ),
            (None, error) => Fault::connect(error),
        }
    }
}

const NO_ANSWER: &str = "the server does not answer; is it a Postgres server, and has it time?";

/// Has a line found dead whose other end is gone, or between whose ends packets vanish: a firewall that forgot it says nothing. The systems would find
/// out after two hours, and where something was sent after a quarter of one.
fn look_after(config: &mut Config) {
    if config.get_keepalives_idle() == QUIET_OF_THE_DRIVER {
        config.keepalives_idle(QUIET);
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(ASKED_AGAIN);
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(ASKED);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNANSWERED);
    }
}

/// Has the server find out, too, within two minutes: each host that vanished would leave its sessions otherwise, until there is no place for more. What
/// it was told to do sooner stays so, and over a Unix socket it is nothing.
pub(crate) const LOOKED_AFTER: &str = "SELECT set_config(name, longest::text, false) \
     FROM (VALUES ('tcp_keepalives_idle', 60), ('tcp_keepalives_interval', 10), ('tcp_keepalives_count', 6), ('tcp_user_timeout', 120000)) \
     AS wanted (name, longest) \
     WHERE current_setting(name, true)::int > longest OR (name = 'tcp_user_timeout' AND current_setting(name, true) = '0')";

/// Tells a session what it is to do. A server that knows nothing of its end of the line is as good.
async fn tell(client: &Client, session: &str) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(session).await?;
    let _ = client.batch_execute(LOOKED_AFTER).await;
    Ok(())
}

/// What each connection is told first. Statements are so simple that there is one right plan for each, which an empty table must not hide.
///
/// What is one statement is a transaction by the session's defaults, and those of a role may be any: to write nothing, which half of the commits
/// would find out, or to be serializable, which a standby refuses from the first statement on.
///
/// Between two statements of a transaction there is one round trip. A client that is not heard of for longer may be gone, or frozen: with the lock of
/// the log, or of a follower's row, which everybody else waits for.
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
         SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET enable_seqscan = off; SET enable_bitmapscan = off; \
         SET plan_cache_mode = force_generic_plan; SET jit = off; {commit}; COMMIT",
        milliseconds(settings.statement_timeout),
        milliseconds(settings.lock_timeout),
        milliseconds(standstill(settings.lock_timeout)),
    )
}

/// As Postgres takes it: 0 would be no limit.
pub(crate) fn milliseconds(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{QUIET, UNANSWERED, look_after, standstill};
    use crate::url;

    #[test]
    fn a_line_is_looked_after_unless_the_url_says_how() {
        let looked_after = |said: &str| {
            let Ok(mut url) = url::read(&format!("postgres://db/school?{said}")) else {
                panic!("{said} can be read");
            };
            look_after(&mut url.config);
            let quiet = url.config.get_keepalives_idle();
            (quiet, url.config.get_tcp_user_timeout().copied())
        };
        assert_eq!(looked_after(""), (QUIET, Some(UNANSWERED)));
        let said = looked_after("keepalives_idle=30&tcp_user_timeout=90");
        let seconds = Duration::from_secs;
        assert_eq!(said, (seconds(30), Some(seconds(90))));
    }

    #[test]
    fn who_stands_still_gives_way_before_others_give_up() {
        let seconds = Duration::from_secs;
        for (lock, still) in [(10, 5), (60, 10), (1, 1)] {
            assert_eq!(standstill(seconds(lock)), seconds(still));
        }
    }
}
