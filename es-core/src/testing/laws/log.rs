//! Laws 10 to 15: what the log is.
use std::sync::Arc;
use std::thread;

use super::{append, at, commit, read_log, stream};
use crate::domain::Position;
use crate::persistence::{Commit, EventStore, Record};
use crate::testing::block_on;

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
    assert_eq!(positions(&read_log(&store, 0, 10).await), [1, 2, 3, 4, 5]);
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

    let records = read_log(&store, 1, 10).await;
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
    assert_eq!(read_log(&store, 0, 10).await, []);
    store
        .commit(commit([append(&stream(1), 0, 5)]))
        .await
        .expect("stored");
    assert_eq!(positions(&read_log(&store, 0, 2).await), [1, 2]);
    assert_eq!(positions(&read_log(&store, 2, 2).await), [3, 4]);
    assert_eq!(positions(&read_log(&store, 4, 2).await), [5]);
    assert_eq!(read_log(&store, 5, 2).await, []);
    assert_eq!(read_log(&store, u64::MAX, 2).await, []);
    assert_eq!(read_log(&store, 0, 0).await, []);
}

/// Law 12.
pub async fn a_reader_misses_nothing_while_others_write(store: impl EventStore) {
    const WRITERS: usize = 8;
    const COMMITS: u64 = 150;
    const EVENTS: u64 = WRITERS as u64 * COMMITS * 2;
    let store = Arc::new(store);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let own = stream(writer as u128);
                for version in (0..COMMITS).map(|number| number * 2) {
                    block_on(store.commit(commit([append(&own, version, 2)]))).expect("stored");
                    let stale = block_on(store.commit(commit([append(&own, version, 1)])));
                    assert!(stale.is_err(), "it is stale");
                }
            })
        })
        .collect();

    let mut seen = Vec::new();
    loop {
        let done = writers.iter().all(thread::JoinHandle::is_finished);
        let records = read_log(&*store, seen.len() as u64, 100).await;
        let idle = records.is_empty();
        seen.extend(records);
        // A store that gives something twice may never be idle.
        if done && (idle || seen.len() as u64 > EVENTS) {
            break;
        }
    }
    for writer in writers {
        writer.join().expect("the writer ends");
    }
    assert_eq!(positions(&seen), (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(
        read_log(&*store, 0, usize::MAX).await,
        seen,
        "what was seen does not change"
    );
    for writer in 0..WRITERS {
        let own = stream(writer as u128);
        let versions = seen
            .iter()
            .filter(|record| record.stream == own)
            .map(|record| record.version.get());
        assert!(versions.eq(1..=COMMITS * 2), "the stream is in order");
    }
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
    let times: Vec<_> = read_log(&store, 0, 10)
        .await
        .iter()
        .map(|record| record.time)
        .collect();
    assert_eq!(times, [at(5), at(5), at(9), at(9)]);
}
