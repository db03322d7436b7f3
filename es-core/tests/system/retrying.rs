//! Events that fail and are tried again: how often, under which lease, and who is told.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use es_core::system::{OnFailure, State, StopReason};
use es_core::testing::VirtualClock;
use es_core::{
    Application, BoxError, Follower, Position, ProcessManager, Recorded, System, UnitOfWork,
};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{DogEvent, Wall, application, trained};

#[test]
fn what_fails_over_and_over_is_told_to_those_who_look_from_elsewhere() {
    let (store, clock) = (MemoryStore::new(), VirtualClock::at(SystemTime::UNIX_EPOCH));
    let app = Application::builder(store.clone()).name("school");
    let app = app.clock(clock.clone()).build();
    block_on(trained(&app, 1, &["sit", "impossible"]));
    let wall = Wall::default();
    let faults = wall.faults.clone();
    faults.failing.store(true, Ordering::SeqCst);
    let minute = Duration::from_secs(60);
    let patient = OnFailure::stop().retries(1_000).pauses(minute..=minute);
    let follow = |wall: Wall| {
        let follower = store.project(wall).leased_for(100 * minute);
        System::new("school").follow(&app, follower.on_failure(patient))
    };
    let (here, elsewhere) = (follow(wall), follow(Wall::default()));
    let running = here.start();
    let status = || block_on(elsewhere.follower("wall").status()).unwrap();
    let until = |what: &str, is_so: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !is_so() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{what}: {:?}",
                status()
            );
            clock.advance(Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    until("it is told", &|| status().stopped.is_some());
    let said = status().stopped.unwrap().reason;
    assert!(
        said.starts_with("retrying the event at position 3, which failed "),
        "{said}"
    );
    assert!(said.ends_with(" times: no dog can do that"), "{said}");
    assert!(status().holder.is_some(), "{:?}", status());
    faults.failing.store(false, Ordering::SeqCst);
    until("it goes on", &|| status().stopped.is_none());
    assert_eq!(status().position, Position::from(3));
    block_on(running.stop()).unwrap();
}

#[test]
fn who_waits_long_before_it_tries_again_keeps_its_lease() {
    let (store, app) = application("school");
    block_on(trained(&app, 1, &["impossible"]));
    let wall = Wall::default();
    wall.faults.failing.store(true, Ordering::SeqCst);
    let day = Duration::from_secs(24 * 60 * 60);
    let follower = store.project(wall).leased_for(Duration::from_millis(200));
    let follower = follower.on_failure(OnFailure::stop().pauses(day..=day));
    let system = System::new("school").follow(&app, follower);
    let running = system.start();
    let held_until = || {
        let status = block_on(system.follower("wall").status()).unwrap();
        let is_trying = matches!(status.state, State::Retrying { .. });
        status.holder.filter(|_| is_trying).map(|(_, until)| until)
    };
    let begun = Instant::now();
    let mut first = None;
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{first:?}, {:?}",
            held_until()
        );
        let held_until = held_until();
        first = first.or(held_until);
        if held_until > first.map(|first| first + Duration::from_secs(1)) {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    block_on(running.stop()).unwrap();
}

/// Is called by whoever answers an event, and does not answer.
#[derive(Clone, Default)]
struct Dead(Arc<AtomicU64>);

impl ProcessManager for Dead {
    const NAME: &'static str = "dead";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { .. } = event.event {
            let call = async || {
                self.0.fetch_add(1, Ordering::SeqCst);
                Err::<(), _>(BoxError::from("nobody answers"))
            };
            work.outside("call", call).await?;
        }
        Ok(())
    }
}

#[test]
fn what_a_process_manager_does_outside_is_tried_again_as_often_as_is_said_and_no_more() {
    block_on(async {
        for (retries, on_failure) in [
            (0, OnFailure::stop()),
            (1, OnFailure::stop()),
            (2, OnFailure::park()),
        ] {
            let (_, app) = application("school");
            let (_, office) = application("office");
            let dead = Dead::default();
            let on_failure = on_failure
                .retries(retries)
                .pauses(Duration::ZERO..=Duration::ZERO);
            let follower = dead.clone().onto(&office).on_failure(on_failure);
            let system = System::new("school").follow(&app, follower);
            trained(&app, 1, &["sit"]).await;
            let settled = system.settle().await;
            assert_eq!(
                dead.0.load(Ordering::SeqCst),
                u64::from(retries) + 1,
                "{settled:?}"
            );
            let status = system.follower("dead").status().await.unwrap();
            match status.state {
                State::Stopped(StopReason::Failed { attempts, .. }) => {
                    assert_eq!(attempts, retries + 1);
                    // Whoever goes on tries it in earnest.
                    system.follower("dead").resume().unwrap();
                    system.settle().await.unwrap_err();
                    assert_eq!(dead.0.load(Ordering::SeqCst), 2 * (u64::from(retries) + 1));
                }
                _ => assert_eq!(status.parked, 1, "{status:?}"),
            }
        }
    });
}
