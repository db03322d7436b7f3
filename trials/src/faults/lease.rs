//! Who holds the lease of a follower and is killed at any moment; and what a store needs to try who is frozen past it.
use std::time::Duration;

use es_core::persistence::{CheckpointStore, DecodeError, EventStore, FollowerId, Record, Store};
use es_core::system::State;
use es_core::{Application, EventSet, Follower, System};

use super::{Effort, Log, process};
use crate::{block_on, log};

/// How long a lease is here.
pub const LEASE: Duration = Duration::from_millis(300);

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Any event at all.
#[derive(Debug)]
pub struct Anything;

impl EventSet for Anything {
    const CATEGORIES: &'static [&'static str] = &["Lamp"];

    fn decode(_: &Record) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// A system of one follower, under leases of [`LEASE`].
pub fn system(store: &(impl Store + Clone), follower: impl Follower + 'static) -> System {
    let app = Application::new(store.clone());
    System::new("notes").follow(&app, follower.leased_for(LEASE))
}

/// The child: follows until it is killed, and says what it notes and while it is fenced.
pub(super) fn follow<L: Log>(told: &[&str]) {
    let store = L::at(told[0]).open();
    block_on(async {
        let system = L::following(&store, true);
        let _running = system.start();
        process::say("started");
        loop {
            let status = system.follower("notes").status().await;
            if matches!(status.expect("it can be read").state, State::Fenced { .. }) {
                process::say("fenced");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

/// So many events, each of a stream of its own, the numbers of which go on from `from`.
pub async fn events(store: &impl EventStore, from: u64, count: u64) {
    for number in from..from + count {
        let stored = store.commit(log::one(u128::from(number) + 1, 0)).await;
        stored.expect("nobody else writes there");
    }
}

/// A process is killed in the middle of its work, or at its end, and another goes on.
pub(super) fn a_killed_follower_loses_and_repeats_nothing<L: Log>(effort: Effort) -> String {
    let kills = effort.of(10, 200);
    let place = L::fresh();
    let store = place.open();
    let (head, inside) = block_on(async {
        let id = FollowerId::new("notes", "");
        let mut written = 0;
        let mut inside = 0;
        for _ in 0..kills {
            events(&store, written, 40).await;
            written += 40;
            let command = process::command(&["follow-notes", &place.address()]);
            let (mut child, mut lines) = process::start(command);
            // Some of its notes are not covered by a checkpoint yet, mostly.
            for _ in 0..fastrand::u8(1..=40) {
                while lines.next().expect("it speaks").expect("it speaks") != "noted" {}
            }
            process::signal(child.id(), "-KILL");
            child.wait().expect("it was killed");
            let at = store.checkpoint(&id).await;
            inside += usize::from(at.expect("it can be read").get() < written);
        }
        let system = L::following(&store, false);
        let running = system.start();
        let head = store.head().await.expect("it can be read");
        let reached = system.follower("notes").wait_for(head, PATIENCE).await;
        reached.expect("it gets there");
        running.stop().await.expect("it was told to");
        (head.get(), inside)
    });
    let expected: Vec<_> = (1..=head).collect();
    assert_eq!(place.noted(), expected, "each event once, in order");
    assert!(inside > 0, "nobody was killed at work");
    format!("kills {kills}, at work {inside}, events {head}, missing = 0, twice = 0")
}
