//! A process is killed while it appends.
//!
//! A child says `begun` before it asks for a commit and `acknowledged` once it has the answer. A kill is inside a commit where one was begun and
//! not acknowledged; that the kill also came between the first and the last write of a commit is seen in the write-ahead log that it leaves:
//! frames after the last one that ends a transaction. For that, a part of the children has almost no cache, so that large commits reach the file
//! before they end.
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

use es_core::persistence::{AppendError, CommitId, EventStore};
use es_core::{Position, Version};
use es_store_sqlite::SqliteStore;
use fastrand::Rng;
use uuid::Uuid;

use crate::{Effort, log, process, wal};

/// How many tasks append in a child.
const TASKS: u64 = 4;

/// After how many kills a new file is begun.
const KILLS_OF_A_FILE: usize = 20;

#[derive(Default)]
struct Figures {
    kills: usize,
    in_flight: usize,
    half_written: usize,
    acknowledged: usize,
    unanswered_but_stored: usize,
    lost: usize,
    partial: usize,
}

pub(crate) fn a_killed_process_loses_nothing_that_it_acknowledged(effort: Effort) -> String {
    let mut figures = Figures::default();
    let mut rng = Rng::new();
    let kills = effort.of(12, 240);
    while figures.kills < kills {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log.db");
        let mut acknowledged = HashMap::new();
        for _ in 0..KILLS_OF_A_FILE.min(kills - figures.kills) {
            kill(&path, &mut rng, &mut acknowledged, &mut figures);
        }
    }
    let Figures {
        kills,
        in_flight,
        half_written,
        acknowledged,
        unanswered_but_stored,
        lost,
        partial,
    } = figures;
    assert_eq!((lost, partial), (0, 0));
    assert!(!effort.long || in_flight >= 50);
    format!(
        "kills {kills}, inside a commit {in_flight}, of these between its first and last write {half_written}, acknowledged {acknowledged}, \
         stored though not acknowledged {unanswered_but_stored}, lost = {lost}, partial = {partial}"
    )
}

fn kill(
    path: &Path,
    rng: &mut Rng,
    acknowledged: &mut HashMap<CommitId, Position>,
    figures: &mut Figures,
) {
    let path_text = path.to_str().expect("a path of letters");
    let (mut child, lines) = process::start(process::command(&[
        "append",
        path_text,
        &rng.u64(..).to_string(),
    ]));
    // Some while it opens the file, most while it appends.
    thread::sleep(Duration::from_micros(rng.u64(0..60_000)));
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    figures.kills += 1;

    let mut begun = HashSet::new();
    for line in lines.map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let id = |text: &str| Uuid::parse_str(text).map(CommitId::from);
        // The last line may be cut off.
        match words[..] {
            ["begun", commit] => begun.extend(id(commit)),
            ["acknowledged", commit, position, "."] => {
                let commit = id(commit).expect("an id");
                let position: u64 = position.parse().expect("a position");
                begun.remove(&commit);
                acknowledged.insert(commit, Position::from(position));
                figures.acknowledged += 1;
            }
            _ => {}
        }
    }
    figures.in_flight += usize::from(!begun.is_empty());
    let left = fs::read(path.with_extension("db-wal")).unwrap_or_default();
    figures.half_written += usize::from(wal::unfinished_frames(&left) > 0);

    let whole = log::whole(&log::open(path));
    figures.partial += whole.partial;
    for (commit, position) in &*acknowledged {
        figures.lost += usize::from(whole.by_id.get(commit) != Some(position));
    }
    for commit in begun {
        if let Some(position) = whole.by_id.get(&commit) {
            figures.unanswered_but_stored += 1;
            acknowledged.insert(commit, *position);
        }
    }
}

/// The child: appends from several tasks until it is killed.
pub(crate) fn append(path: &Path, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let cache = if rng.bool() {
        32 * 1024
    } else {
        16 * 1024 * 1024
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started");
    runtime.block_on(async {
        let store = SqliteStore::builder(path)
            .cache(cache)
            .open()
            .await
            .expect("the file opens");
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(append_without_end(store.clone(), seed ^ task)))
            .collect();
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

/// Appends to streams of all tasks, so that there are conflicts too.
async fn append_without_end(store: SqliteStore, seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut versions: HashMap<u128, u64> = HashMap::new();
    loop {
        let size = if rng.u8(..8) == 0 { 10_000 } else { 100 };
        let streams: HashSet<u128> = (0..rng.usize(1..4)).map(|_| rng.u128(1..12)).collect();
        let appends: Vec<_> = streams
            .iter()
            .map(|stream| {
                let expected = Version::from(versions.get(stream).copied().unwrap_or(0));
                (log::stream(*stream), expected, rng.usize(1..20))
            })
            .collect();
        let commit = log::commit(&appends, size);
        process::say(&format!("begun {}", commit.id));
        let commit_id = commit.id;
        match store.commit(commit).await {
            Ok(committed) => {
                let position = committed.position.expect("it has events");
                process::say(&format!("acknowledged {commit_id} {position} ."));
                for (stream, expected, count) in appends {
                    versions.insert(stream.id.as_u128(), expected.get() + count as u64);
                }
            }
            Err(AppendError::Conflict { stream, actual, .. }) => {
                versions.insert(stream.id.as_u128(), actual.get());
            }
            Err(other) => panic!("nothing else is in its way: {other:?}"),
        }
    }
}
