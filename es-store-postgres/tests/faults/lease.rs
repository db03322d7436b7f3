//! Who holds the lease of a follower and is frozen past it: what it writes once it goes on is refused. And who is killed at any moment.
use std::process::{Child, Command};
use std::time::Duration;

use es_core::persistence::{CheckpointStore, DecodeError, EventStore, FollowerId, Record};
use es_core::system::State;
use es_core::{Application, BoxError, EventSet, Follower, Position, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::Transaction;

use crate::{Effort, log, process, server};

/// How long a lease is here.
const LEASE: Duration = Duration::from_millis(300);

/// How many write at once.
const WRITERS: usize = 4;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Any event at all.
struct Anything;

impl EventSet for Anything {
    const CATEGORIES: &'static [&'static str] = &["Lamp"];

    fn decode(_: &Record) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// Notes each event in a table, and says so if it is to.
struct Notes {
    aloud: bool,
}

impl Projection for Notes {
    const NAME: &'static str = "notes";
    type Events = Anything;
}

impl PostgresProjection for Notes {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let notes = tx.table("notes");
        let create = format!(
            "CREATE TABLE {notes} (id bigint GENERATED ALWAYS AS IDENTITY, position bigint)"
        );
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<Anything>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} (position) VALUES ($1)", tx.table("notes"));
        let insert = tx.prepared(&insert).await?;
        let position = i64::try_from(event.position.get())?;
        tx.execute(&insert, &[&position]).await?;
        if self.aloud {
            process::say("noted");
        }
        Ok(())
    }
}

fn following(store: &PostgresStore, aloud: bool) -> System {
    let app = Application::new(store.clone());
    let follower = store.project(Notes { aloud }).leased_for(LEASE);
    System::new("notes").follow(&app, follower)
}

/// Notes what there is.
pub(crate) async fn catch_up(store: &PostgresStore) {
    let settled = following(store, false).settle().await;
    settled.expect("nothing goes wrong");
}

/// Commits without end, with the notes inside of each commit, and says what is acknowledged.
pub(crate) fn commit_inside(url: &str, schema: &str) {
    let store = server::open_at(url, schema);
    server::block_on(async {
        let app = Application::new(store.clone());
        let inline = store.inline(&app, Notes { aloud: false }).await;
        inline.expect("it goes on where it was");
        let writers = (0..WRITERS).map(|_| tokio::spawn(commit_without_end(store.clone())));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("a task does not panic");
        }
    });
}

async fn commit_without_end(store: PostgresStore) {
    loop {
        let stored = store.commit(log::one(fastrand::u128(..), 0)).await;
        let position = stored.expect("nobody else writes there").position;
        process::say(&format!(
            "acknowledged {} .",
            position.expect("of an event")
        ));
    }
}

/// Follows until it is killed, and says what it notes and when it was fenced.
pub(crate) fn follow(url: &str, schema: &str) {
    let store = server::open_at(url, schema);
    server::block_on(async {
        let system = following(&store, true);
        let _running = system.start();
        loop {
            let status = system.follower("notes").status().await;
            if matches!(status.expect("it can be read").state, State::Fenced { .. }) {
                process::say("fenced");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

/// The positions that were noted, in the order in which they were.
pub(crate) async fn noted(url: &str, schema: &str) -> Vec<u64> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("the server answers");
    let connection = tokio::spawn(connection);
    let query = format!("SELECT position FROM {schema}.notes ORDER BY id");
    let rows = client.query(&query, &[]).await.expect("it can be read");
    connection.abort();
    let positions = rows.iter().map(|row| row.get::<_, i64>(0).unsigned_abs());
    positions.collect()
}

fn signal(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("there is a `kill`").success());
}

async fn events(store: &PostgresStore, from: u64, count: u64) {
    for number in from..from + count {
        let stored = store.commit(log::one(u128::from(number) + 1, 0)).await;
        stored.expect("nobody else writes there");
    }
}

/// A process is stopped in the middle of a batch, another takes over, and the first is woken.
pub(crate) fn a_frozen_holder_is_refused(effort: Effort) -> String {
    let rounds = effort.of(3, 30);
    let place = server::fresh();
    let store = server::open(&place);
    server::block_on(async {
        let command = process::command(&["follow-notes", place.url(), place.schema()]);
        let (mut child, mut lines) = process::start(command);
        let mut written = 0;
        for _ in 0..rounds {
            events(&store, written, 300).await;
            written += 300;
            // It is in the middle of what it notes.
            let mut next = || lines.next().expect("it speaks").expect("it speaks");
            for _ in 0..fastrand::u8(1..20) {
                while next() != "noted" {}
            }
            signal(&child, "-STOP");
            let system = following(&store, false);
            let running = system.start();
            let follower = system.follower("notes");
            let reached = follower.wait_for(Position::from(written), PATIENCE).await;
            reached.expect("another takes over, whatever the frozen one holds");
            running.stop().await.expect("it was told to");
            // There is no event that it has not seen, so a note of its own would be the second.
            signal(&child, "-CONT");
            let mut next = || lines.next().expect("it speaks").expect("it speaks");
            while next() != "fenced" {}
        }
        signal(&child, "-KILL");
        child.wait().expect("it was killed");
        let head = store.head().await.expect("it can be read").get();
        let expected: Vec<_> = (1..=head).collect();
        let noted = noted(place.url(), place.schema()).await;
        assert_eq!(noted, expected, "each event once, in order");
        format!("frozen and fenced {rounds} times, events {head}, twice = 0, missing = 0")
    })
}

/// A process is killed in the middle of a batch, or at its end, and another goes on.
pub(crate) fn a_killed_follower_loses_and_repeats_nothing(effort: Effort) -> String {
    let kills = effort.of(10, 200);
    let place = server::fresh();
    let store = server::open(&place);
    server::block_on(async {
        let id = FollowerId::new("notes", "");
        let mut written = 0;
        let mut inside = 0;
        for _ in 0..kills {
            events(&store, written, 40).await;
            written += 40;
            let command = process::command(&["follow-notes", place.url(), place.schema()]);
            let (mut child, mut lines) = process::start(command);
            // Some of its notes are not covered by a checkpoint yet, mostly.
            for _ in 0..fastrand::u8(1..=40) {
                while lines.next().expect("it speaks").expect("it speaks") != "noted" {}
            }
            signal(&child, "-KILL");
            child.wait().expect("it was killed");
            let at = store.checkpoint(&id).await;
            inside += usize::from(at.expect("it can be read").get() < written);
        }
        let system = following(&store, false);
        let running = system.start();
        let head = store.head().await.expect("it can be read");
        let reached = system.follower("notes").wait_for(head, PATIENCE).await;
        reached.expect("it gets there");
        running.stop().await.expect("it was told to");
        let expected: Vec<_> = (1..=head.get()).collect();
        let noted = noted(place.url(), place.schema()).await;
        assert_eq!(noted, expected, "each event once, in order");
        assert!(inside > 0, "nobody was killed within a batch");
        format!("kills {kills}, within a batch {inside}, events {head}, missing = 0, twice = 0")
    })
}

/// A process is killed that has notes made inside of its commits, and another goes on.
pub(crate) fn a_killed_writer_leaves_what_is_made_inside_of_its_commits(effort: Effort) -> String {
    let kills = effort.of(8, 200);
    let place = server::fresh();
    let (mut acknowledged, mut newest) = (0, 0);
    for _ in 0..kills {
        let command = process::command(&["commit-inside", place.url(), place.schema()]);
        let (mut child, mut lines) = process::start(command);
        for _ in 0..fastrand::u8(1..40) {
            let line = lines.next().expect("it speaks").expect("it speaks");
            acknowledged += 1;
            newest = position(&line).expect("a whole line").max(newest);
        }
        signal(&child, "-KILL");
        child.wait().expect("it was killed");
        for line in lines.map_while(Result::ok) {
            // The last may be cut off.
            let Some(position) = position(&line) else {
                break;
            };
            acknowledged += 1;
            newest = newest.max(position);
        }
        server::block_on(async {
            // Its sessions may still be at work.
            let session = server::session(&place).await;
            server::terminate(&session, &place).await;
        });
        let store = server::open(&place);
        let head = server::block_on(store.head())
            .expect("it can be read")
            .get();
        assert!(head >= newest, "what was acknowledged is there");
        let expected: Vec<_> = (1..=head).collect();
        let mut noted = server::block_on(noted(place.url(), place.schema()));
        noted.sort_unstable();
        assert_eq!(noted, expected, "with every event its note");
    }
    format!(
        "kills {kills}, acknowledged {acknowledged}, events {newest} or more, missing = 0, twice = 0"
    )
}

fn position(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("acknowledged ")?;
    rest.strip_suffix(" .")?.parse().ok()
}
