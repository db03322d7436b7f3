//! Law 9, where a connection is what fails: an answer that is lost, a commit that is sent again.
use std::time::Duration;

use super::{Harness, advance, append, checkpoint, not_run, read_log, stream};
use crate::domain::Position;
use crate::persistence::{AppendError, Commit, Committed, EventStore, FollowerId};

/// Laws 9 and 14: without loss, without repetition, and without a new handle.
pub async fn a_handle_recovers_when_its_connections_are_cut<H: Harness>(harness: H) {
    const CUTS: u64 = 5;
    let store = harness.open().await;
    let follower = FollowerId::new("certificates", "school");
    for version in 0..CUTS {
        let Some(cut) = harness.disconnect(&store) else {
            return not_run::<H>("law 9", "with cut connections", "cannot cut connections");
        };
        cut.await;
        let appends = [append(&stream(1), version, 1)];
        let sent = advance(&follower, version, version + 1, appends);
        let committed = sent_until_answered(&store, &sent).await;
        assert_eq!(committed.position, Some(Position::from(version + 1)));
        let outcome = store.outcome(sent.id).await.expect("it can be asked for");
        assert_eq!(outcome, Some(committed));
        assert_eq!(read_log(&store, 0, 10).await.len() as u64, version + 1);
        assert_eq!(checkpoint(&store, &follower).await, version + 1);
    }
}

async fn sent_until_answered(store: &impl EventStore, sent: &Commit) -> Committed {
    for attempt in 0..11 {
        match store.commit(sent.clone()).await {
            Ok(committed) => return committed,
            Err(AppendError::Unavailable(_)) => {
                futures_timer::Delay::new(Duration::from_millis(1 << attempt)).await;
            }
            Err(refused) => panic!("a commit sent again is no other one, so not {refused}"),
        }
    }
    panic!("the store does not recover within two seconds");
}
