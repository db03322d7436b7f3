//! A log of which another one takes the place: a backup that was restored, or another log under the same checkpoint.
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use es_core::persistence::{
    BoxFuture, CommitId, EventStore, Filter, FollowerId, LogPage, ReadError, Span,
};
use es_core::system::{OnFailure, State, StopReason};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{
    Application, BoxError, Follower, Position, ProcessManager, Recorded, System, UnitOfWork,
};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{
    Certificate, DogEvent, Wall, application, dog, stream, train, trained, tricks,
};

#[test]
fn a_log_that_was_restored_to_an_earlier_state_stops_the_follower_with_that_reason() {
    block_on(async {
        let (_, app) = application("school");
        let output = MemoryStore::new();
        trained(&app, 1, &["sit", "bow"]).await;
        let follow = |app| System::new("school").follow(app, output.project(Wall::default()));
        follow(&app).settle().await.unwrap();

        // As from a backup, after which other things happened.
        let (_, restored) = application("school");
        trained(&restored, 1, &["sit"]).await;
        for also_as_long in [false, true] {
            if also_as_long {
                trained(&restored, 2, &["sit"]).await;
            }
            let asked = follow(&restored).follower("wall").status().await.unwrap();
            assert!(
                matches!(asked.state, State::Stopped(StopReason::LogRestored { .. })),
                "nobody has to run it to see that: {asked:?}"
            );
            let system = follow(&restored);
            let error = system.settle().await.unwrap_err();
            assert!(
                format!("{error:?}")
                    .contains("the log was restored: the checkpoint stands at position 3"),
                "{error:?}"
            );
            let status = system.follower("wall").status().await.unwrap();
            assert!(matches!(
                status.state,
                State::Stopped(StopReason::LogRestored { .. })
            ));
        }
        assert_eq!(tricks(&output, 1), ["sit", "bow"]);
        let id = FollowerId::new("wall", "school");
        let checkpoint = es_core::persistence::CheckpointStore::checkpoint(&output, &id).await;
        assert_eq!(checkpoint.unwrap(), Position::from(3));
    });
}

#[test]
fn what_was_made_of_a_log_that_is_gone_is_made_anew_by_a_rebuild() {
    block_on(async {
        let output = MemoryStore::new();
        let wall = Wall::default();
        let failing = Arc::clone(&wall.faults.failing);
        failing.store(true, Ordering::SeqCst);
        let follow = |app| {
            let follower = output.project(wall.clone());
            let follower = follower.on_failure(OnFailure::park().retries(0));
            System::new("school").follow(app, follower)
        };
        let (_, app) = application("school");
        trained(&app, 1, &["impossible", "bow"]).await;
        trained(&app, 2, &["sit"]).await;
        let system = follow(&app);
        system.settle().await.unwrap();
        let first = Position::from(2);
        let (handle, nonsense) = (system.follower("wall"), stream(1));
        let dropped = handle.drop_parked(&nonsense, first, "ann", "it is nonsense");
        dropped.await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(
            (tricks(&output, 1), tricks(&output, 2)),
            (vec!["bow".to_owned()], vec!["sit".to_owned()])
        );

        // What was given up on in the other log is not given up on in this one, though it stands at the same place.
        let (_, restored) = application("school");
        trained(&restored, 1, &["impossible"]).await;
        let system = follow(&restored);
        let handle = system.follower("wall");
        let refused = format!("{:?}", handle.rebuild().await.unwrap_err());
        assert!(refused.contains("it would lack 1 aggregate"), "{refused}");
        assert_eq!(tricks(&output, 2), ["sit"]);

        failing.store(false, Ordering::SeqCst);
        handle.rebuild().await.unwrap();
        assert_eq!(tricks(&output, 1), ["impossible"]);
        assert!(tricks(&output, 2).is_empty());
        train(&restored, 1, "beg").await;
        handle.resume().unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&output, 1), ["impossible", "beg"]);
    });
}

#[test]
fn a_parked_event_is_not_tried_again_in_a_log_that_was_restored() {
    block_on(async {
        let output = MemoryStore::new();
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let follow = |app| {
            let follower = output.project(wall.clone());
            let follower = follower.on_failure(OnFailure::park().retries(0));
            System::new("school").follow(app, follower)
        };
        let (_, app) = application("school");
        trained(&app, 1, &["impossible"]).await;
        let system = follow(&app);
        system.settle().await.unwrap();
        // In vain: the checkpoint stands where it stood.
        system.follower("wall").retry(&stream(1)).await.unwrap();
        system.settle().await.unwrap();

        let (_, restored) = application("school");
        trained(&restored, 1, &["impossible"]).await;
        faults.failing.store(false, Ordering::SeqCst);
        let system = follow(&restored);
        let follower = system.follower("wall");
        follower.retry(&stream(1)).await.unwrap();
        let error = system.settle().await.unwrap_err();
        assert!(
            format!("{error:?}").contains("the log was restored"),
            "{error:?}"
        );
        assert!(tricks(&output, 1).is_empty());
        assert_eq!(follower.parked().await.unwrap().len(), 1);
    });
}

/// A log of which another one takes the place, with other commits at the same positions.
struct Replaced {
    live: MemoryStore,
    other: MemoryStore,
    /// How many times it is still read before that.
    reads: Arc<AtomicU64>,
}

impl Replaced {
    async fn new(reads: &Arc<AtomicU64>) -> Self {
        let (live, other) = (MemoryStore::new(), MemoryStore::new());
        let reads = Arc::clone(reads);
        let log = Self { live, other, reads };
        for number in 1..=2 {
            grow(&log.live, &log.other, number).await;
        }
        log
    }
}

/// In each log a dog is trained, whose events are followed, and gets a certificate, whose events are not.
async fn grow(live: &MemoryStore, other: &MemoryStore, number: u128) {
    for store in [live, other] {
        let app = Application::builder(store.clone()).name("school").build();
        trained(&app, number, &["sit"]).await;
        let mut certificate = Certificate::open(dog(number));
        certificate.count();
        app.save(&mut certificate).await.expect("it works");
    }
}

impl Intercept for Replaced {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.live
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        let less = |reads: u64| reads.checked_sub(1);
        let read = self
            .reads
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        match read {
            Ok(_) => self.live.read_log(span, filter),
            Err(_) => self.other.read_log(span, filter),
        }
    }
}

/// Keeps the commits of the events that it was told of; with the first, the log becomes another if it is to, which takes a while.
struct Told {
    commits: Arc<Mutex<Vec<CommitId>>>,
    replaces: Option<(Arc<AtomicU64>, VirtualClock)>,
}

impl ProcessManager for Told {
    const NAME: &'static str = "told";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        _: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        self.commits
            .lock()
            .expect("nobody panics")
            .push(event.commit);
        // Meanwhile the next one is read.
        futures_lite::future::yield_now().await;
        if let Some((reads, clock)) = &self.replaces {
            reads.store(0, Ordering::SeqCst);
            clock.advance(Duration::from_millis(100));
        }
        Ok(())
    }
}

#[test]
fn a_log_restored_while_it_is_followed_stops_the_follower_before_the_next_event_it_has_read() {
    block_on(async {
        let reads = Arc::new(AtomicU64::new(u64::MAX));
        let clock = VirtualClock::at(UNIX_EPOCH);
        let app = Application::builder(Intercepted(Replaced::new(&reads).await));
        let app = app.name("school").clock(clock.clone()).build();
        let (_, office) = application("office");
        let commits = Arc::default();
        let manager = Told {
            commits: Arc::clone(&commits),
            replaces: Some((reads, clock)),
        };
        let manager = manager.onto(&office).batches_of(NonZeroUsize::MIN);
        let system = System::new("school").follow(&app, manager);
        let follower = system.follower("told");
        let followed = follower.catch_up(Duration::ZERO, &mut |_, _| {}).await;
        let error = followed.unwrap_err();
        assert!(
            format!("{error:?}")
                .contains("the log was restored: the checkpoint stands at position 1"),
            "{error:?}"
        );
        assert_eq!(commits.lock().unwrap().len(), 1);
    });
}

#[test]
fn who_passes_over_what_is_not_followed_asks_three_questions() {
    block_on(async {
        let reads = Arc::new(AtomicU64::new(u64::MAX));
        let log = Replaced::new(&reads).await;
        let live = Application::builder(log.live.clone())
            .name("school")
            .build();
        let app = Application::builder(Intercepted(log))
            .name("school")
            .build();
        let (_, office) = application("office");
        let manager = Told {
            commits: Arc::default(),
            replaces: None,
        };
        let system = System::new("school").follow(&app, manager.onto(&office));
        while !system.step().await.unwrap().idle {}
        live.save(&mut Certificate::open(dog(3))).await.unwrap();
        let before = reads.load(Ordering::SeqCst);
        system.step().await.unwrap();
        // The page, the commit at its end, and that of the checkpoint it began with.
        assert_eq!(before - reads.load(Ordering::SeqCst), 3);
        let status = system.follower("told").status().await.unwrap();
        assert_eq!(status.position, Position::from(9));
    });
}

#[test]
fn whenever_a_log_is_replaced_what_is_handled_is_of_one_log() {
    block_on(async {
        let mut stopped = 0;
        let in_batches = (1..=3).flat_map(|batch| [(batch, false), (batch, true)]);
        for (batch, step_by_step) in in_batches {
            for before in 0..30 {
                let reads = Arc::new(AtomicU64::new(before));
                let log = Replaced::new(&reads).await;
                let (live, other) = (log.live.clone(), log.other.clone());
                let store = Intercepted(log);
                let clock = VirtualClock::at(UNIX_EPOCH);
                let app = Application::builder(store)
                    .name("school")
                    .clock(clock)
                    .build();
                let (_, office) = application("office");
                let commits = Arc::default();
                let manager = Told {
                    commits: Arc::clone(&commits),
                    replaces: None,
                };
                let batches = NonZeroUsize::new(batch).unwrap();
                let manager = manager.onto(&office).batches_of(batches);
                let system = System::new("school").follow(&app, manager);
                let follower = system.follower("told");
                for number in 3..=4 {
                    if step_by_step {
                        let _ = system.settle().await;
                    } else {
                        let _ = follower.catch_up(Duration::ZERO, &mut |_, _| {}).await;
                    }
                    grow(&live, &other, number).await;
                }
                let (span, filter) = (Span::after(Position::START), Filter::everything());
                let live = live.read_log(span, &filter);
                let live = live.await.unwrap().records;
                let is_live = |commit| live.iter().any(|record| record.commit == commit);
                let status = follower.status().await.unwrap();
                let commits = commits.lock().unwrap();
                let live = commits.iter().filter(|commit| is_live(**commit)).count();
                assert!(
                    live == 0 || live == commits.len(),
                    "{batch}, {step_by_step}, {before}: {live} of {commits:?}"
                );
                match status.state {
                    State::Stopped(StopReason::LogRestored { .. }) => stopped += 1,
                    _ => assert_eq!(commits.len(), 6, "{batch}, {step_by_step}, {before}"),
                }
            }
        }
        assert!(stopped > 0);
    });
}
