//! Laws 26, 28, 30, 31 and 33: what a follower makes in the store.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Harness, Journal, Noted, advance, append, not_run, stream, write};
use crate::application::{Application, Error};
use crate::domain::Position;
use crate::persistence::{
    AppendError, BoxError, CheckpointStore, EventStore, Filter, FollowerId, LeaseError,
    LeaseRequest, Parking, Span, Verdict,
};
use crate::system::{FollowError, Follower, HandleError, OnFailure, Output, State, System};

/// The follower of a law.
const NAME: &str = "journal";

fn id() -> FollowerId {
    FollowerId::new(NAME, "laws")
}

/// A journal that nothing goes wrong in.
fn sound(revision: u32) -> Journal {
    Journal::new(NAME, revision, |_| Ok(()))
}

/// Positions that were noted, with the revision that did.
fn seen(noted: &[Noted]) -> Vec<(u64, u32)> {
    let seen = noted.iter();
    seen.map(|noted| (noted.position.get(), noted.revision))
        .collect()
}

/// A store, an application on it, and a follower; `None` where the harness has no projections.
async fn begun<H: Harness>(
    law: &str,
    harness: &H,
    journal: Journal,
) -> Option<(H::Store, Application, Box<dyn Follower>)> {
    let store = harness.open().await;
    let Some(follower) = harness.follow(&store, journal) else {
        not_run::<H>(law, "at all", "has no projections");
        return None;
    };
    let app = Application::builder(harness.open().await)
        .name("laws")
        .build();
    Some((store, app, follower))
}

/// Steps until nobody has anything to do, but not for ever.
pub(super) async fn settled(system: &System) -> Result<(), String> {
    for _ in 0..200 {
        match system.step().await {
            Ok(stepped) if stepped.idle => {
                return system.settle().await.map_err(|error| error.to_string());
            }
            Err(error) if !says_stopped(&error) => return Err(error.to_string()),
            _ => {}
        }
    }
    Err("the followers come to no end".to_owned())
}

/// Law 26.
pub async fn an_effect_and_its_checkpoint_become_visible_together<H: Harness>(harness: H) {
    let failing = Journal::new(NAME, 1, |event| match event.position.get() {
        6 => Err("as a bug would".into()),
        _ => Ok(()),
    });
    let Some((store, app, follower)) = begun("law 26", &harness, failing).await else {
        return;
    };
    write(&store, [append(&stream(1), 0, 4), append(&stream(2), 0, 4)]).await;
    let follower = follower.on_failure(OnFailure::stop().retries(1));
    let system = System::new("laws").follow(&app, follower);
    for _ in 0..100 {
        let idle = match system.step().await {
            Ok(stepped) => stepped.idle,
            Err(error) if says_stopped(&error) => true,
            Err(error) => panic!("the store answers, and not {error:?}"),
        };
        if idle {
            break;
        }
        let reached = store.checkpoint(&id()).await.expect("it can be read").get();
        let noted = harness.noted(&store, None).await;
        let expected: Vec<_> = (1..=reached).map(|position| (position, 1)).collect();
        assert_eq!(seen(&noted), expected, "the checkpoint is at {reached}");
    }
    let reached = store.checkpoint(&id()).await.expect("it can be read").get();
    assert_eq!(reached, 5);
    assert_eq!(harness.noted(&store, None).await.len(), 5);
}

/// Whether a step says that a follower stopped.
fn says_stopped(error: &Error) -> bool {
    matches!(error, Error::Follow(error) if matches!(error.downcast_ref(), Some(FollowError::Stopped { .. })))
}

/// Law 30.
pub async fn two_revisions_stand_beside_each_other_until_one_takes_the_place<H: Harness>(
    harness: H,
) {
    let Some((store, app, old)) = begun("law 30", &harness, sound(1)).await else {
        return;
    };
    let Some(new) = harness.follow(&store, sound(2)) else {
        return;
    };
    write(&store, [append(&stream(1), 0, 3)]).await;
    let old = System::new("old").follow(&app, old);
    settled(&old).await.expect("nothing goes wrong");
    let new = System::new("new").follow(&app, new);
    new.step().await.expect("the store answers");
    assert_eq!(
        seen(&harness.noted(&store, None).await),
        [(1, 1), (2, 1), (3, 1)]
    );
    let built = harness.noted(&store, Some("r2")).await;
    assert_eq!(seen(&built), [(1, 2), (2, 2), (3, 2)]);
    let beside = FollowerId::new("journal@r2", "laws");
    assert_eq!(
        store
            .checkpoint(&beside)
            .await
            .expect("it can be read")
            .get(),
        3
    );
    write(&store, [append(&stream(1), 3, 1)]).await;
    settled(&new).await.expect("nothing goes wrong");
    let live = seen(&harness.noted(&store, None).await);
    assert_eq!(live, [(1, 2), (2, 2), (3, 2), (4, 2)]);
    let standing = store.standing(&id()).await.expect("it can be read");
    assert_eq!((standing.position.get(), standing.revision), (4, 2));
    assert_eq!(
        store.checkpoint(&beside).await.expect("it can be read"),
        Position::START
    );
    settled(&old).await.expect_err("the old one is outdated");
}

/// Law 27, of what is built beside.
pub async fn who_built_what_took_the_place_is_told_from_who_builds_next<H: Harness>(harness: H) {
    let Some((store, _, mut follower)) = begun("law 27", &harness, sound(1)).await else {
        return;
    };
    let beside = Output::alongside(id(), 1, "again");
    let request = |holder: &str, epoch| LeaseRequest {
        follower: beside.follower.clone(),
        holder: holder.to_owned(),
        length: Duration::from_secs(60),
        epoch,
        stopped: None,
    };
    let taken = store.lease(request("one", None)).await;
    let before = taken.expect("nobody has it").epoch;
    let built = Output {
        epoch: Some(before),
        anew: true,
        ..beside.clone()
    };
    follower.prepare(&built).await.expect("it is leased");
    follower.swap(&built).await.expect("it is as far");
    let taken = store.lease(request("other", None)).await;
    let now = taken.expect("nobody has it").epoch;
    assert!(now > before, "{now:?} is not above {before:?}");
    let renewed = store.lease(request("one", Some(before))).await;
    assert!(
        matches!(renewed, Err(LeaseError::Fenced { .. })),
        "{renewed:?}"
    );
}

/// Law 30, where somebody decides about what is parked, or it is handled, just before.
pub async fn what_takes_the_place_lacks_nothing_that_was_handled_or_given_up_on<H: Harness>(
    harness: H,
) {
    let fails = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&fails);
    let journal = Journal::new(NAME, 1, move |_| match still.load(Ordering::SeqCst) {
        true => Err("as a bug would".into()),
        false => Ok(()),
    });
    let Some((store, app, live)) = begun("law 30", &harness, journal.clone()).await else {
        return;
    };
    let Some(mut built) = harness.follow(&store, journal) else {
        return;
    };
    write(&store, [append(&stream(1), 0, 1), append(&stream(2), 0, 1)]).await;
    let live = live.on_failure(OnFailure::park().retries(0));
    let live = System::new("live").follow(&app, live);
    settled(&live).await.expect("what fails is set aside");
    let output = Output::alongside(id(), 1, "old");
    built.prepare(&output).await.expect("nobody is in its way");
    let aside = |number: u64| Parking::Aside {
        stream: stream(number.into()),
        position: Position::from(number),
        failure: "as a bug would".to_owned(),
        attempts: 1,
    };
    let mut both = advance(&output.follower, 0, 2, []);
    if let Some(checkpoint) = &mut both.checkpoint {
        checkpoint.parking = vec![aside(1), aside(2)];
    }
    store.commit(both).await.expect("both fail there, too");
    let handle = live.follower(NAME);
    let (first, second) = (stream(1), stream(2));
    let dropped = handle.drop_parked(&first, Position::from(1), "ann", "it is nonsense");
    dropped.await.expect("it is parked");
    assert_is_parked(built.swap(&output).await, 1);
    assert_eq!(handle.parked().await.expect("it can be read").len(), 1);

    fails.store(false, Ordering::SeqCst);
    let retried = handle.retry(&second).await;
    retried.expect("it is parked");
    settled(&live).await.expect("it is mended");
    assert_is_parked(built.swap(&output).await, 1);
    let given_up = Verdict::Drop {
        position: Position::from(1),
        by: "ann".to_owned(),
        reason: "it is nonsense".to_owned(),
    };
    let decided = store.decide(&output.follower, &first, given_up).await;
    decided.expect("it is parked");
    assert_is_parked(built.swap(&output).await, 2);
    assert_eq!(seen(&harness.noted(&store, None).await), [(2, 1)]);
}

fn assert_is_parked(swapped: Result<(), HandleError>, expected: u64) {
    match swapped {
        Err(HandleError::Store(AppendError::Parking { position, .. })) => {
            assert_eq!(position.get(), expected);
        }
        other => panic!("the event at position {expected} is set aside in it, so not {other:?}"),
    }
}

/// Law 31.
pub async fn a_dry_run_leaves_the_store_as_it_was<H: Harness>(harness: H) {
    let Some((store, app, follower)) = begun("law 31", &harness, sound(1)).await else {
        return;
    };
    write(&store, [append(&stream(1), 0, 3)]).await;
    let system = System::new("laws").follow(&app, follower);
    system.step().await.expect("the store answers");
    write(&store, [append(&stream(1), 3, 2)]).await;
    let before = kept(&harness, &store).await;
    let dry = system.dry_run(10).await.expect("the store answers");
    assert_eq!(dry.followers[0].events, 2);
    assert_eq!(dry.followers[0].failure, None);
    assert_eq!(kept(&harness, &store).await, before);
    settled(&system).await.expect("nothing goes wrong");
    assert_eq!(harness.noted(&store, None).await.len(), 5);
}

/// All that a store says.
async fn kept<H: Harness>(harness: &H, store: &H::Store) -> String {
    let log = store.read_log(Span::all(), &Filter::everything()).await;
    let standing = store.standing(&id()).await;
    let noted = harness.noted(store, None).await;
    format!("{log:?} {standing:?} {noted:?}")
}

/// Law 33.
pub async fn a_panic_in_a_handler_changes_that_follower_alone<H: Harness>(harness: H) {
    let panics = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&panics);
    let journal = Journal::new(NAME, 1, move |event| {
        assert!(
            event.position.get() != 2 || !still.load(Ordering::SeqCst),
            "as a bug would"
        );
        Ok(())
    });
    let Some((store, app, follower)) = begun("law 33", &harness, journal).await else {
        return;
    };
    let Some(other) = harness.follow(&store, Journal::new("other", 1, |_| Ok::<_, BoxError>(())))
    else {
        return;
    };
    write(&store, [append(&stream(1), 0, 3)]).await;
    let follower = follower.on_failure(OnFailure::stop().retries(0));
    let system = System::new("laws")
        .follow(&app, follower)
        .follow(&app, other);
    settled(&system).await.expect_err("the journal is stopped");
    let state = |name| {
        let handle = system.follower(name);
        async move { handle.status().await.expect("it can be read") }
    };
    let (journal, other) = (state(NAME).await, state("other").await);
    assert!(matches!(journal.state, State::Stopped(_)), "{journal}");
    assert_eq!((journal.position.get(), other.position.get()), (1, 3));
    let of = |noted: Vec<Noted>, name: &str| {
        let of = noted.into_iter().filter(|noted| noted.follower == name);
        of.map(|noted| noted.position.get()).collect::<Vec<_>>()
    };
    let noted = harness.noted(&store, None).await;
    assert_eq!(of(noted.clone(), NAME), [1]);
    assert_eq!(of(noted, "other"), [1, 2, 3]);
    write(&store, [append(&stream(2), 0, 1)]).await;

    panics.store(false, Ordering::SeqCst);
    system.follower(NAME).resume().expect("it is there");
    settled(&system).await.expect("it is mended");
    let noted = harness.noted(&store, None).await;
    assert_eq!(of(noted.clone(), NAME), [1, 2, 3, 4]);
    assert_eq!(of(noted, "other"), [1, 2, 3, 4]);
}
