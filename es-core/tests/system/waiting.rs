//! Who waits for a follower is told what is in the way.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::application::WaitError;
use es_core::persistence::{
    BoxFuture, CheckpointStore, EventStore, FollowerId, Parked, ReadError, Standing,
};
use es_core::system::{FollowError, FollowerHandle, OnFailure, State, StopReason};
use es_core::testing::{Intercept, Intercepted};
use es_core::{Application, Error, Follower, Position, ProcessManager, System};
use es_store_memory::MemoryStore;
use futures_lite::future;
use futures_timer::Delay;
use pollster::block_on;

use crate::newer::NewerWall;
use crate::school::{Certificates, Wall, application, stream, trained};

const LONG: Duration = Duration::from_secs(2);

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn stopped(handle: &FollowerHandle, awaited: u64) -> StopReason {
    let waited = handle.wait_for(Position::from(awaited), LONG).await;
    let Err(Error::Follow(error)) = waited else {
        panic!("{waited:?}");
    };
    match error.downcast::<FollowError>().map(|error| *error) {
        Ok(FollowError::Stopped { source, .. }) => *source,
        error => panic!("{error:?}"),
    }
}

async fn timed_out(handle: &FollowerHandle, awaited: u64) -> String {
    let waited = handle.wait_for(Position::from(awaited), Duration::ZERO);
    match waited.await {
        Err(error @ Error::Wait(WaitError::TimedOut { .. })) => error.to_string(),
        waited => panic!("{waited:?}"),
    }
}

#[test]
fn who_waits_for_a_follower_of_a_log_that_was_restored_is_told_so_at_once() {
    block_on(async {
        let (_, app) = application("school");
        let output = MemoryStore::new();
        trained(&app, 1, &["sit", "bow"]).await;
        let follow = |app| System::new("school").follow(app, output.project(Wall::default()));
        follow(&app).settle().await.unwrap();

        let (_, restored) = application("school");
        trained(&restored, 1, &["sit"]).await;
        trained(&restored, 2, &["sit"]).await;
        let system = follow(&restored);
        system.settle().await.unwrap_err();
        let reason = stopped(&system.follower("wall"), 4).await;
        assert!(
            matches!(reason, StopReason::LogRestored { .. }),
            "{reason:?}"
        );
    });
}

#[test]
fn who_waits_for_a_follower_that_another_process_may_run_is_told_so_in_time() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school")
            .follow(&app, store.project(Wall::default()))
            .follow(&app, store.project(Wall::default()));
        trained(&app, 1, &["sit"]).await;
        let second = system.followers().nth(1).unwrap();
        let said = timed_out(&second, 2).await;
        assert!(
            said.contains("in this process it is stopped: another follower"),
            "{said}"
        );
    });
}

#[test]
fn a_wait_that_ends_in_time_tells_what_the_follower_does_in_this_process() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let failing = Arc::clone(&wall.faults.failing);
        let follower = store.project(wall).on_failure(OnFailure::stop().retries(9));
        let system = System::new("school").follow(&app, follower);
        trained(&app, 1, &["impossible"]).await;
        let handle = system.follower("wall");
        let said = timed_out(&handle, 2).await;
        assert!(said.ends_with("not 2; is it running?"), "{said}");

        while !matches!(handle.status().await.unwrap().state, State::Retrying { .. }) {
            system.step().await.unwrap();
        }
        let said = timed_out(&handle, 2).await;
        assert!(
            said.ends_with(
                "not 2; in this process it is retrying the event at position 2, which failed once: no dog can do that"
            ),
            "{said}"
        );
        failing.store(false, Ordering::SeqCst);
        system.settle().await.unwrap();
        handle.wait_for(Position::from(2), LONG).await.unwrap();
    });
}

#[test]
fn a_wait_that_ends_in_time_tells_why_the_follower_stopped_elsewhere() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let faults = wall.faults.clone();
        faults.failing.store(true, Ordering::SeqCst);
        let failing = store.project(wall).on_failure(OnFailure::stop().retries(0));
        let elsewhere = System::new("elsewhere").follow(&app, failing);
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        trained(&app, 1, &["impossible"]).await;
        elsewhere.settle().await.unwrap_err();

        let handle = system.follower("wall");
        let told = format!(
            "does not go on: `TrickAdded` of `{}` at position 2 failed once: no dog can do that; mend that and start it again",
            stream(1)
        );
        let stopped = handle.status().await.unwrap().stopped.unwrap();
        assert!(stopped.by.contains("elsewhere"), "{stopped:?}");
        assert_eq!(stopped.to_string(), format!("{} {told}", stopped.by));
        for said in [
            handle.status().await.unwrap().to_string(),
            timed_out(&handle, 2).await,
            app.wait_for(
                handle.status().await.unwrap().follower,
                Position::from(2),
                Duration::ZERO,
            )
            .await
            .unwrap_err()
            .to_string(),
        ] {
            assert!(said.contains(&told), "{said}");
        }

        faults.failing.store(false, Ordering::SeqCst);
        system.settle().await.unwrap();
        assert_eq!(handle.status().await.unwrap().stopped, None);
        handle.wait_for(Position::from(2), LONG).await.unwrap();
    });
}

#[test]
fn an_older_program_waits_for_what_the_newer_one_makes() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let newer = System::new("newer").follow(&app, store.project(NewerWall));
        newer.settle().await.unwrap();
        let older = System::new("older").follow(&app, store.project(Wall::default()));
        older.settle().await.unwrap_err();
        trained(&app, 2, &["sit"]).await;
        let handle = older.follower("wall");
        let said = timed_out(&handle, 4).await;
        assert!(said.contains("is of revision 2 already"), "{said}");
        newer.settle().await.unwrap();
        handle.wait_for(Position::from(4), LONG).await.unwrap();
    });
}

#[test]
fn a_follower_that_was_told_to_stop_may_be_started_again_for_those_who_wait() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let handle = system.follower("wall");
        let running = system.start();
        trained(&app, 1, &["sit"]).await;
        handle.wait_for(Position::from(2), LONG).await.unwrap();
        running.stop().await.unwrap();

        trained(&app, 2, &["sit"]).await;
        let said = timed_out(&handle, 4).await;
        assert!(said.contains("stopped: it was told to stop"), "{said}");
        let running = system.start();
        handle.wait_for(Position::from(4), LONG).await.unwrap();
        running.stop().await.unwrap();
    });
}

/// Says nothing once it is silent, as a server does that packets do not reach any more.
#[derive(Clone, Default)]
struct Silent {
    store: MemoryStore,
    is_silent: Arc<AtomicBool>,
    /// Checkpoints can be read still.
    but_checkpoints: Arc<AtomicBool>,
}

impl Silent {
    fn or<'a, T: Send + 'a>(&self, answer: BoxFuture<'a, T>) -> BoxFuture<'a, T> {
        match self.is_silent.load(Ordering::SeqCst) {
            true => Box::pin(std::future::pending()),
            false => answer,
        }
    }
}

impl Intercept for Silent {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.or(self.store.head())
    }

    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        let checkpoint = self.store.checkpoint(follower);
        match self.but_checkpoints.load(Ordering::SeqCst) {
            true => checkpoint,
            false => self.or(checkpoint),
        }
    }

    fn standing<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Standing, ReadError>> {
        self.or(self.store.standing(follower))
    }

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        self.or(self.store.parked(follower))
    }
}

#[test]
fn who_waits_for_what_a_store_does_not_say_is_told_so_in_time() {
    const SHORT: Duration = Duration::from_millis(50);
    block_on(async {
        let silent = Silent::default();
        let app = Application::builder(Intercepted(silent.clone()))
            .name("school")
            .build();
        let system = System::new("school").follow(&app, silent.store.project(Wall::default()));
        let follower = Certificates.onto(&app);
        let system = system.follow(&app, follower);
        trained(&app, 1, &["sit"]).await;
        system.settle().await.unwrap();
        let handle = system.follower("certificates");
        let here = handle.status().await.unwrap();
        silent.is_silent.store(true, Ordering::SeqCst);
        for (what, reads) in [("nothing", false), ("checkpoints", true)] {
            silent.but_checkpoints.store(reads, Ordering::SeqCst);
            let all = async {
                [
                    system.settled(SHORT).await.map(|()| here.position),
                    handle.wait_for(here.position, SHORT).await,
                    handle.wait_for(Position::MAX, SHORT).await,
                    app.wait_for(here.follower.clone(), Position::MAX, SHORT)
                        .await,
                ]
            };
            let without_end = async {
                Delay::new(PATIENCE).await;
                panic!("{what}: it is waited without end")
            };
            for waited in future::or(all, without_end).await {
                let error = waited.expect_err(what);
                let told = matches!(
                    error,
                    Error::Wait(WaitError::TimedOut { .. } | WaitError::Unsettled { .. })
                );
                let said = error.to_string();
                assert!(told && said.contains("does not answer"), "{what}: {said}");
            }
        }
    });
}
