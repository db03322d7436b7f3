//! A log is dumped, and restored into another cluster.
use std::process::Stdio;

use es_core::persistence::{Advance, CheckpointStore, EventStore, FollowerId};
use es_core::{Application, Position};
use es_store_postgres::testing::{Disk, Server};
use trials::block_on;
use trials::faults::Log;

use crate::place::Place;
use crate::{Effort, lease, log, server};

pub(crate) fn a_restored_log_goes_on_where_it_was(effort: Effort) -> String {
    let place = Place::fresh();
    let store = place.open();
    let commits: u64 = effort.of(200, 5_000);
    let follower = FollowerId::new("reader", "lamps");
    let half = Position::from(commits / 2);
    block_on(async {
        for number in 0..commits {
            let mut commit = log::one(number.into(), 0);
            if number + 1 == half.get() {
                let (follower, from) = (follower.clone(), Position::START);
                commit.checkpoint = Some(Advance::new(follower, from, half));
            }
            store.commit(commit).await.expect("it is stored");
            if number + 1 == half.get() {
                lease::catch_up(&store).await;
            }
        }
    });
    let before = log::whole(&store);

    let other = Server::start(Disk::NotWaitedFor).expect("a second server");
    let mut dump = server::server().program("pg_dump");
    dump.args(["--no-owner", "--schema", place.schema()]);
    let mut dump = dump.stdout(Stdio::piped()).spawn().expect("it is there");
    let dumped = dump.stdout.take().expect("it is piped");
    let restoring = other
        .program("psql")
        .args(["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1"])
        .stdin(dumped)
        .stdout(Stdio::null())
        .status();
    assert!(restoring.expect("it is there").success());
    assert!(dump.wait().expect("it ends").success());

    let restored = Place::of(&other.url(), place.schema());
    let store = restored.open();
    let after = log::whole(&store);
    assert_eq!(after.commits, before.commits);
    block_on(async {
        let verified = store.verify().await.expect("it can be read");
        assert!(verified.findings.is_empty(), "{verified:?}");
        let reached = store.checkpoint(&follower).await.expect("it can be read");
        assert_eq!(reached, half);
        // A read model is in the dump as far as its checkpoint, and a follower brings it to the end.
        let expected: Vec<_> = (1..=commits).collect();
        let noted = async || lease::noted(&restored).await;
        assert_eq!(noted().await, expected[..expected.len() / 2]);
        lease::catch_up(&store).await;
        assert_eq!(noted().await, expected);
        // A reader goes on from its checkpoint, and new commits come after all others.
        let app = Application::new(store.clone());
        let mut subscription = app.log().subscribe(reached);
        let next = store.commit(log::one(u128::MAX, 0)).await.expect("stored");
        assert_eq!(next.position, Some(Position::from(commits + 1)));
        for position in half.get() + 1..=commits + 1 {
            let record = subscription.next().await.expect("it goes on");
            assert_eq!(record.expect("it can be read").position.get(), position);
        }
    });
    format!("events {commits}, followed on from {half}, missed = 0, twice = 0")
}
