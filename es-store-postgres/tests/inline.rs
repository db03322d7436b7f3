//! Projections inside of commits: groups of them, transactions of the caller's, other processes, other revisions.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, CheckpointStore, EventStore, FollowerId};
use es_core::system::{AnotherRevision, InlineError};
use es_core::{
    Aggregate, Application, BoxError, Error, Position, Projection, Recorded, Root, System, events,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio::sync::{Notify, Semaphore};
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

fn dog(number: u128, tricks: &[&str]) -> Dog {
    let mut dog = Dog::register(Uuid::from_u128(number));
    for trick in tricks {
        dog.add_trick(trick);
    }
    dog
}

/// The tricks of all dogs, each once, in a table.
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
        let wall = tx.table("wall");
        tx.batch_execute(&format!(
            "CREATE TABLE {wall} (position bigint PRIMARY KEY, trick text UNIQUE, revision bigint)"
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
        match &*trick {
            "final" => return Ok(tx.batch_execute("COMMIT").await?),
            "careless" => {
                let _ = tx.batch_execute("SELECT 1 / 0").await;
                return Ok(());
            }
            "endless" => std::future::pending::<()>().await,
            _ => {}
        }
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES ($1, $2, $3)", tx.table("wall"));
        let insert = tx.prepared(&insert).await?;
        tx.execute(&insert, &[&position, &trick, &i64::from(REVISION)])
            .await?;
        match &*trick {
            "absurd" if self.failing.load(Ordering::SeqCst) => panic!("as a bug would"),
            _ => Ok(()),
        }
    }
}

struct Kennel {
    log: TestLog,
    store: PostgresStore,
    app: Application,
    session: Client,
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
    let app = Application::builder(store.clone()).name("kennel").build();
    app.claim().await.unwrap();
    Kennel {
        app,
        session: session(&log).await,
        store,
        log,
    }
}

impl Kennel {
    /// What another process has.
    async fn another(&self) -> (PostgresStore, Application) {
        let store = self.log.store().await.unwrap();
        let app = Application::builder(store.clone()).name("kennel").build();
        app.claim().await.unwrap();
        (store, app)
    }

    /// Positions, tricks and revisions.
    async fn wall(&self) -> Vec<(i64, String, i64)> {
        let rows = self
            .session
            .query("SELECT * FROM wall ORDER BY position", &[]);
        let rows = rows.await.unwrap();
        rows.iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect()
    }

    async fn tricks(&self) -> Vec<String> {
        let wall = self.wall().await.into_iter();
        wall.map(|(_, trick, _)| trick).collect()
    }

    async fn head(&self) -> u64 {
        self.store.head().await.unwrap().get()
    }
}

fn is_refused(refused: &Error) -> bool {
    let Error::Save(SaveError::Store(AppendError::Projection { projection, .. })) = refused else {
        return false;
    };
    projection == "wall"
}

#[tokio::test]
async fn what_a_statement_or_a_panic_refuses_takes_nobody_along() {
    let kennel = kennel().await;
    kennel.app.save(&mut dog(1, &["sit"])).await.unwrap();
    let inline = Wall::<1>::default();
    inline.failing.store(true, Ordering::SeqCst);
    kennel.store.inline(&kennel.app, inline).await.unwrap();
    let mut saves = tokio::task::JoinSet::new();
    for number in 2..66_u128 {
        let app = kennel.app.clone();
        saves.spawn(async move {
            let trick = match number % 4 {
                0 => "sit".to_owned(),
                1 => "absurd".to_owned(),
                _ => format!("trick {number}"),
            };
            let saved = app.save(&mut dog(number, &[&trick])).await;
            match number % 4 {
                0 | 1 => assert!(is_refused(&saved.unwrap_err())),
                _ => drop(saved.unwrap()),
            }
        });
    }
    saves.join_all().await;
    assert_eq!(kennel.head().await, 2 + 32 * 2);
    let mut tricks = kennel.tricks().await;
    tricks.sort();
    let mut expected: Vec<_> = (2..66)
        .filter(|number| number % 4 > 1)
        .map(|number| format!("trick {number}"))
        .chain(["sit".to_owned()])
        .collect();
    expected.sort();
    assert_eq!(tricks, expected);
    assert!(kennel.store.verify().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn transactions_of_the_caller_run_it_too() {
    let mut kennel = kennel().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    // Tables are found where the log is, and the session finds its own as before.
    let elsewhere = "CREATE SCHEMA own; SET search_path = own; CREATE TABLE notes (note text)";
    let elsewhere = elsewhere.replace("own", &format!("{}_own", kennel.log.schema()));
    kennel.session.batch_execute(&elsewhere).await.unwrap();

    let mut first = dog(1, &["sit"]);
    let tx = kennel.session.transaction().await.unwrap();
    tx.batch_execute("INSERT INTO notes VALUES ('first')")
        .await
        .unwrap();
    let staged = kennel.app.stage(&mut first).unwrap();
    kennel.store.commit_with(tx, staged).await.unwrap();

    let mut twice = dog(2, &["sit"]);
    let tx = kennel.session.transaction().await.unwrap();
    let staged = kennel.app.stage(&mut twice).unwrap();
    let refused = kennel.store.append_in(&tx, staged).await.unwrap_err();
    assert!(
        matches!(refused, AppendError::Projection { .. }),
        "{refused:?}"
    );
    // The rest of the transaction goes on.
    tx.batch_execute("INSERT INTO notes VALUES ('second')")
        .await
        .unwrap();
    let mut third = dog(3, &["bow"]);
    let staged = kennel.app.stage(&mut third).unwrap();
    let appended = kennel.store.append_in(&tx, staged).await.unwrap();
    tx.batch_execute("INSERT INTO notes VALUES ('third')")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    appended.committed();
    let notes = kennel.session.query("SELECT note FROM notes", &[]);
    assert_eq!(notes.await.unwrap().len(), 3);
    let back = format!("SET search_path = {}", kennel.log.schema());
    kennel.session.batch_execute(&back).await.unwrap();
    assert_eq!(kennel.tricks().await, ["sit", "bow"]);
    assert_eq!(twice.pending().len(), 2, "it may be saved again");
    assert_eq!(kennel.head().await, 4);
    let drop = format!("DROP SCHEMA {}_own CASCADE", kennel.log.schema());
    kennel.session.batch_execute(&drop).await.unwrap();
}

#[tokio::test]
async fn two_processes_run_it_and_each_event_is_handled_once() {
    let kennel = kennel().await;
    let (store, app) = kennel.another().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..60_u128 {
        let app = if number % 2 == 0 {
            app.clone()
        } else {
            kennel.app.clone()
        };
        saves.spawn(async move {
            let trick = format!("trick {number}");
            app.save(&mut dog(number, &[&trick])).await.unwrap();
        });
        if number == 20 {
            // While commits are on their way.
            store
                .inline(&app_of(&store), Wall::<1>::default())
                .await
                .unwrap();
        }
    }
    saves.join_all().await;
    app.save(&mut dog(100, &["last"])).await.unwrap();
    assert_eq!(kennel.tricks().await.len(), 61);
    let follower = FollowerId::new("wall", "kennel");
    let reached = kennel.store.standing(&follower).await.unwrap();
    assert_eq!(reached.position, Position::from(kennel.head().await));
}

fn app_of(store: &PostgresStore) -> Application {
    Application::builder(store.clone()).name("kennel").build()
}

#[tokio::test]
async fn a_new_revision_is_made_of_the_whole_log_and_refuses_the_older_program() {
    let kennel = kennel().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    kennel.app.save(&mut dog(1, &["sit", "bow"])).await.unwrap();
    let (store, app) = kennel.another().await;
    store.inline(&app, Wall::<2>::default()).await.unwrap();
    let expected = [(2, "sit".to_owned(), 2), (3, "bow".to_owned(), 2)];
    assert_eq!(kennel.wall().await, expected);
    app.save(&mut dog(2, &["jump"])).await.unwrap();

    let refused = kennel.app.save(&mut dog(3, &["late"])).await.unwrap_err();
    let Error::Save(SaveError::Store(AppendError::Projection { source, .. })) = refused else {
        panic!("{refused:?}");
    };
    let cause = source.downcast_ref::<AnotherRevision>().unwrap();
    assert_eq!((cause.found, cause.known), (2, 1));
    let outdated = kennel.store.inline(&kennel.app, Wall::<1>::default()).await;
    assert!(
        matches!(
            outdated,
            Err(InlineError::Outdated {
                live: 2,
                known: 1,
                ..
            })
        ),
        "{outdated:?}"
    );
    assert_eq!(kennel.tricks().await, ["sit", "bow", "jump"]);
}

#[tokio::test]
async fn what_cannot_handle_the_log_does_not_run() {
    let kennel = kennel().await;
    kennel.app.save(&mut dog(1, &["absurd"])).await.unwrap();
    let inline = Wall::<1>::default();
    inline.failing.store(true, Ordering::SeqCst);
    let refused = kennel.store.inline(&kennel.app, inline).await;
    assert!(
        matches!(
            refused,
            Err(InlineError::Store(AppendError::Projection { .. }))
        ),
        "{refused:?}"
    );
    kennel.app.save(&mut dog(2, &["sit"])).await.unwrap();
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'wall' AND relnamespace = to_regnamespace($1)::oid";
    let schema = kennel.log.schema();
    let tables = kennel.session.query_one(tables, &[&schema]).await;
    assert_eq!(tables.unwrap().get::<_, i64>(0), 0);
    // The name is free.
    let system =
        System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
    system.settle().await.unwrap();
    assert_eq!(kennel.tricks().await, ["absurd", "sit"]);
}

#[tokio::test]
async fn a_handler_that_ends_the_transaction_leaves_the_log_whole() {
    let kennel = kennel().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    let mut ended = dog(1, &["final"]);
    // Its commit is stored, and so it is told; or its fate is not known, and the next save finds out.
    if kennel.app.save(&mut ended).await.is_err() {
        kennel.app.save(&mut ended).await.unwrap();
    }
    assert_eq!(kennel.head().await, 2);
    assert!(kennel.store.verify().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn sessions_that_end_lose_and_repeat_nothing() {
    let kennel = kennel().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..80_u128 {
        let app = kennel.app.clone();
        saves.spawn(async move {
            let mut dog = dog(number, &[&format!("trick {number}")]);
            while app.save(&mut dog).await.is_err() {}
        });
    }
    for _ in 0..6 {
        let kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()";
        kennel
            .session
            .query(kill, &[&kennel.log.schema()])
            .await
            .unwrap();
        tokio::task::yield_now().await;
    }
    saves.join_all().await;
    kennel.app.save(&mut dog(100, &["last"])).await.unwrap();
    assert_eq!(kennel.head().await, 81 * 2);
    let wall = kennel.wall().await;
    assert_eq!(wall.len(), 81, "each once: the table says so too");
    assert!(kennel.store.verify().await.unwrap().findings.is_empty());
}

/// The primary key of the wall refuses a position that is handled twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_while_one_begins_is_handled_once() {
    for _ in 0..6 {
        let kennel = kennel().await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = tokio::task::JoinSet::new();
        for number in 0..4_u128 {
            let (_, app) = kennel.another().await;
            let stop = Arc::clone(&stop);
            writers.spawn(async move {
                let mut count = 0;
                while !stop.load(Ordering::SeqCst) {
                    count += 1;
                    let id = number * 1_000_000 + count;
                    let mut dog = dog(id, &[&format!("trick {id}")]);
                    app.save(&mut dog).await.unwrap();
                }
            });
        }
        while kennel.head().await < 200 {
            tokio::task::yield_now().await;
        }
        let inline = Wall::<1>::default();
        kennel.store.inline(&kennel.app, inline).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
        kennel
            .app
            .save(&mut dog(9_999_999, &["last"]))
            .await
            .unwrap();
        assert_eq!(kennel.wall().await.len() as u64 * 2, kennel.head().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hides_an_error_or_does_not_end_takes_nobody_along() {
    let log = TestLog::new().await.unwrap();
    let builder = log.builder().statement_timeout(Duration::from_millis(200));
    let store = builder.connect().await.unwrap();
    let app = Application::builder(store.clone()).name("kennel").build();
    store.inline(&app, Wall::<1>::default()).await.unwrap();
    for wrong in ["careless", "endless"] {
        let mut saves = tokio::task::JoinSet::new();
        for number in 0..8_u128 {
            let app = app.clone();
            let trick = match number {
                5 => wrong.to_owned(),
                _ => format!("{wrong} trick {number}"),
            };
            let id = u128::from(wrong.len() as u64) * 100 + number;
            saves.spawn(async move {
                let saved = app.save(&mut dog(id, &[&trick])).await;
                match number {
                    5 => assert!(is_refused(&saved.unwrap_err())),
                    _ => drop(saved.unwrap()),
                }
            });
        }
        saves.join_all().await;
    }
    assert_eq!(store.head().await.unwrap().get(), 2 * 7 * 2);
}

/// The same wall, whose handler stands still at an event until it is told to go on.
struct Gated<const REVISION: u32> {
    wall: Wall<REVISION>,
    reached: Arc<Notify>,
    /// Closed once it may go on.
    open: Arc<Semaphore>,
}

impl<const REVISION: u32> Projection for Gated<REVISION> {
    const NAME: &'static str = "wall";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Gated<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        self.wall.create(tx).await
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if matches!(&event.event, DogEvent::TrickAdded { trick } if trick == "gate") {
            self.reached.notify_one();
            drop(self.open.acquire().await);
        }
        self.wall.handle(event, tx).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_inside_runs_on_where_another_cannot_take_its_place() {
    let kennel = kennel().await;
    let first = Wall::<1>::default();
    kennel.store.inline(&kennel.app, first).await.unwrap();
    let (_, other) = kennel.another().await;
    other.save(&mut dog(1, &["gate"])).await.unwrap();
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let second = Gated::<1> {
        wall: Wall::default(),
        reached: Arc::clone(&reached),
        open: Arc::clone(&open),
    };
    second.wall.failing.store(true, Ordering::SeqCst);
    let beginning = kennel.store.inline(&kennel.app, second);
    let meanwhile = async {
        reached.notified().await;
        // Met under the log's lock, when the second takes the place of the first.
        other.save(&mut dog(2, &["absurd"])).await.unwrap();
        open.close();
    };
    let (refused, ()) = tokio::join!(beginning, meanwhile);
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, InlineError::Store(AppendError::Projection { .. })),
        "{refused:?}"
    );
    kennel.app.save(&mut dog(3, &["sit"])).await.unwrap();
    assert_eq!(kennel.tricks().await, ["gate", "absurd", "sit"]);
}

/// Waits until some session of the log's stores waits for a lock.
async fn somebody_waits(kennel: &Kennel) {
    let waiting = "SELECT FROM pg_stat_activity WHERE application_name = $1 AND pg_blocking_pids(pid) <> '{}'";
    let schema = kennel.log.schema();
    let waits = async || kennel.session.query(waiting, &[&schema]).await.unwrap();
    while waits().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_waits_for_the_commits_of_the_old_one() {
    let kennel = kennel().await;
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let old = Gated::<1> {
        wall: Wall::default(),
        reached: Arc::clone(&reached),
        open: Arc::clone(&open),
    };
    kennel.store.inline(&kennel.app, old).await.unwrap();
    let (store, app) = kennel.another().await;
    let mut first = dog(1, &["sit", "gate"]);
    let committing = kennel.app.save(&mut first);
    let beginning = async {
        // The table is written to by then, and the checkpoint is not moved.
        reached.notified().await;
        let new = store.inline(&app, Wall::<2>::default());
        let opening = async {
            somebody_waits(&kennel).await;
            open.close();
        };
        tokio::join!(new, opening).0
    };
    let (committed, begun) = tokio::join!(committing, beginning);
    committed.unwrap();
    begun.unwrap();
    app.save(&mut dog(2, &["bow"])).await.unwrap();
    let expected = [(2, "sit"), (3, "gate"), (5, "bow")];
    let expected = expected.map(|(position, trick)| (position, trick.to_owned(), 2));
    assert_eq!(kennel.wall().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_the_old_revision_writes_nothing_into_what_the_new_one_has_made() {
    let kennel = kennel().await;
    let old = Wall::<1>::default();
    kennel.store.inline(&kennel.app, old).await.unwrap();
    kennel.app.save(&mut dog(1, &["gate"])).await.unwrap();
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let new = Gated::<2> {
        wall: Wall::default(),
        reached: Arc::clone(&reached),
        open: Arc::clone(&open),
    };
    let (store, app) = kennel.another().await;
    let beginning = store.inline(&app, new);
    let mut late = dog(2, &["late"]);
    let committing = async {
        reached.notified().await;
        let late = kennel.app.save(&mut late);
        let opening = async {
            // It saw the old revision, and waits for the table.
            somebody_waits(&kennel).await;
            open.close();
        };
        tokio::join!(late, opening).0
    };
    let (begun, committed) = tokio::join!(beginning, committing);
    begun.unwrap();
    let refused = committed.unwrap_err();
    assert!(is_refused(&refused), "{refused:?}");
    assert_eq!(kennel.wall().await, [(2, "gate".to_owned(), 2)]);
    assert_eq!(kennel.head().await, 2);
}

#[tokio::test]
async fn a_commit_that_postgres_gave_up_for_another_is_tried_again() {
    let kennel = kennel().await;
    let inline = Wall::<1>::default();
    kennel.store.inline(&kennel.app, inline).await.unwrap();
    let other = session(&kennel.log).await;
    let row = "BEGIN; SELECT FROM es_checkpoints WHERE follower = 'wall' FOR UPDATE";
    other.batch_execute(row).await.unwrap();
    let mut dog = dog(1, &["sit"]);
    let saving = kennel.app.save(&mut dog);
    let meanwhile = async {
        // It has written to the table, and would move the checkpoint.
        somebody_waits(&kennel).await;
        let table = "LOCK TABLE wall; COMMIT";
        other.batch_execute(table).await.unwrap();
    };
    let (saved, ()) = tokio::join!(saving, meanwhile);
    saved.unwrap();
    assert_eq!(kennel.tricks().await, ["sit"]);
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
             INSERT INTO {tricks} VALUES ('sit');
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
async fn a_commit_that_a_constraint_refuses_at_its_end_takes_nobody_along() {
    let kennel = kennel().await;
    kennel.store.inline(&kennel.app, Learned).await.unwrap();
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..8_u128 {
        let app = kennel.app.clone();
        saves.spawn(async move {
            let trick = if number == 5 { "fly" } else { "sit" };
            let saved = app.save(&mut dog(number, &[trick])).await;
            match saved {
                Ok(_) => assert_ne!(number, 5),
                Err(Error::Save(SaveError::Store(AppendError::Failed(why)))) => {
                    assert!(number == 5 && why.to_string().contains("deferred"), "{why}");
                }
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    saves.join_all().await;
    let learned = kennel.session.query("SELECT FROM learned", &[]).await;
    assert_eq!((learned.unwrap().len(), kennel.head().await), (7, 14));
}
