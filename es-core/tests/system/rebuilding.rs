use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::persistence::{
    AppendError, BoxFuture, CheckpointStore, Commit, Committed, EventStore, FollowerId, Lease,
    LeaseError, LeaseRequest,
};
use es_core::system::{OnFailure, Until};
use es_core::testing::{Intercept, Intercepted};
use es_core::{BoxError, ErrorKind, Follower, Position, Projection, Recorded, System};
use es_store_memory::{MemoryProjection, MemoryStore};
use pollster::block_on;

use crate::school::{Behind, DogEvent, Wall, application, dog, train, trained};

/// The wall in its second edition: it shouts.
#[derive(Debug, Clone, Default)]
struct Shouting(Wall);

impl Projection for Shouting {
    const NAME: &'static str = "wall";
    const REVISION: u32 = 2;
    type Events = DogEvent;
}

impl MemoryProjection for Shouting {
    fn handle(&mut self, mut event: Recorded<DogEvent>) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = &mut event.event {
            *trick = trick.to_uppercase();
        }
        self.0.handle(event)
    }
}

#[test]
fn a_new_revision_is_built_beside_the_old_one_and_takes_its_place() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let old = System::new("old").follow(&school, store.project(Wall::default()));
        old.settle().await.unwrap();
        let new = System::new("new").follow(&school, store.project(Shouting::default()));
        new.step().await.unwrap();
        assert_eq!(store.view::<Wall>().unwrap().tricks[&dog(1)], ["sit"]);
        assert_eq!(
            store.view_built::<Shouting>("r2").unwrap().0.tricks[&dog(1)],
            ["SIT"]
        );
        new.settle().await.unwrap();
        assert!(store.view::<Wall>().is_none());
        assert_eq!(store.view::<Shouting>().unwrap().0.tricks[&dog(1)], ["SIT"]);
        assert!(old.settle().await.is_err());
        train(&school, 1, "bow").await;
        new.settle().await.unwrap();
        assert_eq!(
            store.view::<Shouting>().unwrap().0.tricks[&dog(1)],
            ["SIT", "BOW"]
        );
    });
}

/// The second edition of the wall, which is not printed as long as there is no paper.
#[derive(Clone)]
struct Refusing(Arc<AtomicBool>);

impl Projection for Refusing {
    const NAME: &'static str = "wall";
    const REVISION: u32 = 2;
    type Events = DogEvent;
}

impl MemoryProjection for Refusing {
    fn handle(&mut self, _: Recorded<DogEvent>) -> Result<(), BoxError> {
        match self.0.load(Ordering::SeqCst) {
            true => Err("there is no paper".into()),
            false => Ok(()),
        }
    }
}

#[test]
fn another_process_is_told_why_what_is_built_beside_does_not_go_on() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let old = System::new("old").follow(&school, store.project(Wall::default()));
        old.settle().await.unwrap();
        let fails = Arc::new(AtomicBool::new(true));
        let newer = || {
            let refusing = store.project(Refusing(Arc::clone(&fails)));
            refusing.on_failure(OnFailure::stop().retries(0))
        };
        let failing = System::new("failing").follow(&school, newer());
        failing.settle().await.unwrap_err();

        let new = System::new("new").follow(&school, newer());
        let wall = new.follower("wall");
        let stopped = wall.status().await.unwrap().stopped.unwrap();
        assert!(stopped.reason.contains("there is no paper"), "{stopped}");
        let seen = old.follower("wall").status().await.unwrap();
        assert_eq!(seen.stopped, None, "what readers see goes on");
        fails.store(false, Ordering::SeqCst);
        new.settle().await.unwrap();
        assert_eq!(wall.status().await.unwrap().stopped, None);
    });
}

#[test]
fn the_lease_of_what_is_built_beside_can_be_ended() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let old = System::new("old").follow(&school, store.project(Wall::default()));
        old.settle().await.unwrap();
        let gone = LeaseRequest {
            follower: FollowerId::new("wall@r2", "school"),
            holder: "gone".to_owned(),
            length: Duration::MAX,
            epoch: None,
            stopped: None,
        };
        store.lease(gone).await.unwrap();
        let new = System::new("new").follow(&school, store.project(Shouting::default()));
        let wall = new.follower("wall");
        let held = wall.catch_up(Duration::ZERO, &mut |_, _| {}).await;
        assert_eq!(held.unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(wall.end_lease().await.unwrap().as_deref(), Some("gone"));
        wall.catch_up(Duration::ZERO, &mut |_, _| {}).await.unwrap();
        assert_eq!(store.view::<Shouting>().unwrap().0.tricks[&dog(1)], ["SIT"]);
    });
}

#[test]
fn a_read_model_is_built_as_it_was_under_another_name() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit", "bow"]).await;
        let system = System::new("school").follow(&school, store.project(Wall::default()));
        system.settle().await.unwrap();
        let wall = system.follower("wall");
        let until = Until::Position(Position::from(2));
        let reached = wall.rebuild_until(until, "early").await.unwrap();
        assert_eq!(reached, Position::from(2));
        assert_eq!(
            store.view_built::<Wall>("early").unwrap().tricks[&dog(1)],
            ["sit"]
        );
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "bow"]
        );
        wall.rebuild_until(until, "early").await.unwrap();
        assert_eq!(
            store.view_built::<Wall>("early").unwrap().tricks[&dog(1)],
            ["sit"],
            "what was built under that name before is thrown away"
        );
        let later = Until::Position(Position::from(100));
        let reached = wall.rebuild_until(later, "late").await.unwrap();
        assert_eq!(reached, Position::from(3), "as far as the log");
        for taken in [
            "",
            "again",
            "r2",
            "Early",
            "2nd",
            "not_this",
            "a23456789012345678901",
        ] {
            let refused = wall.rebuild_until(until, taken).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Misuse, "{taken}: {refused:?}");
        }
        wall.rebuild_until(until, "r").await.unwrap();
        wall.rebuild_until(until, "r2d2").await.unwrap();
        wall.rebuild().await.unwrap();
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "bow"]
        );
    });
}

/// A wall while whose building a newer one takes its place.
#[derive(Clone, Default)]
struct Overtaken {
    wall: Wall,
    newer: Arc<Mutex<Option<System>>>,
}

impl Projection for Overtaken {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Overtaken {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        let newer = self.newer.lock().expect("nobody panics").take();
        if let Some(newer) = newer {
            block_on(newer.settle())?;
        }
        self.wall.handle(event)
    }
}

#[test]
fn an_older_revision_never_takes_the_place_of_a_newer_one() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let overtaken = Overtaken::default();
        let newer = Arc::clone(&overtaken.newer);
        let system = System::new("old").follow(&school, store.project(overtaken.clone()));
        system.settle().await.unwrap();
        let new = System::new("new").follow(&school, store.project(Shouting::default()));
        *newer.lock().unwrap() = Some(new);
        let refused = system.follower("wall").rebuild().await.unwrap_err();
        assert!(
            format!("{refused:?}").contains("revision 2 already"),
            "{refused:?}"
        );
        assert_eq!(store.view::<Shouting>().unwrap().0.tricks[&dog(1)], ["SIT"]);
    });
}

/// A store in which a newer program does all it has to do just before a lease is taken.
struct Overtaking {
    store: MemoryStore,
    newer: Mutex<Option<System>>,
}

impl Intercept for Overtaking {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn lease(&self, request: LeaseRequest) -> BoxFuture<'_, Result<Lease, LeaseError>> {
        Box::pin(async {
            let newer = self.newer.lock().expect("nobody panics").take();
            if let Some(newer) = newer {
                newer.settle().await.expect("it is the newer one");
            }
            self.store.lease(request).await
        })
    }
}

#[test]
fn who_takes_a_lease_writes_into_nothing_that_a_newer_one_put_there_meanwhile() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        let old = || store.project(Wall::default());
        let first = System::new("old").follow(&school, old());
        first.settle().await.unwrap();
        train(&school, 1, "bow").await;

        let newer = System::new("new").follow(&school, store.project(Shouting::default()));
        let overtaking = Overtaking {
            store: store.clone(),
            newer: Mutex::new(Some(newer)),
        };
        let overtaken = Behind {
            front: Arc::new(Intercepted(overtaking)),
            follower: old(),
        };
        let system = System::new("overtaken").follow(&school, overtaken);
        let refused = system.settle().await.unwrap_err();
        assert!(format!("{refused:?}").contains("revision 2"), "{refused:?}");
        assert_eq!(
            store.view::<Shouting>().unwrap().0.tricks[&dog(1)],
            ["SIT", "BOW"]
        );
    });
}

/// A wall with no room for what is impossible.
#[derive(Debug, Clone, Default)]
struct Picky(Wall);

impl Projection for Picky {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Picky {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        match &event.event {
            DogEvent::TrickAdded { trick } if trick == "impossible" => Err("no room".into()),
            _ => self.0.handle(event),
        }
    }
}

/// A store whose connection is lost once, when an event is to be set aside.
struct Losing {
    store: MemoryStore,
    is_lost: AtomicBool,
}

impl Intercept for Losing {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        let moved = commit.checkpoint.as_ref();
        let parks = moved.is_some_and(|moved| !moved.parking.is_empty());
        if parks && !self.is_lost.swap(true, Ordering::SeqCst) {
            return Box::pin(async { Err(AppendError::Unavailable("it starts anew".into())) });
        }
        self.store.commit(commit)
    }
}

#[test]
fn one_connection_that_is_lost_ends_neither_a_rebuild_nor_a_run_to_the_end() {
    block_on(async {
        let (store, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        trained(&school, 2, &["impossible"]).await;
        trained(&school, 3, &["bow"]).await;
        let losing = Arc::new(Intercepted(Losing {
            store: store.clone(),
            is_lost: AtomicBool::new(false),
        }));
        let follower = Behind {
            front: Arc::clone(&losing) as _,
            follower: store.project(Picky::default()),
        };
        let follower = follower.on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&school, follower);
        let wall = system.follower("wall");
        wall.catch_up(Duration::ZERO, &mut |_, _| {}).await.unwrap();
        losing.0.is_lost.store(false, Ordering::SeqCst);
        wall.rebuild().await.unwrap();
        let seen = store.view::<Picky>().unwrap();
        assert_eq!(seen.0.tricks[&dog(3)], ["bow"]);
        assert_eq!(wall.parked().await.unwrap().len(), 1);
    });
}
