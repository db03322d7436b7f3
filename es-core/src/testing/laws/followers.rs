//! Laws 26, 28, 30, 31 and 33: what a follower makes in the store.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Harness, Journal, Noted, advance, append, not_run, reopened, stream, write};
use crate::application::{Application, Error, Rehearsal};
use crate::domain::Position;
use crate::persistence::{
    AppendError, BoxError, CheckpointStore, Dropped, Epoch, EventStore, Filter, FollowerId,
    LeaseError, LeaseRequest, Parked, Parking, Placed, Placement, Span, Standing, Verdict,
};
use crate::system::{Batch, FollowError, Follower, HandleError, OnFailure, Output, State, System};

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
    let mut both = advance(&output.follower, 0, 2, []);
    if let Some(checkpoint) = &mut both.checkpoint {
        checkpoint.parking = vec![aside(1, "as a bug would"), aside(2, "as a bug would")];
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
    give_up_on(&store, &output.follower, 1, "ann").await;
    assert_is_parked(built.swap(&output).await, 2);
    assert_eq!(seen(&harness.noted(&store, None).await), [(2, 1)]);
}

/// Sets an event aside that has a stream of its own.
fn aside(number: u64, failure: &str) -> Parking {
    Parking::Aside {
        stream: stream(number.into()),
        position: Position::from(number),
        failure: failure.to_owned(),
        attempts: 1,
    }
}

/// Gives up on such an event.
async fn give_up_on(store: &impl CheckpointStore, follower: &FollowerId, number: u64, by: &str) {
    let verdict = Verdict::Drop {
        position: Position::from(number),
        by: by.to_owned(),
        reason: "it is nonsense".to_owned(),
    };
    let decided = store
        .decide(follower, &stream(number.into()), verdict)
        .await;
    decided.expect("it is parked");
}

async fn leased(store: &impl CheckpointStore, follower: &FollowerId, holder: &str) -> Epoch {
    let request = LeaseRequest {
        follower: follower.clone(),
        holder: holder.to_owned(),
        length: Duration::from_secs(3_600),
        epoch: None,
        stopped: None,
    };
    store.lease(request).await.expect("nobody has it").epoch
}

type Kept = (Standing, Vec<Parked>, Vec<Dropped>, Vec<Placed>);

/// All that is kept of a follower besides what it made.
async fn all_of(store: &impl CheckpointStore, follower: &FollowerId) -> Kept {
    (
        store.standing(follower).await.expect("it can be read"),
        store.parked(follower).await.expect("it can be read"),
        store.dropped(follower).await.expect("it can be read"),
        store.placed(follower).await.expect("it can be read"),
    )
}

/// Law 30: all that belongs to what was built comes along, and what persons decided about what readers saw stays.
pub async fn what_takes_the_place_brings_all_that_it_has_and_decisions_stay<H: Harness>(
    mut harness: H,
) {
    let Some((store, _, mut follower)) = begun("law 30", &harness, sound(1)).await else {
        return;
    };
    let mut last = None;
    for number in 1..=4 {
        let written = write(&store, [append(&stream(number), 0, 1)]).await;
        last = Some(written.commit);
    }
    let moved = async |output: &Output, from, to, parking| {
        let mut moved = advance(&output.follower, from, to, []);
        if let Some(checkpoint) = &mut moved.checkpoint {
            checkpoint.epoch = output.epoch;
            checkpoint.stands_at = last.filter(|_| to == 4);
            checkpoint.parking = parking;
        }
        store.commit(moved).await.expect("it has the lease");
    };
    // What readers see: a person put it somewhere, and gave up on the second event.
    let placement = Placement {
        follower: id(),
        epoch: leased(&store, &id(), "ann").await,
        to: Position::FIRST,
        stands_at: None,
        by: "ann".to_owned(),
        reason: "the log was restored".to_owned(),
    };
    store.place(placement).await.expect("it has the lease");
    let mut live = Output::live(id(), 1);
    live.epoch = Some(leased(&store, &id(), "live").await);
    follower.prepare(&live).await.expect("it has the lease");
    let old_failure = || vec![aside(1, "as of old"), aside(2, "as of old")];
    moved(&live, 1, 4, old_failure()).await;
    give_up_on(&store, &id(), 2, "ann").await;
    // What is built fails at the same two, and gave up on the second again, and on the third.
    let mut built = Output::alongside(id(), 1, "again");
    built.epoch = Some(leased(&store, &built.follower, "built").await);
    built.anew = true;
    follower.prepare(&built).await.expect("it has the lease");
    built.anew = false;
    let failures = (1..=3).map(|number| aside(number, "as of now")).collect();
    moved(&built, 0, 3, failures).await;
    give_up_on(&store, &built.follower, 2, "whoever built").await;
    give_up_on(&store, &built.follower, 3, "whoever built").await;

    let before = all_of(&store, &id()).await;
    let built_before = all_of(&store, &built.follower).await;
    match follower.swap(&built).await {
        Err(HandleError::Store(AppendError::Checkpoint { from, actual, .. })) => {
            assert_eq!((from.get(), actual.get()), (3, 4), "where the two are");
        }
        other => panic!(
            "what is not as far takes no place: `Output::refusal` was to be expected, not {other:?}"
        ),
    }
    let of_another = Output {
        epoch: Some(Epoch::NONE),
        anew: true,
        ..built.clone()
    };
    for (done, refused) in [
        ("put in the place", follower.swap(&of_another).await),
        ("made anew", follower.prepare(&of_another).await),
    ] {
        match refused {
            Err(HandleError::Store(AppendError::Fenced { actual, .. })) => {
                assert_eq!(Some(actual), built.epoch, "the newest epoch");
            }
            other => panic!(
                "under an older epoch it cannot be {done}: `AppendError::Fenced` was to be expected, not {other:?}"
            ),
        }
    }
    assert_eq!(
        all_of(&store, &id()).await,
        before,
        "what is refused changes nothing of what readers see"
    );
    assert_eq!(
        all_of(&store, &built.follower).await,
        built_before,
        "nor of what is built"
    );

    moved(&built, 3, 4, Vec::new()).await;
    follower.swap(&built).await.expect("it is as far");
    drop(follower);
    let store = reopened("law 30", &mut harness, store).await;
    let standing = store.standing(&id()).await.expect("it can be read");
    assert_eq!(
        (standing.position.get(), standing.stands_at),
        (4, last),
        "position and commit, of what was built"
    );
    assert_eq!(standing.revision, 1, "the revision of what was built");
    assert_eq!(
        Some(standing.epoch),
        live.epoch.map(Epoch::next),
        "the epoch of what readers saw is raised, so that who wrote there is refused"
    );
    assert_eq!(standing.holder, None, "nobody has its lease");
    let parked = store.parked(&id()).await.expect("it can be read");
    let parked: Vec<_> = parked
        .iter()
        .map(|parked| (parked.position.get(), parked.failure.as_deref()))
        .collect();
    assert_eq!(
        parked,
        [(1, Some("as of now"))],
        "what was built had set it aside"
    );
    let dropped = store.dropped(&id()).await.expect("it can be read");
    let dropped: Vec<_> = dropped
        .iter()
        .map(|dropped| (dropped.position.get(), &*dropped.by))
        .collect();
    assert_eq!(
        dropped,
        [(2, "ann"), (3, "whoever built")],
        "a record of what was given up on in either, once, and a person's before that of what was built"
    );
    let placed = store.placed(&id()).await.expect("it can be read");
    let placed: Vec<_> = placed.iter().map(|placed| &*placed.by).collect();
    assert_eq!(placed, ["ann"], "who put it where it was is on record");

    let left = store.standing(&built.follower).await;
    let left = left.expect("it can be read");
    assert!(
        Some(left.epoch) > built.epoch,
        "its epoch is raised: {left:?}"
    );
    let nothing = Standing {
        epoch: left.epoch,
        ..Standing::default()
    };
    assert_eq!(left, nothing, "what is left under the name it was built by");
    let parked = store.parked(&built.follower).await;
    assert_eq!(parked.expect("it can be read"), [], "parked there");
    let dropped = store.dropped(&built.follower).await;
    assert_eq!(dropped.expect("it can be read"), [], "dropped there");
    let known = store.followers().await.expect("it can be read");
    assert_eq!(known, [id()], "nothing is left of any other");
}

/// Law 30: of what was built under that name before nothing is left.
pub async fn what_is_made_anew_begins_with_nothing<H: Harness>(harness: H) {
    let Some((store, _, mut follower)) = begun("law 30", &harness, sound(1)).await else {
        return;
    };
    let committed = write(&store, [append(&stream(1), 0, 1), append(&stream(2), 0, 1)]).await;
    let mut output = Output::alongside(id(), 1, "again");
    output.epoch = Some(leased(&store, &output.follower, "one").await);
    follower.prepare(&output).await.expect("it has the lease");
    let log = store.read_log(Span::all(), &Filter::everything()).await;
    let batch = Batch {
        output: output.clone(),
        from: Position::START,
        records: log.expect("it can be read").records,
        to: Position::from(2),
        stands_at: Some(committed.commit),
        parking: Vec::new(),
        dry: None,
    };
    let handled = follower.handle(Arc::new(batch)).await;
    assert_eq!(handled.expect("nothing goes wrong"), 2);
    let mut both = advance(&output.follower, 2, 2, []);
    if let Some(checkpoint) = &mut both.checkpoint {
        checkpoint.stands_at = Some(committed.commit);
        checkpoint.parking = vec![aside(1, "as of old"), aside(2, "as of old")];
    }
    store.commit(both).await.expect("it is parked");
    give_up_on(&store, &output.follower, 2, "whoever built").await;
    let built = harness.noted(&store, Some("again")).await;
    assert_eq!(seen(&built), [(1, 1), (2, 1)]);

    let goes_on = all_of(&store, &output.follower).await;
    follower.prepare(&output).await.expect("it has the lease");
    assert_eq!(
        all_of(&store, &output.follower).await,
        goes_on,
        "what is not made anew goes on with what there is"
    );
    output.anew = true;
    follower.prepare(&output).await.expect("it has the lease");
    let standing = store.standing(&output.follower).await;
    let standing = standing.expect("it can be read");
    assert_eq!(
        (standing.position, standing.stands_at),
        (Position::START, None),
        "its checkpoint begins at the start"
    );
    assert_eq!(
        (standing.revision, Some(standing.epoch)),
        (1, output.epoch),
        "revision and epoch stay"
    );
    let parked = store.parked(&output.follower).await;
    assert_eq!(parked.expect("it can be read"), [], "nothing is parked");
    let dropped = store.dropped(&output.follower).await;
    assert_eq!(
        dropped.expect("it can be read"),
        [],
        "there is no record of what was given up on"
    );
    let noted = harness.noted(&store, Some("again")).await;
    assert_eq!(noted, [], "its tables are empty");
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
    if let Some(raised) = harness.follow(&store, sound(2)) {
        let raised = System::new("laws").follow(&app, raised);
        let dry = raised.dry_run(10).await.expect("the store answers");
        let dry = &dry.followers[0];
        assert_eq!(
            (dry.builds, dry.events, &dry.failure),
            (Some(2), 5, &None),
            "a raised revision is tried as it would be built"
        );
        assert_eq!(kept(&harness, &store).await, before);
        assert_eq!(harness.noted(&store, Some("r2")).await, []);
    }
    if let Some(mut late) = harness.follow(&store, sound(1)) {
        let log = store.read_log(Span::all(), &Filter::everything()).await;
        let batch = Batch {
            output: Output::live(id(), 1),
            from: Position::START,
            records: log.expect("it can be read").records,
            to: Position::from(5),
            stands_at: None,
            parking: Vec::new(),
            dry: Some(Rehearsal::default()),
        };
        let refused = late.handle(Arc::new(batch)).await;
        let is_told = matches!(
            refused,
            Err(HandleError::Store(AppendError::Checkpoint { .. }))
        );
        assert!(is_told, "its checkpoint is elsewhere: {refused:?}");
        assert_eq!(kept(&harness, &store).await, before);
    }
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
