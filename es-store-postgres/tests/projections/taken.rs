//! Names of tables that are taken, or were made by the same projection before.
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use es_core::persistence::FollowerId;
use es_core::system::{InlineError, State, StopReason, Until};
use es_core::{BoxError, Follower, Position, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, Tables};
use tokio::sync::Notify;
use tokio_postgres::Transaction;
use trials::projections::{DogEvent, Kennel, wall};

use crate::Schema;

/// Notes each event in the first of its tables, which it makes where they are not there.
struct Guest<const REVISION: u32> {
    names: &'static [&'static str],
}

impl<const REVISION: u32> Projection for Guest<REVISION> {
    const NAME: &'static str = "guest";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Guest<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        for name in self.names {
            let table = tx.table(name);
            let create = format!("CREATE TABLE IF NOT EXISTS {table} (dog uuid, revision bigint)");
            tx.batch_execute(&create).await?;
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} VALUES ($1, $2)", tx.table(self.names[0]));
        let insert = tx.prepared(&insert).await?;
        let revision = i64::from(REVISION);
        tx.execute(&insert, &[&event.stream.id, &revision]).await?;
        Ok(())
    }
}

impl Schema {
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
        let query = format!("SELECT revision, count(*) FROM {table} GROUP BY revision");
        let rows = self.reader.query(&query, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn is_there(&self, name: &str) -> bool {
        let query = "SELECT to_regclass($1) IS NOT NULL";
        let row = self.reader.query_one(query, &[&name]).await.unwrap();
        row.get(0)
    }
}

fn is_taken<T: fmt::Debug>(refused: Result<T, impl fmt::Debug>, name: &str) {
    let told = format!("{:?}", refused.unwrap_err());
    let expected = format!("`{name}` is there already");
    assert!(told.contains(&expected), "{told}");
}

#[tokio::test]
async fn a_table_that_is_there_is_not_taken_for_its_own() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    kennel.system::<1>().settle().await.unwrap();
    kennel
        .execute("CREATE TABLE mine (dog uuid, revision bigint)")
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
}

#[tokio::test]
async fn a_table_that_is_there_is_not_taken_by_a_new_revision_either() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    kennel.inside::<1>(&["guests"]).await.unwrap();
    kennel
        .execute("CREATE TABLE mine (dog uuid, revision bigint)")
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
        .execute("CREATE TABLE mine__before (dog uuid, revision bigint)")
        .await;
    is_taken(as_it_was(&["guests", "mine"]).await, "mine__before");
}

#[tokio::test]
async fn its_own_is_never_in_its_way() {
    let kennel = Schema::new().await;
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
}

#[tokio::test]
async fn a_create_that_failed_is_not_in_its_own_way() {
    let kennel = Schema::new().await;
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
}

#[tokio::test]
async fn what_was_made_before_it_was_kept_what_is_made_is_gone_on_with() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    kennel.guest::<1>(&["guests"]).settle().await.unwrap();
    let before = "UPDATE es_checkpoints SET revision = 0, output = NULL WHERE follower = 'guest'";
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
}

#[tokio::test]
async fn who_was_forgotten_begins_once_what_it_made_is_dropped() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    kennel.guest::<1>(&["guests"]).settle().await.unwrap();
    let guest = FollowerId::new("guest", "kennel");
    let system = kennel.system::<1>();
    // Its lease ends.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let forgotten = system.forget(&guest, "ann", "it moved out").await;
    assert!(forgotten.unwrap());
    is_taken(kennel.guest::<1>(&["guests"]).settle().await, "guests");
    assert_eq!(kennel.noted("guests").await, [(1, 2)]);
    kennel.execute("DROP TABLE guests").await;
    kennel.guest::<1>(&["guests"]).settle().await.unwrap();
    assert_eq!(kennel.noted("guests").await, [(1, 2)]);
}

#[tokio::test]
async fn what_another_schema_has_of_that_name_is_not_in_its_way() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let other = format!("{}_other", kennel.log.schema());
    let theirs = format!(
        "CREATE SCHEMA {other}; CREATE TABLE {other}.guests (dog uuid, revision bigint); \
         CREATE TEMPORARY TABLE guests (); CREATE TABLE \"Guests\" ()"
    );
    kennel.execute(&theirs).await;
    let whole: &'static str = format!("{other}.GUESTS").leak();
    let names: &'static [&'static str] = vec![whole].leak();
    is_taken(kennel.guest::<1>(names).settle().await, whole);
    kennel.guest::<1>(&["Guests"]).settle().await.unwrap();
    kennel.execute("DROP TABLE pg_temp.guests").await;
    assert_eq!(kennel.noted("guests").await, [(1, 2)]);
    let whole: &'static str = format!("{other}.visits").leak();
    let names: &'static [&'static str] = vec![whole].leak();
    kennel.guest::<2>(names).settle().await.unwrap();
    kennel
        .guest::<2>(names)
        .follower("guest")
        .rebuild()
        .await
        .unwrap();
    assert_eq!(kennel.noted(whole).await, [(2, 2)]);
    assert_eq!(kennel.noted(&format!("{other}.guests")).await, []);
    assert!(kennel.is_there("\"Guests\"").await);
    kennel
        .execute(&format!("DROP SCHEMA {other} CASCADE"))
        .await;
}

/// Makes the same table once it is told to.
#[derive(Default, Clone)]
struct Late {
    reached: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Projection for Late {
    const NAME: &'static str = "late";
    type Events = DogEvent;
}

impl PostgresProjection for Late {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        self.reached.notify_one();
        self.goes_on.notified().await;
        Guest::<1> { names: &["guests"] }.create(tx).await
    }

    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_table_that_another_makes_meanwhile_is_not_taken_for_its_own() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let late = Late::default();
    let meanwhile = async || {
        late.reached.notified().await;
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        late.goes_on.notify_one();
    };
    let follower = kennel.followed_by(kennel.store.project(late.clone()));
    let (refused, ()) = tokio::join!(follower.settle(), meanwhile());
    is_taken(refused, "guests");
    let again = "DROP TABLE guests; DELETE FROM es_checkpoints";
    kennel.execute(again).await;
    let inside = kennel.store.inline(&kennel.app, late.clone());
    let (refused, ()) = tokio::join!(inside, meanwhile());
    is_taken(refused, "guests");
    assert_eq!(kennel.noted("guests").await, [(1, 2)]);
}

#[tokio::test]
async fn two_processes_that_begin_at_once_make_it_once() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let another = kennel.log.store().await.unwrap();
    let inside = || Guest::<1> { names: &["guests"] };
    let app = kennel.app.clone();
    for _ in 0..10 {
        let (one, other) = tokio::join!(
            kennel.store.inline(&app, inside()),
            another.inline(&app, inside())
        );
        one.unwrap();
        // Who came second may have found the other's lock in its way, and says nothing of a name.
        if let Err(error) = other {
            panic!("{error:?}");
        }
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
        kennel.store.end_inline::<Guest<1>>(&app).await.unwrap();
        another.end_inline::<Guest<1>>(&app).await.unwrap();
        let again = "DROP TABLE guests; DELETE FROM es_checkpoints WHERE follower = 'guest'";
        kennel.execute(again).await;
        let one = kennel.guest::<1>(&["guests"]);
        let other = kennel.followed_by(another.project(inside()));
        let (one, other) = tokio::join!(one.step(), other.step());
        for refused in [one.err(), other.err()].into_iter().flatten() {
            let told = format!("{refused:?}");
            assert!(!told.contains("is there already"), "{told}");
        }
        kennel.guest::<1>(&["guests"]).settle().await.unwrap();
        assert_eq!(kennel.noted("guests").await, [(1, 2)]);
        kennel.execute(again).await;
    }
}

#[tokio::test]
async fn what_another_had_and_somebody_dropped_is_free() {
    let kennel = Schema::new().await;
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
}

#[tokio::test]
async fn a_new_revision_stops_where_somebody_has_the_name_of_a_table_that_it_adds() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    kennel.guest::<1>(&["hall"]).settle().await.unwrap();
    kennel.execute("CREATE TABLE bath (water text)").await;
    let newer = kennel.guest::<2>(&["hall", "bath"]);
    newer.settle().await.unwrap_err();
    let status = newer.follower("guest").status().await.unwrap();
    let State::Stopped(StopReason::Unable { failure }) = status.state else {
        panic!("{:?}", status.state);
    };
    let told = "something of yours has the name of a table of the read model; ";
    assert!(failure.starts_with(told), "{failure}");
    kennel.execute("DROP TABLE bath").await;
    let newer = kennel.guest::<2>(&["hall", "bath"]);
    newer.settle().await.unwrap();
}
