//! Handlers that fail, at an event or at the end of a batch, and those that never end.
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::persistence::{CheckpointStore, FollowerId};
use es_core::system::{OnFailure, State, StopReason};
use es_core::{BoxError, Follower, Position, Projection, Recorded, System};
use es_store_postgres::PostgresProjection;
use tokio_postgres::Transaction;
use trials::projections::{DogEvent, Kennel, wall};

use crate::{Schema, Wall};

#[tokio::test]
async fn a_handler_that_ends_the_transaction_is_told_so() {
    let kennel = Schema::new().await;
    let failing = Wall::<1>::default();
    failing.failing.store(true, Ordering::SeqCst);
    let follower = kennel
        .store
        .project(failing)
        .on_failure(OnFailure::stop().retries(0));
    let system = kennel.followed_by(follower);
    kennel.trained(1, &["final"]).await;
    let refused = system.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("leave that to the follower"),
        "{refused:?}"
    );
    let status = system.follower("wall").status().await.unwrap();
    assert_eq!(status.position, Position::from(1));
}

#[tokio::test]
async fn a_handler_that_hides_an_error_fails_at_its_event() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit", "careless"]).await;
    let wall = Wall::<1>::default();
    wall.failing.store(true, Ordering::SeqCst);
    let follower = kennel.store.project(wall);
    let follower = follower.on_failure(OnFailure::stop().retries(0));
    let system = System::new("kennel").follow(&kennel.app, follower);
    let dry = system.follower("wall").dry_run(10).await.unwrap();
    let (position, why) = dry.failure.unwrap();
    assert!(
        position == Position::from(3) && why.starts_with("a statement of the handler failed"),
        "{why}"
    );
    let stopped = system.settle().await.unwrap_err();
    let why = "at position 3 failed once: a statement of the handler failed";
    assert!(format!("{stopped:?}").contains(why), "{stopped:?}");
    assert_eq!(kennel.wall().await, self::wall(&[(1, &["sit"])]));
}

/// Follows until it stops at an event, and says why.
pub(crate) async fn stopped_at(kennel: &Schema, system: &System, name: &str, at: u64) -> String {
    let settled = tokio::time::timeout(Duration::from_secs(60), system.settle()).await;
    settled.expect("it does not wait for ever").unwrap_err();
    let status = system.follower(name).status().await.unwrap();
    let State::Stopped(StopReason::Failed {
        position, failure, ..
    }) = status.state
    else {
        panic!("{:?}", status.state);
    };
    assert_eq!(position, Position::from(at));
    let follower = FollowerId::new(name.to_owned(), "kennel");
    let standing = kennel.store.standing(&follower).await.unwrap();
    assert_eq!(standing.position, Position::from(at - 1));
    failure
}

/// Does not end at an event, and notes by which sessions the first one was handled.
#[derive(Default)]
struct Endless {
    sessions: Arc<Mutex<Vec<i32>>>,
}

impl Projection for Endless {
    const NAME: &'static str = "endless";
    type Events = DogEvent;
}

impl PostgresProjection for Endless {
    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        match event.event {
            DogEvent::TrickAdded { trick } if trick == "endless" => std::future::pending().await,
            DogEvent::TrickAdded { trick } if trick == "long" => {
                tokio::time::sleep(Duration::from_millis(10_500)).await;
                tx.batch_execute("SELECT 1").await?;
            }
            DogEvent::TrickAdded { .. } => {}
            DogEvent::Registered { .. } => {
                let own = tx.query_one("SELECT pg_backend_pid()", &[]).await?;
                self.sessions.lock().unwrap().push(own.get(0));
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_handler_that_does_not_end_fails_at_its_event() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit", "endless", "bow"]).await;
    let endless = Endless::default();
    let sessions = Arc::clone(&endless.sessions);
    let follower = kennel.hasty().await.project(endless);
    let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(0)));
    let dry = system.follower("endless").dry_run(10).await.unwrap();
    assert_eq!(dry.failure.unwrap().0, Position::from(3));
    sessions.lock().unwrap().clear();
    let failure = stopped_at(&kennel, &system, "endless", 3).await;
    assert!(failure.contains("statement time-out"), "{failure}");
    // Something may still run on a session that was left in the middle.
    let sessions = sessions.lock().unwrap().clone();
    assert!(
        sessions.len() == 2 && sessions[0] != sessions[1],
        "{sessions:?}"
    );
}

/// As in earnest: the server ends the session of a handler that leaves it alone before its time is over.
#[tokio::test]
async fn a_handler_that_does_not_end_fails_at_its_event_though_its_session_was_ended() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["endless"]).await;
    let builder = kennel.log.builder();
    let store = builder.statement_timeout(Duration::from_millis(5_500));
    let follower = store.connect().await.unwrap().project(Endless::default());
    let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(0)));
    let failure = stopped_at(&kennel, &system, "endless", 2).await;
    assert!(failure.contains("statement time-out"), "{failure}");
}

/// Waiting for the server would be waiting for ever: the same would come of it again.
#[tokio::test]
async fn a_handler_that_leaves_its_transaction_alone_for_too_long_fails_at_its_event() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["long"]).await;
    let follower = kennel.store.project(Endless::default());
    let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(0)));
    let failure = stopped_at(&kennel, &system, "endless", 2).await;
    assert!(failure.contains("left its transaction alone"), "{failure}");
}
