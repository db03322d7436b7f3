//! Who holds the lease of a follower and is frozen past it: what it writes once it goes on is refused.
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use es_core::persistence::EventStore;
use es_core::{Application, BoxError, Position, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use rusqlite::{Connection, Transaction};
use trials::block_on;
use trials::faults::Log;
use trials::faults::lease::{Anything, PATIENCE, events, system};

use crate::file::File;
use crate::{Effort, process};

/// Notes each event in a table, and says so if it is to.
struct Notes {
    aloud: bool,
}

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
        if self.aloud {
            process::say("noted");
        }
        Ok(())
    }
}

pub(crate) fn following(store: &SqliteStore, aloud: bool) -> System {
    // Small batches, so that a moment is mostly within one.
    let follower = store.project(Notes { aloud }).batch_time(Duration::ZERO);
    system(store, follower)
}

pub(crate) async fn note_inside(store: &SqliteStore, app: &Application) {
    let inline = store.inline(app, Notes { aloud: false }).await;
    inline.expect("it goes on where it was");
}

pub(crate) fn noted(reader: &Connection) -> Vec<u64> {
    let mut statement = reader
        .prepare("SELECT position FROM notes ORDER BY id")
        .expect("it is there");
    let rows = statement
        .query_map((), |row| row.get::<_, i64>(0))
        .expect("it can be read");
    rows.map(|row| row.expect("it can be read").unsigned_abs())
        .collect()
}

/// Stops a process where it does not have the file's own lock: with that nobody could write, and it would be woken.
fn freeze(child: &Child, file: &File) {
    let other = file.connection();
    other
        .busy_timeout(Duration::ZERO)
        .expect("it may be set any time");
    for _ in 0..10_000 {
        process::signal(child.id(), "-STOP");
        if other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            return;
        }
        process::signal(child.id(), "-CONT");
        thread::sleep(Duration::from_micros(fastrand::u64(..1_000)));
    }
    panic!("it is always in the middle of writing");
}

/// A process is stopped in the middle of its work, another takes over, and the first is woken.
pub(crate) fn a_frozen_holder_is_refused(_: Effort) -> String {
    let file = File::fresh();
    let store = file.open();
    let (head, fenced) = block_on(async {
        let command = process::command(&["follow-notes", &file.address()]);
        let (mut child, mut lines) = process::start(command);
        let first = lines.next().expect("it speaks").expect("it speaks");
        assert_eq!(first, "started");
        // A child that nobody listens to stands still once the pipe is full.
        thread::spawn(|| lines.for_each(drop));
        let mut written = 0;
        let mut fenced = 0;
        // On a machine that is fast enough it is done with all before it is stopped.
        for round in 1..=20 {
            events(&store, written, 300).await;
            let began = Instant::now();
            while file.noted().len() as u64 <= written {
                assert!(began.elapsed() < PATIENCE, "the child notes nothing");
                thread::sleep(Duration::from_micros(100));
            }
            written += 300;
            freeze(&child, &file);
            let unfinished = (file.noted().len() as u64) < written;
            let system = following(&store, false);
            let running = system.start();
            let follower = system.follower("notes");
            let reached = Position::from(written);
            let reached = follower.wait_for(reached, Duration::from_secs(4)).await;
            process::signal(child.id(), "-CONT");
            let head = store.head().await.expect("it can be read");
            let reached_by_one = follower.wait_for(head, PATIENCE).await;
            reached_by_one.expect("one of them gets there");
            running.stop().await.expect("it was told to");
            fenced += usize::from(unfinished && reached.is_ok());
            if fenced > 0 && round >= 3 {
                break;
            }
        }
        process::signal(child.id(), "-KILL");
        child.wait().expect("it was killed");
        let head = store.head().await.expect("it can be read");
        (head.get(), fenced)
    });
    let expected: Vec<_> = (1..=head).collect();
    assert_eq!(file.noted(), expected, "each event once, in order");
    assert!(fenced > 0, "nobody took over while the holder was frozen");
    format!("taken over {fenced} times while frozen, events {head}, twice 0, missing 0")
}
