//! Laws 27, 29 and 32, as far as they are the store's alone: what is kept of a follower beside its checkpoint.
use std::time::{Duration, Instant};

use super::{Harness, advance, append, checkpoint, not_run, reopened, stream, write};
use crate::domain::{Position, StreamId};
use crate::persistence::{
    Advance, AppendError, CheckpointStore, Commit, Epoch, EventStore, FollowerId, Lease,
    LeaseError, LeaseRequest, ParkedError, Parking, Placement, Standing, Stopped, Verdict,
};

fn follower() -> FollowerId {
    FollowerId::new("certificates", "school")
}

fn request(holder: &str, length: Duration, epoch: Option<Epoch>) -> LeaseRequest {
    LeaseRequest {
        follower: follower(),
        holder: holder.to_owned(),
        length,
        epoch,
        stopped: None,
    }
}

const LONG: Duration = Duration::from_secs(3_600);

/// Longer than a clock takes to go past the end of a short lease.
const PATIENCE: Duration = Duration::from_secs(20);

/// A lease that is over at once; `None` where the store keeps none.
async fn leased<H: Harness>(law: &str, store: &H::Store, holder: &str) -> Option<Lease> {
    // Nothing is the shortest: it gives the lease back as soon as it is taken.
    match store.lease(request(holder, Duration::ZERO, None)).await {
        Ok(lease) => Some(lease),
        Err(LeaseError::Unsupported) => {
            not_run::<H>(law, "at all", "keeps no leases");
            None
        }
        Err(error) => panic!("a free lease can be taken: {error:?}"),
    }
}

/// A commit of a follower under a lease.
fn under(epoch: Epoch, mut commit: Commit) -> Commit {
    if let Some(advance) = &mut commit.checkpoint {
        advance.epoch = Some(epoch);
    }
    commit
}

/// Law 27.
pub async fn a_lease_is_taken_by_raising_its_epoch_and_renewed_without<H: Harness>(mut harness: H) {
    let store = harness.open().await;
    let Some(first) = leased::<H>("law 27", &store, "first").await else {
        return;
    };
    assert_eq!(first.epoch, Epoch::from(1));
    let other = harness.open().await;
    let second = other.lease(request("second", LONG, None)).await;
    let second = second.expect("the first gave it back");
    assert_eq!(second.epoch, Epoch::from(2));
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!(standing.holder.as_deref(), Some("second"));
    assert_eq!(standing.until, Some(second.until));
    let since = standing.since.expect("it says since when");
    assert!(since <= second.until);
    assert_eq!(standing.position, Position::START, "a lease moves nothing");

    for holder in ["third", "second"] {
        match store.lease(request(holder, LONG, None)).await {
            Err(LeaseError::Held {
                holder,
                held_for,
                until,
                ..
            }) => {
                assert_eq!((&*holder, until), ("second", second.until));
                assert!(held_for.is_some());
            }
            other => panic!("somebody has it, so not {other:?}"),
        }
    }
    let renewed = store
        .lease(request("second", LONG, Some(second.epoch)))
        .await;
    let renewed = renewed.expect("it is renewed");
    assert_eq!(renewed.epoch, second.epoch);
    assert!(renewed.until >= second.until);
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!(standing.since, Some(since), "it is the same lease");
    for (length, done) in [(LONG, "renewed"), (Duration::ZERO, "given back")] {
        match store
            .lease(request("first", length, Some(first.epoch)))
            .await
        {
            Err(LeaseError::Fenced { epoch, actual, .. }) => {
                assert_eq!((epoch, actual), (first.epoch, second.epoch));
            }
            other => panic!(
                "an older lease cannot be {done}: `LeaseError::Fenced` was to be expected, not {other:?}"
            ),
        }
        let kept = store.standing(&follower()).await.expect("it can be read");
        assert_eq!(
            kept, standing,
            "an older lease that was to be {done} changes nothing"
        );
    }
    let elsewhere = LeaseRequest {
        follower: FollowerId::new("certificates", "office"),
        ..request("third", LONG, None)
    };
    let elsewhere = store.lease(elsewhere).await.expect("it is another's");
    assert_eq!(elsewhere.epoch, Epoch::from(1));

    drop(other);
    let store = reopened("law 27", &mut harness, store).await;
    let given_back = request("second", Duration::ZERO, Some(second.epoch));
    store.lease(given_back).await.expect("it is given back");
    let third = store.lease(request("third", LONG, None)).await;
    let third = third.expect("it is free").epoch;
    assert_eq!(third, Epoch::from(3));
    let for_ever = request("third", Duration::MAX, Some(third));
    let for_ever = store.lease(for_ever).await.expect("it is renewed");
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!(standing.until, Some(for_ever.until));
    match store.lease(request("fourth", LONG, None)).await {
        Err(LeaseError::Held { until, .. }) => assert_eq!(until, for_ever.until),
        other => panic!("somebody has it, so not {other:?}"),
    }
}

/// Law 27.
pub async fn why_a_follower_stopped_is_kept_until_its_lease_is_taken_again<H: Harness>(
    mut harness: H,
) {
    let store = harness.open().await;
    let Some(_) = leased::<H>("law 27", &store, "first").await else {
        return;
    };
    let stopped = async |store: &H::Store| {
        let standing = store.standing(&follower()).await.expect("it can be read");
        let stopped = standing.stopped;
        stopped.map(|Stopped { reason, by, .. }| (reason, by))
    };
    let taken = async |store: &H::Store, holder: &str| {
        let lease = store.lease(request(holder, LONG, None)).await;
        lease.expect("it is free").epoch
    };
    let given_back = |holder: &str, epoch, reason: Option<&str>| LeaseRequest {
        stopped: reason.map(str::to_owned),
        ..request(holder, Duration::ZERO, Some(epoch))
    };
    assert_eq!(stopped(&store).await, None);
    let epoch = taken(&store, "second").await;
    let renewed = LeaseRequest {
        stopped: Some("it tries again".to_owned()),
        ..request("second", LONG, Some(epoch))
    };
    store.lease(renewed).await.expect("it is renewed");
    let tries = Some(("it tries again".to_owned(), "second".to_owned()));
    assert_eq!(stopped(&store).await, tries);
    let well = store.lease(request("second", LONG, Some(epoch))).await;
    well.expect("it is renewed");
    assert_eq!(stopped(&store).await, None, "it goes on");
    let reason = "`TrickAdded` failed 3 times: it's \"no\" trick";
    let with_reason = given_back("second", epoch, Some(reason));
    store.lease(with_reason).await.expect("it is given back");

    let store = reopened("law 27", &mut harness, store).await;
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!((standing.holder, standing.epoch), (None, epoch));
    let said = Some((reason.to_owned(), "second".to_owned()));
    assert_eq!(stopped(&store).await, said);
    let moved = store.commit(advance(&follower(), 0, 1, [])).await;
    moved.expect("nobody has a lease");
    assert_eq!(stopped(&store).await, said, "a commit says nothing of it");

    let epoch = taken(&store, "third").await;
    assert_eq!(stopped(&store).await, None);
    let without = given_back("third", epoch, None);
    store.lease(without).await.expect("it is given back");
    assert_eq!(stopped(&store).await, None, "it was told to");
}

/// Law 27.
pub async fn nobody_has_a_lease_that_has_ended<H: Harness>(harness: H) {
    let store = harness.open().await;
    let Some(given_back) = leased::<H>("law 27", &store, "first").await else {
        return;
    };
    let short = Duration::from_millis(20);
    let second = store.lease(request("second", short, None)).await;
    let second = second.expect("the first gave it back");
    assert!(second.epoch > given_back.epoch);
    let trying = LeaseRequest {
        stopped: Some("it tries again".to_owned()),
        ..request("second", short, Some(second.epoch))
    };
    let trying = store.lease(trying).await;
    trying.expect("nobody has taken it meanwhile");
    let begun = Instant::now();
    loop {
        let standing = store.standing(&follower()).await.expect("it can be read");
        assert_eq!(standing.epoch, second.epoch);
        if standing.holder.is_none() {
            assert_eq!((standing.since, standing.until), (None, None));
            assert_eq!(standing.stopped, None, "who said so has gone");
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "its lease has ended long ago");
        std::thread::sleep(Duration::from_millis(1));
    }
    let renewed = request("second", LONG, Some(second.epoch));
    let renewed = store.lease(renewed).await;
    renewed.expect("nobody has taken it meanwhile");
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!(standing.holder.as_deref(), Some("second"));
}

/// Law 27.
pub async fn a_write_under_an_older_epoch_is_refused<H: Harness>(harness: H) {
    let store = harness.open().await;
    let Some(old) = leased::<H>("law 27", &store, "old").await else {
        return;
    };
    let of_the_old = under(old.epoch, advance(&follower(), 0, 1, []));
    let written = store.commit(of_the_old).await;
    written.expect("nobody took the lease since");
    let new = store.lease(request("new", LONG, None)).await;
    let new = new.expect("it is free");
    for commit in [
        advance(&follower(), 1, 2, []),
        advance(&follower(), 1, 2, [append(&stream(1), 0, 1)]),
    ] {
        match store.commit(under(old.epoch, commit)).await {
            Err(AppendError::Fenced {
                follower: whose,
                epoch,
                actual,
            }) => assert_eq!((whose, epoch, actual), (follower(), old.epoch, new.epoch)),
            other => panic!("the lease was taken over, so not {other:?}"),
        }
    }
    assert_eq!(checkpoint(&store, &follower()).await, 1);
    let head = store.head().await.expect("there is a head");
    assert_eq!(head, Position::START, "nor are its events there");
    let of_the_new = under(
        new.epoch,
        advance(&follower(), 1, 2, [append(&stream(1), 0, 1)]),
    );
    store.commit(of_the_new).await.expect("it has the lease");
    assert_eq!(checkpoint(&store, &follower()).await, 2);
}

/// Law 29.
pub async fn of_a_follower_that_is_forgotten_its_epoch_and_what_was_dropped_are_kept<H: Harness>(
    mut harness: H,
) {
    let store = harness.open().await;
    if leased::<H>("law 29", &store, "any").await.is_none() {
        return;
    }
    let known = async |store: &H::Store| {
        let known = store.followers().await.expect("it can be read");
        known.contains(&follower())
    };
    assert!(!known(&store).await, "an epoch alone says nothing");
    let both = [aside(&stream(1), 2), behind(&stream(1), 3)];
    let moved = store.commit(parking(0, 3, both)).await;
    moved.expect("it is parked");
    let lease = store.lease(request("second", LONG, None)).await;
    let lease = lease.expect("it is free");
    let other = FollowerId::new("certificates", "office");
    let elsewhere = store.commit(advance(&other, 0, 2, [])).await;
    elsewhere.expect("it is another's");

    let placement = |epoch, to, reason: &str| Placement {
        follower: follower(),
        epoch,
        to,
        stands_at: None,
        by: "ann".to_owned(),
        reason: reason.to_owned(),
    };
    let earlier = Epoch::from(1);
    let too_late = placement(earlier, Position::START, "I had it once");
    match store.place(too_late).await {
        Err(LeaseError::Fenced { epoch, actual, .. }) => {
            assert_eq!((epoch, actual), (earlier, lease.epoch));
        }
        other => panic!("somebody else has the lease, so not {other:?}"),
    }
    assert!(known(&store).await);
    let forgotten = placement(lease.epoch, Position::START, "renamed");
    store.place(forgotten).await.expect("it has the lease");

    let store = reopened("law 29", &mut harness, store).await;
    assert!(!known(&store).await);
    let standing = store.standing(&follower()).await.expect("it can be read");
    let nothing = Standing {
        epoch: lease.epoch,
        ..Standing::default()
    };
    assert_eq!(standing, nothing);
    let dropped = store.dropped(&follower()).await.expect("it can be read");
    let dropped: Vec<_> = dropped
        .iter()
        .map(|one| {
            let failure = one.failure.as_deref();
            (one.position.get(), failure, &*one.by, &*one.reason)
        })
        .collect();
    let failed = Some("it \"failed\" 🐕");
    assert_eq!(
        dropped,
        [(2, failed, "ann", "renamed"), (3, None, "ann", "renamed")]
    );
    assert_eq!(parked(&store).await, []);
    assert_eq!(checkpoint(&store, &other).await, 2);
    let late = under(earlier, advance(&follower(), 0, 1, []));
    match store.commit(late).await {
        Err(AppendError::Fenced { .. }) => {}
        other => panic!("that lease is long past, so not {other:?}"),
    }
}

/// Law 29.
pub async fn who_put_a_follower_somewhere_is_on_record<H: Harness>(mut harness: H) {
    let store = harness.open().await;
    if leased::<H>("law 29", &store, "any").await.is_none() {
        return;
    }
    let (one, two) = (stream(1), StreamId::new("Cat", stream(1).id));
    let parked_both = [aside(&one, 2), behind(&one, 3), aside(&two, 4)];
    let moved = store.commit(parking(0, 5, parked_both)).await;
    moved.expect("it is parked");
    let first = write(&store, [append(&stream(2), 0, 2)]).await.commit;
    let place = async |store: &H::Store, to: u64, stands_at, reason: &str| {
        let lease = store.lease(request("ann", LONG, None)).await;
        let placement = Placement {
            follower: follower(),
            epoch: lease.expect("nobody has it").epoch,
            to: Position::from(to),
            stands_at,
            by: "ann".to_owned(),
            reason: reason.to_owned(),
        };
        store.place(placement).await.expect("it has the lease");
        let standing = store.standing(&follower()).await.expect("it can be read");
        assert_eq!(
            (standing.position.get(), standing.stands_at, standing.holder),
            (to, stands_at, None)
        );
    };
    place(&store, 2, Some(first), "the log was restored").await;
    let left: Vec<_> = parked(&store).await.iter().map(|one| one.0).collect();
    assert_eq!(left, [2], "what comes again is parked no more");
    let store = reopened("law 29", &mut harness, store).await;
    place(&store, 9, None, "nobody's business \"before\" today").await;

    let placed = store.placed(&follower()).await.expect("it can be read");
    let told: Vec<_> = placed
        .iter()
        .map(|one| (one.from.get(), one.to.get(), &*one.by, &*one.reason))
        .collect();
    assert_eq!(
        told,
        [
            (5, 2, "ann", "the log was restored"),
            (2, 9, "ann", "nobody's business \"before\" today")
        ]
    );
    assert!(placed[0].time <= placed[1].time);
    let other = FollowerId::new("certificates", "office");
    let without = Placement {
        follower: other.clone(),
        epoch: Epoch::NONE,
        to: Position::FIRST,
        stands_at: None,
        by: "ann".to_owned(),
        reason: "nobody has a lease".to_owned(),
    };
    match store.place(without).await {
        Err(LeaseError::Fenced { .. }) => {}
        placed => panic!("it is nobody's lease, so not {placed:?}"),
    }
    assert_eq!(store.placed(&other).await.expect("it can be read"), []);
}

/// Law 32.
pub async fn a_checkpoint_keeps_the_commit_it_stands_at<H: Harness>(mut harness: H) {
    let store = harness.open().await;
    let Some(lease) = leased::<H>("law 32", &store, "any").await else {
        return;
    };
    let first = write(&store, [append(&stream(1), 0, 2)]).await.commit;
    for (from, to, stands_at) in [(0, 2, Some(first)), (2, 3, None), (3, 4, Some(first))] {
        let mut commit = under(lease.epoch, advance(&follower(), from, to, []));
        if let Some(advance) = &mut commit.checkpoint {
            advance.stands_at = stands_at;
        }
        store.commit(commit).await.expect("it is moved");
        let standing = store.standing(&follower()).await.expect("it can be read");
        assert_eq!(
            (standing.position.get(), standing.stands_at),
            (to, stands_at)
        );
    }
    // Where only something parked is changed.
    let parked = [vec![aside(&stream(1), 2)], vec![behind(&stream(1), 3)]];
    for (parked, stands_at) in parked.into_iter().zip([None, Some(first)]) {
        let mut commit = under(lease.epoch, parking(4, 4, parked));
        if let Some(advance) = &mut commit.checkpoint {
            advance.stands_at = stands_at;
        }
        store.commit(commit).await.expect("it is parked");
        let standing = store.standing(&follower()).await.expect("it can be read");
        assert_eq!(
            (standing.position.get(), standing.stands_at),
            (4, stands_at),
            "the commit is kept as it is said, also where the checkpoint stays"
        );
    }
    let store = reopened("law 32", &mut harness, store).await;
    let standing = store.standing(&follower()).await.expect("it can be read");
    assert_eq!(
        (standing.position.get(), standing.stands_at),
        (4, Some(first))
    );
    assert_eq!(standing.epoch, lease.epoch);
}

fn parking(from: u64, to: u64, parking: impl Into<Vec<Parking>>) -> Commit {
    Commit {
        checkpoint: Some(Advance {
            parking: parking.into(),
            ..Advance::new(follower(), Position::from(from), Position::from(to))
        }),
        ..super::commit([])
    }
}

fn aside(stream: &StreamId, position: u64) -> Parking {
    Parking::Aside {
        stream: stream.clone(),
        position: Position::from(position),
        failure: "it \"failed\" 🐕".to_owned(),
        attempts: 3,
    }
}

fn behind(stream: &StreamId, position: u64) -> Parking {
    Parking::Behind {
        stream: stream.clone(),
        position: Position::from(position),
    }
}

/// Position, whether it failed, how often it was tried, whether it is to be tried again.
async fn parked(store: &impl CheckpointStore) -> Vec<(u64, bool, u32, bool)> {
    let parked = store.parked(&follower()).await.expect("it can be read");
    let parked = parked.iter().map(|parked| {
        (
            parked.position.get(),
            parked.failure.is_some(),
            parked.attempts,
            parked.retry,
        )
    });
    parked.collect()
}

async fn refuses(store: &impl EventStore, commit: Commit, at: u64) {
    match store.commit(commit).await {
        Err(AppendError::Parking { position, .. }) => assert_eq!(position.get(), at),
        other => panic!("nothing is parked like that, so not {other:?}"),
    }
}

/// Law 29.
pub async fn what_is_parked_waits_in_order_and_leaves_a_record_when_dropped<H: Harness>(
    mut harness: H,
) {
    let store = harness.open().await;
    if leased::<H>("law 29", &store, "any").await.is_none() {
        return;
    }
    let (one, two) = (stream(1), StreamId::new("Cat", stream(1).id));
    let stored = async |commit| {
        store.commit(commit).await.expect("it is parked");
    };
    refuses(&store, parking(0, 1, [behind(&one, 1)]), 1).await;
    stored(parking(0, 2, [aside(&one, 2)])).await;
    refuses(&store, parking(2, 3, [aside(&one, 3)]), 3).await;
    refuses(&store, parking(2, 3, [behind(&two, 3)]), 3).await;
    assert_eq!(checkpoint(&store, &follower()).await, 2, "all or nothing");
    stored(parking(
        2,
        6,
        [behind(&one, 4), aside(&two, 5), behind(&one, 6)],
    ))
    .await;
    let all = [
        (2, true, 3, false),
        (4, false, 0, false),
        (5, true, 3, false),
        (6, false, 0, false),
    ];
    assert_eq!(parked(&store).await, all);
    let other = FollowerId::new("certificates", "office");
    assert_eq!(store.parked(&other).await.expect("it can be read"), []);

    // Only the first of a stream can be handled or fail again, and nothing moves meanwhile.
    let handled = |position| Parking::Handled {
        position: Position::from(position),
    };
    refuses(&store, parking(6, 6, [handled(4)]), 4).await;
    refuses(&store, parking(6, 6, [handled(3)]), 3).await;
    let retried = store.decide(&follower(), &one, Verdict::Retry).await;
    retried.expect("it is parked");
    assert_eq!(parked(&store).await[0], (2, true, 3, true));
    let failed = Parking::Failed {
        position: Position::from(2),
        failure: "again".to_owned(),
        attempts: 4,
    };
    let before = store.parked(&follower()).await.expect("it can be read");
    stored(parking(6, 6, [failed])).await;
    assert_eq!(parked(&store).await[0], (2, true, 4, false));
    let again = store.parked(&follower()).await.expect("it can be read");
    assert_eq!(again[0].failure.as_deref(), Some("again"));
    assert_eq!(
        again[0].since, before[0].since,
        "since when it is parked stays where it fails again"
    );
    stored(parking(6, 6, [handled(2)])).await;
    assert_eq!(checkpoint(&store, &follower()).await, 6);
    assert_eq!(parked(&store).await, all[1..]);

    let drop_it = |position| Verdict::Drop {
        position: Position::from(position),
        by: "ann".to_owned(),
        reason: "a slip of the pen".to_owned(),
    };
    for (stream, verdict) in [
        (&one, drop_it(6)),
        (&two, drop_it(4)),
        (&stream(9), Verdict::Retry),
    ] {
        let refused = store.decide(&follower(), stream, verdict).await;
        assert!(
            matches!(refused, Err(ParkedError::NotParked { .. })),
            "{refused:?}"
        );
    }
    let dropped = store.decide(&follower(), &two, drop_it(5)).await;
    dropped.expect("it is the first of its stream");
    let dropped = store.decide(&follower(), &one, drop_it(4)).await;
    dropped.expect("it is the first of its stream by now");
    let store = reopened("law 29", &mut harness, store).await;
    let known = store.followers().await.expect("it can be read");
    assert_eq!(known, [follower()], "nobody else has anything here");
    assert_eq!(parked(&store).await, [all[3]]);
    let dropped = store.dropped(&follower()).await.expect("it can be read");
    let told = dropped
        .iter()
        .map(|dropped| (&dropped.stream, dropped.position.get()));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [(&one, 4), (&two, 5)],
        "in the order of positions, whichever was dropped first"
    );
    assert_eq!(dropped[0].failure, None, "it only waited");
    let dropped = &dropped[1];
    assert_eq!(dropped.failure.as_deref(), Some("it \"failed\" 🐕"));
    assert_eq!(
        (&*dropped.by, &*dropped.reason),
        ("ann", "a slip of the pen")
    );
}
