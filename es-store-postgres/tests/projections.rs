//! Projections onto tables, beside the log.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::persistence::{CheckpointStore, EventStore, FollowerId, SnapshotStore};
use es_core::system::{OnFailure, State, Until};
use es_core::{
    Aggregate, Application, BoxError, Follower, Position, Projection, Recorded, Root, StreamId,
    System, Version, events,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{OpenError, PostgresProjection, PostgresStore, Tables};
use tokio_postgres::{Client, NoTls, Transaction};
use uuid::Uuid;

#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered", id = *id)]
    fn register(id: Uuid) -> Self {
        let _ = id;
        Self { root: Root::new() }
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: &str) {
        let _ = trick;
    }
}

/// The tricks of each dog, in a table.
#[derive(Default, Clone)]
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
        let (wall, by_dog) = (tx.table("wall"), tx.table("wall_by_dog"));
        tx.batch_execute(&format!(
            "CREATE TABLE {wall} (position bigint PRIMARY KEY, dog uuid, trick text, revision bigint);
             CREATE INDEX {by_dog} ON {wall} (dog);"
        ))
        .await?;
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
        let failing = self.failing.load(Ordering::SeqCst);
        if trick == "final" && failing {
            return Ok(tx.batch_execute("COMMIT").await?);
        }
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES ($1, $2, $3, $4)", tx.table("wall"));
        let insert = tx.prepared(&insert).await?;
        let revision = i64::from(REVISION);
        tx.execute(&insert, &[&position, &event.stream.id, &trick, &revision])
            .await?;
        match &*trick {
            "impossible" if failing => Err("no dog can do that".into()),
            "absurd" if failing => panic!("as a bug would"),
            _ => Ok(()),
        }
    }
}

struct Kennel {
    log: TestLog,
    store: PostgresStore,
    app: Application,
    reader: Client,
}

/// A session in the schema of a log.
async fn session(log: &TestLog) -> Client {
    let (client, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let first = format!("SET search_path = {}", log.schema());
    client.batch_execute(&first).await.unwrap();
    client
}

async fn kennel() -> Kennel {
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    Kennel {
        app: Application::builder(store.clone()).name("kennel").build(),
        reader: session(&log).await,
        store,
        log,
    }
}

impl Kennel {
    async fn trained(&self, number: u128, tricks: &[&str]) {
        let mut dog = Dog::register(Uuid::from_u128(number));
        for trick in tricks {
            dog.add_trick(trick);
        }
        self.app.save(&mut dog).await.expect("it works");
    }

    /// The tricks of each dog in a table, as readers see it.
    async fn wall_in(&self, table: &str) -> BTreeMap<u128, Vec<String>> {
        let query = format!("SELECT dog, trick FROM {table} ORDER BY position");
        let mut wall: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in self.reader.query(&query, &[]).await.unwrap() {
            let dog: Uuid = row.get(0);
            wall.entry(dog.as_u128()).or_default().push(row.get(1));
        }
        wall
    }

    async fn wall(&self) -> BTreeMap<u128, Vec<String>> {
        self.wall_in("wall").await
    }

    async fn revision(&self) -> i64 {
        let row = self.reader.query_one("SELECT max(revision) FROM wall", &[]);
        row.await.unwrap().get(0)
    }

    /// What has a name like that of a table that was made, or of its index.
    async fn tables(&self) -> Vec<String> {
        let query = "SELECT relname::text FROM pg_class WHERE relname LIKE 'wall%' AND relname NOT LIKE '%pkey%' \
                     AND relnamespace = to_regnamespace($1)::oid ORDER BY relname";
        let rows = self.reader.query(query, &[&self.log.schema()]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Whatever there is in the schema, row by row.
    async fn everything(&self) -> Vec<String> {
        let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace($1)::oid ORDER BY 1";
        let tables = self.reader.query(tables, &[&self.log.schema()]).await;
        let mut all = Vec::new();
        for table in tables.unwrap() {
            let table: String = table.get(0);
            let rows = format!(
                "SELECT t::text, xmin::text, ctid::text FROM {table} AS t ORDER BY t::text"
            );
            for row in self.reader.query(&rows, &[]).await.unwrap() {
                let [text, by, place]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
                all.push(format!("{table}: {text} by {by} at {place}"));
            }
            all.push(table);
        }
        all
    }
}

fn wall(tricks: &[(u128, &[&str])]) -> BTreeMap<u128, Vec<String>> {
    let owned = |tricks: &[&str]| tricks.iter().map(|trick| (*trick).to_owned()).collect();
    tricks
        .iter()
        .map(|(dog, tricks)| (*dog, owned(tricks)))
        .collect()
}

#[tokio::test]
async fn a_projection_writes_what_happened_with_its_checkpoint() {
    let kennel = kennel().await;
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    kennel.trained(1, &["sit", "bow"]).await;
    system.settle().await.unwrap();
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "bow"]), (2, &["sit"])])
    );
    let status = system.follower("wall").status().await.unwrap();
    assert_eq!((status.position, status.revision), (Position::from(5), 1));
    assert_eq!(status.state, State::CaughtUp);
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_and_what_came_before_is_kept() {
    for trick in ["impossible", "absurd"] {
        let kennel = kennel().await;
        let failing = Wall::<1>::default();
        failing.failing.store(true, Ordering::SeqCst);
        let mended = Arc::clone(&failing.failing);
        let follower = kennel
            .store
            .project(failing)
            .on_failure(OnFailure::stop().retries(1));
        let system = System::new("kennel").follow(&kennel.app, follower);
        kennel.trained(1, &["sit", trick, "bow"]).await;
        assert!(system.settle().await.is_err());
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
        kennel.trained(2, &["sit"]).await;
        mended.store(false, Ordering::SeqCst);
        system.follower("wall").resume().unwrap();
        system.settle().await.unwrap();
        assert_eq!(
            kennel.wall().await,
            wall(&[(1, &["sit", trick, "bow"]), (2, &["sit"])])
        );
    }
}

#[tokio::test]
async fn a_parked_aggregate_waits_in_the_database_too_and_is_drained_in_order() {
    let kennel = kennel().await;
    let failing = Wall::<1>::default();
    failing.failing.store(true, Ordering::SeqCst);
    let mended = Arc::clone(&failing.failing);
    let follow = |wall| {
        let follower = kennel
            .store
            .project(wall)
            .on_failure(OnFailure::park().retries(0));
        System::new("kennel").follow(&kennel.app, follower)
    };
    let system = follow(failing.clone());
    kennel.trained(1, &["sit", "impossible", "bow"]).await;
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    drop(system);
    let system = follow(failing);
    kennel
        .app
        .update(Uuid::from_u128(1), |dog: &mut Dog| dog.add_trick("beg"))
        .await
        .unwrap();
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"]), (2, &["sit"])]));
    let handle = system.follower("wall");
    let parked = handle.parked().await.unwrap();
    let seen: Vec<_> = parked.iter().map(|parked| parked.position.get()).collect();
    assert_eq!(seen, [3, 4, 7]);
    mended.store(false, Ordering::SeqCst);
    let stream = StreamId::new("Dog", Uuid::from_u128(1));
    handle.retry(&stream).await.unwrap();
    system.settle().await.unwrap();
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "impossible", "bow", "beg"]), (2, &["sit"])])
    );
    assert_eq!(handle.parked().await.unwrap(), []);
    mended.store(true, Ordering::SeqCst);
    kennel.trained(3, &["impossible", "bow"]).await;
    system.settle().await.unwrap();
    let stream = StreamId::new("Dog", Uuid::from_u128(3));
    let first = handle.parked().await.unwrap()[0].position;
    handle
        .drop_parked(&stream, first, "ann", "a slip")
        .await
        .unwrap();
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await[&3], ["bow"]);
    assert_eq!(handle.dropped().await.unwrap()[0].by, "ann");
}

#[tokio::test]
async fn a_new_revision_is_built_beside_the_old_one_and_takes_its_place() {
    let kennel = kennel().await;
    kennel.trained(1, &["sit", "bow"]).await;
    let old = System::new("old").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    old.settle().await.unwrap();
    let new = System::new("new").follow(&kennel.app, kennel.store.project(Wall::<2>::default()));

    // One batch of the new revision: readers see the old one.
    new.step().await.unwrap();
    assert_eq!(
        kennel.tables().await,
        ["wall", "wall__r2", "wall_by_dog", "wall_by_dog__r2"]
    );
    assert_eq!(kennel.revision().await, 1);
    kennel.trained(2, &["sit"]).await;
    old.settle().await.unwrap();
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "bow"]), (2, &["sit"])])
    );

    new.settle().await.unwrap();
    assert_eq!(kennel.revision().await, 2);
    assert_eq!(kennel.tables().await, ["wall", "wall_by_dog"]);
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "bow"]), (2, &["sit"])])
    );
    let status = new.follower("wall").status().await.unwrap();
    assert_eq!((status.revision, status.events_behind()), (2, 0));

    // The old program is told so, and writes nothing.
    kennel.trained(3, &["sit"]).await;
    let refused = old.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("revision 2 already"),
        "{refused:?}"
    );
    new.settle().await.unwrap();
    assert_eq!(kennel.wall().await.len(), 3);
}

#[tokio::test]
async fn a_read_model_is_built_again_and_again_beside_what_readers_see() {
    let kennel = kennel().await;
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    kennel.trained(1, &["sit", "bow"]).await;
    system.settle().await.unwrap();
    for round in 0..3_u128 {
        kennel
            .reader
            .batch_execute("DELETE FROM wall")
            .await
            .unwrap();
        system.follower("wall").rebuild().await.unwrap();
        let tricks: BTreeMap<_, _> = kennel.wall().await;
        assert_eq!(tricks.len() as u128, round + 1);
        kennel.trained(2 + round, &["sit"]).await;
        system.settle().await.unwrap();
    }
    assert_eq!(kennel.tables().await, ["wall", "wall_by_dog"]);
}

#[tokio::test]
async fn a_read_model_is_built_as_it_was_into_tables_of_another_name() {
    let kennel = kennel().await;
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    kennel.trained(1, &["sit", "bow"]).await;
    let time = kennel.app.log().read(Position::from(2), 1).await.unwrap()[0].time;
    // Times are whole microseconds, and two commits may share one.
    while std::time::SystemTime::now() <= time + Duration::from_micros(1) {}
    kennel.trained(2, &["sit"]).await;
    system.settle().await.unwrap();
    let handle = system.follower("wall");
    let position = Until::Position(Position::from(2));
    handle.rebuild_until(position, "early").await.unwrap();
    handle
        .rebuild_until(Until::Time(time), "then")
        .await
        .unwrap();
    assert_eq!(kennel.wall_in("wall__early").await, wall(&[(1, &["sit"])]));
    assert_eq!(
        kennel.wall_in("wall__then").await,
        wall(&[(1, &["sit", "bow"])])
    );
    assert_eq!(
        kennel.wall().await,
        wall(&[(1, &["sit", "bow"]), (2, &["sit"])])
    );
    for name in ["", "Early", "a b", "again", "x; DROP TABLE wall"] {
        assert!(
            handle.rebuild_until(position, name).await.is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_dry_run_leaves_every_row_as_it_was() {
    let kennel = kennel().await;
    kennel.trained(1, &["sit"; 2_000]).await;
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    kennel.app.log().head().await.unwrap();
    let before = kennel.everything().await;
    let dry = system.dry_run(100_000).await.unwrap();
    assert_eq!(
        (dry.followers[0].events, &dry.followers[0].failure),
        (2_001, &None)
    );
    assert_eq!(kennel.everything().await, before);
    system.settle().await.unwrap();
    assert_eq!(kennel.wall().await[&1].len(), 2_000);
}

#[tokio::test]
async fn a_handler_that_ends_the_transaction_is_told_so() {
    let kennel = kennel().await;
    let failing = Wall::<1>::default();
    failing.failing.store(true, Ordering::SeqCst);
    let follower = kennel
        .store
        .project(failing)
        .on_failure(OnFailure::stop().retries(0));
    let system = System::new("kennel").follow(&kennel.app, follower);
    kennel.trained(1, &["final"]).await;
    let refused = system.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("leave that to the follower"),
        "{refused:?}"
    );
    let status = system.follower("wall").status().await.unwrap();
    assert_eq!(status.position, Position::from(1));
}

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
    let kennel = kennel().await;
    let (reached, go_on) = <(Arc<tokio::sync::Notify>, Arc<tokio::sync::Notify>)>::default();
    let slow = Slow {
        reached: Arc::clone(&reached),
        go_on: Arc::clone(&go_on),
    };
    let follower = kennel
        .store
        .project(slow)
        .leased_for(Duration::from_millis(1));
    let system = System::new("kennel").follow(&kennel.app, follower);
    kennel.trained(1, &[]).await;
    let id = FollowerId::new("slow", "kennel");
    let other = es_core::persistence::LeaseRequest {
        follower: id.clone(),
        holder: "another".to_owned(),
        length: Duration::from_secs(60),
        epoch: None,
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

#[tokio::test]
async fn a_batch_whose_session_is_ended_is_handled_again() {
    let kennel = kennel().await;
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
        let ended = kennel
            .reader
            .query(statement, &[&kennel.log.schema()])
            .await;
        assert_eq!(ended.unwrap().len(), 1);
        go_on.notify_one();
        reached.notified().await;
        go_on.notify_one();
    };
    let (settled, ()) = tokio::join!(system.settle(), ended);
    settled.unwrap();
    let status = system.follower("slow").status().await.unwrap();
    assert_eq!(status.events_behind(), 0);
}

#[tokio::test]
async fn what_others_made_of_a_read_model_is_not_dropped_with_it() {
    let kennel = kennel().await;
    let follower = kennel
        .store
        .project(Wall::<1>::default())
        .leased_for(Duration::from_millis(1));
    let system = System::new("kennel").follow(&kennel.app, follower);
    kennel.trained(1, &["sit", "bow"]).await;
    system.settle().await.unwrap();
    let view = "CREATE VIEW seen AS SELECT trick FROM wall";
    kennel.reader.batch_execute(view).await.unwrap();
    let refused = system.follower("wall").rebuild().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("drop it"),
        "it says what to do: {refused:?}"
    );
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit", "bow"])]));
    let drop_it = kennel.reader.batch_execute("DROP VIEW seen");
    drop_it.await.unwrap();
    system.follower("wall").rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit", "bow"])]));
    assert_eq!(kennel.tables().await, ["wall", "wall_by_dog"]);
}

/// Has a table whose name is too long once it has an ending.
struct Long<const REVISION: u32>;

impl<const REVISION: u32> Projection for Long<REVISION> {
    const NAME: &'static str = "long";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Long<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let table = tx.table(&"x".repeat(61));
        tx.batch_execute(&format!("CREATE TABLE {table} ()"))
            .await?;
        Ok(())
    }

    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_name_that_postgres_would_cut_off_is_refused() {
    let kennel = kennel().await;
    let old = System::new("old").follow(&kennel.app, kennel.store.project(Long::<1>));
    old.settle().await.unwrap();
    let new = System::new("new").follow(&kennel.app, kennel.store.project(Long::<2>));
    let refused = new.settle().await.unwrap_err();
    assert!(
        format!("{refused:?}").contains("is too long"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_dump_of_schema_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let log = TestLog::new().await.unwrap();
    let reader = session(&log).await;
    let schema = log.schema();
    let dump = include_str!("stored/schema_1.sql").replace("school.", &format!("{schema}."));
    let dump = dump.replace("CREATE SCHEMA school;", &format!("CREATE SCHEMA {schema};"));
    let dropped = format!("DROP SCHEMA {schema} CASCADE");
    reader.batch_execute(&dropped).await.unwrap();
    reader.batch_execute(&dump).await.unwrap();
    let reader = session(&log).await;

    let store = log.store().await.unwrap();
    let refused = store.check().await.unwrap_err();
    assert!(
        matches!(
            refused,
            OpenError::Unmigrated {
                found: 1,
                needed: 2,
                ..
            }
        ),
        "{refused:?}"
    );
    let migrated = store.migrate().await.unwrap();
    assert_eq!((migrated.from, migrated.to), (1, 2));
    assert_eq!(store.migrate().await.unwrap().from, 2);
    assert!(store.verify().await.unwrap().findings.is_empty());
    assert_eq!(store.head().await.unwrap(), Position::from(9));
    let stream = StreamId::new("Dog", Uuid::from_u128(1));
    let snapshot = store.read_snapshot(&stream, Version::MAX).await.unwrap();
    assert_eq!(snapshot.unwrap().version, Version::from(2));
    let id = FollowerId::new("wall", "school");
    let standing = store.standing(&id).await.unwrap();
    assert_eq!(
        (standing.position, standing.stands_at),
        (Position::from(4), None)
    );
    assert_eq!((standing.revision, standing.epoch.get()), (0, 0));

    // Its follower goes on from there.
    let app = Application::builder(store.clone()).name("school").build();
    let system = System::new("school").follow(&app, store.project(Wall::<1>::default()));
    system.settle().await.unwrap();
    let kennel = Kennel {
        log,
        store,
        app,
        reader,
    };
    assert_eq!(
        kennel.wall().await,
        wall(&[(2, &["sit", "roll over"]), (3, &["sit", "roll over"])])
    );
    let dog = kennel.app.get::<Dog>(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(dog.version().get(), 3);
}

#[tokio::test]
async fn a_table_of_somebody_elses_is_not_dropped_for_what_was_never_made() {
    let kennel = kennel().await;
    kennel.trained(1, &["sit"]).await;
    let own = "CREATE TABLE wall (brick text); INSERT INTO wall VALUES ('mine')";
    kennel.reader.batch_execute(own).await.unwrap();
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    let refused = system.follower("wall").rebuild().await.unwrap_err();
    assert!(format!("{refused:?}").contains("wall"), "{refused:?}");
    let brick = kennel.reader.query_one("SELECT brick FROM wall", &[]).await;
    assert_eq!(brick.unwrap().get::<_, &str>(0), "mine");
}
