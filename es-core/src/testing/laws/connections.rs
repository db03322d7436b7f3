//! Law 9, where a connection is what fails: an answer that is lost, a commit that is sent again.
use std::fmt::Debug;
use std::time::Duration;

use super::{Harness, advance, append, not_cut, stream};
use crate::domain::Position;
use crate::persistence::{
    AppendError, CheckpointStore, Committed, EventStore, Filter, FollowerId, ReadError, Slice, Span,
};

/// Laws 9 and 14: without loss, without repetition, and without a new handle.
pub async fn a_handle_recovers_when_its_connections_are_cut<H: Harness>(harness: H) {
    const CUTS: u64 = 6;
    let store = harness.open().await;
    let follower = FollowerId::new("certificates", "school");
    let everything = Filter::everything();
    let mut last = None;
    for version in 0..CUTS {
        let Some(cut) = harness.disconnect(&store) else {
            return not_cut::<H>("law 9");
        };
        cut.await;
        let log = async || store.read_log(Span::all(), &everything).await;
        // Whatever is asked first: what cannot be reached is not what is not there.
        match version {
            1 => {
                let before = until_answered(log, unread).await;
                assert_eq!(before.read_to, Position::from(version));
            }
            2 => {
                let Committed { commit, .. } = last.expect("something is stored");
                let outcome = until_answered(async || store.outcome(commit).await, unread).await;
                assert_eq!(outcome, last, "the outcome is asked for first after a cut");
            }
            3 => {
                let at = until_answered(async || store.checkpoint(&follower).await, unread).await;
                let reason = "the checkpoint is asked for first after a cut";
                assert_eq!(at, Position::from(version), "{reason}");
            }
            4 => {
                let (stream, all) = (stream(1), Slice::all());
                let read = async || store.read_stream(&stream, all).await;
                let records = until_answered(read, unread).await;
                let reason = "the stream is read first after a cut";
                assert_eq!(records.len() as u64, version, "{reason}");
            }
            _ => {}
        }
        let appends = [append(&stream(1), version, 1)];
        let sent = advance(&follower, version, version + 1, appends);
        let commit = async || {
            let committed = store.commit(sent.clone()).await;
            if let Err(AppendError::Failed(_)) = committed {
                // It says that nothing was stored, as who never got through may know.
                let outcome = until_answered(async || store.outcome(sent.id).await, unread).await;
                assert_eq!(outcome, None, "a commit that failed is not stored");
            }
            committed
        };
        let committed = until_answered(commit, not_known_to_be_stored).await;
        assert_eq!(committed.position, Some(Position::from(version + 1)));

        // Each of them may be the first to use another connection that was cut.
        let outcome = until_answered(async || store.outcome(sent.id).await, unread).await;
        assert_eq!(outcome, Some(committed));
        last = Some(committed);
        let page = until_answered(log, unread).await;
        assert_eq!(page.records.len() as u64, version + 1);
        let moved = until_answered(async || store.checkpoint(&follower).await, unread).await;
        assert_eq!(moved, Position::from(version + 1));
    }
}

fn not_known_to_be_stored(error: &AppendError) -> bool {
    matches!(error, AppendError::Unavailable(_) | AppendError::Failed(_))
}

fn unread(error: &ReadError) -> bool {
    matches!(error, ReadError::Unavailable(_))
}

/// Asks again while the store cannot be reached, for two seconds at most.
async fn until_answered<T, E: Debug>(
    ask: impl AsyncFn() -> Result<T, E>,
    lost: impl Fn(&E) -> bool,
) -> T {
    for attempt in 0..11 {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) if lost(&error) => {
                futures_timer::Delay::new(Duration::from_millis(1 << attempt)).await;
            }
            Err(error) => panic!("a handle that recovers gives the right answer, not {error:?}"),
        }
    }
    panic!("the store does not recover within two seconds");
}
