//! Projections onto tables, beside the log and inside of its commits.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, CheckpointStore, EventStore, FollowerId};
use es_core::system::OnFailure;
use es_core::{
    Aggregate, Application, BoxError, Error, Follower, Position, Projection, Recorded, System,
};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tempfile::TempDir;
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

impl<const REVISION: u32> SqliteProjection for Wall<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [wall, by_dog, seen] = ["wall", "wall_by_dog", "wall_seen"].map(|name| tx.table(name));
        tx.execute_batch(&format!(
            "CREATE TABLE {wall} (position INTEGER PRIMARY KEY, dog BLOB, trick TEXT, revision INTEGER);
             CREATE INDEX {by_dog} ON {wall} (dog);
             CREATE VIEW {seen} AS SELECT * FROM {wall};"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES (?1, ?2, ?3, ?4)", tx.table("wall"));
        tx.execute(&insert, (position, event.stream.id, &trick, REVISION))?;
        if trick == "impossible" && self.failing.load(Ordering::SeqCst) {
            return Err("no dog can do that".into());
        }
        if trick == "absurd" && self.failing.load(Ordering::SeqCst) {
            panic!("as a bug would");
        }
        Ok(())
    }
}

struct File {
    _folder: TempDir,
    path: PathBuf,
    store: SqliteStore,
    app: Application,
}

impl Kennel for File {
    const MADE: &'static [&'static str] = &["wall", "wall_seen"];

    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("it works");
        let path = folder.path().join("kennel.db");
        let store = SqliteStore::open(&path).await.expect("it works");
        let app = Application::builder(store.clone()).name("kennel").build();
        Self {
            _folder: folder,
            path,
            store,
            app,
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
        let reader = Connection::open(&self.path).expect("it works");
        let query = format!("SELECT dog, trick, revision FROM {table} ORDER BY position");
        let mut statement = reader.prepare(&query).expect("it works");
        let rows = statement.query_map((), |row| row.try_into());
        rows.expect("it works").map(Result::unwrap).collect()
    }

    async fn made(&self) -> Vec<String> {
        let reader = Connection::open(&self.path).expect("it works");
        let mut statement = reader
            .prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name LIKE 'wall%' ORDER BY name")
            .expect("it works");
        let names = statement.query_map((), |row| row.get(0)).expect("it works");
        names.map(Result::unwrap).collect()
    }

    async fn execute(&self, statement: &str) {
        let connection = Connection::open(&self.path).expect("it works");
        connection.execute(statement, ()).expect("it works");
    }
}

projection_trials!(File);

/// What is in a file and in what SQLite keeps beside it.
fn bytes(path: &Path) -> Vec<Vec<u8>> {
    let beside = |ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
    [path.to_owned(), beside("-wal")]
        .iter()
        .map(|path| std::fs::read(path).unwrap_or_default())
        .collect()
}

#[test]
fn a_dry_run_leaves_the_file_byte_for_byte_as_it_was() {
    block_on(async {
        let kennel = File::new().await;
        let tricks = vec!["a trick with a long name, so that there are many pages"; 20_000];
        kennel.trained(1, &tricks).await;
        let system = kennel.system::<1>();
        kennel.app.log().head().await.unwrap();
        let before = bytes(&kennel.path);
        let dry = system.dry_run(100_000).await.unwrap();
        assert_eq!(
            (dry.followers[0].events, &dry.followers[0].failure),
            (20_001, &None)
        );
        assert!(bytes(&kennel.path) == before, "a dry run wrote to the file");
        assert_eq!(kennel.made().await, [""; 0]);
        system.settle().await.unwrap();
        assert_eq!(kennel.wall().await[&1].len(), 20_000);
    });
}

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
fn a_file_of_schema_1_is_brought_up_to_date_with_all_that_is_in_it() {
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("school.db");
        std::fs::copy("tests/stored/schema_1.db", &path).unwrap();
        let refused = SqliteStore::builder(&path).migrate(false).open().await;
        assert_eq!(
            refused.err().unwrap().to_string(),
            format!(
                "the tables in `{}` have version 1, and this program needs 2; call \
                 `SqliteStore::builder(path).migrate(true).open()` once",
                path.display()
            )
        );
        let store = SqliteStore::open(&path).await.unwrap();
        assert!(store.verify().await.unwrap().findings.is_empty());
        assert_eq!(store.head().await.unwrap(), Position::from(9));
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
        let kennel = File {
            _folder: folder,
            path,
            store,
            app,
        };
        assert_eq!(
            kennel.wall().await,
            wall(&[(2, &["sit", "roll over"]), (3, &["sit", "roll over"])])
        );
        let dog = kennel.app.get::<Dog>(Uuid::from_u128(1)).await.unwrap();
        assert_eq!(dog.version().get(), 3);
    });
}

/// The second revision of the wall, which keeps notes too.
struct WallWithNotes;

impl Projection for WallWithNotes {
    const NAME: &'static str = "wall";
    const REVISION: u32 = 2;
    type Events = DogEvent;
}

impl SqliteProjection for WallWithNotes {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let notes = tx.table("wall_notes");
        tx.execute_batch(&format!("CREATE TABLE {notes} (note TEXT)"))?;
        Wall::<2>::default().create(tx)
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        Wall::<2>::default().handle(event, tx)
    }
}

#[test]
fn a_table_that_the_old_revision_never_made_is_left_alone_and_in_the_way() {
    block_on(async {
        let kennel = File::new().await;
        let old =
            System::new("old").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        kennel.trained(1, &["sit"]).await;
        old.settle().await.unwrap();
        let connection = Connection::open(&kennel.path).unwrap();
        let own = "CREATE TABLE wall_notes (note TEXT); INSERT INTO wall_notes VALUES ('mine')";
        connection.execute_batch(own).unwrap();
        let new = System::new("new").follow(&kennel.app, kennel.store.project(WallWithNotes));
        let refused = new.settle().await.unwrap_err();
        assert!(format!("{refused:?}").contains("wall_notes"), "{refused:?}");
        let note: String = connection
            .query_row("SELECT note FROM wall_notes", (), |row| row.get(0))
            .unwrap();
        assert_eq!(note, "mine");
        assert_eq!(
            kennel.wall().await,
            wall(&[(1, &["sit"])]),
            "readers see the old"
        );

        connection
            .execute_batch("ALTER TABLE wall_notes RENAME TO notes")
            .unwrap();
        new.settle().await.unwrap();
        assert_eq!(kennel.made().await, ["wall", "wall_notes", "wall_seen"]);
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
    });
}

/// How often each dog learnt something, which a trigger counts, and a view of a view of that.
struct Counts<const REVISION: u32>;

impl<const REVISION: u32> Projection for Counts<REVISION> {
    const NAME: &'static str = "counts";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> SqliteProjection for Counts<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let names = [
            "learnt",
            "my_learnt",
            "counting",
            "a_counts",
            "b_counts",
            "a_reset",
            "c_reset",
        ];
        let [learnt, count, counting, a, b, first, last] = names.map(|name| tx.table(name));
        tx.execute_batch(&format!(
            "CREATE TABLE {learnt} (position INTEGER PRIMARY KEY);
             CREATE TABLE {count} (learnt INTEGER NOT NULL);
             INSERT INTO {count} VALUES (0);
             CREATE TRIGGER {counting} AFTER INSERT ON {learnt} BEGIN UPDATE {count} SET learnt = learnt + 1; END;
             CREATE VIEW {a} AS SELECT b.learnt FROM \"{b}\" AS b;
             CREATE VIEW {b} AS SELECT learnt, '{learnt}' AS \"of\" FROM {count};
             CREATE TRIGGER {first} INSTEAD OF DELETE ON {b} BEGIN SELECT RAISE(IGNORE); END;
             CREATE TRIGGER {last} INSTEAD OF UPDATE ON {b} BEGIN UPDATE {count} SET learnt = NEW.learnt; END;"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let position = i64::try_from(event.position.get())?;
        let insert = format!("INSERT INTO {} VALUES (?1)", tx.table("learnt"));
        tx.execute(&insert, [position])?;
        Ok(())
    }
}

#[test]
fn views_and_triggers_of_a_projection_go_with_its_tables() {
    block_on(async {
        let kennel = File::new().await;
        let reader = Connection::open(&kennel.path).unwrap();
        let counted = || {
            let count = "SELECT learnt FROM a_counts";
            reader
                .query_row(count, (), |row| row.get::<_, i64>(0))
                .unwrap()
        };
        let system = kennel.followed_by(kennel.store.project(Counts::<1>));
        kennel.trained(1, &["sit"]).await;
        system.settle().await.unwrap();
        assert_eq!(counted(), 2);
        for dog in [2, 3] {
            system.follower("counts").rebuild().await.unwrap();
            kennel.trained(dog, &[]).await;
            system.settle().await.unwrap();
            assert_eq!(counted(), 1 + i64::try_from(dog).unwrap());
        }
        let newer = kennel.followed_by(kennel.store.project(Counts::<2>));
        newer.settle().await.unwrap();
        kennel.trained(4, &[]).await;
        newer.settle().await.unwrap();
        assert_eq!(counted(), 5);
        let endings = "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%\\_\\_%' ESCAPE '\\' OR sql LIKE '%\\_\\_%' ESCAPE '\\'";
        let endings = reader.query_row(endings, (), |row| row.get(0));
        assert_eq!(endings, Ok(0));
    });
}

#[test]
fn a_table_of_somebody_elses_is_not_dropped_for_what_was_never_made() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let connection = Connection::open(&kennel.path).unwrap();
        let own = "CREATE TABLE wall (brick TEXT); INSERT INTO wall VALUES ('mine')";
        connection.execute_batch(own).unwrap();
        let system =
            System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        let refused = system.follower("wall").rebuild().await.unwrap_err();
        assert!(format!("{refused:?}").contains("wall"), "{refused:?}");
        let brick: String = connection
            .query_row("SELECT brick FROM wall", (), |row| row.get(0))
            .unwrap();
        assert_eq!(brick, "mine");
    });
}

/// Two tables, of which one refers to the other.
struct Related;

impl Projection for Related {
    const NAME: &'static str = "related";
    type Events = DogEvent;
}

impl SqliteProjection for Related {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (dogs, tricks) = (tx.table("dogs"), tx.table("tricks"));
        tx.execute_batch(&format!(
            "CREATE TABLE {dogs} (dog BLOB PRIMARY KEY);
             CREATE TABLE {tricks} (dog BLOB NOT NULL REFERENCES {dogs} (dog), trick TEXT);"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let dog = event.stream.id;
        match event.event {
            DogEvent::TrickAdded { trick } => {
                let insert = format!("INSERT INTO {} VALUES (?1, ?2)", tx.table("tricks"));
                tx.execute(&insert, (dog, trick))?;
            }
            _ => {
                let insert = format!("INSERT INTO {} VALUES (?1)", tx.table("dogs"));
                tx.execute(&insert, [dog])?;
            }
        }
        Ok(())
    }
}

#[test]
fn tables_that_refer_to_each_other_are_built_again() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let system = kennel.followed_by(kennel.store.project(Related));
        system.settle().await.unwrap();
        for _ in 0..2 {
            let until = es_core::system::Until::Position(Position::MAX);
            let handle = system.follower("related");
            handle.rebuild_until(until, "early").await.unwrap();
            handle.rebuild().await.unwrap();
        }
        let reader = Connection::open(&kennel.path).unwrap();
        let both = "SELECT trick FROM tricks JOIN dogs USING (dog)";
        let trick: String = reader.query_row(both, (), |row| row.get(0)).unwrap();
        assert_eq!(trick, "sit");
    });
}

/// What dogs learnt, who must be known by the end of the commit; those of three digits never are.
#[derive(Clone)]
struct Known;

impl Projection for Known {
    const NAME: &'static str = "known";
    type Events = DogEvent;
}

impl SqliteProjection for Known {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        tx.execute_batch(
            "CREATE TABLE known (dog BLOB PRIMARY KEY);
             CREATE TABLE learnt (dog BLOB REFERENCES known DEFERRABLE INITIALLY DEFERRED);",
        )?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let dog = event.stream.id;
        let table = match event.event {
            DogEvent::Registered { .. } if dog.as_u128() >= 100 => return Ok(()),
            DogEvent::Registered { .. } => "known",
            DogEvent::TrickAdded { .. } => "learnt",
        };
        tx.execute(&format!("INSERT INTO {table} VALUES (?1)"), [dog])?;
        Ok(())
    }
}

#[test]
fn a_key_that_is_refused_at_the_end_of_a_batch_is_of_one_event() {
    block_on(async {
        let kennel = File::new().await;
        let follower = kennel.store.project(Known);
        let follower = follower.on_failure(OnFailure::stop().retries(1));
        let system = kennel.followed_by(follower);
        for dog in [1, 2, 3, 100, 4, 5] {
            kennel.trained(dog, &["sit"]).await;
        }
        let stopped = system.settle().await.unwrap_err();
        let told = format!("{stopped:?}");
        assert!(
            told.contains("at position 8 failed 2 times: a foreign key refers"),
            "{told}"
        );
        let status = system.follower("known").status().await.unwrap();
        assert_eq!(status.position, Position::from(7));
    });
}

#[test]
fn a_key_that_is_refused_at_the_end_of_a_group_is_of_one_commit() {
    block_on(async {
        let kennel = File::new().await;
        kennel.store.inline(&kennel.app, Known).await.unwrap();
        let save = async |dog: u128| {
            let mut dog = Dog::register(Uuid::from_u128(dog));
            dog.add_trick("sit");
            let first = kennel.app.save(&mut dog).await;
            let again = kennel.app.save(&mut dog).await;
            (first.map(drop), again.map(drop))
        };
        // All of them wait, and are written together.
        let mut other = Connection::open(&kennel.path).unwrap();
        let tx = other
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let held = std::thread::scope(|scope| {
            let savers =
                [1, 2, 100, 3, 4].map(|dog| scope.spawn(move || (dog, block_on(save(dog)))));
            std::thread::sleep(Duration::from_millis(100));
            tx.rollback().unwrap();
            savers.map(|saver| saver.join().unwrap())
        });
        for (dog, answers) in held {
            match (dog, answers) {
                (100, (Err(first), Err(again))) => {
                    for refused in [first, again] {
                        let Error::Save(SaveError::Store(AppendError::Failed(why))) = refused
                        else {
                            panic!("{refused:?}");
                        };
                        assert!(why.to_string().contains("refers to a row"), "{why}");
                    }
                }
                (100, answers) => panic!("{answers:?}"),
                (_, answers) => assert!(matches!(answers, (Ok(()), Ok(()))), "{answers:?}"),
            }
        }
        assert_eq!(kennel.store.head().await.unwrap(), Position::from(8));
    });
}

#[test]
fn a_row_that_refers_to_a_read_model_is_in_the_way_of_another_and_told() {
    block_on(async {
        let kennel = File::new().await;
        let system = kennel.system::<1>();
        kennel.trained(1, &["sit"]).await;
        system.settle().await.unwrap();
        kennel
            .execute("CREATE TABLE likes (trick INTEGER REFERENCES wall (position))")
            .await;
        kennel.execute("INSERT INTO likes VALUES (2)").await;
        let refused = system.follower("wall").rebuild().await.unwrap_err();
        let told = format!("{refused:?}");
        assert!(
            told.contains("it cannot run: a foreign key refers"),
            "{told}"
        );
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
        kennel.execute("DROP TABLE likes").await;
        system.follower("wall").rebuild().await.unwrap();
    });
}
