//! Tables of the read model beside those of others and of before, and what is made besides tables.

use es_core::persistence::{CheckpointStore, EventStore, FollowerId};
use es_core::system::{State, StopReason};
use es_core::{Aggregate, Application, BoxError, Position, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction};
use trials::projections::{Dog, DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::{File, Wall};

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
                "the tables in `{}` have version 1, and this program needs 3; call \
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
        assert_eq!((standing.holder, standing.stopped), (None, None));

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
        let new = || System::new("new").follow(&kennel.app, kennel.store.project(WallWithNotes));
        let stopped = new();
        stopped.settle().await.unwrap_err();
        let status = stopped.follower("wall").status().await.unwrap();
        let State::Stopped(StopReason::Unable { failure }) = status.state else {
            panic!("{:?}", status.state);
        };
        assert!(
            failure.starts_with("something of yours is in the way")
                && failure.contains("wall_notes"),
            "{failure}"
        );
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
        new().settle().await.unwrap();
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
fn a_view_of_the_users_own_shows_what_took_the_place_of_what_it_was_written_for() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let system = kennel.system::<1>();
        system.settle().await.unwrap();
        let view = "CREATE VIEW mine AS SELECT * FROM wall";
        kennel.execute(view).await;
        system.follower("wall").rebuild().await.unwrap();
        kennel.trained(2, &["bow"]).await;
        system.settle().await.unwrap();
        assert_eq!(kennel.rows("mine").await.len(), 2);
        assert_eq!(kennel.rows("mine").await, kennel.rows("wall").await);

        kennel.system::<2>().settle().await.unwrap();
        let rows = kennel.rows("mine").await;
        assert!(rows.iter().all(|(_, _, revision)| *revision == 2));
        assert_eq!(rows.len(), 2);
        let reader = Connection::open(&kennel.path).unwrap();
        let written = "SELECT sql FROM sqlite_schema WHERE name = 'mine'";
        let written = reader.query_row(written, (), |row| row.get::<_, String>(0));
        assert_eq!(written.unwrap(), view);
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

/// Makes no tables: they are somebody else's.
struct Nothing<const REVISION: u32>;

impl<const REVISION: u32> Projection for Nothing<REVISION> {
    const NAME: &'static str = "nothing";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> SqliteProjection for Nothing<REVISION> {
    fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn what_makes_no_tables_is_not_made_anew_into_those_that_readers_see() {
    block_on(async {
        let kennel = File::new().await;
        let system = System::new("old").follow(&kennel.app, kennel.store.project(Nothing::<1>));
        kennel.trained(1, &["sit"]).await;
        system.settle().await.unwrap();
        let rebuilt = system.follower("nothing").rebuild().await.unwrap_err();
        let newer = System::new("new").follow(&kennel.app, kennel.store.project(Nothing::<2>));
        let followed = newer.settle().await.unwrap_err();
        for refused in [rebuilt, followed] {
            assert!(
                format!("{refused:?}").contains("`create` asked for no table"),
                "{refused:?}"
            );
        }
    });
}
