//! Law 28: followers that fail, are stopped, killed and run twice, while others write.
//!
//! Each seed is another run of it; `ES_CHAOS=1000` tries as many. The threads of a run are the machine's, so a seed that fails may succeed.
use std::env;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::changes::assert_lets_wait;
use super::{Harness, Journal, append, not_run, stream};
use crate::application::Application;
use crate::persistence::{CheckpointStore, EventStore, FollowerId};
use crate::system::{Follower, OnFailure, System};

/// How long a lease is: so short that it ends while its holder is at work.
const LEASE: Duration = Duration::from_millis(15);

/// How long the last runner may stand still.
const PATIENCE: Duration = Duration::from_secs(3);

/// Law 28.
pub async fn every_event_has_its_effect_once_whoever_runs_the_follower<H: Harness>(harness: H) {
    let store = harness.open().await;
    if harness
        .follow(&store, Journal::new("any", 1, |_| Ok(())))
        .is_none()
    {
        not_run::<H>("law 28", "at all", "has no projections");
        return;
    }
    assert_lets_wait(&store).await;
    drop((store, harness));
    let asked = env::var("ES_CHAOS")
        .ok()
        .and_then(|seeds| seeds.parse().ok());
    for seed in 0..asked.unwrap_or_else(H::runs_of_chaos) {
        try_seed::<H>(seed).await;
    }
}

async fn try_seed<H: Harness>(seed: u64) {
    let harness = H::fresh().await;
    let mut random = fastrand::Rng::with_seed(seed);
    let names: Vec<_> = (0..random.usize(1..=8))
        .map(|number| format!("journal{number}"))
        .collect();
    let aggregates = random.u64(20..=100);
    let commits = random.u64(40..=120);
    let (writer, readers) = (
        harness.open().await,
        [harness.open().await, harness.open().await],
    );
    let fails = Arc::new(AtomicBool::new(true));
    let written = AtomicBool::new(false);
    let apps = [
        Application::builder(harness.open().await)
            .name("laws")
            .build(),
        Application::builder(harness.open().await)
            .name("laws")
            .build(),
    ];
    let harness = Mutex::new(harness);
    let system = |number: usize, random: &mut fastrand::Rng| {
        let (app, store) = (&apps[number], &readers[number]);
        let mut system = System::new("laws");
        for name in &names {
            let (fails, chance) = (Arc::clone(&fails), Mutex::new(random.fork()));
            let journal = Journal::new(name, 1, move |_| {
                let mut chance = chance.lock().unwrap_or_else(PoisonError::into_inner);
                match chance.f64() < 0.02 && fails.load(Ordering::SeqCst) {
                    true if chance.bool() => panic!("as a bug would"),
                    true => Err("as a fault of the network would".into()),
                    false => Ok(()),
                }
            });
            let at_once = Duration::ZERO..=Duration::ZERO;
            let policy = match name.ends_with(['0', '2', '4', '6']) {
                true => OnFailure::park().retries(1),
                false => OnFailure::stop().retries(1_000_000),
            };
            let harness = harness.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(follower) = harness.follow(store, journal) {
                let follower = follower
                    .on_failure(policy.pauses(at_once))
                    .leased_for(LEASE);
                system = system.follow(app, follower);
            }
        }
        system
    };
    let mut seeds = [random.fork(), random.fork()];
    thread::scope(|scope| {
        for (number, random) in seeds.iter_mut().enumerate() {
            let (system, written) = (&system, &written);
            scope.spawn(move || {
                while !written.load(Ordering::SeqCst) {
                    H::block_on(run_for_a_while(&system(number, random), random));
                }
            });
        }
        let (writer, written, random) = (&writer, &written, &mut random);
        scope.spawn(move || {
            // Also where a commit fails, and the law with it.
            let _end = SetWhenDropped(written);
            H::block_on(async {
                let mut versions = vec![0; usize::try_from(aggregates).unwrap_or(usize::MAX)];
                for _ in 0..commits {
                    let place = random.usize(0..versions.len());
                    let count = random.u64(1..=3);
                    let append = append(&stream(place as u128), versions[place], count);
                    let stored = writer.commit(super::commit([append])).await;
                    stored.expect("nobody else writes there");
                    versions[place] += count;
                }
            });
        });
    });
    fails.store(false, Ordering::SeqCst);
    let last = system(0, &mut random);
    bring_to_the_end(&last, &names, &writer, seed).await;

    drop(last);
    let harness = harness.into_inner().unwrap_or_else(PoisonError::into_inner);
    let noted = harness.noted(&writer, None).await;
    let head = writer.head().await.expect("it can be read").get();
    for name in &names {
        let of = noted.iter().filter(|noted| noted.follower == *name);
        let mut next = std::collections::HashMap::new();
        let mut count = 0;
        for noted in of {
            count += 1;
            let version = next.entry(noted.stream).or_insert(0);
            *version += 1;
            assert_eq!(
                noted.version.get(),
                *version,
                "seed {seed}: `{name}` noted {noted:?} out of order, twice, or missed one before it"
            );
        }
        assert_eq!(count, head, "seed {seed}: `{name}` missed some");
    }
}

/// Says that the writer has ended, however it did.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets the followers of a system run, then stops or kills them, at some moment.
async fn run_for_a_while(system: &System, random: &mut fastrand::Rng) {
    let mut tasks: Vec<Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
    let running = system.start_on(|_, task| {
        tasks.push(task);
        Ok(())
    });
    let mut context = Context::from_waker(Waker::noop());
    let mut turn = |tasks: &mut Vec<Pin<Box<dyn Future<Output = ()> + Send>>>| {
        tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
        thread::yield_now();
    };
    let until = Instant::now() + Duration::from_micros(random.u64(0..10_000));
    while Instant::now() < until {
        turn(&mut tasks);
    }
    if random.bool() {
        // Killed: each is dropped where it awaits, its lease with it.
        drop(tasks);
        drop(running);
        return;
    }
    let mut stop = Box::pin(running.stop());
    loop {
        let mut context = Context::from_waker(Waker::noop());
        // Whoever stopped by itself is begun again, and must get to the end then.
        if stop.as_mut().poll(&mut context).is_ready() {
            return;
        }
        turn(&mut tasks);
    }
}

/// Has everything handled, what is parked too.
async fn bring_to_the_end(
    system: &System,
    names: &[String],
    store: &(impl EventStore + CheckpointStore),
    seed: u64,
) {
    let head = store.head().await.expect("it can be read");
    let (mut moved, mut before) = (Instant::now(), Vec::new());
    loop {
        system.step().await.expect("the store answers");
        let (mut done, mut progress) = (true, Vec::new());
        for name in names {
            let id = FollowerId::new(name.clone(), "laws");
            let handle = system.follower(name);
            let reached = store.checkpoint(&id).await.expect("it can be read");
            let parked = handle.parked().await.expect("it can be read");
            done &= reached == head && parked.is_empty();
            progress.push((reached, parked.len()));
            for parked in parked {
                if parked.failure.is_some() && !parked.retry {
                    // Another one may be at it.
                    drop(handle.retry(&parked.stream).await);
                }
            }
        }
        if done {
            return;
        }
        if progress != before {
            (moved, before) = (Instant::now(), progress);
        }
        assert!(
            moved.elapsed() < PATIENCE,
            "seed {seed}: followers do not come to the end"
        );
    }
}
