//! Projections onto tables, beside the log.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use es_core::persistence::{
    BoxFuture, CheckpointStore, EventStore, Filter, FollowerId, LeaseRequest, SnapshotStore, Store,
};
use es_core::system::{Batch, HandleError, OnFailure, Output, State, StopReason};
use es_core::{
    Aggregate, Application, BoxError, Follower, Position, Projection, Recorded, StreamId, System,
    Version,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{OpenError, PostgresFollower, PostgresProjection, PostgresStore, Tables};
use tokio_postgres::{Client, NoTls, Transaction};
use trials::faults::process::signal;
use trials::projection_trials;
use trials::projections::{Dog, DogEvent, Kennel, wall};
use uuid::Uuid;

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
        let [wall, by_dog, seen] = ["wall", "wall_by_dog", "wall_seen"].map(|name| tx.table(name));
        tx.batch_execute(&format!(
            "CREATE TABLE {wall} (position bigint PRIMARY KEY, dog uuid, trick text, revision bigint);
             CREATE INDEX {by_dog} ON {wall} (dog);
             CREATE VIEW {seen} AS SELECT * FROM {wall};"
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
        if trick == "careless" && failing {
            let _ = tx.batch_execute("SELECT 1 / 0").await;
            return Ok(());
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

struct Schema {
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

impl Kennel for Schema {
    const MADE: &'static [&'static str] = &["wall", "wall_by_dog", "wall_seen"];

    async fn new() -> Self {
        let log = TestLog::new().await.unwrap();
        let store = log.store().await.unwrap();
        Self {
            app: Application::builder(store.clone()).name("kennel").build(),
            reader: session(&log).await,
            store,
            log,
        }
    }

    fn app(&self) -> &Application {
        &self.app
    }

    fn projected<const REVISION: u32>(&self, failing: &Arc<AtomicBool>) -> impl Follower + 'static {
        let failing = Arc::clone(failing);
        self.store.project(Wall::<REVISION> { failing })
    }

    async fn rows(&self, table: &str) -> Vec<(Uuid, String, i64)> {
        let query = format!("SELECT dog, trick, revision FROM {table} ORDER BY position");
        let rows = self.reader.query(&query, &[]).await.unwrap();
        let columns = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2)));
        columns.collect()
    }

    async fn made(&self) -> Vec<String> {
        let query = "SELECT relname::text FROM pg_class WHERE relname LIKE 'wall%' AND relname NOT LIKE '%pkey%' \
                     AND relnamespace = to_regnamespace($1)::oid ORDER BY relname";
        let rows = self.reader.query(query, &[&self.log.schema()]).await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn execute(&self, statement: &str) {
        self.reader.batch_execute(statement).await.unwrap();
    }
}

projection_trials!(Schema);

impl Schema {
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

#[tokio::test]
async fn a_dry_run_leaves_every_row_as_it_was() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"; 2_000]).await;
    let system = kennel.system::<1>();
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

#[tokio::test]
async fn what_others_made_of_a_read_model_is_not_dropped_with_it() {
    let kennel = Schema::new().await;
    let follower = kennel
        .store
        .project(Wall::<1>::default())
        .leased_for(Duration::from_millis(1));
    let system = kennel.followed_by(follower);
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
    assert_eq!(kennel.made().await, Schema::MADE);
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
    let kennel = Schema::new().await;
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
    let kennel = Schema {
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
    let kennel = Schema::new().await;
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

/// Makes its table where it is not there.
struct Careful;

impl Projection for Careful {
    const NAME: &'static str = "careful";
    type Events = DogEvent;
}

const CAREFUL: &str = "CREATE TABLE IF NOT EXISTS careful (dog uuid)";

impl PostgresProjection for Careful {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(tx.batch_execute(CAREFUL).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = "INSERT INTO careful VALUES ($1)";
        tx.execute(insert, &[&event.stream.id]).await?;
        Ok(())
    }
}

#[tokio::test]
async fn two_who_make_a_table_at_once_are_not_in_each_others_way() {
    let mut kennel = Schema::new().await;
    kennel.trained(1, &[]).await;
    let follower = kennel.store.project(Careful);
    let follower = follower.on_failure(OnFailure::stop().retries(0));
    let system = System::new("kennel").follow(&kennel.app, follower);
    let onlooker = session(&kennel.log).await;
    let pid: i32 = {
        let row = kennel.reader.query_one("SELECT pg_backend_pid()", &[]);
        row.await.unwrap().get(0)
    };
    let other = kennel.reader.transaction().await.unwrap();
    other.batch_execute(CAREFUL).await.unwrap();
    let meanwhile = async {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
        while onlooker.query(waiting, &[&pid]).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.commit().await.unwrap();
    };
    let (settled, ()) = tokio::join!(system.settle(), meanwhile);
    settled.unwrap();
    let dogs = onlooker.query("SELECT dog FROM careful", &[]).await;
    assert_eq!(dogs.unwrap().len(), 1);
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
async fn stopped_at(kennel: &Schema, system: &System, name: &str, at: u64) -> String {
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

/// What dogs have learned, of the tricks that there are: looked at when it is committed.
struct Learned;

impl Projection for Learned {
    const NAME: &'static str = "learned";
    type Events = DogEvent;
}

impl PostgresProjection for Learned {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [tricks, learned] = ["tricks", "learned"].map(|name| tx.table(name));
        tx.batch_execute(&format!(
            "CREATE TABLE {tricks} (trick text PRIMARY KEY);
             INSERT INTO {tricks} VALUES ('sit'), ('bow');
             CREATE TABLE {learned} (trick text REFERENCES {tricks} DEFERRABLE INITIALLY DEFERRED)"
        ))
        .await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            let insert = format!("INSERT INTO {} VALUES ($1)", tx.table("learned"));
            tx.execute(&insert, &[&trick]).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_a_constraint_refuses_at_the_end_fails_at_its_event() {
    let kennel = Schema::new().await;
    let tricks = ["sit", "bow", "fly", "sit", "bow", "sit"];
    kennel.trained(1, &tricks).await;
    let follower = kennel.store.project(Learned);
    let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(0)));
    let failure = stopped_at(&kennel, &system, "learned", 4).await;
    assert!(failure.contains("foreign key"), "{failure}");
    let learned = kennel.reader.query("SELECT FROM learned", &[]).await;
    assert_eq!(learned.unwrap().len(), 2);
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
            DogEvent::TrickAdded { .. } => {}
            DogEvent::Registered { .. } => {
                let own = tx.query_one("SELECT pg_backend_pid()", &[]).await?;
                self.sessions.lock().unwrap().push(own.get(0));
            }
        }
        Ok(())
    }
}

impl Schema {
    /// A store whose statements end soon.
    async fn hasty(&self) -> PostgresStore {
        let builder = self.log.builder();
        let hasty = builder.statement_timeout(Duration::from_millis(100));
        hasty.connect().await.unwrap()
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
