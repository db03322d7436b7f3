//! Laws 7 to 9: what becomes of a commit, among others and sent again.
use std::future::Future;
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Waker};

use bytes::Bytes;

use super::{
    Harness, advance, append, checkpoint, commit, event, not_run, on_threads, read_log, reopened,
    stream, versions, write,
};
use crate::domain::{Position, Version};
use crate::persistence::{Append, AppendError, Commit, EventStore, FollowerId, Slice};

/// Law 7, its second sentence.
pub async fn a_refused_commit_fails_alone<H: Harness>(harness: H) {
    const OTHERS: usize = 63;
    const ROUNDS: usize = 4;
    let Some(payload) = harness.refused_payload() else {
        let part = "with a refused commit among others";
        return not_run::<H>("law 7", part, "knows no payload that is refused");
    };
    let store = harness.open().await;
    let start = Barrier::new(OTHERS + 1);
    let follower = FollowerId::new("certificates", "school");
    let (beside, refused) = (stream(1_000), stream(1_001));
    for round in 0..ROUNDS {
        let expected = round as u64;
        let outcomes = on_threads(OTHERS + 1, |number| {
            let sent = if number == 0 {
                let mut too_large = append(&refused, 0, 1);
                too_large.events.push(event(payload.clone()));
                advance(&follower, 0, 1, [append(&beside, 0, 1), too_large])
            } else {
                commit([append(&stream(number as u128), expected, 1)])
            };
            let id = sent.id;
            start.wait();
            (id, H::block_on(store.commit(sent)))
        });
        for (number, (id, outcome)) in outcomes.into_iter().enumerate() {
            match outcome {
                Ok(_) if number > 0 => {}
                Err(AppendError::TooLarge {
                    stream,
                    version,
                    event,
                    size,
                    ..
                }) if number == 0 => {
                    assert_eq!((stream, version), (refused.clone(), Version::from(2)));
                    assert_eq!((&*event, size), ("TrickAdded", payload.len()));
                    let outcome = store.outcome(id).await.expect("it can be asked for");
                    assert_eq!(outcome, None);
                }
                other => panic!("the first alone is refused, so not {other:?} of number {number}"),
            }
        }
        for stream in [&beside, &refused] {
            assert_eq!(versions(&store, stream, Slice::all()).await, [0; 0]);
        }
        assert_eq!(checkpoint(&store, &follower).await, 0);
        let log = read_log(&store, 0, usize::MAX).await;
        assert_eq!(log.len(), OTHERS * (round + 1));
    }
}

/// Law 8.
pub async fn of_two_writers_racing_for_one_version_exactly_one_wins<H: Harness>(harness: H) {
    const ROUNDS: u64 = 100;
    let store = harness.open().await;
    for version in 1..=ROUNDS {
        let start = Barrier::new(2);
        let outcomes = on_threads(2, |_| {
            let sent = commit([append(&stream(1), version - 1, 1)]);
            start.wait();
            H::block_on(store.commit(sent))
        });
        match &outcomes[..] {
            [Ok(_), Err(AppendError::Conflict { actual, .. })]
            | [Err(AppendError::Conflict { actual, .. }), Ok(_)] => {
                assert_eq!(*actual, Version::from(version));
            }
            _ => panic!("one wins version {version}, the other has a conflict: {outcomes:?}"),
        }
    }
    assert_eq!(
        versions(&store, &stream(1), Slice::all()).await,
        (1..=ROUNDS).collect::<Vec<_>>()
    );
}

/// Laws 3 and 8: who rests on what another writer changes at the same time, as on that something is not there, learns of it.
pub async fn of_two_writers_who_each_rest_on_what_the_other_changes_exactly_one_wins<H: Harness>(
    harness: H,
) {
    const ROUNDS: usize = 100;
    let handles = [harness.open().await, harness.open().await];
    let mut heads = [0; 2];
    for round in 0..ROUNDS {
        // First on two streams that are not there, then on those, and each on one handle and on two.
        let (pair, again, apart) = (round / 2, round % 2 == 1, round / 2 % 2);
        if !again {
            heads = [0; 2];
        }
        let streams = [0, 1].map(|place| stream((2 * pair + place) as u128));
        let start = Barrier::new(2);
        let outcomes = on_threads(2, |mine| {
            let others = 1 - mine;
            let sent = commit([
                append(&streams[mine], heads[mine], 1),
                append(&streams[others], heads[others], 0),
            ]);
            start.wait();
            H::block_on(handles[mine * apart].commit(sent))
        });
        let (winner, refused) = match &outcomes[..] {
            [Ok(_), Err(refused)] => (0, refused),
            [Err(refused), Ok(_)] => (1, refused),
            _ => panic!("one wins round {round}, the other has a conflict: {outcomes:?}"),
        };
        let AppendError::Conflict {
            stream,
            expected,
            actual,
        } = refused
        else {
            panic!("it is a conflict, not {refused:?}");
        };
        let told = (stream, expected.get(), actual.get());
        assert_eq!(told, (&streams[winner], heads[winner], heads[winner] + 1));
        heads[winner] += 1;
    }
}

/// Law 9.
pub async fn the_same_commit_sent_again_gives_the_first_result(harness: impl Harness) {
    let store = harness.open().await;
    let commits = [
        commit([append(&stream(1), 0, 1)]),
        commit([append(&stream(1), 1, 2), append(&stream(2), 0, 1)]),
    ];
    let mut first = Vec::new();
    for sent in &commits {
        first.push(
            store
                .commit(sent.clone())
                .await
                .expect("the commit is stored"),
        );
    }
    write(&store, [append(&stream(1), 3, 1)]).await;
    for (sent, first) in commits.into_iter().zip(first) {
        let again = store.commit(sent).await.expect("it is recognised");
        assert_eq!(again, first);
    }
    let log = read_log(&store, 0, 10).await;
    assert_eq!(log.len(), 5);
}

/// Law 9.
pub async fn a_commit_sent_again_moves_no_checkpoint_again<H: Harness>(mut harness: H) {
    let store = harness.open().await;
    let follower = FollowerId::new("certificates", "school");
    let sent = advance(&follower, 0, 3, [append(&stream(1), 0, 2)]);
    let first = store.commit(sent.clone()).await.expect("it is stored");
    let further = advance(&follower, 3, 5, [append(&stream(1), 2, 1)]);
    for (handle, moved) in [(&store, 3), (&harness.open().await, 5)] {
        let again = handle.commit(sent.clone()).await.expect("it is recognised");
        assert_eq!(again, first);
        assert_eq!(checkpoint(handle, &follower).await, moved);
        handle.commit(further.clone()).await.expect("it is stored");
    }
    let store = reopened("law 9", &mut harness, store).await;
    let again = store.commit(sent.clone()).await.expect("it is recognised");
    assert_eq!(again, first);
    let outcome = store.outcome(sent.id).await.expect("it can be asked for");
    assert_eq!(outcome, Some(first));
    assert_eq!(checkpoint(&store, &follower).await, 5);
    assert_eq!(read_log(&store, 0, 10).await.len(), 3);
}

/// Law 9: who sends a commit again may not know that the first one is still on its way.
pub async fn a_commit_sent_twice_at_once_is_stored_once<H: Harness>(harness: H) {
    const ROUNDS: u64 = 50;
    let (one, other) = (harness.open().await, harness.open().await);
    let follower = FollowerId::new("certificates", "school");
    for version in 0..ROUNDS {
        let appends = [append(&stream(1), version, 1)];
        let sent = advance(&follower, version, version + 1, appends);
        let start = Barrier::new(4);
        let outcomes = on_threads(4, |number| {
            let handle = if number % 2 == 0 { &one } else { &other };
            start.wait();
            H::block_on(handle.commit(sent.clone()))
        });
        for outcome in outcomes {
            let committed = outcome.expect("it is recognised");
            assert_eq!(committed.position, Some(Position::from(version + 1)));
        }
    }
    assert_eq!(checkpoint(&one, &follower).await, ROUNDS);
    assert_eq!(read_log(&one, 0, usize::MAX).await.len() as u64, ROUNDS);
}

/// Law 9, its last clause: also where they come at the same moment.
pub async fn of_commits_that_share_an_id_at_once_one_is_stored<H: Harness>(harness: H) {
    const ROUNDS: u64 = 50;
    let (one, other) = (harness.open().await, harness.open().await);
    for round in 0..ROUNDS {
        let id = commit([]).id;
        let start = Barrier::new(4);
        let outcomes = on_threads(4, |number| {
            let handle = if number % 2 == 0 { &one } else { &other };
            // All into one stream, or each into its own.
            let (stream, version) = match round % 2 {
                0 => (stream(1), round / 2),
                _ => (stream(u128::from(10 + 4 * round) + number as u128), 0),
            };
            let mut append = append(&stream, version, 1);
            append.events[0].payload = Bytes::from(format!(r#"{{"of":{number}}}"#));
            let sent = Commit {
                id,
                ..commit([append])
            };
            start.wait();
            H::block_on(handle.commit(sent))
        });
        let (stored, refused): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
        assert_eq!(stored.len(), 1, "one of them is stored");
        for refused in refused {
            match refused {
                Err(AppendError::IdTaken { commit }) => assert_eq!(commit, id),
                other => panic!("the id belongs to another commit, so not {other:?}"),
            }
        }
        let outcome = other.outcome(id).await.expect("it can be asked for");
        assert_eq!(outcome, stored.into_iter().find_map(Result::ok));
    }
    assert_eq!(read_log(&one, 0, usize::MAX).await.len() as u64, ROUNDS);
}

/// Law 9: whatever had become of it when the caller went away.
pub async fn a_commit_that_was_given_up_is_stored_once(harness: impl Harness) {
    const COMMITS: u64 = 20;
    let store = harness.open().await;
    let follower = FollowerId::new("certificates", "school");
    for version in 0..COMMITS {
        let sent = advance(
            &follower,
            version,
            version + 1,
            [append(&stream(1), version, 1)],
        );
        {
            let mut given_up = pin!(store.commit(sent.clone()));
            if version % 3 > 0 {
                let waker = Waker::noop();
                let _ = given_up.as_mut().poll(&mut Context::from_waker(waker));
            }
        }
        let first = store.commit(sent.clone()).await.expect("it is stored");
        assert_eq!(first.position, Some(Position::from(version + 1)));
        let again = store.commit(sent.clone()).await.expect("it is recognised");
        assert_eq!(again, first);
        let outcome = store.outcome(sent.id).await.expect("it can be asked for");
        assert_eq!(outcome, Some(first));
    }
    assert_eq!(checkpoint(&store, &follower).await, COMMITS);
    assert_eq!(read_log(&store, 0, usize::MAX).await.len() as u64, COMMITS);
}

/// Law 9.
pub async fn the_outcome_of_a_commit_is_told_by_its_id(harness: impl Harness) {
    let store = harness.open().await;
    let outcome = async |commit| store.outcome(commit).await.expect("it can be asked for");
    let sent = [
        commit([append(&stream(1), 0, 2)]),
        commit([append(&stream(1), 2, 1), append(&stream(2), 0, 1)]),
    ];
    assert_eq!(outcome(sent[0].id).await, None);
    let first = store.commit(sent[0].clone()).await.expect("stored");
    let second = store.commit(sent[1].clone()).await.expect("stored");
    let stale = commit([append(&stream(1), 0, 1)]);
    store.commit(stale.clone()).await.expect_err("it is stale");
    assert_eq!(outcome(sent[0].id).await, Some(first));
    assert_eq!(outcome(sent[1].id).await, Some(second));
    assert_eq!(outcome(stale.id).await, None);
}

/// Law 9, its last clause.
pub async fn a_commit_id_used_for_another_commit_is_refused(harness: impl Harness) {
    let store = harness.open().await;
    let sent = commit([append(&stream(1), 0, 2)]);
    store
        .commit(sent.clone())
        .await
        .expect("the commit is stored");

    let other = |change: fn(&mut Append)| {
        let mut other = sent.clone();
        change(&mut other.appends[0]);
        other
    };
    let others = [
        other(|append| append.events.push(event("{}"))),
        other(|append| drop(append.events.pop())),
        other(|append| append.events[1].payload = Bytes::from_static(b"{}")),
        other(|append| append.events[0].name = "Barked".into()),
        other(|append| append.events[0].schema = 2),
        other(|append| append.stream = stream(2)),
        other(|append| append.expected = Version::from(2)),
        other(|append| append.expected = Version::MAX),
        // Also one that would not be kept, and what it says fits.
        other(|append| append.events.clear()),
        Commit {
            appends: Vec::new(),
            ..sent.clone()
        },
        Commit {
            id: sent.id,
            ..advance(&FollowerId::new("certificates", "school"), 0, 1, [])
        },
    ];
    for other in others {
        match store.commit(other).await {
            Err(AppendError::IdTaken { commit }) => assert_eq!(commit, sent.id),
            other => panic!("the id belongs to another commit, so not {other:?}"),
        }
    }
    assert_eq!(versions(&store, &stream(1), Slice::all()).await, [1, 2]);
    let follower = FollowerId::new("certificates", "school");
    assert_eq!(checkpoint(&store, &follower).await, 0);
}
