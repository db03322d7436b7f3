//! Laws 26, 27, 29, 30 and 33 for projections that run inside of commits.
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use super::followers::settled;
use super::{
    Harness, Journal, advance, append, commit, not_run, on_threads, read_log, reopened, stream,
    write,
};
use crate::application::Application;
use crate::domain::{Position, StreamId};
use crate::persistence::{
    Append, AppendError, CheckpointStore, Epoch, EventStore, FollowerId, LeaseError, LeaseRequest,
    Placement,
};
use crate::system::{Follower, InlineError, OnFailure, State, StopReason, System};

/// The projection of a law.
const NAME: &str = "journal";

fn id() -> FollowerId {
    FollowerId::new(NAME, "laws")
}

/// A journal that nothing goes wrong in.
fn sound() -> Journal {
    sound_in(1)
}

fn sound_in(revision: u32) -> Journal {
    Journal::new(NAME, revision, |_| Ok(()))
}

/// Events that the journal has nothing to do with.
fn of_others(id: u128, expected: u64, count: u64) -> Append {
    let stream = StreamId::new("Cat", stream(id).id);
    append(&stream, expected, count)
}

/// A store in whose commits the journal runs; `None` where the harness has none that can.
async fn begun<H: Harness>(
    law: &str,
    harness: &H,
    journal: Journal,
) -> Option<(H::Store, Application)> {
    let store = harness.open().await;
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    let Some(inline) = harness.inline(&store, &app, journal) else {
        not_run::<H>(law, "inside of commits", "has no `inline`");
        return None;
    };
    inline.await.expect("it can handle what is there");
    Some((store, app))
}

/// The positions that were noted, which must be those of all events of its filter, each once, and the checkpoint.
async fn assert_all_noted<H: Harness>(harness: &H, store: &H::Store) {
    assert_all_noted_in(1, harness, store).await;
}

/// The same, of a revision.
async fn assert_all_noted_in<H: Harness>(revision: u32, harness: &H, store: &H::Store) {
    let all = read_log(store, 0, usize::MAX).await;
    let handled = all.iter().filter(|record| record.stream.category == "Dog");
    let handled: Vec<_> = handled
        .map(|record| (record.position.get(), revision))
        .collect();
    let noted = harness.noted(store, None).await;
    let noted: Vec<_> = noted
        .iter()
        .map(|noted| (noted.position.get(), noted.revision))
        .collect();
    assert_eq!(
        noted, handled,
        "position and revision: what was noted, and what the log has of the journal's filter"
    );
    let reached = store.checkpoint(&id()).await.expect("it can be read");
    assert_eq!(reached.get(), all.len() as u64, "where the checkpoint is");
}

/// Law 26.
pub async fn a_projection_inside_of_commits_is_never_behind<H: Harness>(mut harness: H) {
    let other = harness.open().await;
    // Several commits, of which the newest is not all that there is.
    write(&other, [append(&stream(1), 0, 2)]).await;
    write(&other, [of_others(1, 0, 2)]).await;
    write(&other, [append(&stream(1), 2, 1)]).await;
    let Some((store, app)) = begun("law 26", &harness, sound()).await else {
        return;
    };
    assert_all_noted(&harness, &store).await;
    for place in 0..3 {
        write(
            &store,
            [of_others(2, place, 1), append(&stream(2), place, 1)],
        )
        .await;
        assert_all_noted(&harness, &store).await;
    }
    let of_a_follower = advance(&FollowerId::new("other", "laws"), 0, 5, []);
    store.commit(of_a_follower).await.expect("it is stored");
    let known = store.followers().await.expect("it can be read");
    assert!(!known.contains(&id()), "it is no follower of a system");
    // Written where it does not run; handled by the next commit where it does.
    write(&other, [append(&stream(1), 3, 2)]).await;
    write(&store, [append(&stream(2), 3, 1), append(&stream(3), 0, 2)]).await;
    assert_all_noted(&harness, &store).await;
    drop((store, app, other));

    let Some(reopened) = harness.reopen() else {
        not_run::<H>("law 26", "after reopening", "cannot reopen");
        return;
    };
    let store = reopened.await;
    write(&store, [append(&stream(1), 5, 1)]).await;
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    if let Some(inline) = harness.inline(&store, &app, sound()) {
        inline.await.expect("it goes on where it was");
    }
    assert_all_noted(&harness, &store).await;
    write(&store, [append(&stream(1), 6, 1)]).await;
    assert_all_noted(&harness, &store).await;
}

/// Laws 26 and 33.
pub async fn a_commit_that_a_projection_refuses_leaves_nothing<H: Harness>(harness: H) {
    let failing = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&failing);
    let journal = Journal::new(NAME, 1, move |event| {
        match (event.version.get(), still.load(Ordering::SeqCst)) {
            (3, true) if event.stream.id.as_u128() == 1 => Err("as a rule of the view".into()),
            (3, true) => panic!("as a bug would"),
            _ => Ok(()),
        }
    });
    let Some((store, _)) = begun("law 26", &harness, journal).await else {
        return;
    };
    let follower = FollowerId::new("other", "laws");
    for id in [1, 2] {
        write(&store, [append(&stream(id), 0, 1)]).await;
        let before = store.head().await.expect("it can be read");
        // The third event is refused, and with it what comes before and beside it.
        let refused = advance(
            &follower,
            0,
            1,
            [append(&stream(id + 10), 0, 1), append(&stream(id), 1, 2)],
        );
        match store.commit(refused.clone()).await {
            Err(AppendError::Projection { projection, .. }) => assert_eq!(projection, NAME),
            other => panic!("it was to be refused by the projection, not {other:?}"),
        }
        assert_eq!(store.head().await.expect("it can be read"), before);
        let outcome = store.outcome(refused.id).await;
        assert_eq!(outcome.expect("it can be read"), None);
        let reached = store.checkpoint(&follower).await;
        assert_eq!(reached.expect("it can be read").get(), 0);
        assert_all_noted(&harness, &store).await;
        write(&store, [append(&stream(id), 1, 1)]).await;
    }
    failing.store(false, Ordering::SeqCst);
    write(&store, [append(&stream(1), 2, 1), append(&stream(2), 2, 1)]).await;
    assert_all_noted(&harness, &store).await;
}

/// Law 33.
pub async fn a_commit_that_a_projection_refuses_takes_no_neighbour_along<H: Harness>(harness: H) {
    const WRITERS: usize = 8;
    const COMMITS: u64 = 24;
    let journal = Journal::new(NAME, 1, |event| match event.stream.id.as_u128() % 3 {
        0 => Err("as a rule of the view".into()),
        _ => Ok(()),
    });
    let Some((store, _)) = begun("law 33", &harness, journal).await else {
        return;
    };
    // Each writer is refused every third time, and the others are in the same groups.
    let stored = on_threads(WRITERS, |number| {
        H::block_on(async {
            let mut stored = 0_u64;
            for place in 0..COMMITS {
                let id = number as u128 * 1_000 + u128::from(place);
                let written = store.commit(commit([append(&stream(id), 0, 2)])).await;
                match written {
                    Ok(_) if !id.is_multiple_of(3) => stored += 1,
                    Err(AppendError::Projection { .. }) if id.is_multiple_of(3) => {}
                    other => panic!("writer {number}, commit {place}: {other:?}"),
                }
            }
            stored
        })
    });
    let stored: u64 = stored.into_iter().sum();
    let head = store.head().await.expect("it can be read").get();
    assert_eq!(
        head,
        stored * 2,
        "what was acknowledged, and what is stored"
    );
    assert_all_noted(&harness, &store).await;
}

/// Law 26, for who does not wait for the answer.
pub async fn what_was_given_up_is_stored_with_what_projections_make_of_it<H: Harness>(harness: H) {
    let Some((store, _)) = begun("law 26", &harness, sound()).await else {
        return;
    };
    let mut context = Context::from_waker(Waker::noop());
    for place in 0..20 {
        let given_up = commit([append(&stream(place), 0, 1)]);
        drop(pin!(store.commit(given_up.clone())).poll(&mut context));
        if place % 2 == 0 {
            let again = store.commit(given_up).await;
            again.expect("it is stored once");
        }
        write(&store, [append(&stream(100 + place), 0, 1)]).await;
    }
    assert_all_noted(&harness, &store).await;
}

/// Law 27.
pub async fn nobody_follows_under_the_name_of_a_projection_inside_of_commits<H: Harness>(
    harness: H,
) {
    let Some((store, app)) = begun("law 27", &harness, sound()).await else {
        return;
    };
    write(&store, [append(&stream(1), 0, 2)]).await;
    let request = |epoch| LeaseRequest {
        follower: id(),
        holder: "somebody".to_owned(),
        length: std::time::Duration::from_secs(60),
        epoch,
        stopped: None,
    };
    let other = harness.open().await;
    for store in [&store, &other] {
        match store.lease(request(None)).await {
            Err(LeaseError::Inline { follower }) => assert_eq!(follower, id()),
            other => panic!(
                "who asks for the lease anew is told `LeaseError::Inline`, and not {other:?}"
            ),
        }
    }
    let Some(follower) = harness.follow(&store, sound()) else {
        return;
    };
    let system = System::new("laws").follow(&app, follower);
    settled(&system).await.expect_err("it cannot run");
    let status = system.follower(NAME).status().await;
    let state = status.expect("it can be read").state;
    assert!(
        matches!(&state, State::Stopped(StopReason::Unable { failure }) if failure.contains("inside of commits")),
        "{state}"
    );
    assert_all_noted(&harness, &store).await;

    // Once it has ended, a follower goes on with what it made.
    let Some(end) = harness.end_inline(&store, &app) else {
        return;
    };
    end.await;
    write(&store, [append(&stream(1), 2, 2)]).await;
    system.follower(NAME).resume().expect("it is there");
    settled(&system).await.expect("nothing is in its way");
    assert_all_noted(&harness, &store).await;
    let lease = store.lease(request(None)).await.expect("it is free");
    match harness.inline(&store, &app, sound()) {
        Some(inline) => match inline.await {
            Err(InlineError::Followed { follower, .. }) => assert_eq!(follower, id()),
            other => panic!("it was to be refused, not {other:?}"),
        },
        None => unreachable!("it was begun before"),
    }
    let given_back = LeaseRequest {
        length: std::time::Duration::ZERO,
        ..request(Some(lease.epoch))
    };
    store.lease(given_back).await.expect("it is ours");
    if let Some(inline) = harness.inline(&store, &app, sound()) {
        inline.await.expect("nobody follows any more");
    }
    let late = store.lease(request(Some(lease.epoch))).await;
    assert!(
        matches!(late, Err(LeaseError::Fenced { .. })),
        "beginning to run inside of commits raises the epoch, so who renews an earlier lease is told `LeaseError::Fenced`, as before anybody is \
         told `LeaseError::Inline`, and not {late:?}"
    );
    write(&store, [append(&stream(1), 4, 1)]).await;
    assert_all_noted(&harness, &store).await;
}

/// Laws 26 and 30: a raised revision is made anew, and who writes with another revision is refused.
pub async fn a_raised_revision_is_made_anew_inside_of_commits<H: Harness>(harness: H) {
    let Some((store, app)) = begun("law 26", &harness, sound()).await else {
        return;
    };
    // Another program, of the older revision, that goes on.
    let other = harness.open().await;
    if let Some(inline) = harness.inline(&other, &app, sound()) {
        inline.await.expect("both make the same");
    }
    write(&store, [append(&stream(1), 0, 2)]).await;
    write(&store, [append(&stream(2), 0, 1), of_others(1, 0, 1)]).await;
    write(&other, [append(&stream(1), 2, 1)]).await;
    assert_all_noted(&harness, &store).await;
    if let Some(inline) = harness.inline(&store, &app, sound_in(2)) {
        inline
            .await
            .expect("what an older revision made is dropped");
    }
    let standing = store.standing(&id()).await.expect("it can be read");
    assert_eq!(
        standing.revision, 2,
        "the revision that the standing shows; a harness runs the journal in `Journal::revision`, by a type with that \
         `Projection::REVISION`"
    );
    assert_all_noted_in(2, &harness, &store).await;
    write(&store, [append(&stream(2), 1, 1)]).await;
    assert_all_noted_in(2, &harness, &store).await;
    let head = store.head().await.expect("it can be read");
    match other.commit(commit([append(&stream(3), 0, 2)])).await {
        // Its handles share what runs inside of their commits.
        Ok(_) => {}
        Err(AppendError::Projection { projection, .. }) => {
            assert_eq!(projection, NAME);
            assert_eq!(store.head().await.expect("it can be read"), head);
        }
        refused => panic!(
            "what is made is of another revision than this handle's: `Inlined::check_revision` was to be expected, not {refused:?}"
        ),
    }
    write(&store, [append(&stream(2), 2, 1)]).await;
    assert_all_noted_in(2, &harness, &store).await;
    match harness.inline(&other, &app, sound()) {
        Some(inline) => match inline.await {
            Err(InlineError::Outdated { live, known, .. }) => assert_eq!((live, known), (2, 1)),
            begun => panic!(
                "what there is was made by a newer revision: `Inlined::may_begin` was to be expected, not {begun:?}"
            ),
        },
        None => unreachable!("it was begun before"),
    }
    assert_all_noted_in(2, &harness, &store).await;
}

/// Law 27: it is so until `end_inline`, whichever process asks, and whether one runs or not.
pub async fn the_name_of_a_projection_inside_of_commits_is_kept_when_all_is_closed<H: Harness>(
    mut harness: H,
) {
    let store = harness.open().await;
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    let request = |epoch, seconds| LeaseRequest {
        follower: id(),
        holder: "somebody".to_owned(),
        length: std::time::Duration::from_secs(seconds),
        epoch,
        stopped: None,
    };
    let Some(inline) = harness.inline(&store, &app, sound()) else {
        not_run::<H>("law 27", "inside of commits", "has no `inline`");
        return;
    };
    inline.await.expect("nobody follows under its name");
    write(&store, [append(&stream(1), 0, 2)]).await;
    assert_nobodys(&store, request).await;
    drop((store, app));
    let last = harness.open().await;
    let store = reopened("law 27", &mut harness, last).await;
    assert_nobodys(&store, request).await;
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    if let Some(inline) = harness.inline(&store, &app, sound()) {
        inline.await.expect("it goes on");
    }
    write(&store, [append(&stream(1), 2, 1)]).await;
    assert_all_noted(&harness, &store).await;
}

/// Nobody gets a lease of that name, or puts it anywhere, though its newest epoch is no secret.
async fn assert_nobodys(
    store: &impl CheckpointStore,
    request: impl Fn(Option<Epoch>, u64) -> LeaseRequest,
) {
    let before = store.standing(&id()).await.expect("it can be read");
    assert_eq!((before.revision, &before.holder), (1, &None));
    assert!(
        before.epoch > Epoch::NONE,
        "beginning to run inside of commits raises the epoch"
    );
    for epoch in [None, Some(before.epoch)] {
        let leased = store.lease(request(epoch, 60)).await;
        assert!(
            matches!(leased, Err(LeaseError::Inline { .. })),
            "what runs inside of commits is leased to nobody: `LeaseError::Inline` was to be expected, not {leased:?}"
        );
    }
    let placed = store.place(Placement {
        follower: id(),
        epoch: before.epoch,
        to: Position::FIRST,
        stands_at: None,
        by: "ann".to_owned(),
        reason: "it runs inside of commits".to_owned(),
    });
    let placed = placed.await;
    assert!(
        matches!(placed, Err(LeaseError::Inline { .. })),
        "what runs inside of commits is put nowhere: `LeaseError::Inline` was to be expected, not {placed:?}"
    );
    let after = store.standing(&id()).await.expect("it can be read");
    assert_eq!(after, before, "what is refused changes nothing");
    let known = store.followers().await.expect("it can be read");
    assert!(!known.contains(&id()), "it is no follower of a system");
}

/// Law 29: what waits behind an event is not overtaken.
pub async fn nothing_runs_inside_of_commits_whose_name_has_set_events_aside<H: Harness>(
    harness: H,
) {
    let failing = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&failing);
    let journal = Journal::new(NAME, 1, move |_| match still.load(Ordering::SeqCst) {
        true => Err("as a bug of an earlier program would".into()),
        false => Ok(()),
    });
    let store = harness.open().await;
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    let Some(follower) = harness.follow(&store, journal) else {
        not_run::<H>("law 29", "inside of commits", "has no followers");
        return;
    };
    write(&store, [append(&stream(1), 0, 2)]).await;
    let system =
        System::new("laws").follow(&app, follower.on_failure(OnFailure::park().retries(0)));
    settled(&system).await.expect("what fails is set aside");
    let Some(inline) = harness.inline(&store, &app, sound()) else {
        not_run::<H>("law 29", "inside of commits", "has no `inline`");
        return;
    };
    match inline.await {
        Err(InlineError::Parked { follower, events }) => assert_eq!((follower, events), (id(), 2)),
        other => panic!("it would overtake what is set aside, and was {other:?}"),
    }
    failing.store(false, Ordering::SeqCst);
    let handle = system.follower(NAME);
    handle.retry(&stream(1)).await.expect("it is set aside");
    settled(&system).await.expect("nothing is in its way");
    if let Some(inline) = harness.inline(&store, &app, sound()) {
        inline.await.expect("nothing is set aside any more");
    }
    write(&store, [append(&stream(1), 2, 1)]).await;
    assert_all_noted(&harness, &store).await;
}
