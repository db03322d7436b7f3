//! A process is killed while it appends.
//!
//! A child says `begun` before it asks for a commit and `acknowledged` once it has the answer. A kill is inside a commit where one was begun and
//! not acknowledged.
use std::collections::{HashMap, HashSet};

use es_core::persistence::{AppendError, CommitId, EventStore};
use es_core::{Position, Version};
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::TestLog;
use fastrand::Rng;
use uuid::Uuid;

use crate::{Effort, log, process, server};

/// How many tasks append in a child.
const TASKS: u64 = 4;

/// After how many kills a new log is begun.
const KILLS_OF_A_LOG: usize = 20;

#[derive(Default)]
struct Figures {
    kills: usize,
    in_flight: usize,
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
        let place = server::fresh();
        let mut acknowledged = HashMap::new();
        for _ in 0..KILLS_OF_A_LOG.min(kills - figures.kills) {
            kill(&place, &mut rng, &mut acknowledged, &mut figures);
        }
    }
    let Figures {
        kills,
        in_flight,
        acknowledged,
        unanswered_but_stored,
        lost,
        partial,
    } = figures;
    assert_eq!((lost, partial), (0, 0));
    assert!(in_flight >= effort.of(1, 50));
    format!(
        "kills {kills}, inside a commit {in_flight}, acknowledged {acknowledged}, \
         stored though not acknowledged {unanswered_but_stored}, lost = {lost}, partial = {partial}"
    )
}

fn kill(
    place: &TestLog,
    rng: &mut Rng,
    acknowledged: &mut HashMap<CommitId, Position>,
    figures: &mut Figures,
) {
    let (mut child, mut lines) = process::start(process::command(&[
        "append",
        place.url(),
        place.schema(),
        &rng.u64(..).to_string(),
    ]));
    // Some while it connects, most while it appends.
    let lines_first = rng.usize(0..120);
    let mut said: Vec<_> = lines
        .by_ref()
        .take(lines_first)
        .map_while(Result::ok)
        .collect();
    child.kill().expect("it can be killed");
    child.wait().expect("it has ended");
    figures.kills += 1;

    let mut begun = HashSet::new();
    said.extend(lines.map_while(Result::ok));
    for line in said {
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
    // Its sessions may still be at work.
    server::block_on(async {
        let session = server::session(place).await;
        server::terminate(&session, place).await
    });

    let whole = log::whole(&server::open(place));
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
pub(crate) fn append(url: &str, schema: &str, seed: u64) {
    let store = server::open_at(url, schema);
    server::block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(append_without_end(store.clone(), seed ^ task)))
            .collect();
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

/// Appends to streams of all tasks, so that there are conflicts too.
async fn append_without_end(store: PostgresStore, seed: u64) {
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
