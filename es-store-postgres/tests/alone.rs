//! A caller who writes alone does so on its own task; what becomes of that while it does not go on, or goes away.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use es_core::persistence::{AppendError, EventStore, ReadError};
use es_core::{Position, Version};
use es_store_postgres::PostgresStore;
use es_store_postgres::testing::TestLog;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use trials::log::one;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many events of a new stream, one commit after the other: after the third the store knows that nobody else writes.
async fn warmed(store: &PostgresStore, stream: u128, events: u64) {
    for expected in 0..events {
        store.commit(one(stream, expected)).await.unwrap();
    }
}

/// Begins; `false` where it is done already, because this thread was kept from going on for so long.
fn begin<T>(future: Pin<&mut impl Future<Output = T>>) -> bool {
    let polled = future.poll(&mut Context::from_waker(Waker::noop()));
    polled.is_pending()
}

#[tokio::test]
async fn who_begins_and_does_not_go_on_keeps_nobody_waiting() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    warmed(&store, 1, 3).await;
    for round in 0..20 {
        let mut held = pin!(store.commit(one(100 + round, 0)));
        let is_begun = begin(held.as_mut());
        let other = store.commit(one(200 + round, 0));
        timeout(PATIENCE, other).await.unwrap().unwrap();
        if is_begun {
            timeout(PATIENCE, held).await.unwrap().unwrap();
        }
    }
    assert_eq!(store.head().await.unwrap(), Position::from(43));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_begun_is_written_though_its_caller_goes_away() {
    let log = TestLog::new().await.unwrap();
    let (store, other) = (log.store().await.unwrap(), log.store().await.unwrap());
    for round in 0..10 {
        warmed(&store, 100 + round, 3).await;
        if round % 2 == 1 {
            // One statement is not enough then.
            warmed(&other, 200 + round, 1).await;
        }
        let begun = one(300 + round, 0);
        let id = begun.id;
        {
            let mut dropped = pin!(store.commit(begun));
            begin(dropped.as_mut());
        }
        let stored = async {
            while store.outcome(id).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, stored).await.unwrap();
    }
    assert_eq!(store.head().await.unwrap(), Position::from(45));
}

#[tokio::test]
async fn who_finds_that_others_have_written_is_judged_by_what_is_there() {
    let log = TestLog::new().await.unwrap();
    let (store, other) = (log.store().await.unwrap(), log.store().await.unwrap());
    warmed(&store, 1, 3).await;
    let taken = other.commit(one(1, 3)).await.unwrap();
    let refused = store.commit(one(1, 3)).await.unwrap_err();
    assert!(
        matches!(&refused, AppendError::Conflict { actual, .. } if *actual == Version::from(4)),
        "{refused:?}"
    );
    let stored = store.commit(one(1, 4)).await.unwrap();
    assert!(stored.position > taken.position);
    // What the database refuses is refused to whoever writes it, and nobody else.
    let mut unstorable = one(2, 0);
    // Longer than what an index takes, however it is compressed.
    let mut random = fastrand::Rng::with_seed(7);
    let long: String = (0..20_000).map(|_| random.alphanumeric()).collect();
    unstorable.appends[0].stream.category = long.into();
    store.commit(one(1, 5)).await.unwrap();
    let refused = store.commit(unstorable).await.unwrap_err();
    assert!(matches!(refused, AppendError::Failed(_)), "{refused:?}");
    store.commit(one(1, 6)).await.unwrap();
}

#[tokio::test]
async fn who_writes_without_a_pause_keeps_nobody_waiting() {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    warmed(&store, 1, 3).await;
    let without_a_pause = tokio::spawn({
        let store = store.clone();
        async move { warmed(&store, 2, 1_000).await }
    });
    while store.head().await.unwrap() < Position::from(10) {
        tokio::task::yield_now().await;
    }
    let other = tokio::spawn({
        let store = store.clone();
        async move { store.commit(one(3, 0)).await.unwrap() }
    });
    timeout(PATIENCE, other).await.unwrap().unwrap();
    assert!(!without_a_pause.is_finished());
    without_a_pause.await.unwrap();
}

#[tokio::test]
async fn what_has_to_be_judged_is_so_though_more_are_waiting_than_there_is_room_for() {
    let log = TestLog::new().await.unwrap();
    let (store, other) = (log.store().await.unwrap(), log.store().await.unwrap());
    warmed(&store, 1, 3).await;
    warmed(&other, 2, 1).await;
    let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = format!(
        "BEGIN; SELECT FROM {}.es_log WHERE id = 1 FOR UPDATE",
        log.schema()
    );
    client.batch_execute(&lock).await.unwrap();
    // The first begins alone, and before it finds that others have written, all the others come.
    let begun = Arc::new(AtomicU32::new(0));
    let commits: Vec<_> = (0..2_000)
        .map(|stream| {
            let (store, begun) = (store.clone(), Arc::clone(&begun));
            tokio::spawn(async move {
                let mut commit = pin!(store.commit(one(100 + stream, 0)));
                assert!(begin(commit.as_mut()));
                begun.fetch_add(1, Ordering::Relaxed);
                commit.await.unwrap()
            })
        })
        .collect();
    timeout(PATIENCE, async {
        while begun.load(Ordering::Relaxed) < 2_000 {
            tokio::task::yield_now().await;
        }
        waiting(&client, &log).await;
    })
    .await
    .unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    for commit in commits {
        timeout(PATIENCE, commit).await.unwrap().unwrap();
    }
    assert_eq!(store.head().await.unwrap(), Position::from(2_004));
}

#[test]
fn any_executor_may_write_alone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let log = runtime.block_on(TestLog::new()).unwrap();
    let store = runtime.block_on(log.store()).unwrap();
    es_core::testing::block_on(warmed(&store, 1, 10));
}

#[test]
fn who_waits_is_told_when_the_runtime_of_the_store_ends() {
    let here = tokio::runtime::Runtime::new().unwrap();
    // The first is written by the task, or by its caller.
    for events in [0, 3] {
        let own = tokio::runtime::Runtime::new().unwrap();
        let log = here.block_on(TestLog::new()).unwrap();
        let store = own.block_on(log.store()).unwrap();
        own.block_on(warmed(&store, 1, events));
        here.block_on(async {
            let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            let lock = format!("BEGIN; SELECT FROM {}.es_log FOR UPDATE", log.schema());
            client.batch_execute(&lock).await.unwrap();
            let mut written = pin!(store.commit(one(100, 0)));
            assert!(begin(written.as_mut()));
            timeout(PATIENCE, waiting(&client, &log)).await.unwrap();
            let mut second = pin!(store.commit(one(101, 0)));
            let mut third = pin!(store.commit(one(102, 0)));
            assert!(begin(second.as_mut()) && begin(third.as_mut()));
            own.shutdown_background();
            for answer in [
                timeout(PATIENCE, written).await,
                timeout(PATIENCE, second).await,
                timeout(PATIENCE, third).await,
            ] {
                let answer = answer.expect("it does not wait for ever");
                assert!(
                    matches!(answer, Err(AppendError::Unavailable(_))),
                    "{answer:?}"
                );
            }
            let late = timeout(PATIENCE, store.commit(one(103, 0))).await;
            assert!(late.unwrap().is_err());
            let read = timeout(PATIENCE, store.head()).await.unwrap();
            let ReadError::Unavailable(why) = read.unwrap_err() else {
                panic!("it is not said of the log");
            };
            assert!(why.to_string().contains("connect it again"), "{why}");
            client.batch_execute("ROLLBACK").await.unwrap();
        });
    }
}

/// Waits until the store waits for a lock.
async fn waiting(client: &tokio_postgres::Client, log: &TestLog) {
    let waits =
        "SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
    let schema = log.schema();
    while client.query(waits, &[&schema]).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
}
