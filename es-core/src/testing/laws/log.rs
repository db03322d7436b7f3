//! Laws 10, 11, 13 and 15: what the log is.
use super::{append, at, commit, stream};
use crate::domain::Position;
use crate::persistence::{Commit, EventStore, Record};

async fn read(store: &impl EventStore, after: u64, limit: usize) -> Vec<Record> {
    store
        .read_log(Position::from(after), limit)
        .await
        .expect("the log can be read")
}

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.get()).collect()
}

/// Law 10.
pub async fn positions_have_no_holes_after_refused_commits(store: impl EventStore) {
    for version in 0..5 {
        let committed = store
            .commit(commit([append(&stream(1), version, 1)]))
            .await
            .expect("stored");
        assert_eq!(committed.position, Some(Position::from(version + 1)));
        store
            .commit(commit([append(&stream(1), version, 3)]))
            .await
            .expect_err("it is stale");
    }
    assert_eq!(positions(&read(&store, 0, 10).await), [1, 2, 3, 4, 5]);
}

/// Law 11.
pub async fn events_of_one_commit_are_neighbours_in_order(store: impl EventStore) {
    store
        .commit(commit([append(&stream(1), 0, 1)]))
        .await
        .expect("stored");
    let sent = commit([
        append(&stream(2), 0, 2),
        append(&stream(1), 1, 1),
        append(&stream(3), 0, 1),
    ]);
    let committed = store.commit(sent.clone()).await.expect("stored");
    assert_eq!(committed.position, Some(Position::from(5)));

    let records = read(&store, 1, 10).await;
    let order: Vec<_> = records
        .iter()
        .map(|record| (record.stream.clone(), record.version.get()))
        .collect();
    assert_eq!(
        order,
        [
            (stream(2), 1),
            (stream(2), 2),
            (stream(1), 2),
            (stream(3), 1)
        ]
    );
    assert!(records.iter().all(|record| record.commit == sent.id));
}

/// Law 13.
pub async fn the_log_is_read_page_by_page(store: impl EventStore) {
    assert_eq!(read(&store, 0, 10).await, []);
    store
        .commit(commit([append(&stream(1), 0, 5)]))
        .await
        .expect("stored");
    assert_eq!(positions(&read(&store, 0, 2).await), [1, 2]);
    assert_eq!(positions(&read(&store, 2, 2).await), [3, 4]);
    assert_eq!(positions(&read(&store, 4, 2).await), [5]);
    assert_eq!(read(&store, 5, 2).await, []);
    assert_eq!(read(&store, u64::MAX, 2).await, []);
    assert_eq!(read(&store, 0, 0).await, []);
}

/// Law 15.
pub async fn time_never_runs_backwards_along_the_log(store: impl EventStore) {
    for (version, (made, kept)) in (0..).zip([(5, 5), (3, 5), (9, 9), (8, 9)]) {
        let sent = Commit {
            time: at(made),
            ..commit([append(&stream(1), version, 1)])
        };
        assert_eq!(store.commit(sent).await.expect("stored").time, at(kept));
    }
    let times: Vec<_> = read(&store, 0, 10)
        .await
        .iter()
        .map(|record| record.time)
        .collect();
    assert_eq!(times, [at(5), at(5), at(9), at(9)]);
}
