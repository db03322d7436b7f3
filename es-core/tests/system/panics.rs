//! What panics beside the handlers: the program's own types, and followers and what they are given.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::persistence::{BoxFuture, Filter, Store};
use es_core::system::{Batch, FollowError, HandleError, OnFailure, State, StopReason};
use es_core::{
    Aggregate, BoxError, Follower, ProcessManager, Projection, Recorded, Root, System, UnitOfWork,
    events,
};
use es_store_memory::MemoryProjection;
use futures_lite::future::or;
use pollster::block_on;
use serde::{Deserialize, Deserializer, Serialize};

use crate::school::{DogEvent, Members, application, trained};

/// Panics before there is a future.
struct Hasty;

impl ProcessManager for Hasty {
    const NAME: &'static str = "hasty";
    type Events = DogEvent;

    fn react(
        &mut self,
        event: Recorded<DogEvent>,
        _: &mut UnitOfWork,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        if let DogEvent::TrickAdded { .. } = event.event {
            panic!("as a bug would");
        }
        async { Ok(()) }
    }
}

#[test]
fn a_panic_before_there_is_a_future_is_that_of_the_handler() {
    block_on(async {
        let (_, app) = application("school");
        let (_, office) = application("office");
        let hasty = Hasty.onto(&office).on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, hasty);
        trained(&app, 1, &["sit"]).await;
        trained(&app, 2, &[]).await;
        system.settle().await.unwrap();
        let parked = system.follower("hasty").parked().await.unwrap();
        assert_eq!(parked.len(), 1);
        let failure = parked[0].failure.as_deref();
        assert_eq!(failure, Some("the handler panicked: as a bug would"));
    });
}

mod before {
    use es_core::{Aggregate, Root, events};

    #[derive(Aggregate)]
    #[aggregate("Lamp")]
    pub(super) struct Lamp {
        root: Root<Self>,
    }

    #[events]
    impl Lamp {
        #[event("Mounted")]
        pub(super) fn mount(watts: u32) -> Self {
            let _ = watts;
            Self { root: Root::new() }
        }
    }
}

/// A size that panics where it is read and is nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Watts(u32);

impl<'de> Deserialize<'de> for Watts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let watts = u32::deserialize(deserializer)?;
        assert_ne!(watts, 0, "as a bug would");
        Ok(Self(watts))
    }
}

#[derive(Aggregate)]
#[aggregate("Lamp")]
struct Lamp {
    root: Root<Self>,
}

#[events]
impl Lamp {
    #[event("Mounted")]
    fn mount(watts: Watts) -> Self {
        let _ = watts;
        Self { root: Root::new() }
    }
}

#[derive(Default, Clone)]
struct Count(u32);

impl Projection for Count {
    const NAME: &'static str = "count";
    type Events = LampEvent;
}

impl MemoryProjection for Count {
    fn handle(&mut self, _: Recorded<LampEvent>) -> Result<(), BoxError> {
        self.0 += 1;
        Ok(())
    }
}

struct Nobody;

impl ProcessManager for Nobody {
    const NAME: &'static str = "nobody";
    type Events = LampEvent;

    async fn react(&mut self, _: Recorded<LampEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn an_event_whose_type_panics_where_it_is_read_is_set_aside_as_one_that_fails() {
    block_on(async {
        let (store, app) = application("school");
        let (_, office) = application("office");
        for watts in [60, 0, 40] {
            app.save(&mut before::Lamp::mount(watts)).await.unwrap();
        }
        let parking = OnFailure::park().retries(0);
        let system = System::new("school")
            .follow(&app, store.project(Count::default()).on_failure(parking))
            .follow(&app, Nobody.onto(&office).on_failure(parking));
        system.settle().await.unwrap();
        for follower in system.followers() {
            let status = follower.status().await.unwrap();
            assert_eq!((status.position, status.parked), (3.into(), 1));
        }
        assert_eq!(store.view::<Count>().unwrap().0, 2);

        let (store, app) = application("another school");
        store.inline(&app, Count::default()).await.unwrap();
        let refused = app.save(&mut before::Lamp::mount(0)).await;
        refused.unwrap_err();
        app.save(&mut before::Lamp::mount(40)).await.unwrap();
        assert_eq!(store.view::<Count>().unwrap().0, 1);
    });
}

/// A follower of the program's own, which panics as long as it is told to.
struct Own {
    of: Box<dyn Follower>,
    panicking: Arc<AtomicBool>,
}

impl Follower for Own {
    fn name(&self) -> &str {
        self.of.name()
    }

    fn filter(&self) -> Filter {
        self.of.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.of.store()
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        assert!(!self.panicking.load(Ordering::SeqCst), "as a bug would");
        self.of.handle(batch)
    }
}

#[test]
fn a_follower_that_panics_outside_of_its_handler_stops_with_that_and_can_be_resumed() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &[]).await;
        let panicking = Arc::new(AtomicBool::new(true));
        let own = Own {
            of: Box::new(store.project(Members::default())),
            panicking: Arc::clone(&panicking),
        };
        let system = System::new("school").follow(&app, own);
        let follower = system.follower("members");
        let running = system.start();
        let patience = async {
            futures_timer::Delay::new(Duration::from_secs(20)).await;
            panic!("nobody was told that it stopped");
        };
        let stopped = or(running.failed(), patience).await;
        assert!(
            matches!(stopped, FollowError::Stopped { .. }),
            "{stopped:?}"
        );
        let status = follower.status().await.unwrap();
        let failure = "it panicked: as a bug would".to_owned();
        let unable = State::Stopped(StopReason::Unable { failure });
        assert_eq!(status.state, unable);
        assert_eq!(status.holder, None, "its lease is given back");

        panicking.store(false, Ordering::SeqCst);
        follower.resume().unwrap();
        let seen = follower.wait_for(status.head, Duration::from_secs(20));
        seen.await.unwrap();
        running.stop().await.unwrap();
        assert_eq!(store.view::<Members>().unwrap().dogs, 1);
    });
}
