//! Names of tables that are taken, or were made by the same projection before.
use std::fmt;
use std::time::Duration;

use es_core::persistence::FollowerId;
use es_core::system::{InlineError, Until};
use es_core::{BoxError, Follower, Position, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction};
use trials::projections::{DogEvent, Kennel, wall};

use crate::File;

/// Notes each event in the first of its tables, which it makes where they are not there.
struct Guest<const REVISION: u32> {
    names: &'static [&'static str],
}

impl<const REVISION: u32> Projection for Guest<REVISION> {
    const NAME: &'static str = "guest";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> SqliteProjection for Guest<REVISION> {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        for name in self.names {
            let table = tx.table(name);
            tx.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {table} (dog BLOB, revision bigint)"
            ))?;
        }
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} VALUES (?1, ?2)", tx.table(self.names[0]));
        tx.execute(&insert, (event.stream.id, REVISION))?;
        Ok(())
    }
}

impl File {
    fn guest<const REVISION: u32>(&self, names: &'static [&'static str]) -> System {
        let guest = Guest::<REVISION> { names };
        let follower = self.store.project(guest);
        self.followed_by(follower.leased_for(Duration::from_millis(1)))
    }

    async fn inside<const REVISION: u32>(
        &self,
        names: &'static [&'static str],
    ) -> Result<(), InlineError> {
        let guest = Guest::<REVISION> { names };
        self.store.inline(&self.app, guest).await
    }

    /// Which revision noted how many events in a table.
    async fn noted(&self, table: &str) -> Vec<(i64, i64)> {
        let reader = Connection::open(&self.path).expect("it works");
        let query = format!("SELECT revision, count(*) FROM {table} GROUP BY revision");
        let mut statement = reader.prepare(&query).expect("it works");
        let rows = statement.query_map((), |row| row.try_into());
        rows.expect("it works").map(Result::unwrap).collect()
    }
}

fn is_taken<T: fmt::Debug>(refused: Result<T, impl fmt::Debug>, name: &str) {
    let told = format!("{:?}", refused.expect_err("it is taken"));
    let expected = format!("`{name}` is there already");
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn a_table_that_is_there_is_not_taken_for_its_own() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        kennel.system::<1>().settle().await.unwrap();
        kennel
            .execute("CREATE TABLE mine (dog BLOB, revision bigint)")
            .await;
        kennel
            .execute("INSERT INTO mine (revision) VALUES (7)")
            .await;
        for name in [&["Wall"], &["wall_seen"], &["wall_by_dog"], &["mine"]] {
            let system = kennel.guest::<1>(name);
            let follower = system.follower("guest");
            is_taken(follower.dry_run(9).await, name[0]);
            is_taken(system.settle().await, name[0]);
            assert!(follower.rebuild().await.is_err());
            is_taken(kennel.inside::<1>(name).await, name[0]);
        }
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
        assert_eq!(kennel.noted("mine").await, [(7, 1)]);
        let system = kennel.guest::<1>(&["guests"]);
        assert_eq!(system.dry_run(9).await.unwrap().followers[0].failure, None);
        system.settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
    });
}

#[test]
fn a_table_that_is_there_is_not_taken_by_a_new_revision_either() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        kennel.inside::<1>(&["guests"]).await.unwrap();
        kennel
            .execute("CREATE TABLE mine (dog BLOB, revision bigint)")
            .await;
        is_taken(kennel.inside::<2>(&["guests", "mine"]).await, "mine");
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
        kennel.inside::<2>(&["guests", "more"]).await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(2, 2)]);
        kennel
            .store
            .end_inline::<Guest<2>>(&kennel.app)
            .await
            .unwrap();
        let newer = kennel.guest::<3>(&["guests", "mine"]);
        assert!(newer.settle().await.is_err());
        assert_eq!(kennel.noted("guests").await, [(2, 2)]);
        assert_eq!(kennel.noted("mine").await, []);
        // Nor by what was built before and is built anew.
        let as_it_was = async |names| {
            let system = kennel.guest::<2>(names);
            let until = Until::Position(Position::from(1));
            system
                .follower("guest")
                .rebuild_until(until, "before")
                .await
        };
        as_it_was(&["guests"]).await.unwrap();
        kennel
            .execute("CREATE TABLE mine__before (dog BLOB, revision bigint)")
            .await;
        is_taken(as_it_was(&["guests", "mine"]).await, "mine__before");
    });
}

#[test]
fn its_own_is_never_in_its_way() {
    block_on(async {
        let kennel = File::new().await;
        const NAMES: &[&str] = &["guests", "more"];
        kennel.trained(1, &["sit"]).await;
        kennel.guest::<1>(NAMES).settle().await.unwrap();
        kennel
            .guest::<1>(NAMES)
            .follower("guest")
            .rebuild()
            .await
            .unwrap();
        kennel
            .guest::<1>(NAMES)
            .follower("guest")
            .rebuild()
            .await
            .unwrap();
        kennel.guest::<2>(NAMES).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(2, 2)]);
        kennel.inside::<2>(NAMES).await.unwrap();
        kennel.inside::<3>(NAMES).await.unwrap();
        kennel.inside::<3>(NAMES).await.unwrap();
        kennel
            .store
            .end_inline::<Guest<3>>(&kennel.app)
            .await
            .unwrap();
        kennel.guest::<3>(NAMES).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(3, 2)]);
        let as_it_was = async || {
            let system = kennel.guest::<3>(NAMES);
            let until = Until::Position(Position::from(1));
            system
                .follower("guest")
                .rebuild_until(until, "before")
                .await
        };
        as_it_was().await.unwrap();
        as_it_was().await.unwrap();
        assert_eq!(kennel.noted("guests__before").await, [(3, 1)]);
        // Built in part, by a program that is gone.
        kennel.trained(2, &[]).await;
        let newer = kennel.guest::<4>(NAMES);
        newer.step().await.unwrap();
        kennel.inside::<4>(NAMES).await.unwrap();
        kennel
            .store
            .end_inline::<Guest<4>>(&kennel.app)
            .await
            .unwrap();
        kennel.guest::<5>(NAMES).settle().await.unwrap();
        kennel
            .guest::<5>(NAMES)
            .follower("guest")
            .rebuild()
            .await
            .unwrap();
        assert_eq!(kennel.noted("guests").await, [(5, 3)]);
    });
}

#[test]
fn a_create_that_failed_is_not_in_its_own_way() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let broken = kennel.guest::<1>(&["guests", "no name"]);
        let refused = format!("{:?}", broken.settle().await.unwrap_err());
        assert!(!refused.contains("is there already"), "{refused}");
        assert!(kennel.inside::<1>(&["guests", "no name"]).await.is_err());
        kennel
            .guest::<1>(&["guests", "more"])
            .settle()
            .await
            .unwrap();
        let refused = kennel.guest::<2>(&["guests", "no name"]).settle().await;
        let refused = format!("{:?}", refused.unwrap_err());
        assert!(!refused.contains("is there already"), "{refused}");
        kennel
            .guest::<2>(&["guests", "more"])
            .settle()
            .await
            .unwrap();
        assert_eq!(kennel.noted("guests").await, [(2, 2)]);
    });
}

#[test]
fn what_was_made_before_it_was_kept_what_is_made_is_gone_on_with() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        let before =
            "UPDATE es_checkpoints SET revision = 0, output = NULL WHERE follower = 'guest'";
        kennel.execute(before).await;
        kennel.trained(2, &["sit"]).await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(1, 4)]);
        kennel.execute(before).await;
        kennel
            .guest::<1>(&["guests"])
            .follower("guest")
            .rebuild()
            .await
            .unwrap();
        kennel.guest::<2>(&["guests"]).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(2, 4)]);
    });
}

#[test]
fn who_was_forgotten_begins_once_what_it_made_is_dropped() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        let guest = FollowerId::new("guest", "kennel");
        let system = kennel.system::<1>();
        // Its lease ends.
        std::thread::sleep(Duration::from_millis(5));
        let forgotten = system.forget(&guest, "ann", "it moved out").await;
        assert!(forgotten.unwrap());
        is_taken(kennel.guest::<1>(&["guests"]).settle().await, "guests");
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
        kennel.execute("DROP TABLE guests").await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
    });
}

#[test]
fn what_another_had_and_somebody_dropped_is_free() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        let other = "INSERT INTO es_checkpoints (follower, log, position, revision, output) \
                 SELECT 'other', log, position, revision, output FROM es_checkpoints WHERE follower = 'guest'";
        kennel.execute(other).await;
        let forgotten = "DELETE FROM es_checkpoints WHERE follower = 'guest'";
        kennel.execute(forgotten).await;
        is_taken(kennel.guest::<1>(&["guests"]).settle().await, "guests");
        kennel.execute("DROP TABLE guests").await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        kennel
            .guest::<1>(&["guests"])
            .follower("guest")
            .rebuild()
            .await
            .unwrap();
        kennel.guest::<2>(&["guests"]).settle().await.unwrap();
        kennel.inside::<3>(&["guests"]).await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(3, 2)]);
    });
}
