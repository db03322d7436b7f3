//! Numbers, times and columns that no store wrote: rows are put into the file behind its back.
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use es_core::persistence::{
    Advance, AppendError, CheckpointStore, CommitId, EventStore, Filter, FollowerId, ReadError,
    Slice, Snapshot, SnapshotStore, Span,
};
use es_core::{Position, Version};
use es_store_sqlite::SqliteStore;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{Effort, log};

struct File {
    _folder: TempDir,
    store: SqliteStore,
    connection: Connection,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log.db");
        Self {
            store: log::open(&path),
            connection: Connection::open(&path).expect("it opens"),
            _folder: folder,
        }
    }

    /// An event of stream 1.
    fn put(&self, position: i64, version: i64) {
        self.connection
            .execute(
                "INSERT INTO es_events VALUES (?1, 'Lamp', ?2, ?3, 'Switched', 1, x'7b7d', NULL, 0, ?4, 1, 0)",
                params![position, Uuid::from_u128(1), version, Uuid::from_u128(9)],
            )
            .expect("it is a row");
    }

    fn execute(&self, statements: &str) {
        self.connection
            .execute_batch(statements)
            .expect("they are statements");
    }

    fn commit(&self, commit: es_core::persistence::Commit) -> Result<(), AppendError> {
        pollster::block_on(self.store.commit(commit)).map(|_| ())
    }

    fn read(&self) -> Result<(), ReadError> {
        let everything = Filter::everything();
        pollster::block_on(self.store.read_log(Span::all(), &everything)).map(|_| ())
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

    let file = File::new();
    file.put(i64::MAX, 1);
    file.execute(&format!("UPDATE es_log SET head = {}", i64::MAX));
    is(file.read().is_ok(), "the last position can be read");
    let head = pollster::block_on(file.store.head());
    is(
        matches!(head, Ok(head) if head.get() == largest),
        "the head",
    );
    is(failed(file.commit(log::one(2, 0))), "no position is left");
    is(failed(file.commit(log::one(2, 0))), "the store goes on");
    file.execute(&format!("UPDATE es_log SET head = {}", i64::MAX - 2));
    let three = [(log::stream(2), Version::NEW, 3)];
    is(
        failed(file.commit(log::commit(&three, 0))),
        "too few positions are left",
    );

    let file = File::new();
    file.put(1, i64::MAX);
    file.execute("UPDATE es_log SET head = 1");
    is(
        failed(file.commit(log::one(1, largest))),
        "no version is left",
    );
    let conflict = file.commit(log::one(1, largest + 1));
    is(
        matches!(conflict, Err(AppendError::Conflict { .. })),
        "beyond the last version",
    );
    let conflict = file.commit(log::one(2, u64::MAX));
    is(
        matches!(conflict, Err(AppendError::Conflict { .. })),
        "the largest number there is",
    );
    is(file.commit(log::one(2, 0)).is_ok(), "another stream");
    let stream = log::stream(1);
    let slice = Slice::all().after(Version::from(largest - 1));
    let records = pollster::block_on(file.store.read_stream(&stream, slice));
    is(
        records.is_ok_and(|records| records[0].version.get() == largest),
        "the last version",
    );
    let none = pollster::block_on(
        file.store
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
        file.commit(commit)
    };
    is(
        failed(advance(Position::START, Position::MAX)),
        "a checkpoint SQLite cannot count to",
    );
    is(
        advance(Position::START, Position::from(largest)).is_ok(),
        "the last checkpoint",
    );
    let checkpoint = pollster::block_on(file.store.checkpoint(&follower));
    is(
        checkpoint.is_ok_and(|at| at.get() == largest),
        "is what was written",
    );

    let snapshot = |version| {
        let kept = file.store.keep_snapshot(Snapshot {
            stream: log::stream(1),
            version,
            fingerprint: u64::MAX,
            state: "{}".into(),
        });
        pollster::block_on(kept)
    };
    is(
        snapshot(Version::MAX).is_err(),
        "a snapshot SQLite cannot count to",
    );
    is(
        snapshot(Version::from(largest)).is_ok(),
        "the last snapshot",
    );
    let newest = pollster::block_on(file.store.read_snapshot(&stream, Version::MAX));
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
        "stream = x'01'",
        "commit_id = x''",
        "category = CAST(x'ff' AS TEXT)",
        "event = CAST(x'c328' AS TEXT)",
        "metadata = 'nonsense'",
        "metadata = '{\"keys\":{\"deep\":' || replace(hex(zeroblob(5000)), '00', '[[') || replace(hex(zeroblob(5000)), '00', ']]') || '}}'",
    ];
    for column in columns {
        let file = File::new();
        file.put(1, 1);
        file.execute("DROP TRIGGER es_events_are_not_changed; UPDATE es_log SET head = 1");
        file.execute(&format!("UPDATE es_events SET {column}"));
        // A position before the first is not on any page.
        if column.starts_with("position") {
            let stream = log::stream(1);
            let read = pollster::block_on(file.store.read_stream(&stream, Slice::all()));
            assert!(read.is_err(), "{column}: {read:?}");
        } else if column.starts_with("version") {
            assert!(file.read().is_err(), "{column}");
            let late = file.commit(log::one(1, 0));
            assert!(
                late.is_err() || column == "version = 0",
                "{column}: {late:?}"
            );
        } else {
            assert!(file.read().is_err(), "{column}");
        }
        file.commit(log::one(2, 0))
            .unwrap_or_else(|error| panic!("{column}: another stream: {error:?}"));
    }

    // Each is the count of events of a commit, whose outcome is asked for.
    let counts = [i64::MAX, 0, -1, i64::MIN];
    for count in counts {
        let file = File::new();
        file.put(5, 1);
        file.execute("DROP TRIGGER es_events_are_not_changed; UPDATE es_log SET head = 5");
        file.execute(&format!("UPDATE es_events SET events_in_commit = {count}"));
        let outcome = file.store.outcome(CommitId::from(Uuid::from_u128(9)));
        let outcome = pollster::block_on(outcome);
        assert!(outcome.is_err(), "{count}: {outcome:?}");
        let mut again = log::one(1, 0);
        again.id = CommitId::from(Uuid::from_u128(9));
        let again = file.commit(again);
        assert!(
            matches!(again, Err(AppendError::Failed(_))),
            "{count}: {again:?}"
        );
    }

    // Each is put into the row of the log.
    let heads = ["head = -1", "head = -9223372036854775808"];
    for head in heads {
        let file = File::new();
        file.execute(&format!("UPDATE es_log SET {head}"));
        assert!(pollster::block_on(file.store.head()).is_err(), "{head}");
        assert!(
            matches!(file.commit(log::one(1, 0)), Err(AppendError::Failed(_))),
            "{head}"
        );
        file.execute("UPDATE es_log SET head = 0");
        file.commit(log::one(1, 0)).expect("it is mended");
    }

    // A head behind the events: the next position is taken, and the id of the commit is not.
    let file = File::new();
    file.put(1, 1);
    let taken = file.commit(log::one(2, 0));
    assert!(matches!(taken, Err(AppendError::Failed(_))), "{taken:?}");
    file.execute("UPDATE es_log SET head = 1");
    file.commit(log::one(2, 0)).expect("it is mended");

    // A log without its row.
    let file = File::new();
    file.execute("DELETE FROM es_log");
    assert!(matches!(
        file.commit(log::one(2, 0)),
        Err(AppendError::Failed(_))
    ));
    assert!(pollster::block_on(file.store.head()).is_err());

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
        let file = File::new();
        let mut commit = log::one(1, 0);
        commit.time = time;
        let committed =
            pollster::block_on(file.store.commit(commit.clone())).expect("it is stored");
        let stream = log::stream(1);
        let records = pollster::block_on(file.store.read_stream(&stream, Slice::all()));
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
        let again = pollster::block_on(file.store.commit(commit)).expect("it is known");
        assert_eq!(again, committed);
        tried += 1;
    }
    for time in [i64::MIN, i64::MAX] {
        let file = File::new();
        file.put(1, 1);
        file.execute(&format!(
            "DROP TRIGGER es_events_are_not_changed; UPDATE es_events SET time = {time}; UPDATE es_log SET head = 1, time = {time}"
        ));
        file.read().expect("a time is a time");
        file.commit(log::one(2, 0)).expect("a time is a time");
        file.read().expect("a time is a time");
        tried += 1;
    }
    format!("times tried {tried}, panics = 0")
}
