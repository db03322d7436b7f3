//! Numbers and times at their limits: by the store, and in rows that are put into the tables behind its back.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use es_core::persistence::{
    Advance, AppendError, CheckpointStore, EventStore, FollowerId, Slice, Snapshot, SnapshotStore,
};
use es_core::{Position, Version};

use super::by_hand::ByHand;
use super::{Effort, Log};
use crate::{block_on, log};

pub(super) fn the_largest_numbers_are_refused<L: Log>(_: Effort) -> String {
    let mut tried = 0;
    let mut is = |true_so_far: bool, what: &str| {
        assert!(true_so_far, "{what}");
        tried += 1;
    };
    let failed = |result: Result<(), AppendError>| matches!(result, Err(AppendError::Failed(_)));
    let largest = u64::MAX / 2;

    let by_hand = ByHand::<L>::new();
    by_hand.put(i64::MAX, 1);
    by_hand.execute(&format!("UPDATE es_log SET head = {}", i64::MAX));
    is(by_hand.read().is_ok(), "the last position can be read");
    let head = block_on(by_hand.store.head());
    is(
        matches!(head, Ok(head) if head.get() == largest),
        "the head",
    );
    is(
        failed(by_hand.commit(log::one(2, 0))),
        "no position is left",
    );
    is(failed(by_hand.commit(log::one(2, 0))), "the store goes on");
    by_hand.execute(&format!("UPDATE es_log SET head = {}", i64::MAX - 2));
    let three = [(log::stream(2), Version::NEW, 3)];
    is(
        failed(by_hand.commit(log::commit(&three, 0))),
        "too few positions are left",
    );

    let by_hand = ByHand::<L>::new();
    by_hand.put(1, i64::MAX);
    by_hand.execute("UPDATE es_log SET head = 1");
    is(
        failed(by_hand.commit(log::one(1, largest))),
        "no version is left",
    );
    let conflict = by_hand.commit(log::one(1, largest + 1));
    is(
        matches!(conflict, Err(AppendError::Conflict { .. })),
        "beyond the last version",
    );
    let conflict = by_hand.commit(log::one(2, u64::MAX));
    is(
        matches!(conflict, Err(AppendError::Conflict { .. })),
        "the largest number there is",
    );
    is(by_hand.commit(log::one(2, 0)).is_ok(), "another stream");
    let stream = log::stream(1);
    let slice = Slice::all().after(Version::from(largest - 1));
    let records = block_on(by_hand.store.read_stream(&stream, slice));
    is(
        records.is_ok_and(|records| records[0].version.get() == largest),
        "the last version",
    );
    let none = block_on(
        by_hand
            .store
            .read_stream(&stream, Slice::all().after(Version::MAX)),
    );
    is(
        none.is_ok_and(|records| records.is_empty()),
        "after the largest number",
    );

    let follower = FollowerId::new("reader", "school");
    let advance = |from, to| {
        let mut commit = log::commit(&[], 0);
        commit.checkpoint = Some(Advance::new(follower.clone(), from, to));
        by_hand.commit(commit)
    };
    is(
        failed(advance(Position::START, Position::MAX)),
        "a checkpoint no database counts to",
    );
    is(
        advance(Position::START, Position::from(largest)).is_ok(),
        "the last checkpoint",
    );
    let checkpoint = block_on(by_hand.store.checkpoint(&follower));
    is(
        checkpoint.is_ok_and(|at| at.get() == largest),
        "is what was written",
    );

    let snapshot = |version| {
        let kept = by_hand.store.keep_snapshot(Snapshot {
            stream: log::stream(1),
            version,
            fingerprint: u64::MAX,
            state: "{}".into(),
        });
        block_on(kept)
    };
    is(
        snapshot(Version::MAX).is_err(),
        "a snapshot no database counts to",
    );
    is(
        snapshot(Version::from(largest)).is_ok(),
        "the last snapshot",
    );
    let newest = block_on(by_hand.store.read_snapshot(&stream, Version::MAX));
    is(
        newest.is_ok_and(|it| it.is_some_and(|it| it.version.get() == largest)),
        "is found",
    );
    format!("numbers tried {tried}, panics = 0")
}

pub(super) fn times_far_away_come_back<L: Log>(_: Effort) -> String {
    let year = Duration::from_secs(365 * 24 * 3_600);
    let times = [
        UNIX_EPOCH.checked_sub(year * 200_000),
        UNIX_EPOCH.checked_sub(year * 100),
        UNIX_EPOCH.checked_sub(Duration::from_nanos(1_500)),
        UNIX_EPOCH.checked_add(Duration::from_micros(1)),
        UNIX_EPOCH.checked_add(Duration::from_nanos(1_999)),
        UNIX_EPOCH.checked_add(year * 200_000),
        UNIX_EPOCH.checked_add(year * 400_000),
    ];
    let mut tried = 0;
    for time in times.into_iter().flatten() {
        let by_hand = ByHand::<L>::new();
        let mut commit = log::one(1, 0);
        commit.time = time;
        let committed = block_on(by_hand.store.commit(commit.clone())).expect("it is stored");
        let stream = log::stream(1);
        let records = block_on(by_hand.store.read_stream(&stream, Slice::all()));
        let record = &records.expect("it can be read")[0];
        assert_eq!(record.time, committed.time, "{time:?}");
        let distance =
            |a: SystemTime, b: SystemTime| a.duration_since(b).unwrap_or_else(|e| e.duration());
        // A 64-bit number of microseconds ends in the year 294 000.
        if distance(time, UNIX_EPOCH) < year * 290_000 {
            assert!(
                distance(record.time, time) < Duration::from_micros(1),
                "{time:?}: {:?}",
                record.time
            );
        }
        let again = block_on(by_hand.store.commit(commit)).expect("it is known");
        assert_eq!(again, committed);
        tried += 1;
    }
    for time in [i64::MIN, i64::MAX] {
        let by_hand = ByHand::<L>::new();
        by_hand.put(1, 1);
        by_hand.execute(&format!(
            "UPDATE es_events SET time = {time}; UPDATE es_log SET head = 1, time = {time}"
        ));
        by_hand.read().expect("a time is a time");
        by_hand.commit(log::one(2, 0)).expect("a time is a time");
        by_hand.read().expect("a time is a time");
        tried += 1;
    }
    format!("times tried {tried}, panics = 0")
}
