//! Inside of commits.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, EventStore};
use es_core::system::{InlineError, OnFailure, State, StopReason};
use es_core::{
    Application, BoxError, Error, Follower, Position, ProcessManager, Recorded, System, UnitOfWork,
};
use es_store_sqlite::SqliteStore;
use pollster::block_on;
use rusqlite::{Connection, TransactionBehavior};
use trials::projections::{Dog, DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::{File, Wall};

#[test]
fn an_inline_projection_is_never_behind_and_refuses_what_it_cannot_handle() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let inline = Wall::<1>::default();
        let failing = Arc::clone(&inline.failing);
        kennel.store.inline(&kennel.app, inline).await.unwrap();
        assert_eq!(
            kennel.wall().await,
            wall(&[(1, &["sit"])]),
            "what was there is handled first"
        );
        kennel.trained(2, &["sit", "impossible"]).await;
        assert_eq!(kennel.wall().await[&2], ["sit", "impossible"]);

        for trick in ["impossible", "absurd"] {
            failing.store(true, Ordering::SeqCst);
            let mut dog = Dog::register(Uuid::from_u128(3));
            dog.add_trick(trick);
            let refused = kennel.app.save(&mut dog).await.unwrap_err();
            assert!(
                matches!(
                    &refused,
                    Error::Save(SaveError::Store(AppendError::Projection { projection, .. }))
                        if projection == "wall"
                ),
                "{refused:?}"
            );
            assert_eq!(kennel.store.head().await.unwrap(), Position::from(5));
            assert_eq!(kennel.wall().await.len(), 2);
        }

        // The caller's own transaction, too.
        let mut connection = Connection::open(&kennel.path).unwrap();
        let mut dog = Dog::register(Uuid::from_u128(3));
        dog.add_trick("impossible");
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let refused = kennel
            .store
            .commit_with(tx, kennel.app.stage(&mut dog).unwrap());
        assert!(
            matches!(refused, Err(AppendError::Projection { .. })),
            "{refused:?}"
        );
        failing.store(false, Ordering::SeqCst);
        let tx = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        kennel
            .store
            .commit_with(tx, kennel.app.stage(&mut dog).unwrap())
            .unwrap();
        assert_eq!(kennel.wall().await[&3], ["impossible"]);
    });
}

#[test]
fn an_inline_projection_catches_up_with_what_others_wrote_without_it() {
    block_on(async {
        let kennel = File::new().await;
        kennel
            .store
            .inline(&kennel.app, Wall::<1>::default())
            .await
            .unwrap();
        let other = SqliteStore::open(&kennel.path).await.unwrap();
        let elsewhere = Application::builder(other).name("kennel").build();
        let mut dog = Dog::register(Uuid::from_u128(1));
        dog.add_trick("sit");
        elsewhere.save(&mut dog).await.unwrap();
        assert_eq!(kennel.wall().await.len(), 0);
        kennel.trained(2, &["bow"]).await;
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"]), (2, &["bow"])]));
    });
}

#[test]
fn a_commit_waits_for_one_batch_at_most() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &vec!["sit"; 5_000]).await;
        // Each batch ends after its first event, and there is always another one waiting.
        let follower = kennel
            .store
            .project(Wall::<1>::default())
            .batch_time(Duration::ZERO);
        let system = kennel.followed_by(follower);
        let running = system.start();
        let mut behind = 0;
        for number in 2..40 {
            kennel.trained(number, &["bow"]).await;
            behind = system
                .follower("wall")
                .status()
                .await
                .unwrap()
                .events_behind();
        }
        assert!(behind > 0, "the writers were done before the follower was");
        running.stop().await.unwrap();
    });
}

#[test]
fn an_application_of_another_store_is_refused_and_claims_nothing() {
    block_on(async {
        let (kennel, other) = (File::new().await, File::new().await);
        let unclaimed = SqliteStore::open(":memory:").await.unwrap();
        for store in [&other.store, &unclaimed] {
            let refused = store.inline(&kennel.app, Wall::<1>::default()).await;
            let refused = refused.unwrap_err();
            assert!(matches!(refused, InlineError::Elsewhere), "{refused:?}");
        }
        assert_eq!(unclaimed.owner("library").await.unwrap(), "library");
        let clone = kennel.store.clone();
        clone
            .inline(&kennel.app, Wall::<1>::default())
            .await
            .unwrap();
    });
}

/// A dog is followed by another.
struct Breeder;

impl ProcessManager for Breeder {
    const NAME: &'static str = "breeder";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if event.position == Position::from(1) {
            work.save(Dog::register(Uuid::from_u128(2)));
        }
        Ok(())
    }
}

#[test]
fn an_older_program_blames_no_event_for_a_newer_revision_inside_of_commits() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &[]).await;
        let old = Wall::<1>::default();
        kennel.store.inline(&kennel.app, old).await.unwrap();
        let store = SqliteStore::open(&kennel.path).await.unwrap();
        let app = Application::builder(store.clone()).name("kennel").build();
        store.inline(&app, Wall::<2>::default()).await.unwrap();

        let breeder = |app: &Application| {
            let follower = Breeder.onto(app).on_failure(OnFailure::park().retries(0));
            System::new("kennel").follow(app, follower)
        };
        let older = breeder(&kennel.app);
        older.settle().await.unwrap_err();
        let status = older.follower("breeder").status().await.unwrap();
        let State::Stopped(StopReason::Unable { failure }) = &status.state else {
            panic!("{status:?}");
        };
        assert!(failure.contains("use the newer program"), "{failure}");
        assert_eq!((status.parked, status.holder), (0, None));
        breeder(&app).settle().await.unwrap();
        assert_eq!(app.log().head().await.unwrap(), Position::from(2));
    });
}
