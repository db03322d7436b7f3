//! Law 14, as far as it is the store's: who waits for a change learns of one. For other handles it is only a hint.
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;

use super::apps::within;
use super::{Harness, advance, append, not_run, stream, write};
use crate::domain::Position;
use crate::persistence::{CheckpointStore, EventStore, FollowerId, ParkedError, Parking, Verdict};

/// Polls a wait once, so that it has begun.
async fn begun(wait: &mut BoxFuture<'static, ()>) -> bool {
    poll_fn(|context| Poll::Ready(wait.as_mut().poll(context).is_ready())).await
}

async fn assert_ends(wait: BoxFuture<'static, ()>, case: &str) {
    let ended = within(Duration::from_secs(1), wait).await;
    assert!(ended.is_some(), "who waits is not woken: {case}");
}

/// Who waits must come to wait: a wait that is over at once every time holds its thread for ever.
pub(super) async fn assert_lets_wait(store: &impl EventStore) {
    for _ in 0..1_000 {
        if !begun(&mut store.changed()).await {
            return;
        }
    }
    panic!("`changed` ends at once every time, though nothing changes");
}

/// Law 14.
pub async fn a_commit_ends_the_wait_for_a_change(harness: impl Harness) {
    let store = harness.open().await;
    assert_lets_wait(&store).await;
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

/// Laws 14 and 29: who follows is woken to try again.
pub async fn a_decision_ends_the_wait_for_a_change<H: Harness>(harness: H) {
    let store = harness.open().await;
    let follower = FollowerId::new("certificates", "school");
    let mut parked = advance(&follower, 0, 1, []);
    if let Some(advance) = &mut parked.checkpoint {
        advance.parking.push(Parking::Aside {
            stream: stream(1),
            position: Position::FIRST,
            failure: "as a bug would".to_owned(),
            attempts: 1,
        });
    }
    let moved = store.commit(parked).await;
    moved.expect("the checkpoint is moved");
    let mut wait = store.changed();
    let is_over = begun(&mut wait).await;
    match store.decide(&follower, &stream(1), Verdict::Retry).await {
        Ok(()) if is_over => {}
        Ok(()) => assert_ends(wait, "somebody decided about a parked event").await,
        Err(ParkedError::Unsupported) => not_run::<H>("law 29", "at all", "keeps nothing parked"),
        Err(error) => panic!("it is parked, so not {error:?}"),
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
