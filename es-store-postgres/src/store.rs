//! The store itself: readers beside one writer.
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Pool};
use es_core::persistence::{
    AppendError, BoxFuture, Commit, CommitId, Committed, EventStore, Filter, KeepError, LogPage,
    ReadError, Record, Slice, Span, Visit,
};
use es_core::{Position, StreamId};
use es_store_sql::names::Names;
use event_listener::Event;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::builder::{PostgresStoreBuilder, Server};
use crate::connection::{Connections, in_time, patience, standstill};
use crate::error::{Fault, not_kept, unreadable};
use crate::inline::Inline;
use crate::listen::listen;
use crate::names::written;
use crate::schema::{self, Log};
use crate::sql::Sql;
use crate::tables::waits_for_itself;
use crate::writer::{Desk, Writer};
use crate::{Migrated, OpenError, Verification, reads, verify};

/// A log in a Postgres database. Its clones share their connections, which are closed with the last of them.
///
/// It works on the tokio runtime that it was connected in, whoever polls its futures.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) sql: Arc<Sql>,
    connections: Arc<Connections>,
    pub(crate) writer: Writer,
    pub(crate) inline: Arc<Inline>,
    pub(crate) changed: Arc<Event>,
    /// How long a server may take to answer that is still there.
    pub(crate) patience: Duration,
    pub(crate) lock_timeout: Duration,
    names: Names,
    pub(crate) payload_limit: usize,
    /// The tables were found to be as they have to be.
    ready: AtomicBool,
    command: String,
    pub(crate) handle: String,
    listener: OnceLock<Option<Listener>>,
    runtime: Runtime,
    identity: Option<u64>,
}

/// Ends the task that listens with the store.
struct Listener(AbortHandle);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks on a connection of the pool, and once more on another one where that one was dead.
macro_rules! reading {
    ($shared:ident, $client:ident, $read:expr) => {{
        let shared: &Shared = $shared;
        let mut dead = 0;
        loop {
            let $client = shared.reader().await?;
            let since = ::tokio::time::Instant::now();
            match in_time(shared.patience, $read).await {
                Err(Fault::Silent) => {
                    shared.connections.give_up($client, &Fault::Silent, since);
                    break Err(Fault::Silent);
                }
                Err(fault @ Fault::Postgres(_)) if fault.is_lost() => {
                    shared.connections.give_up($client, &fault, since);
                    dead += 1;
                    if dead > shared.connections.most() {
                        break Err(fault);
                    }
                }
                answer => break answer,
            }
        }
    }};
}

/// Changes something beside the log, in a transaction of a connection of the pool; once more on another one where that one was dead.
macro_rules! altering {
    ($shared:ident, $transaction:ident, $change:expr) => {{
        let shared: &Shared = $shared;
        let mut dead = 0;
        loop {
            let mut client = shared.reader().await?;
            let since = ::tokio::time::Instant::now();
            let mut sent = false;
            let altered = in_time(shared.patience, async {
                let begun = client
                    .build_transaction()
                    .isolation_level(IsolationLevel::ReadCommitted)
                    .read_only(false);
                let begun = begun.start().await?;
                let $transaction: &Transaction<'_> = &begun;
                let changed = $change.await?;
                sent = true;
                begun.commit().await?;
                Ok(changed)
            })
            .await;
            let Err(fault) = altered else { break altered };
            // Its transaction may be open still.
            match fault.is_lost() {
                true => shared.connections.give_up(client, &fault, since),
                false => drop(Object::take(client)),
            }
            dead += 1;
            if sent
                || !matches!(fault, Fault::Postgres(_))
                || !fault.is_lost()
                || dead > shared.connections.most()
            {
                break Err(fault);
            }
        }
    }};
}

mod checkpoints;
mod runtime;
mod snapshots;

pub(crate) use runtime::{OnRuntime, Runtime};

impl PostgresStore {
    /// Connects to a database: the server answers, and no table is touched.
    ///
    /// Must be called in a tokio runtime, which the store then works on. The log is the tables that begin with `es_` in the schema `public`, unless the
    /// URL, or the [`builder`](PostgresStore::builder), says another:
    ///
    /// | option of the URL | method | its value |
    /// |---|---|---|
    /// | `schema` | [`schema`](PostgresStoreBuilder::schema) | a name, as in `postgres://db/school?schema=office` |
    /// | `table_prefix` | [`table_prefix`](PostgresStoreBuilder::table_prefix) | letters, digits and underscores, as in `?table_prefix=office_` |
    /// | `pool_size` | [`pool_size`](PostgresStoreBuilder::pool_size) | how many connections, as in `?schema=office&pool_size=20` |
    /// | `statement_timeout` | [`statement_timeout`](PostgresStoreBuilder::statement_timeout) | how long, as in `?statement_timeout=5s`; `ms`, `s` or `min` |
    /// | `lock_timeout` | [`lock_timeout`](PostgresStoreBuilder::lock_timeout) | how long, as above |
    ///
    /// All others are the driver's ([`Config`](tokio_postgres::Config)): `sslmode`, `connect_timeout`, `keepalives_idle`, `target_session_attrs` and more.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn connect(url: &str) -> Result<Self, OpenError> {
        Self::builder(url).connect().await
    }

    /// A store of which more is said before it is connected.
    pub fn builder(url: &str) -> PostgresStoreBuilder {
        PostgresStoreBuilder::of(url)
    }

    /// A store on connections of a pool of yours: how they are made, and what is said to each session of those that read, is yours to say.
    ///
    /// One connection is taken out of the pool for good, to write. None listens, so what other processes commit is found by looking, once a second.
    pub fn from_pool(pool: Pool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::new(Server::Pool(pool))
    }

    pub(crate) async fn with(settings: PostgresStoreBuilder) -> Result<Self, OpenError> {
        schema::check_names(&settings.location)?;
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let runtime = Runtime::of(runtime);
        let connections = Arc::new(Connections::new(&settings)?);
        drop(connections.reader().await?);
        let identity = settings.identity();
        let sql = Arc::new(Sql::new(settings.location));
        let changed = Arc::new(Event::new());
        let handle = Uuid::now_v7().simple().to_string();
        let inline = Arc::new(Inline::default());
        let desk = Desk {
            inline: Arc::clone(&inline),
            connections: Arc::clone(&connections),
            sql: Arc::clone(&sql),
            changed: Arc::clone(&changed),
            handle: handle.clone(),
            command: settings.migration_command.clone(),
            patience: patience(settings.statement_timeout),
            standstill: standstill(settings.lock_timeout),
        };
        let writer = Writer::start(desk, &runtime);
        Ok(Self {
            shared: Arc::new(Shared {
                sql,
                connections,
                writer,
                inline,
                changed,
                patience: patience(settings.statement_timeout),
                lock_timeout: settings.lock_timeout,
                names: Names::default(),
                payload_limit: settings.payload_limit,
                ready: AtomicBool::new(false),
                command: settings.migration_command,
                handle,
                listener: OnceLock::new(),
                runtime,
                identity,
            }),
        })
    }

    /// Brings the tables up to date: all steps in one transaction. Several may do it at once, and one of them does it.
    ///
    /// The user needs the right to create tables and functions in the schema, and to create the schema where there is none; who only uses the store
    /// needs no more than to read and write the tables.
    ///
    /// # Errors
    /// [`OpenError`]; the tables are what they were.
    pub async fn migrate(&self) -> Result<Migrated, OpenError> {
        let migrating = async {
            let mut client = self.shared.connections.reader().await?;
            let migrated = self.shared.log().migrate(&mut client).await;
            if migrated.is_err() {
                // Its transaction may be open still.
                drop(Object::take(client));
            }
            migrated
        };
        let migrated = self.on_its_runtime(migrating).await.map_err(opening)?;
        Ok(migrated)
    }

    /// Says whether the tables are as this program needs them; the first call of any other method finds it out too.
    ///
    /// # Errors
    /// [`OpenError`], such as [`Unmigrated`](OpenError::Unmigrated).
    pub async fn check(&self) -> Result<(), OpenError> {
        let shared = &*self.shared;
        let checking = async { reading!(shared, client, shared.log().check(&**client)) };
        self.on_its_runtime(checking).await.map_err(opening)
    }

    /// Reads the whole log and compares it with what was written: sums, positions, versions, head. It finds accidents and naive tampering; whoever
    /// also computes the sum anew is not found.
    ///
    /// Takes as long as reading everything, and as little memory as reading one event and each finding.
    ///
    /// # Errors
    /// [`ReadError`]: the server cannot be reached, or the tables are not as they have to be.
    pub async fn verify(&self) -> Result<Verification, ReadError> {
        let verifying = async {
            let mut client = self.shared.reader().await?;
            let verified = verify::verify(&mut client, &self.shared.sql).await;
            if verified.is_err() {
                drop(Object::take(client));
            }
            verified
        };
        self.on_its_runtime(verifying)
            .await
            .map_err(|fault: Fault| unreadable(&fault))
    }

    /// Timers and connections are those of the store's runtime.
    pub(crate) fn on_its_runtime<F: Future>(&self, future: F) -> OnRuntime<F> {
        self.shared.runtime.run(future)
    }

    fn read<'a, T: 'a>(
        &self,
        read: impl Future<Output = Result<T, Fault>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, ReadError>> {
        let read = self.on_its_runtime(read);
        Box::pin(async move { read.await.map_err(|fault| unreadable(&fault)) })
    }

    fn keep<'a>(
        &self,
        keep: impl Future<Output = Result<(), Fault>> + Send + 'a,
    ) -> BoxFuture<'a, Result<(), KeepError>> {
        let keep = self.on_its_runtime(keep);
        Box::pin(async move { keep.await.map_err(|fault| not_kept(&fault)) })
    }
}

impl Shared {
    fn log(&self) -> Log<'_> {
        Log {
            location: &self.sql.location,
            command: &self.command,
        }
    }

    /// A connection to a log that is as it has to be.
    async fn reader(&self) -> Result<Object, Fault> {
        loop {
            let client = self.connections.reader().await?;
            if self.ready.load(Ordering::Acquire) {
                return Ok(client);
            }
            let since = ::tokio::time::Instant::now();
            match in_time(self.patience, self.log().check(&**client)).await {
                Ok(()) => {
                    self.ready.store(true, Ordering::Release);
                    return Ok(client);
                }
                Err(fault @ Fault::Postgres(_)) if fault.is_lost() => {
                    self.connections.give_up(client, &fault, since);
                }
                Err(fault) => {
                    if fault.is_lost() {
                        self.connections.give_up(client, &fault, since);
                    }
                    return Err(fault);
                }
            }
        }
    }

    /// A connection to keep, to a log that is as it has to be.
    pub(crate) async fn own_connection(&self) -> Result<ClientWrapper, Fault> {
        Ok(Object::take(self.reader().await?))
    }

    /// Takes note of a connection that is lost, which was asked since then.
    pub(crate) fn lost(&self, fault: &Fault, since: tokio::time::Instant) {
        self.connections.lost(fault, since);
    }

    /// Begins to listen, the first time.
    fn listen(&self) {
        self.listener.get_or_init(|| {
            let listening = listen(
                self.connections.dialer()?,
                self.sql.channel.clone(),
                self.handle.clone(),
                Arc::clone(&self.changed),
            );
            Some(Listener(
                self.runtime.handle.spawn(listening).abort_handle(),
            ))
        });
    }
}

fn opening(fault: Fault) -> OpenError {
    match fault {
        Fault::Open(error) => match Arc::try_unwrap(error) {
            Ok(error) => error,
            Err(error) => OpenError::Postgres(error.into()),
        },
        fault => fault.into(),
    }
}

const WITHIN: &str = "a projection inside of a commit asks for it, which the commit would wait for; what handles an event writes into its transaction alone: save \
     in a process manager, or together with what the event comes from";

impl EventStore for PostgresStore {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(async move {
            if waits_for_itself(&self.shared.sql) {
                return Err(AppendError::Failed(WITHIN.into()));
            }
            commit.check_sizes(self.shared.payload_limit)?;
            self.shared.names.learn(&commit.appends);
            self.shared.writer.commit(commit).await
        })
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        let shared = &*self.shared;
        self.read(
            async move { reading!(shared, client, reads::outcome(&client, &shared.sql, commit)) },
        )
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                reads::stream(&client, &shared.sql, stream, slice, &shared.names)
            )
        })
    }

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, Result<(), ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            let (mut shown, mut broken) = (false, None);
            let visited = reading!(shared, client, async {
                let visited = reads::visit(&client, &shared.sql, stream, slice, visit, &mut shown);
                match visited.await {
                    // Nobody is shown an event twice.
                    Err(fault) if shown => {
                        broken = Some(fault);
                        Ok(())
                    }
                    visited => visited,
                }
            });
            broken.map_or(visited, Err)
        })
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                reads::log(&client, &shared.sql, span, filter, &shared.names)
            )
        })
    }

    fn read_ids<'a>(
        &'a self,
        category: &'a str,
        after: Option<Uuid>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Uuid>, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            reading!(
                shared,
                client,
                reads::ids(&client, &shared.sql, category, after, limit)
            )
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        let shared = &*self.shared;
        self.read(async move { reading!(shared, client, reads::head(&client, &shared.sql)) })
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        self.shared.listen();
        Box::pin(self.shared.changed.listen())
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        let shared = &*self.shared;
        self.read(async move {
            let owner = reading!(shared, client, reads::owner(&client, &shared.sql))?;
            if let Some(owner) = owner {
                return Ok(owner);
            }
            let name = written(name);
            reading!(
                shared,
                client,
                crate::snapshots::execute(&client, &shared.sql.claim, &[&name])
            )?;
            // Another process may have been faster.
            let owner = reading!(shared, client, reads::owner(&client, &shared.sql))?;
            owner.ok_or_else(reads::no_log)
        })
    }

    fn verify(&self) -> BoxFuture<'_, Result<Verification, ReadError>> {
        Box::pin(PostgresStore::verify(self))
    }

    fn identity(&self) -> Option<u64> {
        self.shared.identity
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("log", &self.shared.log().to_string())
            .finish_non_exhaustive()
    }
}
