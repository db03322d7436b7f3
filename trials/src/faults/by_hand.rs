//! What no store wrote: rows are put into the tables behind its back.
use es_core::persistence::{
    AppendError, Commit, CommitId, EventStore, Filter, ReadError, Slice, Span,
};
use uuid::Uuid;

use super::{Effort, Log};
use crate::{block_on, log};

/// A log, and who has its tables in hand; edits are not refused.
pub(super) struct ByHand<L: Log> {
    pub(super) store: L::Store,
    place: L,
}

impl<L: Log> ByHand<L> {
    pub(super) fn new() -> Self {
        let place = L::fresh();
        let store = place.open();
        let by_hand = Self { store, place };
        by_hand.execute(L::UNGUARDED.0);
        by_hand
    }

    /// An event of stream 1.
    pub(super) fn put(&self, position: i64, version: i64) {
        let [stream, commit] = [1, 9].map(|id| L::uuid(Uuid::from_u128(id)));
        let payload = L::bytes(b"{}");
        self.execute(&format!(
            "INSERT INTO es_events (position, category, stream, version, event, schema, payload, time, commit_id, events_in_commit, checksum) \
             VALUES ({position}, 'Lamp', {stream}, {version}, 'Switched', 1, {payload}, 0, {commit}, 1, 0)"
        ));
    }

    pub(super) fn execute(&self, statements: &str) {
        super::log::execute(&self.place, statements);
    }

    pub(super) fn commit(&self, commit: Commit) -> Result<(), AppendError> {
        block_on(self.store.commit(commit)).map(|_| ())
    }

    pub(super) fn read(&self) -> Result<(), ReadError> {
        let everything = Filter::everything();
        block_on(self.store.read_log(Span::all(), &everything)).map(|_| ())
    }
}

pub(super) fn columns_that_no_store_wrote_are_errors<L: Log>(_: Effort) -> String {
    // Each is put into the row of an event.
    let deep = format!(
        "metadata = '{{\"keys\":{{\"deep\":{}{}}}}}'",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let everywhere = [
        "position = -1",
        "position = -9223372036854775808",
        "version = 0",
        "version = -1",
        "version = -9223372036854775808",
        "schema = -1",
        "schema = 4294967296",
        "metadata = 'nonsense'",
        &deep,
    ];
    let columns = [&everywhere[..], L::COLUMNS].concat();
    for column in &columns {
        let by_hand = ByHand::<L>::new();
        by_hand.put(1, 1);
        by_hand.execute("UPDATE es_log SET head = 1");
        by_hand.execute(&format!("UPDATE es_events SET {column}"));
        // A position before the first is not on any page.
        if column.starts_with("position") {
            let stream = log::stream(1);
            let read = block_on(by_hand.store.read_stream(&stream, Slice::all()));
            assert!(read.is_err(), "{column}: {read:?}");
        } else if column.starts_with("version") {
            assert!(by_hand.read().is_err(), "{column}");
            // Of a stream that is said to be new nothing is read, and its first version is free.
            let late = by_hand.commit(log::one(1, 0));
            assert!(by_hand.read().is_err(), "{column}: {late:?}");
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
        let by_hand = ByHand::<L>::new();
        by_hand.put(5, 1);
        by_hand.execute("UPDATE es_log SET head = 5");
        by_hand.execute(&format!("UPDATE es_events SET events_in_commit = {count}"));
        let outcome = by_hand.store.outcome(CommitId::from(Uuid::from_u128(9)));
        let outcome = block_on(outcome);
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
        let by_hand = ByHand::<L>::new();
        by_hand.execute(&format!("UPDATE es_log SET {head}"));
        assert!(block_on(by_hand.store.head()).is_err(), "{head}");
        assert!(
            matches!(by_hand.commit(log::one(1, 0)), Err(AppendError::Failed(_))),
            "{head}"
        );
        by_hand.execute("UPDATE es_log SET head = 0");
        by_hand.commit(log::one(1, 0)).expect("it is mended");
    }

    // A head behind the events: the next position is taken, and the id of the commit is not.
    let by_hand = ByHand::<L>::new();
    by_hand.put(1, 1);
    let taken = by_hand.commit(log::one(2, 0));
    assert!(matches!(taken, Err(AppendError::Failed(_))), "{taken:?}");
    by_hand.execute("UPDATE es_log SET head = 1");
    by_hand.commit(log::one(2, 0)).expect("it is mended");

    // A log without its row.
    let by_hand = ByHand::<L>::new();
    by_hand.execute("DELETE FROM es_log");
    assert!(matches!(
        by_hand.commit(log::one(2, 0)),
        Err(AppendError::Failed(_))
    ));
    assert!(block_on(by_hand.store.head()).is_err());

    let tried = columns.len() + counts.len() + heads.len() + 2;
    format!("columns tried {tried}, panics = 0")
}
