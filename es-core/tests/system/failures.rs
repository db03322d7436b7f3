use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use es_core::application::WaitError;
use es_core::persistence::{
    BoxFuture, CommitId, EventStore, Filter, FollowerId, Key, KeyError, KeyId, KeyProvider,
    LogPage, ParkedError, ReadError, Span,
};
use es_core::system::{FollowError, OnFailure, State, StopReason};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{
    Application, BoxError, Error, Follower, Position, ProcessManager, Recorded, StreamId, System,
    UnitOfWork,
};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{Certificate, DogEvent, Members, Wall, application, dog, train, trained};

fn stream(number: u128) -> StreamId {
    StreamId::new("Dog", dog(number))
}

fn tricks(store: &MemoryStore, number: u128) -> Vec<String> {
    let wall = store.view::<Wall>().expect("it was made");
    wall.tricks.get(&dog(number)).cloned().unwrap_or_default()
}

#[test]
fn a_follower_stops_at_an_event_that_it_cannot_handle_and_goes_on_from_there_once_mended() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let system = System::new("school")
            .follow(
                &app,
                store.project(wall).on_failure(OnFailure::stop().retries(2)),
            )
            .follow(&app, store.project(Members::default()));
        trained(&app, 1, &["sit", "impossible", "bow"]).await;
        trained(&app, 2, &["sit"]).await;
        let error = system.settle().await.unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            format!(
                "`wall` on the log of `school` is stopped\n  because: `TrickAdded` of `{}` at position 3 failed 3 times: \
                 no dog can do that; mend the handler and start it again",
                stream(1)
            )
        );
        let handle = system.follower("wall");
        let status = handle.status().await.unwrap();
        assert_eq!(status.position, Position::from(2));
        assert_eq!(status.events_behind(), 4);
        assert!(matches!(
            status.state,
            State::Stopped(StopReason::Failed { attempts: 3, .. })
        ));
        assert_eq!(tricks(&store, 1), ["sit"], "what came before it is kept");
        assert_eq!(
            store.view::<Members>().unwrap().dogs,
            2,
            "the other goes on"
        );

        faults.failing.store(false, Ordering::SeqCst);
        handle.resume().unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["sit", "impossible", "bow"]);
        assert_eq!(tricks(&store, 2), ["sit"]);
    });
}

#[test]
fn a_panic_of_a_handler_stops_that_follower_and_nothing_else() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.panicking.store(true, Ordering::SeqCst);
        let system = System::new("school")
            .follow(
                &app,
                store.project(wall).on_failure(OnFailure::stop().retries(0)),
            )
            .follow(&app, store.project(Members::default()));
        trained(&app, 1, &["absurd"]).await;
        let error = system.settle().await.unwrap_err();
        assert!(
            format!("{error:?}").contains("the handler panicked: as a bug would"),
            "{error:?}"
        );
        assert_eq!(tricks(&store, 1), [""; 0]);
        assert_eq!(store.view::<Members>().unwrap().dogs, 1);
        train(&app, 1, "sit").await;
    });
}

#[test]
fn later_events_of_a_parked_aggregate_wait_behind_it_and_others_go_on() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let system = System::new("school").follow(
            &app,
            store.project(wall).on_failure(OnFailure::park().retries(1)),
        );
        trained(&app, 1, &["sit", "impossible", "bow"]).await;
        trained(&app, 2, &["sit"]).await;
        system.settle().await.unwrap();
        train(&app, 1, "beg").await;
        let last = train(&app, 2, "bow").await;
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["sit"]);
        assert_eq!(tricks(&store, 2), ["sit", "bow"]);
        let handle = system.follower("wall");
        let parked = handle.parked().await.unwrap();
        let seen: Vec<_> = parked
            .iter()
            .map(|parked| {
                (
                    parked.position.get(),
                    parked.failure.as_deref(),
                    parked.attempts,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (3, Some("no dog can do that"), 2),
                (4, None, 0),
                (7, None, 0)
            ]
        );
        assert_eq!(handle.wait_for(last, Duration::ZERO).await.unwrap(), last);
        let waited = handle.wait_for(Position::from(7), Duration::ZERO).await;
        assert!(
            matches!(waited, Err(Error::Wait(WaitError::Parked { .. }))),
            "{waited:?}"
        );

        // In vain: it is parked again, and those behind it stay.
        handle.retry(&stream(1)).await.unwrap();
        system.settle().await.unwrap();
        let parked = handle.parked().await.unwrap();
        assert_eq!(
            (parked.len(), parked[0].attempts, parked[0].retry),
            (3, 3, false)
        );

        faults.failing.store(false, Ordering::SeqCst);
        handle.retry(&stream(1)).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["sit", "impossible", "bow", "beg"]);
        assert_eq!(handle.parked().await.unwrap(), []);
        train(&app, 1, "spin").await;
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1).last().unwrap(), "spin");
    });
}

#[test]
fn what_is_dropped_leaves_a_record_of_who_when_and_why() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let system = System::new("school").follow(
            &app,
            store.project(wall).on_failure(OnFailure::park().retries(0)),
        );
        trained(&app, 1, &["impossible", "bow"]).await;
        system.settle().await.unwrap();
        let handle = system.follower("wall");
        let (event, behind) = (Position::from(2), Position::from(3));
        let wrong = handle
            .drop_parked(&stream(1), behind, "ann", "a slip")
            .await;
        let Err(Error::Follow(wrong)) = wrong else {
            panic!("{wrong:?}")
        };
        assert!(matches!(
            wrong.downcast_ref(),
            Some(FollowError::Parked(ParkedError::NotParked { .. }))
        ));
        handle
            .drop_parked(&stream(1), event, "ann", "a slip of the pen")
            .await
            .unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["bow"]);
        assert_eq!(handle.parked().await.unwrap(), []);
        let dropped = handle.dropped().await.unwrap();
        assert_eq!(dropped.len(), 1);
        assert_eq!(
            (dropped[0].position, &*dropped[0].by, &*dropped[0].reason),
            (event, "ann", "a slip of the pen")
        );
        assert_eq!(dropped[0].failure.as_deref(), Some("no dog can do that"));
        assert!(handle.retry(&stream(1)).await.is_err());
    });
}

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
        follow(&app).settle().await.unwrap();

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
                        while !system.step().await.unwrap().idle {}
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

/// One key for all, and streams whose own is destroyed.
#[derive(Clone)]
struct Destroyable(Key, Arc<Mutex<Vec<StreamId>>>);

impl KeyProvider for Destroyable {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<(KeyId, Key), KeyError>> {
        let id = KeyId::from(1);
        Box::pin(async move { Ok((id, self.key(stream, id).await?)) })
    }

    fn key<'a>(&'a self, stream: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async move {
            match self.1.lock().expect("nobody panics").contains(stream) {
                true => Err(KeyError::Destroyed),
                false => Ok(self.0.clone()),
            }
        })
    }
}

#[test]
fn what_was_erased_is_passed_over_and_gone_from_what_is_made_anew() {
    block_on(async {
        let store = MemoryStore::new();
        let keys = Destroyable(Key::generate().unwrap(), Arc::default());
        let app = Application::builder(store.clone())
            .name("school")
            .keys(keys.clone())
            .build();
        let wall = Wall::default();
        let failing = Arc::clone(&wall.faults.failing);
        failing.store(true, Ordering::SeqCst);
        let batches = NonZeroUsize::new(2).unwrap();
        let follower = store.project(wall).batches_of(batches);
        let follower = follower.on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, follower);
        let handle = system.follower("wall");
        for (number, trick) in [(1, "sit"), (2, "beg"), (3, "bow"), (4, "impossible")] {
            trained(&app, number, &[trick]).await;
        }
        system.settle().await.unwrap();
        assert_eq!(
            (tricks(&store, 1), tricks(&store, 3)),
            (vec!["sit".to_owned()], vec!["bow".to_owned()])
        );
        assert_eq!(handle.parked().await.unwrap().len(), 1);

        // What comes is passed over, and what was set aside, once it is tried again.
        for number in [2, 4, 5] {
            keys.1.lock().unwrap().push(stream(number));
        }
        let erased = keys.1.lock().unwrap().pop();
        for number in [5, 6] {
            trained(&app, number, &["sit"]).await;
        }
        keys.1.lock().unwrap().extend(erased);
        handle.retry(&stream(4)).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(handle.status().await.unwrap().events_behind(), 0);
        assert_eq!(handle.parked().await.unwrap(), []);
        assert_eq!(
            (tricks(&store, 5), tricks(&store, 6)),
            (vec![], vec!["sit".to_owned()])
        );
        assert_eq!(tricks(&store, 2), ["beg"], "it was made before");

        handle.rebuild().await.unwrap();
        let wall = store.view::<Wall>().unwrap();
        let dogs: Vec<_> = wall.tricks.keys().copied().collect();
        assert_eq!(dogs, [1, 3, 6].map(dog));

        // One inside of commits begins with what can be read.
        let other = MemoryStore::new();
        let app = Application::builder(other.clone())
            .name("school")
            .keys(keys.clone())
            .build();
        keys.1.lock().unwrap().clear();
        for number in [1, 2] {
            trained(&app, number, &["sit"]).await;
        }
        keys.1.lock().unwrap().push(stream(1));
        other.inline(&app, Wall::default()).await.unwrap();
        assert_eq!(
            (tricks(&other, 1), tricks(&other, 2)),
            (vec![], vec!["sit".to_owned()])
        );
    });
}

#[test]
fn who_waits_for_a_follower_that_stopped_is_told_why_at_once() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let follower = store.project(wall).on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["impossible"]).await;
        system.settle().await.unwrap_err();
        let handle = system.follower("wall");
        // What it has seen it has seen.
        handle
            .wait_for(Position::FIRST, Duration::ZERO)
            .await
            .unwrap();
        let forever = Duration::from_secs(3_600);
        let error = handle
            .wait_for(Position::from(2), forever)
            .await
            .unwrap_err();
        let said = format!("{error:?}");
        assert!(said.contains("no dog can do that"), "{said}");
    });
}

/// Opens a certificate for every trick, as if there were none.
struct Opening(Arc<AtomicU64>);

impl ProcessManager for Opening {
    const NAME: &'static str = "opening";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { .. } = event.event {
            self.0.fetch_add(1, Ordering::SeqCst);
            work.save(Certificate::open(event.stream.id));
        }
        Ok(())
    }
}

#[test]
fn what_a_process_manager_creates_twice_is_not_tried_again_and_again() {
    block_on(async {
        let ((_, app), (_, office)) = (application("school"), application("office"));
        let reactions = Arc::new(AtomicU64::new(0));
        let opening = Opening(Arc::clone(&reactions)).onto(&office);
        let opening = opening.batches_of(NonZeroUsize::MIN);
        let opening = opening.on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&app, opening);
        trained(&app, 1, &["sit", "bow"]).await;
        let error = format!("{:?}", system.settle().await.unwrap_err());
        assert!(error.contains("at position 3 failed once"), "{error}");
        // Once for the first trick, and for the second once more, since another process might have been faster.
        assert_eq!(reactions.load(Ordering::SeqCst), 3);
    });
}
