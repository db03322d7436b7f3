//! Whose session ends or stands still, and who is overtaken meanwhile.
use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::persistence::{BoxFuture, CheckpointStore, Filter, FollowerId, LeaseRequest, Store};
use es_core::system::{Batch, HandleError, OnFailure, Output, State};
use es_core::{BoxError, Follower, Position, Projection, Recorded, System};
use es_store_postgres::{PostgresFollower, PostgresProjection, PostgresStore};
use tokio_postgres::Transaction;
use trials::faults::process::signal;
use trials::projections::{DogEvent, Kennel};

use crate::Schema;

/// Stands still in the middle of a batch until it is told to go on.
struct Slow {
    reached: Arc<tokio::sync::Notify>,
    go_on: Arc<tokio::sync::Notify>,
}

impl Projection for Slow {
    const NAME: &'static str = "slow";
    type Events = DogEvent;
}

impl PostgresProjection for Slow {
    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        self.reached.notify_one();
        self.go_on.notified().await;
        Ok(())
    }
}

#[tokio::test]
async fn nobody_waits_for_a_handler_neither_writers_nor_who_takes_over() {
    let kennel = Schema::new().await;
    let (reached, go_on) = <(Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>)>::default();
    let slow = Slow {
        reached: Arc::clone(&reached),
        go_on: Arc::clone(&go_on),
    };
    let follower = kennel
        .store
        .project(slow)
        .leased_for(Duration::from_millis(1));
    let system = kennel.followed_by(follower);
    kennel.trained(1, &[]).await;
    let id = FollowerId::new("slow", "kennel");
    let other = LeaseRequest {
        follower: id.clone(),
        holder: "another".to_owned(),
        length: Duration::from_secs(60),
        epoch: None,
        stopped: None,
    };
    let meanwhile = async {
        reached.notified().await;
        kennel.trained(2, &["sit"]).await;
        let lease = loop {
            // It is free a millisecond after it was taken.
            if let Ok(lease) = kennel.store.lease(other.clone()).await {
                break lease;
            }
        };
        go_on.notify_one();
        lease
    };
    // Its first step takes the lease, and handles.
    let (stepped, lease) = tokio::join!(system.step(), meanwhile);
    stepped.unwrap();
    assert_eq!(lease.epoch.get(), 2);
    let standing = kennel.store.standing(&id).await.unwrap();
    assert_eq!(standing.position, Position::START, "what it did is refused");
    assert_eq!(standing.holder.as_deref(), Some("another"));
}

/// What is in the way of an event the first time, beside another who takes the lease.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// It is there already, by another who was there before this one began.
    Done,
    /// It is there already, by another who came while this one handled it.
    DoneMeanwhile,
    /// It is locked by another who was there before this one began.
    Locked,
}

struct Late {
    store: PostgresStore,
    way: Option<Way>,
}

impl Projection for Late {
    const NAME: &'static str = "late";
    type Events = DogEvent;
}

impl PostgresProjection for Late {
    async fn handle(
        &mut self,
        _: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        match self.way.take() {
            None => return Ok(()),
            Some(Way::Done) => {}
            Some(Way::DoneMeanwhile) => {
                tx.execute("SELECT", &[]).await?;
                overtake(&self.store, &FollowerId::new("late", "kennel")).await;
            }
            Some(Way::Locked) => {
                tx.batch_execute("SELECT pg_sleep(60)").await?;
            }
        }
        Err("it is there already".into())
    }
}

/// Another takes the lease of a follower, for a moment.
async fn overtake(store: &PostgresStore, follower: &FollowerId) {
    let other = LeaseRequest {
        follower: follower.clone(),
        holder: "another".to_owned(),
        length: Duration::from_millis(1),
        epoch: None,
        stopped: None,
    };
    while store.lease(other.clone()).await.is_err() {}
}

/// Is overtaken before it handles for the first time, or while it does.
struct Overtaken {
    store: PostgresStore,
    before: bool,
    follower: PostgresFollower<Late>,
}

impl Follower for Overtaken {
    fn name(&self) -> &str {
        self.follower.name()
    }

    fn filter(&self) -> Filter {
        self.follower.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.follower.store()
    }

    fn revision(&self) -> u32 {
        self.follower.revision()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.prepare(output)
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            if mem::take(&mut self.before) {
                overtake(&self.store, &batch.output.follower).await;
            }
            self.follower.handle(batch).await
        })
    }
}

#[tokio::test]
async fn who_was_overtaken_is_refused_whatever_becomes_of_what_it_handles() {
    for way in [Way::Done, Way::DoneMeanwhile, Way::Locked] {
        let kennel = Schema::new().await;
        let store = kennel.store.clone();
        let late = Late {
            store: store.clone(),
            way: Some(way),
        };
        let follower = Overtaken {
            store,
            before: way != Way::DoneMeanwhile,
            follower: kennel.store.project(late),
        };
        let system = kennel.followed_by(follower.leased_for(Duration::from_millis(1)));
        kennel.trained(1, &[]).await;
        let patience = Duration::from_secs(20);
        let stepped = tokio::time::timeout(patience, system.step()).await;
        stepped
            .expect("nobody waits for what is locked")
            .expect("what is handled is no error of a step's");
        let follower = system.follower("late");
        let state = follower.status().await.unwrap().state;
        assert!(matches!(state, State::Fenced { .. }), "{way:?}: {state:?}");
        // It goes on once it has the lease again.
        let settled = async {
            while follower.status().await.unwrap().events_behind() > 0 {
                system.step().await.unwrap();
            }
        };
        let settled = tokio::time::timeout(patience, settled).await;
        settled.expect("nobody waits for what was begun");
    }
}

#[tokio::test]
async fn a_batch_whose_session_is_ended_is_handled_again() {
    let kennel = Schema::new().await;
    let (reached, go_on) = <(Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>)>::default();
    let slow = Slow {
        reached: Arc::clone(&reached),
        go_on: Arc::clone(&go_on),
    };
    let system = System::new("kennel").follow(&kennel.app, kennel.store.project(slow));
    kennel.trained(1, &[]).await;
    let ended = async {
        reached.notified().await;
        let statement = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                         WHERE application_name = $1 AND state = 'idle in transaction'";
        // What the follower asks while it handles may be on its way still.
        let schema = kennel.log.schema();
        while kennel
            .reader
            .query(statement, &[&schema])
            .await
            .unwrap()
            .is_empty()
        {}
        go_on.notify_one();
        reached.notified().await;
        go_on.notify_one();
    };
    let both = async { tokio::join!(system.settle(), ended) };
    let (settled, ()) = tokio::time::timeout(Duration::from_secs(20), both)
        .await
        .expect("there is a session to end");
    settled.unwrap();
    let status = system.follower("slow").status().await.unwrap();
    assert_eq!(status.events_behind(), 0);
}

/// Has the session of its first event stand still, and fails.
#[derive(Default)]
struct Freezing {
    frozen: Arc<Mutex<Option<Frozen>>>,
    /// It waits for that session too.
    asks: bool,
}

/// A session that stands still until this is dropped.
struct Frozen {
    process: i32,
}

impl Frozen {
    fn new(process: i32) -> Self {
        signal(process, "-STOP");
        Self { process }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal(self.process, "-CONT");
    }
}

impl Projection for Freezing {
    const NAME: &'static str = "freezing";
    type Events = DogEvent;
}

impl PostgresProjection for Freezing {
    async fn handle(
        &mut self,
        _: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let own = tx.query_one("SELECT pg_backend_pid()", &[]).await?;
        let process = own.get(0);
        if self.frozen.lock().unwrap().is_some() {
            return Ok(());
        }
        *self.frozen.lock().unwrap() = Some(Frozen::new(process));
        if self.asks {
            tx.query_one("SELECT 1", &[]).await?;
        }
        Err("it does not like the event".into())
    }
}

#[tokio::test]
async fn a_batch_that_failed_does_not_wait_for_a_session_that_stands_still() {
    // Whether the handler waits for that session or not: the event is not to blame.
    for asks in [false, true] {
        let kennel = Schema::new().await;
        let freezing = Freezing {
            asks,
            ..Freezing::default()
        };
        let frozen = Arc::clone(&freezing.frozen);
        let follower = kennel.hasty().await.project(freezing);
        let follower = follower.on_failure(OnFailure::stop().retries(0));
        let system = kennel.followed_by(follower);
        kennel.trained(1, &[]).await;
        let settled = tokio::time::timeout(Duration::from_secs(60), system.settle()).await;
        drop(frozen.lock().unwrap().take());
        settled.unwrap().unwrap();
        let status = system.follower("freezing").status().await.unwrap();
        assert_eq!(status.events_behind(), 0);
    }
}

/// Writes down what its session is told of lines that break.
#[derive(Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Projection for Told {
    const NAME: &'static str = "told";
    type Events = DogEvent;
}

impl PostgresProjection for Told {
    async fn handle(
        &mut self,
        _: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let settings = "SELECT current_setting(name) \
             FROM unnest('{tcp_keepalives_idle,tcp_keepalives_interval,tcp_keepalives_count,tcp_user_timeout}'::text[]) name";
        let rows = tx.query(settings, &[]).await?;
        *self.0.lock().unwrap() = rows.iter().map(|row| row.get(0)).collect();
        Ok(())
    }
}

#[tokio::test]
async fn the_server_is_told_to_look_after_its_end_of_a_line() {
    let kennel = Schema::new().await;
    for (dog, said, told) in [
        (
            1,
            "&options=-c%20tcp_keepalives_idle%3D7200%20-c%20tcp_keepalives_interval%3D75%20-c%20tcp_keepalives_count%3D9%20-c%20tcp_user_timeout%3D0",
            ["60", "10", "6", "120000"],
        ),
        // What it does sooner by itself stays so.
        (
            2,
            "&options=-c%20tcp_keepalives_idle%3D20%20-c%20tcp_keepalives_interval%3D75%20-c%20tcp_keepalives_count%3D9%20-c%20tcp_user_timeout%3D30000",
            ["20", "10", "6", "30000"],
        ),
    ] {
        kennel.trained(dog, &[]).await;
        let url = format!("{}?schema={}{said}", kennel.log.url(), kennel.log.schema());
        let store = PostgresStore::connect(&url).await.unwrap();
        let projection = Told::default();
        let noted = Arc::clone(&projection.0);
        let follower = store.project(projection);
        let system = kennel.followed_by(follower);
        system.settle().await.unwrap();
        assert_eq!(*noted.lock().unwrap(), told);
    }
}
