//! Projections inside of commits: groups of them, transactions of the caller's, other processes, other revisions.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

mod revisions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, CheckpointStore, EventStore, FollowerId};
use es_core::system::InlineError;
use es_core::{
    Aggregate as _, Application, BoxError, Error, Position, Projection, Recorded, System,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::{Client, NoTls, Transaction};
use trials::projections::{Dog, DogEvent};
use uuid::Uuid;

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
            "awaited" | "awaited too" => tokio::time::sleep(Duration::from_millis(1_500)).await,
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

/// Its transaction stands still meanwhile, for longer than one without projections may.
#[tokio::test]
async fn a_handler_may_await_something_else() {
    let kennel = kennel().await;
    let builder = PostgresStore::builder(kennel.log.url()).schema(kennel.log.schema());
    let store = builder.lock_timeout(Duration::from_secs(2)).connect().await;
    let store = store.unwrap();
    let app = Application::builder(store.clone()).name("kennel").build();
    app.save(&mut dog(1, &["awaited"])).await.unwrap();
    store.inline(&app, Wall::<1>::default()).await.unwrap();
    app.save(&mut dog(2, &["awaited too", "sit"]))
        .await
        .unwrap();
    assert_eq!(kennel.tricks().await, ["awaited", "awaited too", "sit"]);
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

/// Registers another dog for each.
struct Breeder(Application);

impl Projection for Breeder {
    const NAME: &'static str = "breeder";
    type Events = DogEvent;
}

impl PostgresProjection for Breeder {
    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        _: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let id = Uuid::from_u128(event.stream.id.as_u128() + 1_000);
        let mut pup = Dog::register(id);
        Ok(self.0.save(&mut pup).await.map(|_| ())?)
    }
}

#[tokio::test]
async fn who_saves_inside_of_a_commit_to_its_own_log_is_told_so() {
    let kennel = kennel().await;
    let breeder = Breeder(kennel.app.clone());
    kennel.store.inline(&kennel.app, breeder).await.unwrap();
    let mut dog = Dog::register(Uuid::from_u128(1));
    let refused = kennel.app.save(&mut dog).await.unwrap_err();
    let told = format!("{refused:?}");
    let why = "a projection inside of a commit asks for it, which the commit would wait for";
    assert!(told.contains(why), "{told}");
    assert_eq!(kennel.app.log().head().await.unwrap(), Position::START);
}
