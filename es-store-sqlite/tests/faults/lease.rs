//! Who holds the lease of a follower and is frozen past it: what it writes once it goes on is refused. And who is killed at any moment.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use es_core::persistence::{CheckpointStore, DecodeError, EventStore, FollowerId, Record};
use es_core::system::State;
use es_core::testing::block_on;
use es_core::{Application, BoxError, EventSet, Follower, Position, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use rusqlite::{Connection, Transaction};

use crate::{Effort, log, process};

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

/// Notes each event in a table.
struct Notes;

impl Projection for Notes {
    const NAME: &'static str = "notes";
    type Events = Anything;
}

impl SqliteProjection for Notes {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let notes = tx.table("notes");
        tx.execute_batch(&format!(
            "CREATE TABLE {notes} (id INTEGER PRIMARY KEY, position INTEGER)"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<Anything>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} (position) VALUES (?1)", tx.table("notes"));
        let position = i64::try_from(event.position.get())?;
        tx.prepare_cached(&insert)?.execute([position])?;
        Ok(())
    }
}

fn system(store: &SqliteStore) -> System {
    let app = Application::new(store.clone());
    // Small batches, so that a moment is mostly within one.
    let follower = store
        .project(Notes)
        .batch_time(Duration::ZERO)
        .leased_for(LEASE);
    System::new("notes").follow(&app, follower)
}

/// Follows until it is killed, and says when it was fenced.
pub(crate) fn follow(path: &Path) {
    block_on(async {
        let store = SqliteStore::open(path)
            .await
            .expect("the file can be opened");
        let system = system(&store);
        let running = system.start();
        process::say("started");
        let mut was_fenced = false;
        loop {
            let state = system
                .follower("notes")
                .status()
                .await
                .expect("it can be read")
                .state;
            if matches!(state, State::Fenced { .. }) && !was_fenced {
                was_fenced = true;
                process::say("fenced");
            }
            if matches!(state, State::CaughtUp) {
                process::say("caught up");
            }
            std::thread::sleep(Duration::from_millis(1));
            let _ = &running;
        }
    });
}

/// Commits without end, with the notes inside of each commit, and says what is acknowledged.
pub(crate) fn commit_inside(path: &Path) {
    block_on(async {
        let store = SqliteStore::open(path)
            .await
            .expect("the file can be opened");
        let app = Application::new(store.clone());
        let inline = store.inline(&app, Notes).await;
        inline.expect("it goes on where it was");
        std::thread::scope(|scope| {
            for _ in 0..WRITERS {
                scope.spawn(|| block_on(commit_without_end(&store)));
            }
        });
    });
}

async fn commit_without_end(store: &SqliteStore) {
    loop {
        let stored = store.commit(log::one(fastrand::u128(..), 0)).await;
        let position = stored.expect("nobody else writes there").position;
        process::say(&format!(
            "acknowledged {} .",
            position.expect("of an event")
        ));
    }
}

fn noted(path: &Path) -> Vec<u64> {
    let reader = Connection::open(path).expect("the file can be opened");
    let mut statement = reader
        .prepare("SELECT position FROM notes ORDER BY id")
        .expect("it is there");
    let rows = statement
        .query_map((), |row| row.get::<_, i64>(0))
        .expect("it can be read");
    rows.map(|row| row.expect("it can be read").unsigned_abs())
        .collect()
}

fn signal(child: &std::process::Child, signal: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status();
    assert!(sent.expect("there is a `kill`").success());
}

async fn events(store: &SqliteStore, from: u64, count: u64) {
    for number in from..from + count {
        let stored = store.commit(log::one(u128::from(number) + 1, 0)).await;
        stored.expect("nobody else writes there");
    }
}

/// A process is stopped in the middle of its work, another takes over, and the first is woken.
pub(crate) fn a_frozen_holder_is_refused(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    block_on(async {
        let store = SqliteStore::open(&path)
            .await
            .expect("the file can be opened");
        let mut command = process::command(&["follow-notes"]);
        command.arg(&path);
        let (mut child, mut lines) = process::start(command);
        assert_eq!(
            lines.next().expect("it speaks").expect("it speaks"),
            "started"
        );
        let mut written = 0;
        let mut fenced = 0;
        for _ in 0..3 {
            events(&store, written, 300).await;
            written += 300;
            std::thread::sleep(Duration::from_millis(20));
            signal(&child, "-STOP");
            // The file's own lock may be in its hands: then nobody can write, and it is woken and frozen again.
            let system = system(&store);
            let running = system.start();
            let reached = system
                .follower("notes")
                .wait_for(Position::from(written), Duration::from_secs(4))
                .await;
            signal(&child, "-CONT");
            let head = store.head().await.expect("it can be read");
            system
                .follower("notes")
                .wait_for(head, PATIENCE)
                .await
                .expect("one of them gets there");
            running.stop().await.expect("it was told to");
            fenced += usize::from(reached.is_ok());
        }
        signal(&child, "-KILL");
        child.wait().expect("it was killed");
        let head = store.head().await.expect("it can be read").get();
        let expected: Vec<_> = (1..=head).collect();
        assert_eq!(noted(&path), expected, "each event once, in order");
        assert!(fenced > 0, "nobody took over while the holder was frozen");
        format!("frozen 3 times, taken over {fenced} times, events {head}, twice 0, missing 0")
    })
}

/// A process is killed in the middle of its work, and another goes on.
pub(crate) fn a_killed_follower_loses_and_repeats_nothing(effort: Effort) -> String {
    let kills = effort.of(10, 200);
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    block_on(async {
        let store = SqliteStore::open(&path)
            .await
            .expect("the file can be opened");
        let mut written = 0;
        let mut inside = 0;
        for _ in 0..kills {
            events(&store, written, 40).await;
            written += 40;
            let mut command = process::command(&["follow-notes"]);
            command.arg(&path);
            let (mut child, mut lines) = process::start(command);
            assert_eq!(
                lines.next().expect("it speaks").expect("it speaks"),
                "started"
            );
            std::thread::sleep(Duration::from_micros(fastrand::u64(0..20_000)));
            signal(&child, "-KILL");
            child.wait().expect("it was killed");
            let id = FollowerId::new("notes", "");
            let at = store.checkpoint(&id).await;
            inside += usize::from(at.expect("it can be read").get() < written);
        }
        let system = system(&store);
        let running = system.start();
        let head = store.head().await.expect("it can be read");
        let follower = system.follower("notes");
        follower
            .wait_for(head, PATIENCE)
            .await
            .expect("it gets there");
        running.stop().await.expect("it was told to");
        let expected: Vec<_> = (1..=head.get()).collect();
        assert_eq!(noted(&path), expected, "each event once, in order");
        format!("kills {kills}, at work {inside}, events {head}, missing 0, twice 0")
    })
}

/// A process is killed that has notes made inside of its commits, and another goes on.
pub(crate) fn a_killed_writer_leaves_what_is_made_inside_of_its_commits(effort: Effort) -> String {
    let kills = effort.of(8, 200);
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let (mut acknowledged, mut newest) = (0, 0);
    for _ in 0..kills {
        let mut command = process::command(&["commit-inside"]);
        command.arg(&path);
        let (mut child, mut lines) = process::start(command);
        for _ in 0..fastrand::u8(1..40) {
            let line = lines.next().expect("it speaks").expect("it speaks");
            acknowledged += 1;
            newest = position(&line).expect("a whole line").max(newest);
        }
        std::thread::sleep(Duration::from_micros(fastrand::u64(0..2_000)));
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
        let head = block_on(log::open(&path).head())
            .expect("it can be read")
            .get();
        assert!(head >= newest, "what was acknowledged is there");
        let expected: Vec<_> = (1..=head).collect();
        assert_eq!(noted(&path), expected, "with every event its note");
    }
    format!(
        "kills {kills}, acknowledged {acknowledged}, events {newest} or more, missing 0, twice 0"
    )
}

fn position(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("acknowledged ")?;
    rest.strip_suffix(" .")?.parse().ok()
}
