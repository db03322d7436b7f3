//! A running system is waited for as a whole.
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::application::WaitError;
use es_core::system::{FollowError, OnFailure};
use es_core::{
    Aggregate, BoxError, Error, Follower, ProcessManager, Recorded, System, UnitOfWork, Version,
};
use pollster::block_on;

use crate::chains::certified;
use crate::newer::NewerWall;
use crate::school::{CertificateEvent, Certificates, Dog, Wall, application, stream, trained};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// For each trick that is counted, the dog learns another one, until it has eight.
struct Encouragement;

impl ProcessManager for Encouragement {
    const NAME: &'static str = "encouragement";
    type Events = CertificateEvent;

    async fn react(
        &mut self,
        event: Recorded<CertificateEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        // It takes its time, so that whoever only waits for the first follower ends too soon.
        std::thread::sleep(Duration::from_millis(5));
        if let CertificateEvent::Counted {} = event.event {
            let mut dog: Dog = work.get(event.stream.id).await?;
            if dog.version() <= Version::from(8) {
                dog.add_trick("another");
                work.save(dog);
            }
        }
        Ok(())
    }
}

#[test]
fn a_circle_is_settled_once_nobody_answers_any_more() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        let system = System::new("school")
            .follow(&office, Encouragement.onto(&school))
            .follow(&school, Certificates.onto(&office));
        let running = system.start();
        for number in 1..=3 {
            trained(&school, number, &["sit"]).await;
            system.settled(PATIENCE).await.unwrap();
            assert_eq!(certified(&office, number).await, 8);
        }
        running.stop().await.unwrap();
    });
}

#[test]
fn who_is_not_settled_in_time_is_named() {
    block_on(async {
        let (store, school) = application("school");
        let system = System::new("school").follow(&school, store.project(Wall::default()));
        system.settled(Duration::ZERO).await.unwrap();
        trained(&school, 1, &["sit"]).await;
        let late = system.settled(Duration::from_millis(20)).await;
        let Err(Error::Wait(WaitError::TimedOut { follower, .. })) = late else {
            panic!("{late:?}");
        };
        assert_eq!(follower.name, "wall");
        System::new("nobody").settled(Duration::ZERO).await.unwrap();
    });
}

#[test]
fn one_that_a_newer_program_took_over_is_settled_once_that_is() {
    block_on(async {
        let (store, school) = application("school");
        let older = System::new("older").follow(&school, store.project(Wall::default()));
        let newer = System::new("newer").follow(&school, store.project(NewerWall));
        trained(&school, 1, &["sit"]).await;
        newer.settle().await.unwrap();
        let stopped = older.settle().await.unwrap_err();
        assert!(format!("{stopped:?}").contains("revision 2"), "{stopped:?}");
        older.settled(PATIENCE).await.unwrap();
    });
}

#[test]
fn what_is_parked_is_settled_and_who_stopped_is_not() {
    block_on(async {
        for parks in [true, false] {
            let (store, school) = application("school");
            let wall = Wall::default();
            wall.faults.failing.store(true, Ordering::SeqCst);
            let wall = store.project(wall);
            let on_failure = match parks {
                true => OnFailure::park().retries(0),
                false => OnFailure::stop().retries(0),
            };
            let system = System::new("school").follow(&school, wall.on_failure(on_failure));
            trained(&school, 1, &["impossible"]).await;
            let running = system.start();
            let settled = system.settled(PATIENCE).await;
            if parks {
                settled.unwrap();
                running.stop().await.unwrap();
                continue;
            }
            let Err(Error::Follow(stopped)) = settled else {
                panic!("{settled:?}");
            };
            assert!(matches!(
                stopped.downcast_ref(),
                Some(FollowError::Stopped { .. })
            ));
            running.stop().await.unwrap_err();
        }
    });
}

#[test]
fn a_new_revision_is_built_by_then() {
    block_on(async {
        let (store, school) = application("school");
        for number in 1..=40 {
            trained(&school, number, &["sit"]).await;
        }
        let older = System::new("school").follow(&school, store.project(Wall::default()));
        older.settle().await.unwrap();
        let system = System::new("school").follow(&school, store.project(NewerWall));
        let late = system.settled(Duration::from_millis(20)).await;
        assert!(
            matches!(&late, Err(Error::Wait(WaitError::Unsettled { what, .. })) if what.contains("revision 2")),
            "{late:?}"
        );
        let running = system.start();
        system.settled(PATIENCE).await.unwrap();
        let status = system.follower("wall").status().await.unwrap();
        assert_eq!(status.revision, 2);
        running.stop().await.unwrap();
    });
}

#[test]
fn what_is_to_be_tried_again_is_by_then() {
    block_on(async {
        let (store, school) = application("school");
        let wall = Wall::default();
        let failing = std::sync::Arc::clone(&wall.faults.failing);
        failing.store(true, Ordering::SeqCst);
        let wall = store.project(wall).on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&school, wall);
        trained(&school, 1, &["impossible", "sit"]).await;
        let running = system.start();
        system.settled(PATIENCE).await.unwrap();
        let wall = system.follower("wall");
        for _ in 0..3 {
            wall.retry(&stream(1)).await.unwrap();
            system.settled(PATIENCE).await.unwrap();
            assert_eq!(wall.parked().await.unwrap().len(), 2, "it failed again");
        }
        failing.store(false, Ordering::SeqCst);
        wall.retry(&stream(1)).await.unwrap();
        system.settled(PATIENCE).await.unwrap();
        assert!(wall.parked().await.unwrap().is_empty());
        running.stop().await.unwrap();
    });
}

#[test]
fn whose_name_another_has_is_told_at_once() {
    block_on(async {
        let (store, school) = application("school");
        let (_, office) = application("office");
        let system = System::new("school")
            .follow(&school, store.project(Wall::default()))
            .follow(&office, store.project(Wall::default()));
        trained(&office, 1, &["sit"]).await;
        let running = system.start();
        let settled = system.settled(PATIENCE).await;
        assert!(matches!(settled, Err(Error::Follow(_))), "{settled:?}");
        running.stop().await.unwrap_err();
    });
}
