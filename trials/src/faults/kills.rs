//! A process is killed while it appends.
//!
//! A child says `begun` before it asks for a commit and `acknowledged` once it has the answer. A kill is inside a commit where one was begun and
//! not acknowledged.
use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use es_core::persistence::{AppendError, CommitId, EventStore};
use es_core::{Position, Version};
use fastrand::Rng;
use uuid::Uuid;

use super::{Effort, Log, process};
use crate::{block_on, log};

/// How many tasks append in a child.
const TASKS: u64 = 4;

/// After how many kills a new log is begun.
const KILLS_OF_A_LOG: usize = 20;

#[derive(Default)]
struct Figures {
    kills: usize,
    in_flight: usize,
    /// Killed between the first and the last write of a commit, where that can be seen.
    half_written: Option<usize>,
    acknowledged: usize,
    unanswered_but_stored: usize,
    lost: usize,
    partial: usize,
}

pub(super) fn a_killed_process_loses_nothing_that_it_acknowledged<L: Log>(
    effort: Effort,
) -> String {
    let mut figures = Figures::default();
    let mut rng = Rng::new();
    let kills = effort.of(12, 240);
    while figures.kills < kills {
        let place = L::fresh();
        let mut acknowledged = HashMap::new();
        for _ in 0..KILLS_OF_A_LOG.min(kills - figures.kills) {
            kill(&place, &mut rng, &mut acknowledged, &mut figures);
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
    assert!(in_flight >= effort.of(1, 50));
    let half_written = half_written.map_or_else(String::new, |half| {
        format!(", of these between its first and last write {half}")
    });
    format!(
        "kills {kills}, inside a commit {in_flight}{half_written}, acknowledged {acknowledged}, \
         stored though not acknowledged {unanswered_but_stored}, lost = {lost}, partial = {partial}"
    )
}

fn kill<L: Log>(
    place: &L,
    rng: &mut Rng,
    acknowledged: &mut HashMap<CommitId, Position>,
    figures: &mut Figures,
) {
    let command = process::command(&["append", &place.address(), &rng.u64(..).to_string()]);
    let (mut child, mut lines) = process::start(command);
    let mut said = Vec::new();
    // Some while it opens the log, most while it appends; at any moment after it said something.
    let mut moment = 20_000;
    if rng.u8(..8) > 0 {
        let first = lines.by_ref().take(rng.usize(..120));
        said.extend(first.map_while(Result::ok));
        moment = 3_000;
    }
    thread::sleep(Duration::from_micros(rng.u64(..moment)));
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
    if let Some(half) = place.left_behind() {
        *figures.half_written.get_or_insert_default() += usize::from(half);
    }

    let whole = log::whole(&place.open());
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
pub(super) fn append<L: Log>(told: &[&str]) {
    let [address, seed] = told else {
        panic!("it is told where, and a seed");
    };
    let seed = seed.parse().expect("a seed");
    let store = L::at(address).open_to_be_killed(&mut Rng::with_seed(seed));
    block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| tokio::spawn(append_without_end(store.clone(), seed ^ task)))
            .collect();
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

/// Appends to streams of all tasks, so that there are conflicts too.
async fn append_without_end(store: impl EventStore, seed: u64) {
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
