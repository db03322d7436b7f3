use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use es_core::system::{FollowError, OnFailure, State, StopReason};
use es_core::{
    BoxError, Error, ErrorKind, Follower, Position, ProcessManager, Recorded, System, UnitOfWork,
};
use futures_lite::future::{or, pending, poll_once};
use pollster::block_on;

use crate::school::{
    Certificate, Certificates, DogEvent, Members, Wall, application, dog, train, trained,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_running_system_handles_what_comes_and_is_waited_for() {
    block_on(async {
        let (store, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &["sit"]).await;
        let system = System::new("school")
            .follow(&school, store.project(Wall::default()))
            .follow(&school, store.project(Members::default()))
            .follow(&school, Certificates.onto(&office));
        let running = system.start();
        for number in 0..50 {
            train(&school, 1, &number.to_string()).await;
        }
        let last = train(&school, 1, "bow").await;
        for follower in system.followers() {
            follower.wait_for(last, PATIENCE).await.unwrap();
        }
        assert_eq!(store.view::<Wall>().unwrap().tricks[&dog(1)].len(), 52);
        let certificate = office.get::<Certificate>(dog(1)).await.unwrap();
        assert_eq!(certificate.tricks, 52);
        running.stop().await.unwrap();
        let status = system.follower("wall").status().await.unwrap();
        assert_eq!(status.state, State::Stopped(StopReason::Told));
        assert_eq!(status.holder, None, "its lease is given back");
    });
}

#[test]
fn who_lets_go_of_what_runs_stops_it() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let system = System::new("school").follow(&school, store.project(Wall::default()));
        let wall = system.follower("wall");
        let running = system.start();
        wall.wait_for(Position::from(2), PATIENCE).await.unwrap();
        drop(running);
        let begun = Instant::now();
        while wall.status().await.unwrap().state != State::Stopped(StopReason::Told) {
            assert!(begun.elapsed() < PATIENCE, "it runs still");
            std::thread::yield_now();
        }
    });
}

#[test]
fn one_that_stopped_by_itself_stays_so_and_who_stops_the_others_is_told() {
    block_on(async {
        let (store, school) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let tried = Arc::clone(&wall.faults.tried);
        let follower = store.project(wall).on_failure(OnFailure::stop().retries(0));
        let system = System::new("school")
            .follow(&school, follower)
            .follow(&school, store.project(Members::default()));
        let members = system.follower("members");
        let running = system.start();
        trained(&school, 1, &["impossible"]).await;
        running.failed().await;
        let so_often = tried.load(Ordering::SeqCst);
        for number in 0..20 {
            let last = train(&school, 1, &number.to_string()).await;
            members.wait_for(last, PATIENCE).await.unwrap();
        }
        let stopped = running.stop().await.unwrap_err();
        assert!(
            format!("{stopped:?}").contains("no dog can do that"),
            "{stopped:?}"
        );
        assert_eq!(
            tried.load(Ordering::SeqCst),
            so_often,
            "it is not tried again before somebody says so"
        );
    });
}

#[test]
fn a_system_is_stopped_and_started_again() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &[]).await;
        let system = System::new("school").follow(&school, store.project(Wall::default()));
        for number in 0..10 {
            let running = system.start();
            let last = train(&school, 1, &number.to_string()).await;
            if number % 2 == 0 {
                system
                    .follower("wall")
                    .wait_for(last, PATIENCE)
                    .await
                    .unwrap();
            }
            running.stop().await.unwrap();
        }
        system.settle().await.unwrap();
        let expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(store.view::<Wall>().unwrap().tricks[&dog(1)], expected);
    });
}

#[test]
fn another_system_takes_over_where_one_stops() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &[]).await;
        let follow = || System::new("school").follow(&school, store.project(Wall::default()));
        let (one, other) = (follow(), follow());
        let (first, second) = (one.start(), other.start());
        let seen = train(&school, 1, "sit").await;
        one.follower("wall").wait_for(seen, PATIENCE).await.unwrap();
        first.stop().await.unwrap();
        let seen = train(&school, 1, "bow").await;
        one.follower("wall").wait_for(seen, PATIENCE).await.unwrap();
        second.stop().await.unwrap();
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "bow"]
        );
    });
}

#[test]
fn what_lasts_for_ever_is_no_mistake() {
    block_on(async {
        let (store, school) = application("school");
        let follower = store.project(Members::default());
        let system = System::new("school").follow(&school, follower.leased_for(Duration::MAX));
        let running = system.start();
        trained(&school, 1, &[]).await;
        let last = train(&school, 1, "sit").await;
        let members = system.follower("members");
        members.wait_for(last, Duration::MAX).await.unwrap();
        // Its lease is kept while it rests.
        std::thread::sleep(Duration::from_millis(20));
        let last = train(&school, 1, "bow").await;
        members.wait_for(last, Duration::MAX).await.unwrap();
        running.stop().await.unwrap();
    });
}

#[test]
fn one_that_is_not_stopped_says_what_it_does_though_it_is_resumed() {
    block_on(async {
        let (store, school) = application("school");
        let system = System::new("school").follow(&school, store.project(Members::default()));
        let running = system.start();
        trained(&school, 1, &[]).await;
        let last = train(&school, 1, "sit").await;
        let members = system.follower("members");
        members.wait_for(last, PATIENCE).await.unwrap();
        let state = async || members.status().await.unwrap().state;
        while state().await != State::CaughtUp {
            std::thread::yield_now();
        }
        members.resume().unwrap();
        assert_eq!(state().await, State::CaughtUp);
        // Nor does one who may not drive it.
        members
            .catch_up(Duration::ZERO, &mut |_, _| {})
            .await
            .unwrap_err();
        assert_eq!(state().await, State::CaughtUp);
        running.stop().await.unwrap();
    });
}

#[test]
fn a_follower_that_stopped_goes_on_when_it_is_resumed() {
    block_on(async {
        let (store, school) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let policy = OnFailure::stop()
            .retries(2)
            .pauses(Duration::ZERO..=Duration::ZERO);
        let system = System::new("school")
            .follow(&school, store.project(wall).on_failure(policy))
            .follow(&school, store.project(Members::default()));
        let running = system.start();
        assert!(poll_once(running.failed()).await.is_none());
        trained(&school, 1, &["impossible"]).await;
        let last = train(&school, 1, "sit").await;
        let failed = async { Some(running.failed().await) };
        let in_vain = async {
            futures_timer::Delay::new(PATIENCE).await;
            None
        };
        let told = or(failed, in_vain).await.expect("it stops").to_string();
        let reason = "at position 2 failed 3 times";
        assert!(told.contains("wall"), "{told}");
        let FollowError::Stopped { source, .. } = running.failed().await else {
            panic!("{told}");
        };
        assert!(source.to_string().contains(reason), "{source}");
        let failed = Error::from(running.failed().await);
        assert_eq!(failed.kind(), ErrorKind::Failed);
        // The other is not held up.
        let members = system.follower("members");
        members.wait_for(last, PATIENCE).await.unwrap();
        faults.failing.store(false, Ordering::SeqCst);
        let wall = system.follower("wall");
        wall.resume().unwrap();
        wall.wait_for(last, PATIENCE).await.unwrap();
        assert!(poll_once(running.failed()).await.is_none());
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["impossible", "sit"]
        );
        running.stop().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_runs_on_tasks_of_the_callers_own() {
    let (store, school) = application("school");
    let system = System::new("school").follow(&school, store.project(Wall::default()));
    let running = system.start_on(|_, task| {
        tokio::spawn(task);
        Ok(())
    });
    trained(&school, 1, &[]).await;
    let last = train(&school, 1, "sit").await;
    system
        .follower("wall")
        .wait_for(last, PATIENCE)
        .await
        .unwrap();
    running.stop().await.unwrap();
    let refused = system.start_on(|_, _| Err(std::io::Error::other("no more threads")));
    let status = system.follower("wall").status().await.unwrap();
    assert_eq!(
        status.state.to_string(),
        "stopped: it cannot run: no more threads"
    );
    let said = format!("{:?}", refused.stop().await.unwrap_err());
    assert!(said.contains("no more threads"), "{said}");
}

/// Waits for ever, once it has said that it was called.
struct Endless(Sender<()>);

impl ProcessManager for Endless {
    const NAME: &'static str = "endless";
    type Events = DogEvent;

    async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        self.0.send(())?;
        pending().await
    }
}

#[test]
fn a_follower_whose_handler_does_not_end_is_said_to_be_at_work() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &[]).await;
        let (called, is_called) = mpsc::channel();
        let endless = Endless(called).onto(&office);
        let system = System::new("school").follow(&school, endless);
        let running = system.start();
        is_called.recv().unwrap();
        let status = system.follower("endless").status().await.unwrap();
        assert_eq!(status.events_behind(), 1);
        assert_eq!(status.state, State::Running);
        drop(running);
    });
}

#[test]
fn a_follower_whose_task_is_dropped_says_so_and_is_started_again() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let system = System::new("school").follow(&school, store.project(Wall::default()));
        let running = system.start_on(|_, task| {
            drop(task);
            Ok(())
        });
        let stopped = poll_once(running.failed()).await;
        let Some(FollowError::Stopped { source, .. }) = stopped else {
            panic!("{stopped:?}");
        };
        let failure = "what ran it was dropped".to_owned();
        assert_eq!(*source, StopReason::Unable { failure });
        running.stop().await.unwrap_err();

        let running = system.start();
        let wall = system.follower("wall");
        wall.wait_for(Position::from(2), PATIENCE).await.unwrap();
        running.stop().await.unwrap();
    });
}
