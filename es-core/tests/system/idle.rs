//! What followers ask of a store while there is nothing to do.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use es_core::persistence::{
    Advance, AppendError, BoxFuture, CheckpointStore, Commit, CommitId, Committed, EventStore,
    Filter, FollowerId, Lease, LeaseError, LeaseRequest, LogPage, Metadata, Parked, Parking,
    ReadError, Span, Standing,
};
use es_core::system::{OnFailure, Output, State, StopReason};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{Application, Follower, Position, System};
use es_store_memory::MemoryStore;
use es_store_sqlite::SqliteStore;
use pollster::block_on;
use trials::faults::idle::Reader;

use crate::school::{Behind, Members, Wall, application, stream, trained, tricks};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Counts what is asked of a store.
#[derive(Clone, Default)]
struct Counting {
    store: MemoryStore,
    asked: Arc<AtomicUsize>,
}

impl Counting {
    fn count(&self) -> &MemoryStore {
        self.asked.fetch_add(1, Ordering::SeqCst);
        &self.store
    }
}

impl Intercept for Counting {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        self.count().commit(commit)
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        self.count().read_log(span, filter)
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.count().head()
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        self.count().lease(request)
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        self.count().standing(follower)
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        self.count().parked(follower)
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn many_followers_with_nothing_to_do_ask_one_question_a_second_together_and_hold_no_lease() {
    let counting = Counting::default();
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH);
    let app = Application::builder(Intercepted(counting.clone()))
        .name("school")
        .clock(clock.clone())
        .build();
    block_on(trained(&app, 1, &["sit"]));
    let store = Intercepted(counting.clone());
    let mut system = System::new("school");
    for number in 0..8 {
        let reader = Reader::new(number, &store);
        system = system.follow(&app, reader.leased_for(Duration::from_millis(30)));
    }
    let running = system.start();
    let asked = || counting.asked.load(Ordering::SeqCst);
    let holds = |follower: &es_core::system::FollowerHandle| {
        let status = block_on(follower.status()).expect("it can be read");
        status.holder.is_some() || status.state != State::CaughtUp
    };
    until("their leases are given back", || {
        clock.advance(Duration::from_millis(20));
        std::thread::sleep(Duration::from_millis(1));
        !system.followers().any(|follower| holds(&follower))
    });
    let asked_in_a_second = || {
        let before = asked();
        clock.advance(Duration::from_secs(1));
        until("one of them looks", || asked() > before);
        // Whoever else would look does so soon.
        std::thread::sleep(Duration::from_millis(5));
        asked() - before
    };
    until("the last to give its lease back is at rest, too", || {
        asked_in_a_second() == 1
    });
    for second in 0..20 {
        assert_eq!(asked_in_a_second(), 1, "in second {second}");
    }

    // What nobody tells of is found all the same, and by all.
    block_on(trained(&app, 2, &["sit"]));
    let head = block_on(counting.store.head()).expect("it can be read");
    for follower in system.followers() {
        let reached = block_on(follower.wait_for(head, PATIENCE));
        reached.expect("it takes its lease again");
    }
    block_on(running.stop()).expect("they were told to");
}

#[test]
fn who_rests_takes_up_what_somebody_else_has_set_aside_meanwhile() {
    let (store, app) = application("school");
    block_on(trained(&app, 1, &["impossible"]));
    let follow = |wall: Wall| {
        let follower = store.project(wall).leased_for(Duration::from_millis(30));
        let follower = follower.on_failure(OnFailure::park().retries(0));
        System::new("school").follow(&app, follower)
    };
    let resting = follow(Wall::default());
    let status = || block_on(resting.follower("wall").status()).expect("it can be read");
    let running = resting.start();
    until("it rests", || {
        let status = status();
        status.state == State::CaughtUp && status.holder.is_none()
    });
    block_on(built_with_an_event_set_aside(&store, &app));
    assert_eq!(status().parked, 1);
    let retried = block_on(resting.follower("wall").retry(&stream(1)));
    retried.expect("it is set aside");
    until("it is tried again", || status().parked == 0);
    block_on(running.stop()).expect("it was told to");
}

#[test]
fn who_is_about_to_rest_takes_up_what_somebody_else_has_set_aside_meanwhile() {
    let counting = Counting::default();
    let store = counting.store.clone();
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH);
    let app = Application::builder(Intercepted(counting.clone())).name("school");
    let app = app.clock(clock.clone()).build();
    block_on(trained(&app, 1, &["impossible"]));
    let follower = store.project(Wall::default());
    let follower = follower.leased_for(Duration::from_secs(30));
    let idle = System::new("school").follow(&app, follower);
    let status = || block_on(idle.follower("wall").status()).expect("it can be read");
    let running = idle.start();
    until("it has nothing to do, and has its lease", || {
        let status = status();
        status.state == State::CaughtUp && status.holder.is_some()
    });
    block_on(built_with_an_event_set_aside(&store, &app));
    let before = counting.asked.load(Ordering::SeqCst);
    let retried = block_on(idle.follower("wall").retry(&stream(1)));
    retried.expect("it is set aside");
    // Before its lease is to be renewed, all is as it was.
    until("it is told of that, and looks", || {
        counting.asked.load(Ordering::SeqCst) > before
    });
    clock.advance(Duration::from_secs(10));
    until("it is tried again", || status().parked == 0);
    block_on(running.stop()).expect("it was told to");
}

#[test]
fn who_rests_finds_that_it_was_forgotten_though_nothing_happened_since() {
    let (store, app) = application("school");
    block_on(trained(&app, 1, &["sit"]));
    let follower = store.project(Wall::default());
    let follower = follower.leased_for(Duration::from_millis(30));
    let resting = System::new("school").follow(&app, follower);
    let status = || block_on(resting.follower("wall").status()).expect("it can be read");
    let running = resting.start();
    until("it rests", || {
        let status = status();
        status.state == State::CaughtUp && status.holder.is_none()
    });
    let others = System::new("others").follow(&app, store.project(Members::default()));
    let id = FollowerId::new("wall", "school");
    let forgotten = block_on(others.forget(&id, "ann", "it is not needed"));
    assert!(forgotten.expect("nobody has its lease"));
    until(
        "it says so",
        || matches!(status().state, State::Stopped(StopReason::Unable { failure }) if failure.contains("it was forgotten")),
    );
    drop(running);
}

/// A store that tells nobody what changes in it.
struct Mute(MemoryStore);

impl Intercept for Mute {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn what_is_to_be_tried_again_is_found_in_a_store_that_tells_nothing() {
    let store = MemoryStore::new();
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH);
    let front = || Intercepted(Mute(store.clone()));
    let app = Application::builder(front()).name("school");
    let app = app.clock(clock.clone()).build();
    block_on(trained(&app, 1, &["impossible"]));
    let wall = Wall::default();
    let faults = wall.faults.clone();
    faults.failing.store(true, Ordering::SeqCst);
    let follower = Behind {
        front: Arc::new(front()),
        follower: store.project(wall),
    };
    let follower = follower.on_failure(OnFailure::park().retries(0));
    let system = System::new("school").follow(&app, follower);
    let elsewhere = System::new("elsewhere").follow(&app, store.project(Wall::default()));
    let wall = elsewhere.follower("wall");
    let running = system.start();
    let parked = || block_on(wall.parked()).expect("it can be read").len();
    until("it is set aside", || parked() == 1);
    // By now it has looked, and has nothing to do.
    until("it rests", || {
        let status = block_on(system.follower("wall").status());
        status.expect("it can be read").state == State::CaughtUp
    });
    faults.failing.store(false, Ordering::SeqCst);
    block_on(wall.retry(&stream(1))).expect("it is set aside");
    until("it is tried again", || {
        clock.advance(Duration::from_millis(100));
        parked() == 0
    });
    assert_eq!(tricks(&store, 1), ["impossible"]);
    block_on(running.stop()).expect("it was told to");
}

/// Puts a wall in the place of the one that readers see that lacks its last event, as an operator might have done before that was refused.
async fn built_with_an_event_set_aside(store: &MemoryStore, app: &Application) {
    let live = FollowerId::new("wall", "school");
    let mut output = Output::alongside(live, 1, "again");
    let request = LeaseRequest {
        follower: output.follower.clone(),
        holder: "ann".to_owned(),
        length: PATIENCE,
        epoch: None,
        stopped: None,
    };
    let lease = store.lease(request).await.expect("nobody has it");
    output.epoch = Some(lease.epoch);
    let mut follower = store.project(Wall::default());
    follower.prepare(&output).await.expect("it is free");
    let log = app.log();
    let last = log.read(Position::FIRST, 1).await.expect("it is there");
    let last = last.into_iter().next().expect("it is there");
    let advance = Advance {
        stands_at: Some(last.commit),
        epoch: output.epoch,
        parking: vec![Parking::Aside {
            stream: last.stream,
            position: last.position,
            failure: "no dog can do that".to_owned(),
            attempts: 1,
        }],
        ..Advance::new(output.follower.clone(), Position::START, last.position)
    };
    let commit = Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new(),
        appends: Vec::new(),
        checkpoint: Some(advance),
    };
    store.commit(commit).await.expect("it has the lease");
    // As of a log that is gone: what readers see is no reason then.
    output.anew = true;
    follower.swap(&output).await.expect("it is as far");
}

#[test]
fn two_processes_with_nothing_to_do_leave_each_other_alone() {
    let folder = tempfile::tempdir().expect("there is room");
    let file = folder.path().join("school.db");
    let process = || {
        let store = block_on(SqliteStore::open(&file)).expect("it can be made");
        let app = Application::builder(store.clone()).name("school").build();
        let reader = Reader::new(1, &store).leased_for(Duration::from_millis(30));
        let system = System::new("school").follow(&app, reader);
        (store, app, system)
    };
    let ((store, app, one), (_, _, another)) = (process(), process());
    block_on(trained(&app, 1, &["sit"]));
    let running = [one.start(), another.start()];
    let follower = FollowerId::new("reader 1", "school");
    let standing = || block_on(store.standing(&follower)).expect("it can be read");
    until("one of them has seen it, and gives its lease back", || {
        let standing = standing();
        standing.position == Position::from(2) && standing.holder.is_none()
    });
    // Whoever stood by asks again within half a second, and sees that there is nothing to do.
    let mut unchanged = (standing().epoch, Instant::now());
    until("they no longer take it from each other", || {
        let epoch = standing().epoch;
        if epoch != unchanged.0 {
            unchanged = (epoch, Instant::now());
        }
        unchanged.1.elapsed() > Duration::from_secs(2)
    });
    block_on(trained(&app, 2, &["sit"]));
    until("one of them sees what comes", || {
        standing().position == Position::from(4)
    });
    for running in running {
        block_on(running.stop()).expect("it was told to");
    }
}
