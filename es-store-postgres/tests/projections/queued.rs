//! Handlers that queue what they write: it is as if they had waited for each answer.
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use es_core::persistence::CheckpointStore;
use es_core::system::OnFailure;
use es_core::{Application, BoxError, Follower, Position, Projection, Recorded, StreamId, System};
use es_store_postgres::{PostgresProjection, Tables, Value};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Error, Transaction};
use trials::projection_trials;
use trials::projections::{DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::failing::stopped_at;
use crate::{Schema, session};

/// The tricks of each dog, in a table, by statements that are queued.
struct Wall<const REVISION: u32> {
    failing: Arc<AtomicBool>,
}

impl<const REVISION: u32> Projection for Wall<REVISION> {
    const NAME: &'static str = "wall";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Wall<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [wall, by_dog, seen] = ["wall", "wall_by_dog", "wall_seen"].map(|name| tx.table(name));
        // Each is about what the one before makes.
        for create in [
            format!(
                "CREATE TABLE {wall} (position bigint PRIMARY KEY, dog uuid, trick text, revision bigint)"
            ),
            format!("CREATE INDEX {by_dog} ON {wall} (dog)"),
            format!("CREATE VIEW {seen} AS SELECT * FROM {wall}"),
        ] {
            tx.queue(&create, ()).await?;
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        let position = i64::try_from(event.position.get())?;
        let revision = i64::from(REVISION);
        let insert = format!("INSERT INTO {} VALUES ($1, $2, $3, $4)", tx.table("wall"));
        let values = (position, event.stream.id, trick.clone(), revision);
        tx.queue(&insert, values).await?;
        if self.failing.load(Ordering::SeqCst) {
            match &*trick {
                "impossible" => {
                    let refuse = "DO $$ BEGIN RAISE EXCEPTION 'no dog can do that'; END $$";
                    tx.queue(refuse, ()).await?;
                }
                "absurd" => tx.queue("SELECT $1::text", (revision,)).await?,
                "unknown" => tx.queue("SELECT nothing_like_that()", ()).await?,
                "hidden" => drop(tx.batch_execute("SELECT 1 / 0").await),
                "asking" => tx.flush().await?,
                "late" => return Err("too late".into()),
                "broken" => panic!("as a bug would"),
                "unwritten" => tx.queue("SELECT $1::text", (Panics,)).await?,
                "unwritten at once" => {
                    tx.queue("SELECT $1::text", (Panics,)).await?;
                    tx.flush().await?;
                }
                "ended" | "given up" | "given up at once" => {
                    // Once.
                    self.failing.store(false, Ordering::SeqCst);
                    let what = match &*trick {
                        "ended" => "SELECT pg_terminate_backend(pg_backend_pid())",
                        _ => "DO $$ BEGIN RAISE deadlock_detected; END $$",
                    };
                    tx.queue(what, ()).await?;
                    if trick == "given up at once" {
                        tx.flush().await?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A value of a type with a bug.
#[derive(Debug)]
struct Panics;

impl ToSql for Panics {
    fn to_sql(&self, _: &Type, _: &mut BytesMut) -> Result<IsNull, BoxError> {
        panic!("as a bug would")
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

struct Queueing(Schema);

impl Kennel for Queueing {
    const MADE: &'static [&'static str] = Schema::MADE;

    async fn new() -> Self {
        Self(Schema::new().await)
    }

    fn app(&self) -> &Application {
        self.0.app()
    }

    fn projected<const REVISION: u32>(&self, failing: &Arc<AtomicBool>) -> impl Follower + 'static {
        let failing = Arc::clone(failing);
        self.0.store.project(Wall::<REVISION> { failing })
    }

    async fn rows(&self, table: &str) -> Vec<(Uuid, String, i64)> {
        self.0.rows(table).await
    }

    async fn made(&self) -> Vec<String> {
        self.0.made().await
    }

    async fn execute(&self, statement: &str) {
        self.0.execute(statement).await;
    }
}

projection_trials!(Queueing);

/// On several threads, where an answer may be there before anybody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_of_a_long_batch_is_written_in_its_order() {
    let kennel = Queueing::new().await;
    let tricks: Vec<String> = (0..6_000).map(|number| format!("trick {number}")).collect();
    let tricks: Vec<&str> = tricks.iter().map(String::as_str).collect();
    kennel.trained(1, &tricks).await;
    kennel.system::<1>().settle().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &tricks)]));
}

#[tokio::test]
async fn what_is_refused_fails_at_the_event_that_it_was_queued_for() {
    for (trick, why) in [
        ("impossible", "no dog can do that"),
        ("absurd", "error serializing parameter 0"),
        ("unknown", "nothing_like_that"),
        ("late", "too late"),
        ("broken", "as a bug would"),
        ("unwritten", "a value that was queued panicked"),
        ("unwritten at once", "a value that was queued panicked"),
    ] {
        let kennel = Queueing::new().await;
        kennel.trained(1, &["sit", trick, "bow"]).await;
        kennel.trained(2, &["sit"]).await;
        let failing = Arc::new(AtomicBool::new(true));
        let follow = |on_failure: OnFailure| {
            let follower = kennel.projected::<1>(&failing);
            kennel.followed_by(follower.on_failure(on_failure.retries(0)))
        };
        let stopping = follow(OnFailure::stop());
        let dry = stopping.follower("wall").dry_run(10).await.unwrap();
        let (position, failure) = dry.failure.unwrap();
        assert_eq!(position, Position::from(3));
        assert!(failure.contains(why), "{failure}");
        let failure = stopped_at(&kennel.0, &stopping, "wall", 3).await;
        assert!(failure.contains(why), "{failure}");
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));

        let parking = follow(OnFailure::park());
        parking.settle().await.unwrap();
        let kept = wall(&[(1, &["sit"]), (2, &["sit"])]);
        assert_eq!(kennel.wall().await, kept);
        let status = parking.follower("wall").status().await.unwrap();
        assert_eq!((status.position, status.parked), (Position::from(6), 2));

        failing.store(false, Ordering::SeqCst);
        let dog = StreamId::new("Dog", Uuid::from_u128(1));
        parking.follower("wall").retry(&dog).await.unwrap();
        parking.settle().await.unwrap();
        let all = wall(&[(1, &["sit", trick, "bow"]), (2, &["sit"])]);
        assert_eq!(kennel.wall().await, all);
    }
}

#[tokio::test]
async fn what_fails_behind_many_that_were_sent_fails_at_its_own_event() {
    let kennel = Queueing::new().await;
    let mut tricks = vec!["sit"; 700];
    tricks[600] = "impossible";
    kennel.trained(1, &tricks).await;
    let follower = kennel.projected::<1>(&Arc::new(AtomicBool::new(true)));
    let follower = follower.on_failure(OnFailure::stop().retries(0));
    let system = kennel.followed_by(follower);
    stopped_at(&kennel.0, &system, "wall", 602).await;
    assert_eq!(kennel.wall().await[&1].len(), 600);
}

#[tokio::test]
async fn a_handler_that_hides_an_error_fails_at_its_event_and_takes_nobody_along() {
    for last in ["bow", "asking"] {
        hides_an_error_before(last).await;
    }
}

async fn hides_an_error_before(last: &'static str) {
    let kennel = Queueing::new().await;
    for (dog, trick) in [(1, "sit"), (2, "hidden"), (3, last)] {
        kennel.trained(dog, &[trick]).await;
    }
    let follower = kennel.projected::<1>(&Arc::new(AtomicBool::new(true)));
    let follower = follower.on_failure(OnFailure::park().retries(0));
    let system = kennel.followed_by(follower);
    system.settle().await.unwrap();
    let parked = system.follower("wall").parked().await.unwrap();
    let [parked] = &parked[..] else {
        panic!("{parked:?}");
    };
    assert_eq!(parked.position, Position::from(4));
    let failure = parked.failure.as_deref().unwrap_or_default();
    let why = "a statement of the handler failed, and the handler went on";
    assert!(failure.starts_with(why), "{failure}");
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"]), (3, &[last])]));
}

#[tokio::test]
async fn what_is_queued_is_run_before_the_checkpoint_passes_it_however_short_a_batch_is() {
    let kennel = Queueing::new().await;
    kennel.trained(1, &["sit", "bow", "beg"]).await;
    let store = &kennel.0.store;
    let failing = Arc::default();
    let follower = store.project(Wall::<1> { failing });
    let system = kennel.followed_by(follower.batch_time(Duration::ZERO));
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit", "bow", "beg"])]));
}

#[tokio::test]
async fn what_befalls_the_session_of_what_was_queued_is_not_the_events_fault() {
    for trick in ["ended", "given up", "given up at once"] {
        let kennel = Queueing::new().await;
        kennel.trained(1, &["sit", trick, "bow"]).await;
        let follower = kennel.projected::<1>(&Arc::new(AtomicBool::new(true)));
        // What is not the first of a batch is tried again in any case.
        let follower = follower.batches_of(NonZeroUsize::MIN);
        let follower = follower.on_failure(OnFailure::stop().retries(0));
        kennel.followed_by(follower).settle().await.unwrap();
        let all = wall(&[(1, &["sit", trick, "bow"])]);
        assert_eq!(kennel.wall().await, all);
    }
}

/// How many tricks there are, by what it has read.
#[derive(Clone, Default)]
struct Count {
    /// How many it was asked to handle.
    asked: Arc<AtomicUsize>,
    /// Of two ways to see what is queued.
    flushes: bool,
    refuses: &'static str,
    swallows: bool,
}

impl Projection for Count {
    const NAME: &'static str = "count";
    type Events = DogEvent;
}

impl PostgresProjection for Count {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let count = tx.table("count");
        let create = format!("CREATE TABLE {count} (place bigint PRIMARY KEY CHECK (place <> 2))");
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        self.asked.fetch_add(1, Ordering::SeqCst);
        let count = tx.table("count");
        let seen = match self.seen(&count, tx).await {
            Err(_) if self.swallows => return Ok(()),
            seen => seen?,
        };
        let next = if trick == self.refuses { 2 } else { seen + 10 };
        let insert = format!("INSERT INTO {count} VALUES ($1)");
        let values: Vec<Value> = vec![Box::new(next)];
        Ok(tx.queue(&insert, values).await?)
    }
}

impl Count {
    async fn seen(&self, count: &str, tx: &Transaction<'_>) -> Result<i64, Error> {
        let ask = format!("SELECT count(*) FROM {count}");
        if self.flushes {
            tx.flush().await?;
            return Ok(tx.query_one(&ask, &[]).await?.get(0));
        }
        let ask = tx.prepared(&ask).await?;
        Ok(tx.query_one(&ask, &[]).await?.get(0))
    }
}

#[tokio::test]
async fn who_reads_sees_what_is_queued() {
    for flushes in [false, true] {
        let kennel = Schema::new().await;
        kennel.trained(1, &["sit", "bow", "beg"]).await;
        let count = Count {
            flushes,
            ..Count::default()
        };
        let asked = Arc::clone(&count.asked);
        let system = kennel.followed_by(kennel.store.project(count));
        system.settle().await.unwrap();
        // Who had not seen the one before would have failed, and been asked again.
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        let places = "SELECT place FROM count ORDER BY place";
        let places = kennel.reader.query(places, &[]).await.unwrap();
        let places: Vec<i64> = places.iter().map(|row| row.get(0)).collect();
        assert_eq!(places, [10, 11, 12]);
    }
}

#[tokio::test]
async fn what_somebody_is_told_who_only_reads_fails_at_the_event_that_queued_it() {
    for (flushes, swallows) in [(false, false), (true, false), (false, true), (true, true)] {
        let kennel = Schema::new().await;
        kennel.trained(1, &["sit", "bow", "beg"]).await;
        let count = Count {
            flushes,
            refuses: "bow",
            swallows,
            ..Count::default()
        };
        let follower = kennel.store.project(count.clone());
        let follower = follower.on_failure(OnFailure::stop().retries(0));
        let system = System::new("kennel").follow(&kennel.app, follower);
        let failure = stopped_at(&kennel, &system, "count", 3).await;
        assert!(failure.contains("count_place_check"), "{failure}");
    }
}

#[tokio::test]
async fn a_commit_is_refused_by_what_a_projection_inside_of_it_queued() {
    let kennel = Queueing::new().await;
    let failing = Arc::new(AtomicBool::new(false));
    let inside = Wall::<1> {
        failing: Arc::clone(&failing),
    };
    kennel.0.store.inline(&kennel.0.app, inside).await.unwrap();
    kennel.trained(1, &["sit", "bow"]).await;
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit", "bow"])]));
    failing.store(true, Ordering::SeqCst);
    let mut dog = trials::projections::Dog::register(Uuid::from_u128(2));
    dog.add_trick("sit");
    dog.add_trick("impossible");
    let refused = kennel.app().save(&mut dog).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("no dog can do that"), "{told}");
    assert!(told.contains("at version 3"), "{told}");
    failing.store(false, Ordering::SeqCst);
    kennel.app().save(&mut dog).await.unwrap();
    let both = wall(&[(1, &["sit", "bow"]), (2, &["sit", "impossible"])]);
    assert_eq!(kennel.wall().await, both);
    let head = kennel.app().log().head().await.unwrap();
    let all = kennel.0.store.followers().await.unwrap();
    assert!(all.is_empty() && head == Position::from(6), "{all:?}");

    // It is not known which of them.
    failing.store(true, Ordering::SeqCst);
    dog.add_trick("bow");
    dog.add_trick("hidden");
    dog.add_trick("beg");
    let refused = kennel.app().save(&mut dog).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("and the handler went on"), "{told}");
    assert!(!told.contains("at version"), "{told}");
    failing.store(false, Ordering::SeqCst);
    for _ in 0..600 {
        dog.add_trick("sit");
    }
    kennel.app().save(&mut dog).await.unwrap();
    assert_eq!(kennel.wall().await[&2].len(), 605);
}

#[tokio::test]
async fn outside_of_a_follower_it_is_run_at_once() {
    let kennel = Schema::new().await;
    let mut client = session(&kennel.log).await;
    let tx = client.transaction().await.unwrap();
    tx.queue("CREATE TABLE toys (name text)", ()).await.unwrap();
    tx.queue("INSERT INTO toys VALUES ($1)", ("ball",))
        .await
        .unwrap();
    tx.flush().await.unwrap();
    let toys = tx.query("SELECT name FROM toys", &[]).await.unwrap();
    assert_eq!(toys.len(), 1);
    tx.queue("INSERT INTO toy VALUES ($1)", ("ball",))
        .await
        .unwrap_err();
}
