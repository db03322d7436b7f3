//! Projections onto tables, beside the log: what they make of events, and what becomes of it when they fail, are rebuilt or replaced.
//!
//! Such as a store has them, they all hold: [`projection_trials!`](crate::projection_trials) makes a test of each.
#![expect(
    async_fn_in_trait,
    clippy::unwrap_used,
    reason = "tests alone use it, which run a future where they make it and fail where it panics"
)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use es_core::persistence::{AppendError, FollowerId};
use es_core::system::{HandleError, OnFailure, Output, State, Until};
use es_core::{
    Aggregate, Application, ErrorKind, Follower, Position, Root, StreamId, System, events,
};
use uuid::Uuid;

/// An aggregate with things to say of it.
#[derive(Aggregate, Debug)]
#[aggregate("Dog")]
pub struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    /// Begins, with an id of one's own.
    #[event("Registered", id = *id)]
    pub fn register(id: Uuid) -> Self {
        let _ = id;
        Self { root: Root::new() }
    }

    /// Goes on.
    #[event("TrickAdded")]
    pub fn add_trick(&mut self, trick: &str) {
        let _ = trick;
    }
}

/// The tricks of each dog.
pub type Wall = BTreeMap<u128, Vec<String>>;

/// One to compare with.
pub fn wall(tricks: &[(u128, &[&str])]) -> Wall {
    let owned = |tricks: &[&str]| tricks.iter().map(|trick| (*trick).to_owned()).collect();
    tricks
        .iter()
        .map(|(dog, tricks)| (*dog, owned(tricks)))
        .collect()
}

/// A store, an application `kennel` on it, and who reads the tables that a projection made.
///
/// The projection `wall` keeps the table `wall` with the columns `position`, `dog`, `trick` and `revision`, its index `wall_by_dog`, and the view
/// `wall_seen` of all of it. While it is to fail, it writes and then returns an error at the trick `impossible`, and panics at `absurd`.
pub trait Kennel: Sized {
    /// What is made under a name that an ending is added to: `wall` and `wall_seen`, and the index where its name goes with the table's.
    const MADE: &'static [&'static str];

    /// An empty one.
    async fn new() -> Self;

    /// The application.
    fn app(&self) -> &Application;

    /// The projection `wall`, in some revision, which fails while it is told to.
    fn projected<const REVISION: u32>(&self, failing: &Arc<AtomicBool>) -> impl Follower + 'static;

    /// Dog, trick and revision of each row of a table, in the order of positions, as readers see it.
    async fn rows(&self, table: &str) -> Vec<(Uuid, String, i64)>;

    /// The names there are of what was made, in order.
    async fn made(&self) -> Vec<String>;

    /// Does something to the tables by hand.
    async fn execute(&self, statement: &str);

    /// A dog and its tricks, in one commit.
    async fn trained(&self, number: u128, tricks: &[&str]) {
        let mut dog = Dog::register(Uuid::from_u128(number));
        for trick in tricks {
            dog.add_trick(trick);
        }
        self.app().save(&mut dog).await.expect("it works");
    }

    /// What is in a table.
    async fn wall_in(&self, table: &str) -> Wall {
        let mut wall = Wall::new();
        for (dog, trick, _) in self.rows(table).await {
            wall.entry(dog.as_u128()).or_default().push(trick);
        }
        wall
    }

    /// What is in the table of that name.
    async fn wall(&self) -> Wall {
        self.wall_in("wall").await
    }

    /// What the application is followed by.
    fn followed_by(&self, follower: impl Follower + 'static) -> System {
        System::new("kennel").follow(self.app(), follower)
    }

    /// Follows with the projection, which does not fail.
    fn system<const REVISION: u32>(&self) -> System {
        self.followed_by(self.projected::<REVISION>(&Arc::default()))
    }
}

/// Makes a test of each trial, for a [`Kennel`](crate::projections::Kennel).
#[macro_export]
macro_rules! projection_trials {
    ($kennel:ty) => {
        $crate::tests! { projections for $kennel:
            a_projection_writes_what_happened_with_its_checkpoint
            a_batch_that_fails_leaves_nothing_and_what_came_before_is_kept
            a_parked_aggregate_waits_in_tables_too_and_is_drained_in_order
            a_new_revision_is_built_beside_the_old_one_and_takes_its_place
            a_dry_run_tries_a_new_revision_as_it_would_be_built
            a_dry_run_blames_no_event_for_who_builds_meanwhile
            a_read_model_is_built_again_and_again_beside_what_readers_see
            a_read_model_is_built_as_it_was_into_tables_of_another_name
            what_a_rebuild_that_failed_has_made_is_thrown_away
            a_rebuild_takes_no_aggregate_from_readers
            a_rebuild_makes_good_what_was_made_of_a_log_that_is_gone
            an_older_revision_never_takes_the_place_of_a_newer_one
        }
    };
}

#[doc(hidden)]
pub async fn a_projection_writes_what_happened_with_its_checkpoint<K: Kennel>() {
    let kennel = K::new().await;
    let system = kennel.system::<1>();
    kennel.trained(1, &["sit", "bow"]).await;
    system.settle().await.unwrap();
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    let both = wall(&[(1, &["sit", "bow"]), (2, &["sit"])]);
    assert_eq!(kennel.wall().await, both);
    let status = system.follower("wall").status().await.unwrap();
    assert_eq!((status.position, status.revision), (Position::from(5), 1));
    assert_eq!(status.state, State::CaughtUp);
}

#[doc(hidden)]
pub async fn a_batch_that_fails_leaves_nothing_and_what_came_before_is_kept<K: Kennel>() {
    for trick in ["impossible", "absurd"] {
        let kennel = K::new().await;
        let failing = Arc::new(AtomicBool::new(true));
        let follower = kennel.projected::<1>(&failing);
        let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(1)));
        kennel.trained(1, &["sit", trick, "bow"]).await;
        assert!(system.settle().await.is_err());
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
        kennel.trained(2, &["sit"]).await;
        failing.store(false, Ordering::SeqCst);
        system.follower("wall").resume().unwrap();
        system.settle().await.unwrap();
        assert_eq!(
            kennel.wall().await,
            wall(&[(1, &["sit", trick, "bow"]), (2, &["sit"])])
        );
    }
}

#[doc(hidden)]
pub async fn a_parked_aggregate_waits_in_tables_too_and_is_drained_in_order<K: Kennel>() {
    let kennel = K::new().await;
    let failing = Arc::new(AtomicBool::new(true));
    let follow = || {
        let follower = kennel.projected::<1>(&failing);
        kennel.followed_by(follower.on_failure(OnFailure::park().retries(0)))
    };
    let system = follow();
    kennel.trained(1, &["sit", "impossible", "bow"]).await;
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    drop(system);
    let system = follow();
    kennel
        .app()
        .update(Uuid::from_u128(1), |dog: &mut Dog| dog.add_trick("beg"))
        .await
        .unwrap();
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"]), (2, &["sit"])]));
    let handle = system.follower("wall");
    let parked = handle.parked().await.unwrap();
    let seen: Vec<_> = parked.iter().map(|parked| parked.position.get()).collect();
    assert_eq!(seen, [3, 4, 7]);
    failing.store(false, Ordering::SeqCst);
    let stream = StreamId::new("Dog", Uuid::from_u128(1));
    handle.retry(&stream).await.unwrap();
    system.settle().await.unwrap();
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "impossible", "bow", "beg"]), (2, &["sit"])])
    );
    assert_eq!(handle.parked().await.unwrap(), []);
    failing.store(true, Ordering::SeqCst);
    kennel.trained(3, &["impossible", "bow"]).await;
    system.settle().await.unwrap();
    let stream = StreamId::new("Dog", Uuid::from_u128(3));
    let first = handle.parked().await.unwrap()[0].position;
    let dropped = handle.drop_parked(&stream, first, "ann", "a slip");
    dropped.await.unwrap();
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await[&3], ["bow"]);
    assert_eq!(handle.dropped().await.unwrap()[0].by, "ann");
}

#[doc(hidden)]
pub async fn a_new_revision_is_built_beside_the_old_one_and_takes_its_place<K: Kennel>() {
    let kennel = K::new().await;
    kennel.trained(1, &["sit", "bow"]).await;
    let (old, new) = (kennel.system::<1>(), kennel.system::<2>());
    old.settle().await.unwrap();

    // One batch of the new revision: readers see the old one.
    new.step().await.unwrap();
    let mut beside: Vec<_> = K::MADE
        .iter()
        .flat_map(|name| [(*name).to_owned(), format!("{name}__r2")])
        .collect();
    beside.sort();
    assert_eq!(kennel.made().await, beside);
    let newest = async || {
        let rows = kennel.rows("wall_seen").await;
        rows.iter().map(|(_, _, revision)| *revision).max()
    };
    assert_eq!(newest().await, Some(1));
    kennel.trained(2, &["sit"]).await;
    old.settle().await.unwrap();
    let both = wall(&[(1, &["sit", "bow"]), (2, &["sit"])]);
    assert_eq!(kennel.wall().await, both);

    new.settle().await.unwrap();
    assert_eq!(newest().await, Some(2));
    assert_eq!(kennel.made().await, K::MADE);
    assert_eq!(kennel.wall().await, both);
    let status = new.follower("wall").status().await.unwrap();
    assert_eq!((status.revision, status.events_behind()), (2, 0));
    let told = async |system: &System| {
        let status = system.follower("wall").status().await.unwrap();
        status.to_string()
    };
    let outdated = told(&kennel.system::<1>()).await;
    assert!(outdated.contains("revision 2 already"), "{outdated}");
    let dry = kennel.system::<1>().dry_run(10).await.unwrap_err();
    assert!(format!("{dry:?}").contains("revision 2 already"), "{dry:?}");
    let newest = kennel.system::<3>();
    let dry = newest.follower("wall").dry_run(10).await.unwrap();
    assert_eq!((dry.builds, dry.events), (Some(3), 5));
    let due = told(&newest).await;
    assert!(
        due.ends_with("revision 3 is to take the place of 2"),
        "{due}"
    );

    // The old program is told so, and writes nothing.
    kennel.trained(3, &["sit"]).await;
    let refused = old.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("revision 2 already"),
        "{refused:?}"
    );
    new.settle().await.unwrap();
    assert_eq!(kennel.wall().await.len(), 3);
}

#[doc(hidden)]
pub async fn a_dry_run_tries_a_new_revision_as_it_would_be_built<K: Kennel>() {
    let kennel = K::new().await;
    kennel.trained(1, &["sit", "impossible"]).await;
    let old = kennel.system::<1>();
    old.settle().await.unwrap();
    // What was built under another name last is not what is written to.
    let early = Until::Position(Position::from(2));
    let wall = old.follower("wall");
    wall.rebuild_until(early, "early").await.unwrap();
    kennel.execute("DROP VIEW wall_seen__early").await;
    kennel.execute("DROP TABLE wall__early").await;
    kennel.trained(2, &["sit"]).await;
    let dry = wall.dry_run(10).await.unwrap();
    assert_eq!((dry.builds, dry.events, dry.failure), (None, 2, None));

    let failing = Arc::new(AtomicBool::new(true));
    let follower = kennel.projected::<2>(&failing).batches_of(ONE);
    let new = kennel.followed_by(follower);
    let before = (kennel.rows("wall_seen").await, kennel.made().await);
    let dry = new.follower("wall").dry_run(10).await.unwrap();
    assert_eq!((dry.builds, dry.from), (Some(2), Position::START));
    assert_eq!(dry.events, 2);
    assert_eq!(dry.failure.unwrap().0, Position::from(3));
    let after = (kennel.rows("wall_seen").await, kennel.made().await);
    assert_eq!(after, before);

    // It goes on where the build does.
    new.step().await.unwrap();
    failing.store(false, Ordering::SeqCst);
    let dry = new.follower("wall").dry_run(3).await.unwrap();
    assert_eq!((dry.builds, dry.from.get()), (Some(2), 1));
    assert_eq!((dry.events, dry.to.get(), dry.failure), (3, 4, None));
    new.settle().await.unwrap();
    let dry = new.follower("wall").dry_run(3).await.unwrap();
    assert_eq!((dry.builds, dry.events), (None, 0));
}

#[doc(hidden)]
pub async fn a_dry_run_blames_no_event_for_who_builds_meanwhile<K: Kennel>() {
    let kennel = K::new().await;
    for number in 1..=60 {
        kennel.trained(number, &["sit", "bow", "beg"]).await;
    }
    kennel.system::<1>().settle().await.unwrap();
    let builder = kennel.projected::<2>(&Arc::default()).batches_of(ONE);
    let builder = kennel.followed_by(builder);
    let running = builder.start();
    let beside = kennel.system::<2>();
    loop {
        match beside.follower("wall").dry_run(1_000).await {
            Ok(dry) => {
                assert_eq!(dry.failure, None);
                if dry.builds.is_none() {
                    break;
                }
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error:?}"),
        }
    }
    running.stop().await.unwrap();
    assert_eq!(kennel.wall().await.len(), 60);
}

#[doc(hidden)]
pub async fn a_read_model_is_built_again_and_again_beside_what_readers_see<K: Kennel>() {
    let kennel = K::new().await;
    let system = kennel.system::<1>();
    kennel.trained(1, &["sit", "bow"]).await;
    system.settle().await.unwrap();
    for round in 0..3_u128 {
        kennel.execute("DELETE FROM wall").await;
        system.follower("wall").rebuild().await.unwrap();
        let mut all = wall(&[(1, &["sit", "bow"])]);
        all.extend((0..round).map(|before| (2 + before, vec!["sit".to_owned()])));
        assert_eq!(kennel.wall().await, all);
        kennel.trained(2 + round, &["sit"]).await;
        system.settle().await.unwrap();
    }
    assert_eq!(kennel.made().await, K::MADE);
}

#[doc(hidden)]
pub async fn a_read_model_is_built_as_it_was_into_tables_of_another_name<K: Kennel>() {
    let kennel = K::new().await;
    let system = kennel.system::<1>();
    kennel.trained(1, &["sit", "bow"]).await;
    let log = kennel.app().log();
    let time = log.read(Position::from(2), 1).await.unwrap()[0].time;
    // Times are whole microseconds, and two commits may share one.
    while SystemTime::now() <= time + Duration::from_micros(1) {}
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    let handle = system.follower("wall");
    let position = Until::Position(Position::from(2));
    handle.rebuild_until(position, "early").await.unwrap();
    let then = handle.rebuild_until(Until::Time(time), "then");
    then.await.unwrap();
    let first = wall(&[(1, &["sit", "bow"])]);
    let both = wall(&[(1, &["sit", "bow"]), (2, &["sit"])]);
    assert_eq!(kennel.wall_in("wall__early").await, wall(&[(1, &["sit"])]));
    assert_eq!(kennel.wall_in("wall__then").await, first);
    assert_eq!(kennel.wall().await, both);
    for name in ["", "Early", "a b", "again", "r2", "x; DROP TABLE wall"] {
        assert!(
            handle.rebuild_until(position, name).await.is_err(),
            "{name}"
        );
    }
}

const ONE: NonZeroUsize = NonZeroUsize::MIN;

#[doc(hidden)]
pub async fn what_a_rebuild_that_failed_has_made_is_thrown_away<K: Kennel>() {
    let kennel = K::new().await;
    kennel.trained(1, &["sit", "impossible"]).await;
    let failing = Arc::new(AtomicBool::new(false));
    let follower = kennel.projected::<1>(&failing).batches_of(ONE);
    let system = kennel.followed_by(follower);
    system.settle().await.unwrap();
    let handle = system.follower("wall");
    let all = wall(&[(1, &["sit", "impossible"])]);
    let fails = async || {
        failing.store(true, Ordering::SeqCst);
        handle.rebuild().await.unwrap_err();
        failing.store(false, Ordering::SeqCst);
        // As by the handler of that day.
        let made = kennel.made().await;
        let beside = made.iter().find(|name| name.starts_with("wall__")).unwrap();
        let edit = format!("UPDATE {beside} SET trick = 'wrong'");
        kennel.execute(&edit).await;
        let wrong = wall(&[(1, &["wrong"])]);
        assert_eq!(kennel.wall_in(beside).await, wrong);
        assert_eq!(kennel.wall().await, all);
    };
    fails().await;
    handle.rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, all);

    fails().await;
    let newer = kennel.system::<2>();
    newer.follower("wall").rebuild().await.unwrap();
    let rows = kennel.rows("wall").await;
    assert!(
        rows.iter().all(|(_, _, revision)| *revision == 2),
        "{rows:?}"
    );
    assert_eq!(kennel.wall().await, all);
    assert_eq!(kennel.made().await, K::MADE);

    // The old program does not build what it had made in the place of that.
    let refused = handle.rebuild().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("revision 2 already"),
        "{refused:?}"
    );

    // Under a name of its own, too, it is as it was at the position that is asked for now.
    let handle = newer.follower("wall");
    for (position, tricks) in [(3, &["sit", "impossible"][..]), (2, &["sit"])] {
        let until = Until::Position(Position::from(position));
        handle.rebuild_until(until, "early").await.unwrap();
        assert_eq!(kennel.wall_in("wall__early").await, wall(&[(1, tricks)]));
    }
}

#[doc(hidden)]
pub async fn a_rebuild_takes_no_aggregate_from_readers<K: Kennel>() {
    let kennel = K::new().await;
    kennel.trained(1, &["impossible"]).await;
    kennel.trained(2, &["sit"]).await;
    let failing = Arc::new(AtomicBool::new(false));
    let follower = kennel.projected::<1>(&failing);
    let system = kennel.followed_by(follower.on_failure(OnFailure::park().retries(0)));
    system.settle().await.unwrap();
    let both = wall(&[(1, &["impossible"]), (2, &["sit"])]);
    let handle = system.follower("wall");
    failing.store(true, Ordering::SeqCst);
    let refused = format!("{:?}", handle.rebuild().await.unwrap_err());
    let says = ["it would lack 1 aggregate", "no dog can do that"];
    assert!(says.iter().all(|part| refused.contains(part)), "{refused}");
    assert_eq!(kennel.wall().await, both);
    let until = Until::Position(Position::MAX);
    handle.rebuild_until(until, "early").await.unwrap_err();

    // Once mended it is whole.
    failing.store(false, Ordering::SeqCst);
    handle.rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, both);

    // What is set aside in what readers see as well is no reason.
    failing.store(true, Ordering::SeqCst);
    kennel.trained(3, &["impossible"]).await;
    system.settle().await.unwrap();
    let refused = format!("{:?}", handle.rebuild().await.unwrap_err());
    assert!(refused.contains("it would lack 1 aggregate"), "{refused}");

    let kennel = K::new().await;
    kennel.trained(1, &["impossible"]).await;
    let follower = kennel.projected::<1>(&failing);
    let system = kennel.followed_by(follower.on_failure(OnFailure::park().retries(0)));
    system.settle().await.unwrap();
    let handle = system.follower("wall");
    handle.rebuild().await.unwrap();
    let parked = handle.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    let dropped = handle.drop_parked(
        &parked[0].stream,
        parked[0].position,
        "ann",
        "it is nonsense",
    );
    dropped.await.unwrap();
    let decided = handle.dropped().await.unwrap();
    assert_eq!(decided[0].by, "ann");
    system.settle().await.unwrap();
    // Nor is what somebody has given up on, and what comes behind it is handled as before.
    kennel
        .app()
        .update(Uuid::from_u128(1), |dog: &mut Dog| dog.add_trick("bow"))
        .await
        .unwrap();
    system.settle().await.unwrap();
    for _ in 0..2 {
        handle.rebuild().await.unwrap();
        assert_eq!(kennel.wall().await, wall(&[(1, &["bow"])]));
        assert_eq!(handle.parked().await.unwrap(), []);
        assert_eq!(
            handle.dropped().await.unwrap(),
            decided,
            "who decided, when and why"
        );
    }

    // Readers see of an aggregate what came before it was set aside; less than that is less.
    let kennel = K::new().await;
    failing.store(false, Ordering::SeqCst);
    kennel.trained(1, &["impossible"]).await;
    let follower = kennel.projected::<1>(&failing);
    let system = kennel.followed_by(follower.on_failure(OnFailure::park().retries(0)));
    system.settle().await.unwrap();
    failing.store(true, Ordering::SeqCst);
    kennel
        .app()
        .update(Uuid::from_u128(1), |dog: &mut Dog| {
            dog.add_trick("impossible")
        })
        .await
        .unwrap();
    system.settle().await.unwrap();
    let handle = system.follower("wall");
    assert_eq!(handle.parked().await.unwrap().len(), 1);
    handle.rebuild().await.unwrap_err();
    assert_eq!(kennel.wall().await, wall(&[(1, &["impossible"])]));
}

#[doc(hidden)]
pub async fn a_rebuild_makes_good_what_was_made_of_a_log_that_is_gone<K: Kennel>() {
    let kennel = K::new().await;
    let system = kennel.system::<1>();
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    // As after the log was restored to where it is now.
    let far = "UPDATE es_checkpoints SET position = 99, commit_id = NULL WHERE follower = 'wall'";
    kennel.execute(far).await;
    kennel
        .execute("INSERT INTO wall SELECT 99, dog, 'bow', 1 FROM wall")
        .await;
    let refused = system.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("was restored"),
        "{refused:?}"
    );
    system.follower("wall").rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
    let system = kennel.system::<1>();
    kennel.trained(2, &["beg"]).await;
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"]), (2, &["beg"])]));
}

#[doc(hidden)]
pub async fn an_older_revision_never_takes_the_place_of_a_newer_one<K: Kennel>() {
    let kennel = K::new().await;
    let newer = kennel.system::<2>();
    kennel.trained(1, &["sit"]).await;
    // As far as readers are, and then put in their place: as who looked just before the newer one came.
    let old = kennel.system::<1>();
    let until = Until::Position(Position::from(2));
    old.follower("wall")
        .rebuild_until(until, "old")
        .await
        .unwrap();
    newer.settle().await.unwrap();
    let live = FollowerId::new("wall", "kennel");
    let built = Output::alongside(live, 1, "old".to_owned());
    let mut follower = kennel.projected::<1>(&Arc::default());
    let refused = follower.swap(&built).await.unwrap_err();
    let HandleError::Store(AppendError::Checkpoint { follower, .. }) = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*follower, built.follower);
    let revisions = kennel
        .rows("wall")
        .await
        .into_iter()
        .map(|(_, _, revision)| revision);
    assert_eq!(revisions.collect::<Vec<_>>(), [2]);
}
