//! Who waits for the disk of another's commit, and who does not. A server that waits for a standby that is not there is as one whose disk does not
//! answer.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::persistence::EventStore;
use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, System, events};
use es_store_postgres::testing::{Disk, Server, TestLog};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, NoTls, Transaction};
use trials::log::one;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Has commits wait for ever, but for those that wait for nothing; one does by then.
async fn stand_still(client: &Client, url: &str) {
    set(client, "nobody").await;
    let (probe, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    // The server takes its time until all of it knows.
    tokio::spawn(async move {
        while probe
            .execute("SELECT pg_logical_emit_message(true, '', '')", &[])
            .await
            .is_ok()
        {}
    });
    timeout(PATIENCE, standing(client, "wait_event = 'SyncRep'"))
        .await
        .unwrap();
}

async fn set(client: &Client, standby: &str) {
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{standby}'");
    client.batch_execute(&set).await.unwrap();
    client
        .batch_execute("SELECT pg_reload_conf()")
        .await
        .unwrap();
}

/// Waits until there is a session of which that is so.
async fn standing(client: &Client, so: &str) {
    let stands = format!("SELECT FROM pg_stat_activity WHERE {so}");
    while client.query(&stands, &[]).await.unwrap().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Commits one event, behind somebody who has the log locked, so that it takes long.
async fn slowly(store: &PostgresStore, log: &TestLog, client: &Client, expected: u64) {
    let lock = format!("BEGIN; SELECT FROM {}.es_log FOR UPDATE", log.schema());
    client.batch_execute(&lock).await.unwrap();
    let others = self::client(log.url()).await;
    let ending = async {
        let waits = format!(
            "wait_event_type = 'Lock' AND application_name = '{}'",
            log.schema()
        );
        standing(&others, &waits).await;
        sleep(Duration::from_millis(5)).await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    let both = async { tokio::join!(store.commit(one(1, expected)), ending) };
    let (written, ()) = timeout(PATIENCE, both).await.unwrap();
    written.unwrap();
}

/// Where it is written without waiting for anything, also to drop a log in the end.
fn quick(server: &Server) -> String {
    format!("{}?options=-c%20synchronous_commit%3Dlocal", server.url())
}

/// A store whose commits wait.
async fn slow(server: &Server, log: &TestLog) -> PostgresStore {
    let slow = PostgresStore::builder(&server.url()).schema(log.schema());
    slow.application_name(log.schema()).connect().await.unwrap()
}

#[tokio::test]
async fn commits_to_one_log_do_not_wait_for_the_disk_of_those_to_another() {
    let server = Server::start(Disk::NotWaitedFor).unwrap();
    let people = client(&quick(&server)).await;
    let here = TestLog::on(quick(&server)).await.unwrap();
    let there = TestLog::on(quick(&server)).await.unwrap();
    let quick = here.store().await.unwrap();
    let slow = slow(&server, &there).await;
    for version in 0..4 {
        quick.commit(one(1, version)).await.unwrap();
        slow.commit(one(1, version)).await.unwrap();
    }
    slowly(&slow, &there, &people, 4).await;

    stand_still(&people, &server.url()).await;
    let waiting = {
        let slow = slow.clone();
        tokio::spawn(async move { slow.commit(one(1, 5)).await })
    };
    timeout(PATIENCE, standing(&people, COMMITTING))
        .await
        .unwrap();
    for version in 4..8 {
        let written = timeout(PATIENCE, quick.commit(one(1, version))).await;
        written.expect("it waits for nobody").unwrap();
    }
    assert!(!waiting.is_finished());
    set(&people, "").await;
    waiting.await.unwrap().unwrap();
}

/// What of a session commits to a log.
const COMMITTING: &str = "wait_event = 'SyncRep' AND query LIKE 'WITH log%'";

#[tokio::test]
async fn who_listens_is_told_of_a_commit_whose_answer_was_lost() {
    let server = Server::start(Disk::NotWaitedFor).unwrap();
    let people = client(&quick(&server)).await;
    let log = TestLog::on(quick(&server)).await.unwrap();
    let store = slow(&server, &log).await;
    for version in 0..4 {
        store.commit(one(1, version)).await.unwrap();
    }
    slowly(&store, &log, &people, 4).await;
    let (_, mut notes) = notes(&log, &people).await;

    stand_still(&people, &server.url()).await;
    let committing = tokio::spawn(async move { store.commit(one(1, 5)).await });
    timeout(PATIENCE, standing(&people, COMMITTING))
        .await
        .unwrap();
    let cut =
        format!("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {COMMITTING}");
    people.batch_execute(&cut).await.unwrap();
    // Who finds out what is committed waits, too.
    set(&people, "").await;
    committing.await.unwrap().unwrap();
    timeout(PATIENCE, notes.recv()).await.unwrap();
}

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered")]
    fn register() -> Self {
        Self { root: Root::new() }
    }
}

/// Its commits wait, too, where that is said.
#[derive(Default)]
struct Names(Arc<AtomicBool>);

impl Projection for Names {
    const NAME: &'static str = "names";
    type Events = DogEvent;
}

impl PostgresProjection for Names {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let names = tx.table("names");
        let create = format!("CREATE TABLE {names} (id uuid PRIMARY KEY)");
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if self.0.load(Ordering::Relaxed) {
            tx.batch_execute("SET LOCAL synchronous_commit = on")
                .await?;
        }
        let insert = format!("INSERT INTO {} VALUES ($1)", tx.table("names"));
        Ok(tx.queue(&insert, (event.stream.id,)).await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_do_not_wait_for_the_disk_of_a_follower() {
    let server = Server::start(Disk::NotWaitedFor).unwrap();
    let people = client(&quick(&server)).await;
    let log = TestLog::on(quick(&server)).await.unwrap();
    stand_still(&people, &server.url()).await;
    let store = log.store().await.unwrap();
    let app = Application::builder(store.clone()).name("kennel").build();
    let waits = Arc::new(AtomicBool::new(false));
    let names = store.project(Names(Arc::clone(&waits)));
    let system = System::new("kennel").follow(&app, names);
    app.save(&mut Dog::register()).await.unwrap();
    system.settle().await.unwrap();

    let running = system.start();
    waits.store(true, Ordering::Relaxed);
    app.save(&mut Dog::register()).await.unwrap();
    let committing = standing(&people, "wait_event = 'SyncRep' AND query = 'COMMIT'");
    timeout(PATIENCE, committing).await.unwrap();
    for _ in 0..4 {
        let written = timeout(PATIENCE, app.save(&mut Dog::register())).await;
        written.expect("it waits for nobody").unwrap();
    }
    set(&people, "").await;
    system.settled(PATIENCE).await.unwrap();
    running.stop().await.unwrap();
}

/// The channel of a log, and what is told there from here on.
async fn notes(log: &TestLog, people: &Client) -> (String, UnboundedReceiver<String>) {
    // A store that waits listens, and has said to what.
    let waiting = log.store().await.unwrap();
    drop(waiting.changed());
    let listens = "SELECT query FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN es_%'";
    let listen: String = loop {
        if let Some(row) = people.query_opt(listens, &[&log.schema()]).await.unwrap() {
            break row.get(0);
        }
    };
    let (client, mut connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    let (tell, told) = unbounded_channel();
    tokio::spawn(async move {
        let mut messages = poll_fn(|context| connection.poll_message(context));
        while let Some(Ok(message)) = (&mut messages).await {
            if let AsyncMessage::Notification(note) = message {
                drop(tell.send(note.payload().to_owned()));
            }
        }
    });
    client.batch_execute(&listen).await.unwrap();
    // It listens for as long as there is a client.
    tokio::spawn(async move {
        let _client = client;
        pending::<()>().await;
    });
    (listen.replace("LISTEN ", ""), told)
}

#[tokio::test]
async fn who_listens_is_told_also_of_what_is_told_behind_a_commit() {
    let log = TestLog::new().await.unwrap();
    let people = client(log.url()).await;
    let store = log.store().await.unwrap();
    let (channel, mut notes) = notes(&log, &people).await;
    let mut told = async |of: &str| timeout(PATIENCE, notes.recv()).await.expect(of).unwrap();

    let app = Application::builder(store.clone()).name("kennel").build();
    app.save(&mut Dog::register()).await.unwrap();
    told("a commit").await;
    let system = System::new("kennel").follow(&app, store.project(Names::default()));
    system.settle().await.unwrap();
    told("a checkpoint").await;

    for version in 0..4 {
        store.commit(one(1, version)).await.unwrap();
        told("a commit").await;
    }
    slowly(&store, &log, &people, 4).await;
    told("a commit that takes long").await;
    store.commit(one(1, 5)).await.unwrap();
    told("a commit behind one that took long").await;

    people
        .execute("SELECT pg_notify($1, 'no more')", &[&channel])
        .await
        .unwrap();
    assert_eq!(told("the last").await, "no more", "each is told once");
}
