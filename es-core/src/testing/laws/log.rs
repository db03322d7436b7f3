//! Laws 10 to 12 and 15: what the log is.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::{
    Harness, append, at, commit, on_threads, positions, read_log, reopened, stream, write,
};
use crate::domain::Position;
use crate::persistence::{Commit, EventStore};

/// Law 10.
pub async fn positions_have_no_holes_after_refused_commits(mut harness: impl Harness) {
    let mut store = harness.open().await;
    for version in 0..5 {
        let committed = write(&store, [append(&stream(1), version, 1)]).await;
        assert_eq!(committed.position, Some(Position::from(version + 1)));
        store
            .commit(commit([append(&stream(1), version, 3)]))
            .await
            .expect_err("it is stale");
    }
    assert_eq!(positions(&read_log(&store, 0, 10).await), [1, 2, 3, 4, 5]);

    store = reopened("law 10", &mut harness, store).await;
    let committed = write(&store, [append(&stream(1), 5, 1), append(&stream(2), 0, 1)]).await;
    assert_eq!(committed.position, Some(Position::from(7)));
    assert_eq!(positions(&read_log(&store, 3, 10).await), [4, 5, 6, 7]);
}

/// Laws 2 and 12.
pub async fn every_handle_sees_everything(mut harness: impl Harness) {
    let (one, other) = (harness.open().await, harness.open().await);
    let mut seen = Vec::new();
    for version in 0..6 {
        let (writer, reader) = match version % 2 {
            0 => (&one, &other),
            _ => (&other, &one),
        };
        write(writer, [append(&stream(1), version, 1)]).await;
        seen = read_log(reader, 0, 10).await;
        assert_eq!(positions(&seen), (1..=version + 1).collect::<Vec<_>>());
        let head = reader.head().await.expect("there is a head");
        assert_eq!(head, Position::from(version + 1));
        assert_eq!(read_log(&harness.open().await, 0, 10).await, seen);
    }
    drop(one);
    let store = reopened("law 2", &mut harness, other).await;
    assert_eq!(read_log(&store, 0, 10).await, seen);
}

/// Law 11.
pub async fn events_of_one_commit_are_neighbours_in_order(harness: impl Harness) {
    let store = harness.open().await;
    write(&store, [append(&stream(1), 0, 1)]).await;
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

/// Law 12.
pub async fn a_reader_misses_nothing_while_others_write<H: Harness>(harness: H) {
    let store = harness.open().await;
    assert_nothing_is_missed::<H>(&store, &store).await;
}

/// Law 12, over two handles.
pub async fn a_reader_on_another_handle_misses_nothing_while_others_write<H: Harness>(harness: H) {
    let (writers, reader) = (harness.open().await, harness.open().await);
    assert_nothing_is_missed::<H>(&writers, &reader).await;
}

/// Eight writers, with refused and empty commits in between, and a reader that begins each page where the last one ended, and sees each commit
/// whole.
async fn assert_nothing_is_missed<H: Harness>(to_write: &H::Store, to_read: &H::Store) {
    const WRITERS: usize = 8;
    const COMMITS: u64 = 80;
    const EVENTS: u64 = WRITERS as u64 * COMMITS * 2;
    let writing = AtomicUsize::new(WRITERS);
    let write = |writer: usize| {
        let _done = OnDrop(|| writing.fetch_sub(1, Ordering::SeqCst));
        let own = stream(writer as u128);
        for version in (0..COMMITS).map(|number| number * 2) {
            let commit = |count, expected| {
                H::block_on(to_write.commit(commit([append(&own, expected, count)])))
            };
            commit(2, version).expect("it is stored");
            commit(1, version).expect_err("it is stale");
            commit(0, version + 2).expect("it is allowed");
        }
    };
    let tail = || {
        let mut seen = Vec::new();
        loop {
            let done = writing.load(Ordering::SeqCst) == 0;
            let records = H::block_on(read_log(to_read, seen.len() as u64, 100));
            let idle = records.is_empty();
            seen.extend(records);
            // Each commit has two events, and a page has room for an even number.
            assert!(
                seen.len() % 2 == 0,
                "half of a commit was seen, at position {}",
                seen.len()
            );
            // A store that gives something twice may never be idle.
            if done && (idle || seen.len() as u64 > EVENTS) {
                return seen;
            }
        }
    };
    let mut seen = on_threads(WRITERS + 1, |number| {
        if number == WRITERS {
            return tail();
        }
        write(number);
        Vec::new()
    });
    let seen = seen.pop().unwrap_or_default();

    assert_eq!(positions(&seen), (1..=EVENTS).collect::<Vec<_>>());
    let log = read_log(to_read, 0, usize::MAX).await;
    assert!(log == seen, "what was seen has changed");
    for writer in 0..WRITERS {
        let own = stream(writer as u128);
        let versions = seen
            .iter()
            .filter(|record| record.stream == own)
            .map(|record| record.version.get());
        assert!(versions.eq(1..=COMMITS * 2), "the stream is in order");
    }
}

/// Also where a writer panics: the reader would wait for it for ever.
struct OnDrop<F: FnMut() -> usize>(F);

impl<F: FnMut() -> usize> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Law 15.
pub async fn the_head_is_the_newest_position_and_the_start_of_an_empty_log(harness: impl Harness) {
    let store = harness.open().await;
    let head = async || store.head().await.expect("there is a head");
    assert_eq!(head().await, Position::START);
    write(&store, []).await;
    assert_eq!(head().await, Position::START);
    write(&store, [append(&stream(1), 0, 1)]).await;
    assert_eq!(head().await, Position::FIRST);
    write(&store, [append(&stream(2), 0, 3), append(&stream(1), 1, 1)]).await;
    assert_eq!(head().await, Position::from(5));
    let stale = store.commit(commit([append(&stream(1), 0, 1)])).await;
    stale.expect_err("it is stale");
    assert_eq!(head().await, Position::from(5));
}

/// Law 15.
pub async fn time_never_runs_backwards_along_the_log(harness: impl Harness) {
    let store = harness.open().await;
    // What is older than the clocks of computers has times, too.
    let early = UNIX_EPOCH - Duration::new(86_400, 123_456_000);
    let sent = Commit {
        time: early,
        ..commit([append(&stream(2), 0, 1)])
    };
    assert_eq!(store.commit(sent).await.expect("stored").time, early);
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
    assert_eq!(times, [early, at(5), at(5), at(9), at(9)]);
}
