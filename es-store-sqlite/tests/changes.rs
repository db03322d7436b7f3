//! Who waits for a change learns of it, whoever made it.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use es_core::persistence::{Commit, EventStore};
use es_store_sqlite::SqliteStore;
use futures_core::future::BoxFuture;
use trials::log;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn commit() -> Commit {
    log::one(fastrand::u128(..), 0)
}

async fn noticed(change: BoxFuture<'static, ()>) {
    let noticed = tokio::time::timeout(PATIENCE, change).await;
    noticed.expect("it is noticed");
}

/// Two stores on one file have no connection and no thread in common, as two processes have none.
#[tokio::test]
async fn a_commit_by_another_store_on_the_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let another = SqliteStore::open(&path).await.unwrap();
    let reading = SqliteStore::builder(&path).read_only(true);
    let reading = reading.open().await.unwrap();
    // The first look tells of what may have been before it.
    noticed(store.changed()).await;
    noticed(reading.changed()).await;
    for _ in 0..3 {
        let waiting = [store.changed(), store.changed(), reading.changed()];
        another.commit(commit()).await.unwrap();
        for change in waiting {
            noticed(change).await;
        }
    }

    // Again after nobody had waited for a while, and once the change is older than the wait for it, which then is not for this one.
    another.commit(commit()).await.unwrap();
    noticed(store.changed()).await;
    let waiting = store.changed();
    another.commit(commit()).await.unwrap();
    noticed(waiting).await;
}

#[tokio::test]
async fn what_does_not_change_is_not_told_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let builder = SqliteStore::builder(folder.path().join("log.db"));
    let store = builder
        .poll_interval(Duration::from_millis(1))
        .open()
        .await
        .unwrap();
    noticed(store.changed()).await;
    let mut waiting = store.changed();
    let many_looks = Duration::from_millis(50);
    let told = tokio::time::timeout(many_looks, &mut waiting).await;
    assert!(told.is_err(), "there was nothing to be told");
    store.commit(commit()).await.unwrap();
    noticed(waiting).await;
}

/// The thread that looks may be the one that drops the last store, with a task that it wakes.
#[test]
fn a_store_is_dropped_while_somebody_waits() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let builder = SqliteStore::builder(folder.path().join("log.db"));
        let store = pollster::block_on(builder.poll_interval(Duration::ZERO).open()).unwrap();
        let mut waiting = store.changed();
        let mut context = Context::from_waker(Waker::noop());
        let polled = Pin::new(&mut waiting).poll(&mut context);
        drop(store);
        // It may be told or not, and is not waited for.
        assert!(matches!(polled, Poll::Pending | Poll::Ready(())));
        drop(waiting);
    }
}
