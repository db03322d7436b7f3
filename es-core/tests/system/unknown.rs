//! Followers that a system does not have, and somebody had.
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::persistence::{
    BoxFuture, CheckpointStore, FollowerId, LeaseError, LeaseRequest, Placement,
};
use es_core::system::{OnFailure, Until};
use es_core::testing::{Intercept, Intercepted};
use es_core::{
    Application, BoxError, ErrorKind, Follower, Position, ProcessManager, Projection, Recorded,
    System,
};
use es_store_memory::{MemoryProjection, MemoryStore};
use pollster::block_on;

use crate::school::{Certificate, Certificates, DogEvent, Wall, application, dog, train, trained};

#[test]
fn who_is_no_follower_any_more_is_found_with_what_it_set_aside() {
    block_on(async {
        let (store, school) = application("school");
        let (_, office) = application("office");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let wall = store.project(wall).on_failure(OnFailure::park().retries(0));
        let certificates = |name: &str| Certificates.onto(&office).named(name);
        let before = System::new("school")
            .follow(&school, wall)
            .follow(&school, certificates("certificates"));
        trained(&school, 1, &["sit", "impossible"]).await;
        before.settle().await.unwrap();
        // What one of its own builds beside is none of another's.
        let until = Until::Position(Position::from(1));
        before
            .follower("wall")
            .rebuild_until(until, "early")
            .await
            .unwrap();
        assert_eq!(before.unknown_followers().await.unwrap(), []);

        let renamed = System::new("school").follow(&school, certificates("diplomas"));
        let unknown = renamed.unknown_followers().await.unwrap();
        let told: Vec<_> = unknown
            .iter()
            .map(|one| (&one.follower, one.position.get(), one.parked))
            .collect();
        let id = |name| FollowerId::new(name, "school");
        assert_eq!(
            told,
            [
                (&id("certificates"), 3, 0),
                (&id("wall"), 3, 1),
                (&id("wall@early"), 1, 0)
            ]
        );
        assert!(unknown.iter().all(|one| one.holder.is_none()));

        // One is forgotten, with what it set aside, and is nobody's name then.
        for (by, reason, expected) in [
            ("", "renamed", "`by` is empty; say who decides"),
            (
                "ann",
                "\t",
                "`reason` is empty; say why, for those who ask later",
            ),
        ] {
            let unsaid = renamed.forget(&id("wall"), by, reason).await.unwrap_err();
            assert_eq!(
                (unsaid.kind(), &*unsaid.to_string()),
                (ErrorKind::Misuse, expected)
            );
        }
        let forget = async |name| renamed.forget(&id(name), "ann", "renamed").await;
        assert!(forget("wall").await.unwrap());
        assert!(!forget("wall").await.unwrap(), "it was");
        assert!(!forget("diplomas").await.unwrap(), "it is one of its own");
        let dropped = store.dropped(&id("wall")).await.unwrap();
        let told: Vec<_> = dropped
            .iter()
            .map(|one| (one.position.get(), &*one.by, &*one.reason))
            .collect();
        assert_eq!(told, [(3, "ann", "renamed")]);
        let names = async || {
            let unknown = renamed.unknown_followers().await.unwrap().into_iter();
            unknown.map(|one| one.follower).collect::<Vec<_>>()
        };
        assert_eq!(names().await, [id("certificates"), id("wall@early")]);
        let elsewhere = LeaseRequest {
            follower: id("wall@early"),
            holder: "another".to_owned(),
            length: Duration::from_secs(60),
            epoch: None,
            stopped: None,
        };
        store.lease(elsewhere).await.unwrap();
        let held = forget("wall@early").await.unwrap_err();
        assert_eq!(held.kind(), ErrorKind::Busy);

        // Who comes back under that name begins with the first event, and is known again.
        let tricks = |store: &MemoryStore| store.view::<Wall>().unwrap().tricks.len();
        let back = System::new("school").follow(&school, store.project(Wall::default()));
        back.settle().await.unwrap();
        assert_eq!(tricks(&store), 1);
        assert!(names().await.contains(&id("wall")));

        // Of a log that is none of the system's it says nothing.
        let (_, other) = application("other");
        let other = System::new("other").follow(&other, certificates("diplomas"));
        assert_eq!(other.unknown_followers().await.unwrap(), []);
    });
}

/// The wall in another edition.
#[derive(Debug, Clone, Default)]
struct Edition<const REVISION: u32>(Wall);

impl<const REVISION: u32> Projection for Edition<REVISION> {
    const NAME: &'static str = "wall";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> MemoryProjection for Edition<REVISION> {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        self.0.handle(event)
    }
}

/// A school whose wall is in its first edition, and a system that has begun the second.
async fn begun() -> (MemoryStore, Application, System) {
    let (store, school) = application("school");
    trained(&school, 1, &["sit"]).await;
    let first = System::new("first").follow(&school, store.project(Wall::default()));
    first.settle().await.expect("it works");
    let second = store.project(Edition::<2>::default());
    let second = System::new("second").follow(&school, second);
    second.step().await.expect("it works");
    (store, school, second)
}

#[test]
fn what_was_begun_of_a_revision_that_another_overtook_is_found() {
    block_on(async {
        let (store, school, second) = begun().await;
        let third = store.project(Edition::<3>::default());
        let third = System::new("third").follow(&school, third);
        let unknown = third.unknown_followers().await.unwrap();
        assert_eq!(unknown, [], "it may take its place yet");
        third.settle().await.unwrap();
        let unknown = third.unknown_followers().await.unwrap();
        let id = FollowerId::new("wall@r2", "school");
        let told: Vec<_> = unknown
            .iter()
            .map(|one| (&one.follower, one.position.get(), one.is_overtaken))
            .collect();
        assert_eq!(told, [(&id, 2, true)]);
        assert!(third.forget(&id, "ann", "overtaken").await.unwrap());
        // Who had begun it leaves nothing there again.
        second.settle().await.unwrap_err();
        assert_eq!(third.unknown_followers().await.unwrap(), []);
        let wall = third.follower("wall").status().await.unwrap();
        assert_eq!((wall.position.get(), wall.revision), (2, 3));
    });
}

#[test]
fn what_was_begun_of_the_revision_that_a_rebuild_put_in_place_is_found() {
    block_on(async {
        let (_store, _school, second) = begun().await;
        second.follower("wall").rebuild().await.unwrap();
        let unknown = second.unknown_followers().await.unwrap();
        let told: Vec<_> = unknown
            .iter()
            .map(|one| (&*one.follower.name, one.is_overtaken))
            .collect();
        assert_eq!(told, [("wall@r2", true)]);
    });
}

#[test]
fn a_follower_whose_name_is_like_that_of_a_revision_is_known() {
    block_on(async {
        let (store, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &["sit"]).await;
        let system = || {
            System::new("system")
                .follow(&school, store.project(Edition::<3>::default()))
                .follow(&school, Certificates.onto(&office).named("wall@r2"))
        };
        system().settle().await.unwrap();
        assert_eq!(system().unknown_followers().await.unwrap(), []);
    });
}

#[test]
fn who_is_forgotten_while_it_is_run_does_not_do_everything_again() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        let certificates = |name: &str| Certificates.onto(&office).named(name);
        let old = System::new("old").follow(&school, certificates("certificates"));
        trained(&school, 1, &["sit"]).await;
        old.settle().await.unwrap();
        let counted = async || {
            let certificate = office.get::<Certificate>(dog(1)).await.unwrap();
            certificate.tricks
        };
        assert_eq!(counted().await, 1);

        // It has nothing to do, so it has no lease.
        let renamed = System::new("renamed").follow(&school, certificates("diplomas"));
        let id = FollowerId::new("certificates", "school");
        assert!(renamed.forget(&id, "ann", "renamed").await.unwrap());
        train(&school, 1, "bow").await;
        let stopped = old.settle().await.unwrap_err();
        assert!(
            format!("{stopped:?}").contains("it was forgotten, or put to the start"),
            "{stopped:?}"
        );
        assert_eq!(counted().await, 1);

        // Told to, it does.
        old.follower("certificates").resume().unwrap();
        old.settle().await.unwrap();
        assert_eq!(counted().await, 3);
    });
}

#[test]
fn who_stands_by_for_one_that_is_forgotten_does_not_do_everything_again() {
    block_on(async {
        let (_, school) = application("school");
        let (store, office) = application("office");
        let certificates = |name: &str| Certificates.onto(&office).named(name);
        let system = |name: &str| System::new(name).follow(&school, certificates("certificates"));
        trained(&school, 1, &["sit"]).await;
        system("first").settle().await.unwrap();

        // Somebody else has its lease, and is stopped.
        let id = FollowerId::new("certificates", "school");
        let request = |length, epoch| LeaseRequest {
            follower: id.clone(),
            holder: "another".to_owned(),
            length,
            epoch,
            stopped: None,
        };
        let lease = store.lease(request(Duration::from_secs(60), None));
        let lease = lease.await.unwrap();
        let second = system("second");
        second.settle().await.unwrap();
        let given_back = request(Duration::ZERO, Some(lease.epoch));
        store.lease(given_back).await.unwrap();

        let renamed = System::new("renamed").follow(&school, certificates("diplomas"));
        assert!(renamed.forget(&id, "ann", "renamed").await.unwrap());
        train(&school, 1, "bow").await;
        let stopped = second.settle().await.unwrap_err();
        assert!(
            format!("{stopped:?}").contains("it was forgotten, or put to the start"),
            "{stopped:?}"
        );
        let certificate = office.get::<Certificate>(dog(1)).await.unwrap();
        assert_eq!(certificate.tricks, 1);
    });
}

/// Keeps leases, and lets nobody be put anywhere.
struct Immovable(MemoryStore);

impl Intercept for Immovable {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn place(&self, _: Placement) -> BoxFuture<'_, Result<(), LeaseError>> {
        Box::pin(async { Err(LeaseError::Unsupported) })
    }
}

#[test]
fn who_could_not_be_forgotten_is_free_for_others() {
    block_on(async {
        let store = Intercepted(Immovable(MemoryStore::new()));
        let office = Application::builder(store).name("office").build();
        let (_, school) = application("school");
        let certificates = |name: &str| Certificates.onto(&office).named(name);
        let old = System::new("old").follow(&school, certificates("certificates"));
        trained(&school, 1, &["sit"]).await;
        old.settle().await.unwrap();
        let renamed = System::new("renamed").follow(&school, certificates("diplomas"));
        let id = FollowerId::new("certificates", "school");
        for _ in 0..2 {
            let refused = renamed.forget(&id, "ann", "renamed").await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Misuse, "{refused:?}");
        }
        train(&school, 1, "bow").await;
        old.settle().await.unwrap();
    });
}
