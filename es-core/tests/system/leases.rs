use std::time::{Duration, UNIX_EPOCH};

use es_core::persistence::{
    Advance, AppendError, BoxFuture, CheckpointStore, Commit, CommitId, EventStore, Filter,
    FollowerId, LeaseError, LeaseRequest, LogPage, Metadata, ReadError, Span, Store,
};
use es_core::system::{Batch, HandleError, OnFailure, Output, State};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{
    Application, BoxError, ErrorKind, Follower, Position, ProcessManager, Recorded, System,
    UnitOfWork,
};
use es_store_memory::MemoryStore;
use futures_timer::Delay;
use pollster::block_on;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

use crate::school::{Certificate, DogEvent, Wall, application, dog, stream, train, trained};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn clocked() -> (VirtualClock, MemoryStore, Application) {
    let clock = VirtualClock::at(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let store = MemoryStore::new().clock(clock.clone());
    let app = Application::builder(store.clone()).name("school").build();
    (clock, store, app)
}

fn request(holder: &str) -> LeaseRequest {
    LeaseRequest {
        follower: FollowerId::new("wall", "school"),
        holder: holder.to_owned(),
        length: Duration::from_secs(10),
        epoch: None,
        stopped: None,
    }
}

#[test]
fn who_stood_still_past_its_lease_is_refused_and_says_so() {
    block_on(async {
        let (clock, store, app) = clocked();
        trained(&app, 1, &["sit", "bow"]).await;
        let frozen = store.lease(request("frozen")).await.unwrap();
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        assert!(system.step().await.unwrap().idle);
        let status = system.follower("wall").status().await.unwrap();
        assert_eq!(
            status.state,
            State::Standby {
                holder: "frozen".to_owned()
            }
        );

        clock.advance(Duration::from_secs(10));
        system.settle().await.unwrap();
        let mut late = store.project(Wall::default());
        let batch = Batch {
            output: Output {
                epoch: Some(frozen.epoch),
                ..Output::live(FollowerId::new("wall", "school"), 1)
            },
            from: Position::from(3),
            records: Vec::new(),
            to: Position::from(4),
            stands_at: None,
            parking: Vec::new(),
            dry: None,
        };
        let refused = late.handle(Arc::new(batch)).await.unwrap_err();
        assert!(
            matches!(&refused, HandleError::Store(AppendError::Fenced { epoch, actual, .. })
                if *epoch == frozen.epoch && *actual > frozen.epoch),
            "{refused:?}"
        );
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "bow"]
        );
    });
}

#[test]
fn who_is_at_work_renews_its_lease_by_the_clock_that_it_waits_by() {
    block_on(async {
        let (clock, store, _) = clocked();
        let app = Application::builder(store.clone()).name("school");
        let app = app.clock(clock.clone()).build();
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let wall = system.follower("wall");
        trained(&app, 1, &[]).await;
        let running = system.start();
        for _ in 0..12 {
            let last = train(&app, 1, "sit").await;
            wall.wait_for(last, Duration::MAX).await.unwrap();
            let (_, until) = wall.status().await.unwrap().holder.expect("it is run");
            let left = until.duration_since(clock.now()).unwrap();
            assert!(left > Duration::from_secs(5), "{left:?}");
            clock.advance(Duration::from_secs(1));
        }
        running.stop().await.unwrap();
    });
}

/// A log that cannot be read from here, and how often that was tried.
#[derive(Clone)]
struct CutOff {
    store: MemoryStore,
    tried: Arc<AtomicU64>,
}

impl CutOff {
    fn away<T>(&self) -> BoxFuture<'_, Result<T, ReadError>> {
        self.tried.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Err(ReadError::Unavailable("no way leads there".into())) })
    }
}

impl Intercept for CutOff {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_log<'a>(&'a self, _: Span, _: &'a Filter) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        self.away()
    }
}

#[test]
fn who_cannot_read_the_log_does_not_keep_the_lease_from_those_who_can() {
    block_on(async {
        let (clock, output, _) = clocked();
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let tried = Arc::new(AtomicU64::new(0));
        let cut_off = CutOff {
            store,
            tried: Arc::clone(&tried),
        };
        let hurried = VirtualClock::at(UNIX_EPOCH).hurried();
        let there = Application::builder(Intercepted(cut_off)).name("school");
        let there = there.clock(hurried).build();
        let follow = |app| System::new("school").follow(app, output.project(Wall::default()));
        let (there, here) = (follow(&there), follow(&app));
        let running = there.start();
        for _ in 0..12 {
            let before = tried.load(Ordering::SeqCst);
            for waited in 0.. {
                if tried.load(Ordering::SeqCst) >= before + 3 {
                    break;
                }
                assert!(waited < 20_000, "it is not tried any more");
                Delay::new(Duration::from_millis(1)).await;
            }
            clock.advance(Duration::from_secs(1));
        }
        here.settle().await.unwrap();
        assert_eq!(output.view::<Wall>().unwrap().tricks[&dog(1)], ["sit"]);
        running.stop().await.unwrap();
    });
}

#[test]
fn a_lease_that_is_ended_doubles_nothing_of_a_holder_that_is_at_work() {
    block_on(async {
        let (store, app) = application("school");
        let follow = || System::new("school").follow(&app, store.project(Wall::default()));
        let (one, other) = (follow(), follow());
        let wall = other.follower("wall");
        assert_eq!(wall.end_lease().await.unwrap(), None);
        trained(&app, 1, &[]).await;
        let running = one.start();
        let sit = train(&app, 1, "sit").await;
        wall.wait_for(sit, PATIENCE).await.unwrap();
        let held = wall
            .catch_up(Duration::ZERO, &mut |_, _| {})
            .await
            .unwrap_err();
        assert_eq!(held.kind(), ErrorKind::Busy, "{held}");
        let holder = wall.end_lease().await.unwrap().expect("somebody had it");
        let process = format!("`school` in process {}", std::process::id());
        assert!(holder.starts_with(&process), "{holder}");
        if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            let on_host = format!("{process} on {}, ", host.trim());
            assert!(holder.starts_with(&on_host), "{holder}");
        }
        train(&app, 1, "bow").await;
        wall.catch_up(Duration::ZERO, &mut |_, _| {}).await.unwrap();
        let roll = train(&app, 1, "roll").await;
        wall.wait_for(roll, PATIENCE).await.unwrap();
        running.stop().await.unwrap();
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "bow", "roll"]
        );
    });
}

#[test]
fn the_events_of_a_process_manager_are_fenced_with_its_checkpoint() {
    block_on(async {
        let (_, store, _) = clocked();
        let first = store.lease(request("first")).await.unwrap();
        let given_back = LeaseRequest {
            length: Duration::ZERO,
            epoch: Some(first.epoch),
            ..request("first")
        };
        store.lease(given_back).await.unwrap();
        store.lease(request("second")).await.unwrap();
        let late = Commit {
            id: CommitId::draw(),
            time: UNIX_EPOCH,
            metadata: Metadata::new(),
            appends: Vec::new(),
            checkpoint: Some(Advance {
                epoch: Some(first.epoch),
                ..Advance::new(first.follower, Position::START, Position::FIRST)
            }),
        };
        let refused = store.commit(late).await.unwrap_err();
        assert!(matches!(refused, AppendError::Fenced { .. }), "{refused:?}");
    });
}

#[test]
fn two_systems_that_run_one_follower_handle_each_event_once() {
    block_on(async {
        let (_, store, app) = clocked();
        let follow = || System::new("school").follow(&app, store.project(Wall::default()));
        let (one, other) = (follow(), follow());
        trained(&app, 1, &[]).await;
        for number in 0..20 {
            train(&app, 1, &number.to_string()).await;
            let (first, second) = if number % 2 == 0 {
                (&one, &other)
            } else {
                (&other, &one)
            };
            first.step().await.unwrap();
            second.step().await.unwrap();
        }
        let tricks = store.view::<Wall>().unwrap().tricks[&dog(1)].clone();
        let expected: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        assert_eq!(tricks, expected);
    });
}

/// A follower whose store cannot be reached, a few times.
struct Unreachable<F> {
    follower: F,
    times: u32,
}

impl<F: Follower> Follower for Unreachable<F> {
    fn name(&self) -> &str {
        self.follower.name()
    }

    fn filter(&self) -> Filter {
        self.follower.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.follower.store()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.prepare(output)
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        if let Some(left) = self.times.checked_sub(1) {
            self.times = left;
            let away = AppendError::Unavailable("the server is away".into());
            return Box::pin(async { Err(away.into()) });
        }
        self.follower.handle(batch)
    }
}

#[test]
fn who_could_not_reach_the_store_goes_on_under_its_own_lease() {
    block_on(async {
        let store = MemoryStore::new();
        let app = Application::builder(store.clone()).name("school").build();
        let follower = Unreachable {
            follower: store.project(Wall::default()),
            times: 2,
        };
        // Nobody waits for the end of such a lease.
        let follower = follower.leased_for(Duration::from_secs(3_600));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["sit"]).await;
        let running = system.start();
        let reached = system
            .follower("wall")
            .wait_for(Position::from(2), Duration::from_secs(20))
            .await;
        reached.expect("it takes up its own lease");
        let standing = store.standing(&FollowerId::new("wall", "school")).await;
        assert_eq!(standing.unwrap().epoch.get(), 1, "and did not take it anew");
        running.stop().await.unwrap();
    });
}

#[test]
fn who_gives_up_because_the_store_is_away_gives_its_lease_back() {
    block_on(async {
        let (_, store, app) = clocked();
        let follower = Unreachable {
            follower: store.project(Wall::default()),
            times: 1,
        };
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["sit"]).await;
        let wall = system.follower("wall");
        wall.catch_up(Duration::ZERO, &mut |_, _| {})
            .await
            .expect_err("the server is away");
        wall.catch_up(Duration::ZERO, &mut |_, _| {})
            .await
            .expect("no time has passed, and nobody has the lease");
    });
}

#[test]
fn a_step_for_which_the_store_is_away_says_so() {
    block_on(async {
        let (_, store, app) = clocked();
        let follower = Unreachable {
            follower: store.project(Wall::default()),
            times: 1,
        };
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["sit"]).await;
        let away = system.step().await.unwrap_err();
        assert_eq!(away.kind(), ErrorKind::Unavailable, "{away:?}");
        system.settle().await.unwrap();
    });
}

/// While it answers an event, its lease ends, and another takes it: once there is a clock.
struct Overtaken {
    store: MemoryStore,
    clock: Arc<Mutex<Option<VirtualClock>>>,
    fails: bool,
}

impl ProcessManager for Overtaken {
    const NAME: &'static str = "wall";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let clock = self.clock.lock().expect("nobody panics").take();
        if let Some(clock) = clock {
            clock.advance(Duration::from_secs(60));
            self.store.lease(request("another")).await?;
        }
        if self.fails {
            return Err("as a bug would".into());
        }
        work.save(Certificate::open(Uuid::from_u128(
            event.position.get().into(),
        )));
        Ok(())
    }
}

#[test]
fn who_is_overtaken_while_it_reacts_writes_nothing_and_does_not_blame_the_event() {
    block_on(async {
        let (_, school) = application("school");
        trained(&school, 1, &["sit", "bow"]).await;
        let (clock, store, _) = clocked();
        let office = Application::builder(store.clone()).name("office").build();
        let overtaken = Overtaken {
            store: store.clone(),
            clock: Arc::new(Mutex::new(Some(clock.clone()))),
            fails: false,
        };
        let follower = overtaken.onto(&office);
        let follower = follower.on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&school, follower);
        system.step().await.unwrap();
        let wall = system.follower("wall");
        let status = wall.status().await.unwrap();
        assert!(matches!(status.state, State::Fenced { .. }), "{status:?}");
        assert_eq!(office.log().head().await.unwrap(), Position::START);

        clock.advance(Duration::from_secs(60));
        system.settle().await.unwrap();
        assert_eq!(office.log().head().await.unwrap(), Position::from(3));
    });
}

#[test]
fn who_is_overtaken_while_it_fails_sets_nothing_aside() {
    block_on(async {
        for again in [false, true] {
            let (_, school) = application("school");
            trained(&school, 1, &["sit"]).await;
            let (clock, store, _) = clocked();
            let office = Application::builder(store.clone()).name("office").build();
            let ends = Arc::new(Mutex::new(None));
            let overtaken = Overtaken {
                store: store.clone(),
                clock: Arc::clone(&ends),
                fails: true,
            };
            let follower = overtaken.onto(&office);
            let follower = follower.on_failure(OnFailure::park().retries(0));
            let system = System::new("school").follow(&school, follower);
            let wall = system.follower("wall");
            if again {
                system.settle().await.unwrap();
                wall.retry(&stream(1)).await.unwrap();
            }
            *ends.lock().unwrap() = Some(clock);
            system.step().await.unwrap();
            let status = wall.status().await.unwrap();
            assert!(matches!(status.state, State::Fenced { .. }), "{status:?}");
            let parked = wall.parked().await.unwrap();
            let attempts: Vec<_> = parked.iter().map(|parked| parked.attempts).collect();
            let before: &[u32] = if again { &[1, 0] } else { &[] };
            assert_eq!(attempts, before, "again: {again}");
        }
    });
}

/// Blocks its thread for each event, and then somebody else asks for its lease.
struct Slow {
    store: MemoryStore,
}

impl ProcessManager for Slow {
    const NAME: &'static str = "slow";
    type Events = DogEvent;

    async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        std::thread::sleep(Duration::from_millis(200));
        let request = LeaseRequest {
            follower: FollowerId::new("slow", "school"),
            ..request("another")
        };
        let refused = self.store.lease(request).await.map(drop);
        assert!(matches!(refused, Err(LeaseError::Held { .. })));
        Ok(())
    }
}

#[test]
fn who_reacts_to_many_events_renews_its_lease_between_them() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"; 24]).await;
        let lease = Duration::from_secs(4);
        let slow = Slow { store }.onto(&app).leased_for(lease);
        let slow = slow.on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&app, slow);
        system.settle().await.unwrap();
        let status = system.follower("slow").status().await.unwrap();
        assert_eq!(status.position, Position::from(25));
    });
}

/// Awaits something that takes longer than its lease.
struct Patient {
    reacted: Arc<AtomicU64>,
}

impl ProcessManager for Patient {
    const NAME: &'static str = "patient";
    type Events = DogEvent;

    async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        self.reacted.fetch_add(1, Ordering::SeqCst);
        Delay::new(Duration::from_millis(1_500)).await;
        Ok(())
    }
}

#[test]
fn who_awaits_something_for_longer_than_its_lease_keeps_it() {
    block_on(async {
        let (_, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let reacted = Arc::new(AtomicU64::new(0));
        let system = || {
            let reacted = Arc::clone(&reacted);
            let patient = Patient { reacted }.onto(&app);
            System::new("school").follow(&app, patient.leased_for(Duration::from_secs(1)))
        };
        let (first, second) = (system(), system());
        let running = [first.start(), second.start()];
        let follower = first.follower("patient");
        follower
            .wait_for(Position::from(2), PATIENCE)
            .await
            .unwrap();
        for running in running {
            running.stop().await.unwrap();
        }
        assert_eq!(reacted.load(Ordering::SeqCst), 2, "each event once");
    });
}
