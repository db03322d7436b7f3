//! Numbers, times and columns that no store wrote: rows are put into the tables behind its back.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use es_core::persistence::{
    Advance, AppendError, CheckpointStore, CommitId, EventStore, Filter, FollowerId, ReadError,
    Slice, Snapshot, SnapshotStore, Span,
};
use es_core::{Position, Version};
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::TestLog;
use uuid::Uuid;

use crate::{Effort, log, server};

struct Log {
    store: PostgresStore,
    place: TestLog,
}

impl Log {
    fn new() -> Self {
        let place = server::fresh();
        Self {
            store: server::open(&place),
            place,
        }
    }

    /// An event of stream 1.
    fn put(&self, position: i64, version: i64) {
        let (stream, commit) = (Uuid::from_u128(1), Uuid::from_u128(9));
        self.execute(&format!(
            "INSERT INTO es_events (position, category, stream, version, event, schema, payload, time, commit_id, events_in_commit, checksum) \
             VALUES ({position}, 'Lamp', '{stream}', {version}, 'Switched', 1, '{{}}', 0, '{commit}', 1, 0)"
        ));
    }

    fn execute(&self, statements: &str) {
        server::execute(&self.place, statements).expect("they are statements");
    }

    fn commit(&self, commit: es_core::persistence::Commit) -> Result<(), AppendError> {
        server::block_on(self.store.commit(commit)).map(|_| ())
    }

    fn read(&self) -> Result<(), ReadError> {
        let everything = Filter::everything();
        server::block_on(self.store.read_log(Span::all(), &everything)).map(|_| ())
    }
}

pub(crate) fn the_largest_numbers_are_refused(_: Effort) -> String {
    let mut tried = 0;
    let mut is = |true_so_far: bool, what: &str| {
        assert!(true_so_far, "{what}");
        tried += 1;
    };
    let failed = |result: Result<(), AppendError>| matches!(result, Err(AppendError::Failed(_)));
    let largest = u64::MAX / 2;

    let by_hand = Log::new();
    by_hand.put(i64::MAX, 1);
    by_hand.execute(&format!("UPDATE es_log SET head = {}", i64::MAX));
    is(by_hand.read().is_ok(), "the last position can be read");
    let head = server::block_on(by_hand.store.head());
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

    let by_hand = Log::new();
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
    let records = server::block_on(by_hand.store.read_stream(&stream, slice));
    is(
        records.is_ok_and(|records| records[0].version.get() == largest),
        "the last version",
    );
    let none = server::block_on(
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
        "a checkpoint Postgres cannot count to",
    );
    is(
        advance(Position::START, Position::from(largest)).is_ok(),
        "the last checkpoint",
    );
    let checkpoint = server::block_on(by_hand.store.checkpoint(&follower));
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
        server::block_on(kept)
    };
    is(
        snapshot(Version::MAX).is_err(),
        "a snapshot Postgres cannot count to",
    );
    is(
        snapshot(Version::from(largest)).is_ok(),
        "the last snapshot",
    );
    let newest = server::block_on(by_hand.store.read_snapshot(&stream, Version::MAX));
    is(
        newest.is_ok_and(|it| it.is_some_and(|it| it.version.get() == largest)),
        "is found",
    );
    format!("numbers tried {tried}, panics = 0")
}

pub(crate) fn columns_that_no_store_wrote_are_errors(_: Effort) -> String {
    // Each is put into the row of an event.
    let columns = [
        "position = -1",
        "position = -9223372036854775808",
        "version = 0",
        "version = -1",
        "version = -9223372036854775808",
        "schema = -1",
        "schema = 4294967296",
        "metadata = 'nonsense'",
        "metadata = '{\"keys\":{\"deep\":' || repeat('[', 5000) || repeat(']', 5000) || '}}'",
    ];
    for column in columns {
        let by_hand = Log::new();
        by_hand.put(1, 1);
        by_hand.execute("ALTER TABLE es_events DISABLE TRIGGER USER; UPDATE es_log SET head = 1");
        by_hand.execute(&format!("UPDATE es_events SET {column}"));
        // A position before the first is not on any page.
        if column.starts_with("position") {
            let stream = log::stream(1);
            let read = server::block_on(by_hand.store.read_stream(&stream, Slice::all()));
            assert!(read.is_err(), "{column}: {read:?}");
        } else if column.starts_with("version") {
            assert!(by_hand.read().is_err(), "{column}");
            let late = by_hand.commit(log::one(1, 0));
            assert!(
                late.is_err() || column == "version = 0",
                "{column}: {late:?}"
            );
        } else {
            assert!(by_hand.read().is_err(), "{column}");
        }
        by_hand
            .commit(log::one(2, 0))
            .unwrap_or_else(|error| panic!("{column}: another stream: {error:?}"));
    }

    // Each is the count of events of a commit, whose outcome is asked for.
    let counts = [i64::MAX, 0, -1, i64::MIN];
    for count in counts {
        let by_hand = Log::new();
        by_hand.put(5, 1);
        by_hand.execute("ALTER TABLE es_events DISABLE TRIGGER USER; UPDATE es_log SET head = 5");
        by_hand.execute(&format!("UPDATE es_events SET events_in_commit = {count}"));
        let outcome = by_hand.store.outcome(CommitId::from(Uuid::from_u128(9)));
        let outcome = server::block_on(outcome);
        assert!(outcome.is_err(), "{count}: {outcome:?}");
        let mut again = log::one(1, 0);
        again.id = CommitId::from(Uuid::from_u128(9));
        let again = by_hand.commit(again);
        assert!(
            matches!(again, Err(AppendError::Failed(_))),
            "{count}: {again:?}"
        );
    }

    // Each is put into the row of the log.
    let heads = ["head = -1", "head = -9223372036854775808"];
    for head in heads {
        let by_hand = Log::new();
        by_hand.execute(&format!("UPDATE es_log SET {head}"));
        assert!(server::block_on(by_hand.store.head()).is_err(), "{head}");
        assert!(
            matches!(by_hand.commit(log::one(1, 0)), Err(AppendError::Failed(_))),
            "{head}"
        );
        by_hand.execute("UPDATE es_log SET head = 0");
        by_hand.commit(log::one(1, 0)).expect("it is mended");
    }

    // A head behind the events: the next position is taken, and the id of the commit is not.
    let by_hand = Log::new();
    by_hand.put(1, 1);
    let taken = by_hand.commit(log::one(2, 0));
    assert!(matches!(taken, Err(AppendError::Failed(_))), "{taken:?}");
    by_hand.execute("UPDATE es_log SET head = 1");
    by_hand.commit(log::one(2, 0)).expect("it is mended");

    // A log without its row.
    let by_hand = Log::new();
    by_hand.execute("DELETE FROM es_log");
    assert!(matches!(
        by_hand.commit(log::one(2, 0)),
        Err(AppendError::Failed(_))
    ));
    assert!(server::block_on(by_hand.store.head()).is_err());

    let tried = columns.len() + counts.len() + heads.len() + 2;
    format!("columns tried {tried}, panics = 0")
}

pub(crate) fn times_far_away_come_back(_: Effort) -> String {
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
        let by_hand = Log::new();
        let mut commit = log::one(1, 0);
        commit.time = time;
        let committed =
            server::block_on(by_hand.store.commit(commit.clone())).expect("it is stored");
        let stream = log::stream(1);
        let records = server::block_on(by_hand.store.read_stream(&stream, Slice::all()));
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
        let again = server::block_on(by_hand.store.commit(commit)).expect("it is known");
        assert_eq!(again, committed);
        tried += 1;
    }
    for time in [i64::MIN, i64::MAX] {
        let by_hand = Log::new();
        by_hand.put(1, 1);
        by_hand.execute(&format!(
            "ALTER TABLE es_events DISABLE TRIGGER USER; UPDATE es_events SET time = {time}; UPDATE es_log SET head = 1, time = {time}"
        ));
        by_hand.read().expect("a time is a time");
        by_hand.commit(log::one(2, 0)).expect("a time is a time");
        by_hand.read().expect("a time is a time");
        tried += 1;
    }
    format!("times tried {tried}, panics = 0")
}
