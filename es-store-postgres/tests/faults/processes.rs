//! Several processes write to one log, with pauses, and beside transactions of others that are slow or give up.
use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

use es_core::persistence::{AppendError, EventStore};
use es_core::{Aggregate, Application, Position, Root, events};
use es_store_postgres::PostgresStore;
use fastrand::Rng;
use trials::block_on;
use trials::faults::Log;

use crate::place::Place;
use crate::{Effort, log, process};

const PROCESSES: u64 = 2;

/// How many tasks write in each of them.
const TASKS: u64 = 4;

/// How many events each commit has.
const EVENTS: usize = 4;

pub(crate) fn what_they_write_is_one_log(effort: Effort) -> String {
    let place = Place::fresh();
    let commits: usize = effort.of(600, 125_000);
    let store = place.open();
    let app = Application::new(store.clone());
    let children: Vec<_> = (0..PROCESSES)
        .map(|seed| {
            let (commits, seed) = (commits.to_string(), seed.to_string());
            let command = process::command(&["append-many", &place.address(), &commits, &seed]);
            let (child, lines) = process::start(command);
            // Read as they are said: a child that nobody listens to stands still once the pipe is full.
            let said = thread::spawn(|| lines.map_while(Result::ok).collect::<Vec<_>>());
            (child, said)
        })
        .collect();
    let started = Instant::now();
    // It follows while they write, until their last event; each position once, and in order.
    let following = thread::spawn(move || {
        block_on(async {
            let mut subscription = app.log().subscribe(Position::START);
            let (mut seen, mut ends) = (Position::START, 0);
            let mut commits = HashSet::new();
            while ends < PROCESSES {
                let record = subscription.next().await.expect("it goes on");
                let record = record.expect("it can be read");
                assert_eq!(
                    record.position,
                    seen.next(),
                    "missed, twice, or out of order"
                );
                seen = record.position;
                commits.insert(record.commit.to_string());
                ends += u64::from(record.stream.category == "End");
            }
            (seen, commits)
        })
    });
    let (mut acknowledged, mut aborted) = (HashSet::new(), 0);
    let mut slowest = Duration::ZERO;
    for (mut child, said) in children {
        for line in said.join().expect("it only reads") {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["aborted"] => aborted += 1,
                [id, millis] => {
                    assert!(acknowledged.insert(id.to_owned()), "{id} twice");
                    slowest = slowest.max(Duration::from_millis(millis.parse().expect("a number")));
                }
                _ => panic!("no child says {line:?}"),
            }
        }
        assert!(child.wait().expect("it ends").success());
    }
    let (seen, followed) = following.join().expect("nothing is missed");
    let took = started.elapsed();
    let whole = log::whole(&store);
    let stored: HashSet<_> = whole.commits.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(stored, acknowledged);
    assert_eq!(stored, followed);
    assert_eq!(whole.partial, 0);
    assert!(aborted > 0);
    format!(
        "processes {PROCESSES} of {TASKS} writers each, commits {}, events seen by a subscription in another process {seen}, aborted {aborted}, \
         missed = 0, twice = 0, out of order = 0, in {:.1} s; slowest commit {} ms",
        acknowledged.len(),
        took.as_secs_f64(),
        slowest.as_millis()
    )
}

/// The child: each of its tasks writes so many commits, most to its own streams and some to one of all.
pub(crate) fn append_many(arguments: &[&str]) {
    let place = Place::at(arguments[0]);
    let commits: usize = arguments[1].parse().expect("a count");
    let seed: u64 = arguments[2].parse().expect("a seed");
    let store = place.open();
    block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let rng = Rng::with_seed(seed * TASKS + task);
                let share = commits / usize::try_from(TASKS).expect("it is small");
                tokio::spawn(append(store.clone(), share, rng))
            })
            .collect();
        let transactions = tokio::spawn(transactions(
            store.clone(),
            place.url().to_owned(),
            (commits / 200).max(3),
            Rng::with_seed(seed),
        ));
        for task in tasks {
            task.await.expect("a task does not panic");
        }
        transactions.await.expect("it does not panic");
        let mut end = log::one(seed.into(), 0);
        end.appends[0].stream.category = "End".into();
        told(&store, end).await.expect("nothing is in its way");
    });
}

async fn told(
    store: &PostgresStore,
    commit: es_core::persistence::Commit,
) -> Result<(), AppendError> {
    let id = commit.id;
    let started = Instant::now();
    store.commit(commit).await?;
    process::say(&format!("{id} {}", started.elapsed().as_millis()));
    Ok(())
}

async fn append(store: PostgresStore, commits: usize, mut rng: Rng) {
    let mut shared = 0;
    let mut done = 0;
    while done < commits {
        let with_all = rng.u8(..8) == 0;
        let mut appends = vec![(log::stream(rng.u128(2..)), 0.into(), EVENTS)];
        if with_all {
            appends.push((log::stream(1), shared.into(), 1));
        }
        match told(&store, log::commit(&appends, 0)).await {
            Ok(()) => {
                shared += u64::from(with_all);
                done += 1;
            }
            Err(AppendError::Conflict { actual, .. }) => shared = actual.get(),
            Err(other) => panic!("nothing else is in its way: {other:?}"),
        }
        if rng.u8(..64) == 0 {
            tokio::time::sleep(Duration::from_micros(rng.u64(..3_000))).await;
        }
    }
}

#[derive(Aggregate)]
#[aggregate("Lamp")]
struct Lamp {
    root: Root<Self>,
}

#[events]
impl Lamp {
    #[event("Switched")]
    fn switch(place: u32, of: u32) -> Self {
        let _ = (place, of);
        Self { root: Root::new() }
    }
}

/// Transactions of somebody's own: each appends, holds the log for a while, and then commits or gives up.
async fn transactions(store: PostgresStore, url: String, count: usize, mut rng: Rng) {
    let (mut client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .expect("the server answers");
    tokio::spawn(connection);
    let app = Application::builder(store.clone()).name("lamps").build();
    app.claim().await.expect("nobody else claims it");
    for number in 0..count {
        let mut lamp = Lamp::switch(1, 1);
        let transaction = client.transaction().await.expect("it begins");
        let staged = app.stage(&mut lamp).expect("it need not wait");
        let id = staged.commit().id;
        let started = Instant::now();
        let appended = store.append_in(&transaction, staged).await;
        let appended = appended.expect("it is a new stream");
        tokio::time::sleep(Duration::from_micros(rng.u64(..5_000))).await;
        if number % 2 == 0 {
            transaction.rollback().await.expect("it is open");
            process::say("aborted");
        } else {
            transaction.commit().await.expect("it is open");
            appended.committed();
            process::say(&format!("{id} {}", started.elapsed().as_millis()));
        }
        tokio::time::sleep(Duration::from_micros(rng.u64(..20_000))).await;
    }
}
