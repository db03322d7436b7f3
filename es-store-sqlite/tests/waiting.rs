//! Who waits for a commit keeps nobody else from working.
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use es_core::persistence::{Commit, EventStore};
use es_store_sqlite::SqliteStore;
use rusqlite::Connection;
use trials::log;

fn commit() -> Commit {
    log::one(fastrand::u128(..), 0)
}

#[tokio::test]
async fn who_waits_for_ever_may_write() {
    let folder = tempfile::tempdir().unwrap();
    let builder = SqliteStore::builder(folder.path().join("log.db")).busy_timeout(Duration::MAX);
    let store = builder.open().await.unwrap();
    store.commit(commit()).await.unwrap();
}

/// The one thread there is releases the lock that the commit waits for: it would fail if it had that thread until it is done.
#[tokio::test(flavor = "current_thread")]
async fn a_commit_that_waits_for_a_lock_leaves_its_thread_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let builder = SqliteStore::builder(&path).busy_timeout(Duration::from_secs(20));
    let store = builder.open().await.unwrap();
    let other = Connection::open(&path).unwrap();
    for _ in 0..3 {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let release = async {
            tokio::task::yield_now().await;
            other.execute_batch("ROLLBACK").unwrap();
        };
        let (committed, ()) = tokio::join!(store.commit(commit()), release);
        committed.unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn one_thread_commits_for_many_tasks() {
    const TASKS: usize = 64;
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("log.db"))
        .await
        .unwrap();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.commit(commit()).await.unwrap().position })
        })
        .collect();
    let mut positions = Vec::new();
    for task in tasks {
        positions.extend(task.await.unwrap());
    }
    positions.sort_unstable();
    assert!(
        positions
            .iter()
            .map(|position| position.get())
            .eq(1..=TASKS as u64)
    );
}

/// As another process that writes one commit after the other, to a slow disk.
#[tokio::test]
async fn a_commit_gets_its_turn_beside_others_who_hardly_pause() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let builder = SqliteStore::builder(&path).busy_timeout(Duration::from_secs(1));
    let store = builder.open().await.unwrap();
    let done = AtomicBool::new(false);
    let committed = thread::scope(|scope| {
        scope.spawn(|| {
            let other = Connection::open(&path).unwrap();
            while !done.load(Ordering::Relaxed) {
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                thread::sleep(Duration::from_millis(40));
                other.execute_batch("COMMIT").unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        });
        let committed = (0..10).try_for_each(|_| {
            thread::sleep(Duration::from_millis(5));
            pollster::block_on(store.commit(commit())).map(|_| ())
        });
        done.store(true, Ordering::Relaxed);
        committed
    });
    committed.unwrap();
}
