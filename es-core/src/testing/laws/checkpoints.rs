//! Laws 16 to 18: what a checkpoint is.
use std::sync::Barrier;

use super::{
    Harness, advance, append, checkpoint, on_threads, read_log, reopened, stream, versions, write,
};
use crate::domain::{Position, Version};
use crate::persistence::{AppendError, Commit, EventStore, FollowerId, Slice};

fn follower() -> FollowerId {
    FollowerId::new("certificates", "school")
}

async fn assert_stale(store: &impl EventStore, refused: Commit, actual: u64) {
    let sent = refused.checkpoint.clone();
    let sent = sent.expect("it moves a checkpoint");
    match store.commit(refused).await {
        Err(AppendError::Checkpoint {
            follower,
            from,
            to,
            actual: found,
        }) => assert_eq!(
            (follower, from, to, found.get()),
            (sent.follower, sent.from, sent.to, actual)
        ),
        other => panic!("{sent:?} is refused at {actual}, so not {other:?}"),
    }
}

/// Law 16.
pub async fn a_checkpoint_is_stored_with_its_events_or_not_at_all(mut harness: impl Harness) {
    let (store, follower) = (harness.open().await, follower());
    let sent = advance(&follower, 0, 4, [append(&stream(1), 0, 2)]);
    store.commit(sent).await.expect("it is stored");
    assert_eq!(checkpoint(&store, &follower).await, 4);

    let stale_events = advance(
        &follower,
        4,
        5,
        [append(&stream(2), 0, 1), append(&stream(1), 1, 1)],
    );
    match store.commit(stale_events).await {
        Err(AppendError::Conflict {
            stream: at, actual, ..
        }) => assert_eq!((at, actual), (stream(1), Version::from(2))),
        other => panic!("a conflict was to be expected, not {other:?}"),
    }
    assert_eq!(checkpoint(&store, &follower).await, 4);

    let stale_checkpoint = advance(&follower, 3, 5, [append(&stream(1), 2, 1)]);
    let id = stale_checkpoint.id;
    assert_stale(&store, stale_checkpoint, 4).await;
    assert_eq!(store.outcome(id).await.expect("it can be asked for"), None);
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2]);
    assert_eq!(read_log(&store, 0, 10).await.len(), 2);

    let store = reopened("law 16", &mut harness, store).await;
    assert_eq!(checkpoint(&store, &follower).await, 4);
}

/// Law 16.
pub async fn a_checkpoint_moves_without_events_too(harness: impl Harness) {
    let (store, follower) = (harness.open().await, follower());
    let moved = store.commit(advance(&follower, 0, 2, [])).await;
    assert_eq!(moved.expect("it is moved").position, None);
    assert_eq!(checkpoint(&store, &follower).await, 2);

    // With a version to be checked, and nothing to be written.
    let stale = advance(&follower, 2, 3, [append(&stream(1), 1, 0)]);
    store.commit(stale).await.expect_err("the version is stale");
    assert_eq!(checkpoint(&store, &follower).await, 2);
    let moved = store
        .commit(advance(&follower, 2, 3, [append(&stream(1), 0, 0)]))
        .await;
    assert_eq!(moved.expect("it is moved").position, None);
    assert_eq!(checkpoint(&harness.open().await, &follower).await, 3);

    let head = store.head().await.expect("there is a head");
    assert_eq!(head, Position::START, "it is no event");
}

/// Law 17.
pub async fn a_checkpoint_only_moves_forward_from_where_its_writer_believed_it(
    harness: impl Harness,
) {
    let (store, follower) = (harness.open().await, follower());
    assert_stale(&store, advance(&follower, 0, 0, []), 0).await;
    assert_stale(&store, advance(&follower, 1, 2, []), 0).await;
    let moved = store.commit(advance(&follower, 0, 5, [])).await;
    moved.expect("it is moved");
    for (from, to) in [
        (5, 5),
        (5, 4),
        (5, 0),
        (4, 6),
        (6, 7),
        (0, 6),
        (0, 5),
        (9, 5),
    ] {
        assert_stale(&store, advance(&follower, from, to, []), 5).await;
        let with_events = advance(&follower, from, to, [append(&stream(1), 0, 1)]);
        assert_stale(&store, with_events, 5).await;
        assert_eq!(checkpoint(&store, &follower).await, 5);
    }
    assert_eq!(read_log(&store, 0, 10).await, []);
    let moved = store.commit(advance(&follower, 5, 6, [])).await;
    moved.expect("it is moved");
    assert_eq!(checkpoint(&store, &follower).await, 6);
}

/// Law 17.
pub async fn of_two_writers_racing_for_one_checkpoint_exactly_one_wins<H: Harness>(harness: H) {
    const ROUNDS: u64 = 100;
    let (stores, follower) = ([harness.open().await, harness.open().await], follower());
    let mut from = 0;
    for round in 0..ROUNDS {
        let start = Barrier::new(2);
        let outcomes = on_threads(2, |number| {
            // Each goes to a place of its own.
            let sent = advance(&follower, from, round * 2 + 1 + number as u64, []);
            start.wait();
            H::block_on(stores[number].commit(sent))
        });
        from = checkpoint(&stores[0], &follower).await;
        match &outcomes[..] {
            [Ok(_), Err(AppendError::Checkpoint { actual, .. })] => {
                assert_eq!((from, actual.get()), (round * 2 + 1, round * 2 + 1));
            }
            [Err(AppendError::Checkpoint { actual, .. }), Ok(_)] => {
                assert_eq!((from, actual.get()), (round * 2 + 2, round * 2 + 2));
            }
            _ => panic!("one moves it, the other is refused, so not {outcomes:?}"),
        }
    }
}

/// Law 18.
pub async fn checkpoints_are_kept_per_follower_and_log(harness: impl Harness) {
    let store = harness.open().await;
    let names = [
        ("books", "library"),
        ("books", "school"),
        ("members", "library"),
        ("library", "books"),
        ("Books", "library"),
        ("books ", "library"),
        ("books", " library"),
        ("", "library"),
        ("books", ""),
        ("books'; DROP TABLE checkpoints; --", "\"library\""),
        ("books\0", "library"),
        ("books\0a", "library"),
        ("books", "library\0"),
        ("bücher", "🐕"),
        ("bu\u{308}cher", "🐕"),
        ("books/library", "library"),
        ("books", "library/library"),
    ];
    let followers = names.map(|(name, log)| FollowerId::new(name, log));
    for follower in &followers {
        assert_eq!(checkpoint(&store, follower).await, 0, "{follower}");
    }
    for (place, follower) in (1..).zip(&followers) {
        let moved = store.commit(advance(follower, 0, place, [])).await;
        moved.expect("it is nobody else's");
    }
    write(&store, [append(&stream(1), 0, 1)]).await;
    for (place, follower) in (1..).zip(&followers) {
        assert_eq!(checkpoint(&store, follower).await, place, "{follower}");
    }
}
