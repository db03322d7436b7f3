//! Tables of the read model beside those of others, of before, and of who makes them at the same time.
use std::sync::Arc;
use std::time::Duration;

use es_core::persistence::{CheckpointStore, EventStore, FollowerId, SnapshotStore};
use es_core::system::OnFailure;
use es_core::{
    Aggregate, Application, BoxError, Follower, Position, Projection, Recorded, StreamId, System,
    Version,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{OpenError, PostgresProjection, PostgresStore, Tables};
use tokio::task::JoinSet;
use tokio_postgres::Transaction;
use trials::projections::{Dog, DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::{Schema, Wall, session};

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

#[tokio::test]
async fn who_reads_for_long_is_named_as_what_a_rebuild_waits_for() {
    let kennel = Schema::new().await;
    let builder = kennel.log.builder();
    let hasty = builder.lock_timeout(Duration::from_millis(100));
    let hasty = hasty.connect().await.unwrap();
    let follower = hasty
        .project(Wall::<1>::default())
        .leased_for(Duration::from_millis(1));
    let system = kennel.followed_by(follower);
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    kennel.execute("BEGIN; SELECT FROM wall").await;
    let refused = system.follower("wall").rebuild().await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(told.contains("a table of a read model"), "{told}");
    kennel.execute("COMMIT").await;
    system.follower("wall").rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
}

#[tokio::test]
async fn who_comes_to_read_does_not_wait_for_who_reads_for_long() {
    let kennel = Schema::new().await;
    let follower = kennel.projected::<1>(&Arc::default());
    let system = kennel.followed_by(follower.leased_for(Duration::from_millis(1)));
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    let onlooker = session(&kennel.log).await;
    kennel.execute("BEGIN; SELECT FROM wall").await;
    let pid = kennel.reader.query_one("SELECT pg_backend_pid()", &[]);
    let pid: i32 = pid.await.unwrap().get(0);
    let handle = system.follower("wall");
    let reading = async {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))";
        while onlooker.query(waiting, &[&pid]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let seen = onlooker.query("SELECT FROM wall", &[]).await.unwrap();
        assert_eq!(seen.len(), 1);
        kennel.execute("COMMIT").await;
    };
    let (rebuilt, ()) = tokio::join!(handle.rebuild(), reading);
    rebuilt.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
}

#[tokio::test]
async fn who_reads_by_a_view_and_a_rebuild_are_not_in_each_others_way() {
    let kennel = Schema::new().await;
    let follower = kennel.projected::<1>(&Arc::default());
    let system = kennel.followed_by(follower.leased_for(Duration::from_millis(1)));
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    let mut readers = JoinSet::new();
    for query in [
        "SELECT FROM wall_seen",
        "SELECT FROM wall_seen",
        "BEGIN; SELECT FROM wall; SELECT pg_sleep(0.02); COMMIT",
    ] {
        let reader = session(&kennel.log).await;
        readers.spawn(async move {
            loop {
                if let Err(refused) = reader.batch_execute(query).await {
                    break refused;
                }
            }
        });
    }
    for _ in 0..20 {
        system.follower("wall").rebuild().await.unwrap();
    }
    let refused = readers.try_join_next();
    assert!(refused.is_none(), "{refused:?}");
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
        if REVISION == 3 {
            let toys = tx.table("my toys");
            let create = format!("CREATE TABLE {toys} (name text)");
            tx.batch_execute(&create).await?;
        }
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
    let other = Schema::new().await;
    let third = System::new("third").follow(&other.app, other.store.project(Long::<3>));
    let refused = third.settle().await.unwrap_err();
    let why = "`my toys` cannot be the name of a table";
    assert!(format!("{refused:?}").contains(why), "{refused:?}");
}

#[tokio::test]
async fn a_dump_of_schema_1_is_brought_up_to_date_with_all_that_is_in_it() {
    let log = TestLog::new().await.unwrap();
    let reader = session(&log).await;
    let schema = log.schema();
    let dump = include_str!("../stored/schema_1.sql").replace("school.", &format!("{schema}."));
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
                needed: 3,
                ..
            }
        ),
        "{refused:?}"
    );
    let migrated = store.migrate().await.unwrap();
    assert_eq!((migrated.from, migrated.to), (1, 3));
    assert_eq!(store.migrate().await.unwrap().from, 3);
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

#[tokio::test]
async fn a_table_of_that_name_in_another_schema_is_not_dropped() {
    let log = TestLog::new().await.unwrap();
    let elsewhere = format!("{}_elsewhere", log.schema());
    // Who works with both schemas has both on the search path.
    let url = format!("{}?options=-c%20search_path%3D{elsewhere}", log.url());
    let builder = PostgresStore::builder(&url).schema(log.schema());
    let store = builder.connect().await.unwrap();
    let kennel = Schema {
        app: Application::builder(store.clone()).name("kennel").build(),
        reader: session(&log).await,
        store,
        log,
    };
    let own = format!(
        "CREATE SCHEMA {elsewhere}; CREATE TABLE {elsewhere}.wall (brick text); INSERT INTO {elsewhere}.wall VALUES ('mine')"
    );
    kennel.execute(&own).await;
    let follower = kennel.projected::<1>(&Arc::default());
    let system = kennel.followed_by(follower.leased_for(Duration::from_millis(1)));
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    kennel.execute("DROP TABLE wall CASCADE").await;
    system.follower("wall").rebuild().await.unwrap();
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
    let brick = format!("SELECT brick FROM {elsewhere}.wall");
    let brick = kennel.reader.query_one(&brick, &[]).await.unwrap();
    assert_eq!(brick.get::<_, &str>(0), "mine");
    kennel
        .execute(&format!("DROP SCHEMA {elsewhere} CASCADE"))
        .await;
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

/// Makes no tables: they are somebody else's.
struct Nothing<const REVISION: u32>;

impl<const REVISION: u32> Projection for Nothing<REVISION> {
    const NAME: &'static str = "nothing";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Nothing<REVISION> {
    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_makes_no_tables_is_not_made_anew_into_those_that_readers_see() {
    let kennel = Schema::new().await;
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
}
