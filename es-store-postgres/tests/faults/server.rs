//! The server that faults befall: it waits for its disk.
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use es_store_postgres::PostgresStore;
use es_store_postgres::testing::{Disk, Server, TestLog};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

static SERVER: LazyLock<Mutex<Server>> = LazyLock::new(|| {
    Mutex::new(Server::start(Disk::Synchronised).unwrap_or_else(|e| panic!("{e}")))
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
});

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// The server itself; whoever has it may stop it.
pub(crate) fn server() -> MutexGuard<'static, Server> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An empty log that nobody else has.
pub(crate) fn fresh() -> TestLog {
    let url = server().url();
    block_on(TestLog::on(url)).expect("it can be made")
}

pub(crate) fn open(place: &TestLog) -> PostgresStore {
    block_on(place.store()).expect("the server answers")
}

/// A log that another process has made.
pub(crate) fn open_at(url: &str, schema: &str) -> PostgresStore {
    let builder = PostgresStore::builder(url)
        .schema(schema)
        .application_name(schema);
    block_on(builder.connect()).expect("the server answers")
}

/// A session of one's own in the schema of a log.
pub(crate) async fn session(place: &TestLog) -> Client {
    let (client, connection) = tokio_postgres::connect(place.url(), NoTls)
        .await
        .expect("the server answers");
    tokio::spawn(connection);
    client
        .batch_execute(&format!("SET search_path = {}", place.schema()))
        .await
        .expect("it is there");
    client
}

/// What somebody does by hand.
pub(crate) fn execute(place: &TestLog, statements: &str) -> Result<(), tokio_postgres::Error> {
    block_on(async { session(place).await.batch_execute(statements).await })
}

/// Ends the sessions of the stores of a log, waits for their end, and says how many there were.
pub(crate) async fn terminate(client: &Client, place: &TestLog) -> usize {
    let statement =
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1";
    let ended = client.query(statement, &[&place.schema()]).await;
    ended.expect("it may").len()
}
