use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use es_core::application::WaitError;
use es_core::persistence::ParkedError;
use es_core::system::{FollowError, OnFailure, State, StopReason};
use es_core::{
    Aggregate, Application, BoxError, Error, Follower, Position, ProcessManager, Recorded, System,
    UnitOfWork,
};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{
    Certificate, Dog, DogEvent, Members, Wall, application, dog, stream, train, trained, tricks,
};

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
                 no dog can do that; mend that and start it again",
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
fn the_step_in_which_a_follower_stops_says_so_and_the_others_go_on() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let follower = store.project(wall).on_failure(OnFailure::stop().retries(1));
        let system = System::new("school")
            .follow(&app, follower)
            .follow(&app, store.project(Members::default()));
        trained(&app, 1, &["impossible"]).await;
        let mut known = 1;
        let stopped = loop {
            match system.step().await {
                Err(Error::Follow(stopped)) => break stopped,
                stepped => assert!(!stepped.unwrap().idle, "it stops"),
            }
            known += 1;
            assert!(known < 10, "no step says that it stopped");
            trained(&app, known, &["sit"]).await;
        };
        assert!(
            matches!(stopped.downcast_ref(), Some(FollowError::Stopped { follower, .. }) if follower.name == "wall"),
            "{stopped:?}"
        );
        let dogs = || store.view::<Members>().unwrap().dogs;
        assert_eq!(u128::from(dogs()), known, "the other goes on in that step");
        trained(&app, known + 1, &["sit"]).await;
        assert_eq!(system.step().await.unwrap().events, 2, "it is told once");
        assert_eq!(u128::from(dogs()), known + 1);
        assert!(system.step().await.unwrap().idle);
        system.settle().await.unwrap_err();
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
        let dry = system.follower("wall").dry_run(10).await.unwrap();
        assert_eq!((dry.events, dry.to), (1, last), "one of them would wait");
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
fn what_waits_before_another_event_that_is_set_aside_waits_still() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let follower = store.project(wall).on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["impossible"]).await;
        trained(&app, 2, &["sit"]).await;
        system.settle().await.unwrap();
        train(&app, 1, "bow").await;
        train(&app, 2, "impossible").await;
        system.settle().await.unwrap();
        let handle = system.follower("wall");
        assert_eq!(handle.parked().await.unwrap().len(), 3);

        faults.failing.store(false, Ordering::SeqCst);
        for number in [1, 2] {
            handle.retry(&stream(number)).await.unwrap();
        }
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["impossible", "bow"]);
        assert_eq!(tricks(&store, 2), ["sit", "impossible"]);
    });
}

#[test]
fn what_waited_and_fails_itself_is_set_aside_in_its_turn() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        faults.panicking.store(true, Ordering::SeqCst);
        let follower = store.project(wall).on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["impossible", "absurd", "bow"]).await;
        system.settle().await.unwrap();
        faults.failing.store(false, Ordering::SeqCst);
        let handle = system.follower("wall");
        handle.retry(&stream(1)).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["impossible"]);
        let parked = handle.parked().await.unwrap();
        let seen = parked
            .iter()
            .map(|parked| (parked.position.get(), parked.attempts));
        assert_eq!(seen.collect::<Vec<_>>(), [(3, 1), (4, 0)]);
        let failure = parked[0].failure.as_deref().unwrap();
        assert!(failure.contains("as a bug would"), "{failure}");

        faults.panicking.store(false, Ordering::SeqCst);
        handle.retry(&stream(1)).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["impossible", "absurd", "bow"]);
    });
}

#[test]
fn a_rebuild_that_failed_keeps_nobody_from_following() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        let follower = store.project(wall).on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["impossible"]).await;
        system.settle().await.unwrap();
        faults.failing.store(true, Ordering::SeqCst);
        let handle = system.follower("wall");
        handle.rebuild().await.unwrap_err();
        train(&app, 1, "bow").await;
        system.settle().await.unwrap();
        assert_eq!(tricks(&store, 1), ["impossible", "bow"]);
    });
}

/// Counts tricks where somebody else is faster, a few times.
struct Interfered {
    office: Application,
    times: u32,
}

impl ProcessManager for Interfered {
    const NAME: &'static str = "interfered";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let id = event.stream.id;
        let found = work.find::<Certificate>(id).await?;
        let mut certificate = found.ok_or("it was opened before")?;
        if let Some(left) = self.times.checked_sub(1) {
            self.times = left;
            self.office.update(id, Certificate::count).await?;
        }
        certificate.count();
        work.save(certificate);
        Ok(())
    }
}

#[test]
fn who_is_not_as_fast_as_others_a_few_times_has_not_failed() {
    block_on(async {
        let ((_, app), (_, office)) = (application("school"), application("office"));
        office.save(&mut Certificate::open(dog(1))).await.unwrap();
        let times = 3;
        let interfered = Interfered {
            office: office.clone(),
            times,
        };
        let interfered = interfered.onto(&office);
        let interfered = interfered.on_failure(OnFailure::stop().retries(0));
        let system = System::new("school").follow(&app, interfered);
        trained(&app, 1, &["sit"]).await;
        system.settle().await.unwrap();
        let certificate = office.get::<Certificate>(dog(1)).await.unwrap();
        assert_eq!(certificate.tricks, 2 + times);
    });
}

/// Copies each trick into a stream of its own.
struct Copying;

impl ProcessManager for Copying {
    const NAME: &'static str = "copying";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            let mut copy = Dog::register(dog(u128::from(event.position.get())));
            copy.add_trick(trick);
            work.save(copy);
        }
        Ok(())
    }
}

#[test]
fn what_a_store_will_never_take_is_no_reason_to_wait_for_it() {
    block_on(async {
        let (_, app) = application("school");
        let office = Application::builder(MemoryStore::new().payload_limit(100));
        let office = office.name("office").build();
        let copying = Copying.onto(&office);
        let copying = copying.on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, copying);
        trained(&app, 1, &[&"sit".repeat(100)]).await;
        trained(&app, 2, &["sit"]).await;
        system.settle().await.unwrap();
        let parked = system.follower("copying").parked().await.unwrap();
        let parked: Vec<_> = parked.iter().map(|parked| parked.position.get()).collect();
        assert_eq!(parked, [2]);
        assert_eq!(office.get::<Dog>(dog(4)).await.unwrap().version().get(), 2);
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
        for (by, reason, expected) in [
            (" ", "a slip", "`by` is empty; say who decides"),
            (
                "ann",
                "",
                "`reason` is empty; say why, for those who ask later",
            ),
        ] {
            let unsaid = handle.drop_parked(&stream(1), event, by, reason).await;
            assert_eq!(unsaid.unwrap_err().to_string(), expected);
        }
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
        for _ in 0..2 {
            handle.rebuild().await.unwrap();
            assert_eq!(tricks(&store, 1), ["bow"]);
            assert_eq!(
                handle.dropped().await.unwrap(),
                dropped,
                "it is on record once"
            );
        }
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
