//! Law 14, as far as it is the store's: who waits for a change learns of one. For other handles it is only a hint.
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::apps::within;
use super::{Harness, advance, append, stream, write};
use crate::persistence::{EventStore, FollowerId};

/// Polls a wait once, so that it has begun.
async fn begun(wait: &mut BoxFuture<'static, ()>) -> bool {
    poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_ready())).await
}

async fn assert_ends(wait: BoxFuture<'static, ()>, case: &str) {
    let ended = within(Duration::from_secs(1), wait).await;
    assert!(ended.is_some(), "who waits is not woken: {case}");
}

/// Law 14.
pub async fn a_commit_ends_the_wait_for_a_change(harness: impl Harness) {
    let store = harness.open().await;
    let mut wait = store.changed();
    if !begun(&mut wait).await {
        write(&store, [append(&stream(1), 0, 1)]).await;
        assert_ends(wait, "a commit with events").await;
    }
    let mut wait = store.changed();
    if !begun(&mut wait).await {
        let moved = advance(&FollowerId::new("certificates", "school"), 0, 1, []);
        store.commit(moved).await.expect("the checkpoint is moved");
        assert_ends(wait, "a commit that moves a checkpoint alone").await;
    }
}

/// Law 14.
pub async fn everyone_who_waits_for_a_change_is_woken(harness: impl Harness) {
    let store = harness.open().await;
    for version in 0..3 {
        let mut waiting = Vec::new();
        for _ in 0..3 {
            let mut wait = store.changed();
            if !begun(&mut wait).await {
                waiting.push(wait);
            }
        }
        write(&store, [append(&stream(1), version, 1)]).await;
        for wait in waiting {
            assert_ends(wait, "one of three").await;
        }
    }
}

/// Law 14: who asks, then reads, and then waits, misses nothing.
pub async fn a_change_between_asking_and_waiting_is_not_missed(harness: impl Harness) {
    let store = harness.open().await;
    for version in 0..3 {
        let wait = store.changed();
        write(&store, [append(&stream(1), version, 1)]).await;
        assert_ends(wait, "it was polled only after the commit").await;
    }
}
