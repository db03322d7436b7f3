//! Projections onto tables, beside the log and inside of its commits.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, CheckpointStore, EventStore, FollowerId};
use es_core::system::{OnFailure, State, Until};
use es_core::{
    Aggregate, Application, BoxError, Error, Follower, Position, Projection, Recorded, Root,
    StreamId, System, events,
};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tempfile::TempDir;
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

impl<const REVISION: u32> SqliteProjection for Wall<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (wall, by_dog) = (tx.table("wall"), tx.table("wall_by_dog"));
        tx.execute_batch(&format!(
            "CREATE TABLE {wall} (position INTEGER PRIMARY KEY, dog BLOB, trick TEXT, revision INTEGER);
             CREATE INDEX {by_dog} ON {wall} (dog);"
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

struct Kennel {
    _folder: TempDir,
    path: PathBuf,
    store: SqliteStore,
    app: Application,
}

fn kennel() -> Kennel {
    let folder = tempfile::tempdir().expect("it works");
    let path = folder.path().join("kennel.db");
    let store = block_on(SqliteStore::open(&path)).expect("it works");
    let app = Application::builder(store.clone()).name("kennel").build();
    Kennel {
        _folder: folder,
        path,
        store,
        app,
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
    fn wall_in(&self, table: &str) -> BTreeMap<u128, Vec<String>> {
        let reader = Connection::open(&self.path).expect("it works");
        let query = format!("SELECT dog, trick FROM {table} ORDER BY position");
        let mut statement = reader.prepare(&query).expect("it works");
        let rows = statement.query_map((), |row| Ok((row.get::<_, Uuid>(0)?, row.get(1)?)));
        let mut wall: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows.expect("it works") {
            let (dog, trick): (Uuid, String) = row.expect("it works");
            wall.entry(dog.as_u128()).or_default().push(trick);
        }
        wall
    }

    fn wall(&self) -> BTreeMap<u128, Vec<String>> {
        self.wall_in("wall")
    }

    fn tables(&self) -> Vec<String> {
        let reader = Connection::open(&self.path).expect("it works");
        let mut statement = reader
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'wall%' ORDER BY name")
            .expect("it works");
        let names = statement.query_map((), |row| row.get(0)).expect("it works");
        names.map(Result::unwrap).collect()
    }
}

fn wall(tricks: &[(u128, &[&str])]) -> BTreeMap<u128, Vec<String>> {
    let owned = |tricks: &[&str]| tricks.iter().map(|trick| (*trick).to_owned()).collect();
    tricks
        .iter()
        .map(|(dog, tricks)| (*dog, owned(tricks)))
        .collect()
}

#[test]
fn a_projection_writes_what_happened_with_its_checkpoint() {
    block_on(async {
        let kennel = kennel();
        let system =
            System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        kennel.trained(1, &["sit", "bow"]).await;
        system.settle().await.unwrap();
        kennel.trained(2, &["sit"]).await;
        system.settle().await.unwrap();
        assert_eq!(kennel.wall(), wall(&[(1, &["sit", "bow"]), (2, &["sit"])]));
        let status = system.follower("wall").status().await.unwrap();
        assert_eq!((status.position, status.revision), (Position::from(5), 1));
        assert_eq!(status.state, State::CaughtUp);
    });
}

#[test]
fn a_batch_that_fails_leaves_nothing_and_what_came_before_is_kept() {
    block_on(async {
        for trick in ["impossible", "absurd"] {
            let kennel = kennel();
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
            assert_eq!(kennel.wall(), wall(&[(1, &["sit"])]));
            kennel.trained(2, &["sit"]).await;
            mended.store(false, Ordering::SeqCst);
            system.follower("wall").resume().unwrap();
            system.settle().await.unwrap();
            assert_eq!(
                kennel.wall(),
                wall(&[(1, &["sit", trick, "bow"]), (2, &["sit"])])
            );
        }
    });
}

#[test]
fn a_parked_aggregate_waits_in_the_file_too_and_is_drained_in_order() {
    block_on(async {
        let kennel = kennel();
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
        assert_eq!(kennel.wall(), wall(&[(1, &["sit"]), (2, &["sit"])]));
        let handle = system.follower("wall");
        let parked = handle.parked().await.unwrap();
        let seen: Vec<_> = parked.iter().map(|parked| parked.position.get()).collect();
        assert_eq!(seen, [3, 4, 7]);
        mended.store(false, Ordering::SeqCst);
        let stream = StreamId::new("Dog", Uuid::from_u128(1));
        handle.retry(&stream).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(
            kennel.wall(),
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
        assert_eq!(kennel.wall()[&3], ["bow"]);
        assert_eq!(handle.dropped().await.unwrap()[0].by, "ann");
    });
}

#[test]
fn a_new_revision_is_built_beside_the_old_one_and_takes_its_place() {
    block_on(async {
        let kennel = kennel();
        kennel.trained(1, &["sit", "bow"]).await;
        let old =
            System::new("old").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        old.settle().await.unwrap();
        let new =
            System::new("new").follow(&kennel.app, kennel.store.project(Wall::<2>::default()));

        // One batch of the new revision: readers see the old one.
        new.step().await.unwrap();
        assert_eq!(kennel.tables(), ["wall", "wall__r2"]);
        let reader = Connection::open(&kennel.path).unwrap();
        let revision = || reader.query_row("SELECT max(revision) FROM wall", (), |row| row.get(0));
        assert_eq!(revision(), Ok(1));
        kennel.trained(2, &["sit"]).await;
        old.settle().await.unwrap();
        assert_eq!(kennel.wall(), wall(&[(1, &["sit", "bow"]), (2, &["sit"])]));

        new.settle().await.unwrap();
        assert_eq!(revision(), Ok(2));
        assert_eq!(kennel.tables(), ["wall"]);
        assert_eq!(kennel.wall(), wall(&[(1, &["sit", "bow"]), (2, &["sit"])]));
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
        assert_eq!(kennel.wall().len(), 3);
    });
}

#[test]
fn a_read_model_is_built_again_and_again_beside_what_readers_see() {
    block_on(async {
        let kennel = kennel();
        let system =
            System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        kennel.trained(1, &["sit", "bow"]).await;
        system.settle().await.unwrap();
        for round in 0..3_u128 {
            let broken = Connection::open(&kennel.path).unwrap();
            broken.execute("DELETE FROM wall", ()).unwrap();
            drop(broken);
            system.follower("wall").rebuild().await.unwrap();
            let tricks: BTreeMap<_, _> = kennel.wall();
            assert_eq!(tricks.len() as u128, round + 1);
            kennel.trained(2 + round, &["sit"]).await;
            system.settle().await.unwrap();
        }
        assert_eq!(kennel.tables(), ["wall"]);
    });
}

#[test]
fn a_read_model_is_built_as_it_was_into_tables_of_another_name() {
    block_on(async {
        let kennel = kennel();
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
        assert_eq!(kennel.wall_in("wall__early"), wall(&[(1, &["sit"])]));
        assert_eq!(kennel.wall_in("wall__then"), wall(&[(1, &["sit", "bow"])]));
        assert_eq!(kennel.wall(), wall(&[(1, &["sit", "bow"]), (2, &["sit"])]));
        for name in ["", "Early", "a b", "again", "x; DROP TABLE wall"] {
            assert!(
                handle.rebuild_until(position, name).await.is_err(),
                "{name}"
            );
        }
    });
}

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
        let kennel = kennel();
        let tricks = vec!["a trick with a long name, so that there are many pages"; 20_000];
        kennel.trained(1, &tricks).await;
        let system =
            System::new("kennel").follow(&kennel.app, kennel.store.project(Wall::<1>::default()));
        kennel.app.log().head().await.unwrap();
        let before = bytes(&kennel.path);
        let dry = system.dry_run(100_000).await.unwrap();
        assert_eq!(
            (dry.followers[0].events, &dry.followers[0].failure),
            (20_001, &None)
        );
        assert!(bytes(&kennel.path) == before, "a dry run wrote to the file");
        assert_eq!(kennel.tables(), [""; 0]);
        system.settle().await.unwrap();
        assert_eq!(kennel.wall()[&1].len(), 20_000);
    });
}

#[test]
fn an_inline_projection_is_never_behind_and_refuses_what_it_cannot_handle() {
    block_on(async {
        let kennel = kennel();
        kennel.trained(1, &["sit"]).await;
        let inline = Wall::<1>::default();
        let failing = Arc::clone(&inline.failing);
        kennel.store.inline(&kennel.app, inline).await.unwrap();
        assert_eq!(
            kennel.wall(),
            wall(&[(1, &["sit"])]),
            "what was there is handled first"
        );
        kennel.trained(2, &["sit", "impossible"]).await;
        assert_eq!(kennel.wall()[&2], ["sit", "impossible"]);

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
            assert_eq!(kennel.wall().len(), 2);
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
        assert_eq!(kennel.wall()[&3], ["impossible"]);
    });
}

#[test]
fn an_inline_projection_catches_up_with_what_others_wrote_without_it() {
    block_on(async {
        let kennel = kennel();
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
        assert_eq!(kennel.wall().len(), 0);
        kennel.trained(2, &["bow"]).await;
        assert_eq!(kennel.wall(), wall(&[(1, &["sit"]), (2, &["bow"])]));
    });
}

#[test]
fn a_commit_waits_for_one_batch_at_most() {
    block_on(async {
        let kennel = kennel();
        kennel.trained(1, &vec!["sit"; 5_000]).await;
        // Each batch ends after its first event, and there is always another one waiting.
        let follower = kennel
            .store
            .project(Wall::<1>::default())
            .batch_time(Duration::ZERO);
        let system = System::new("kennel").follow(&kennel.app, follower);
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
        let kennel = Kennel {
            _folder: folder,
            path,
            store,
            app,
        };
        assert_eq!(
            kennel.wall(),
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
        let kennel = kennel();
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
        assert_eq!(kennel.wall(), wall(&[(1, &["sit"])]), "readers see the old");

        connection
            .execute_batch("ALTER TABLE wall_notes RENAME TO notes")
            .unwrap();
        new.settle().await.unwrap();
        assert_eq!(kennel.tables(), ["wall", "wall_notes"]);
        assert_eq!(kennel.wall(), wall(&[(1, &["sit"])]));
    });
}

#[test]
fn a_table_of_somebody_elses_is_not_dropped_for_what_was_never_made() {
    block_on(async {
        let kennel = kennel();
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
