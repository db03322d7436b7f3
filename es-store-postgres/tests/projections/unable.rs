//! What cannot be made, or put in its place, until somebody changes what is in the way.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use es_core::system::{FollowError, InlineError, State, StopReason};
use es_core::{Application, BoxError, Error, ErrorKind, Follower, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::Transaction;
use trials::projections::{DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::{Schema, Wall};

impl Schema {
    /// The store as another process has it, with the projection in some revision.
    async fn replacing<const REVISION: u32>(&self) -> System {
        let store = self.log.store().await.expect("it can be connected");
        of::<REVISION>(&store)
    }
}

fn of<const REVISION: u32>(store: &PostgresStore) -> System {
    let app = Application::builder(store.clone()).name("kennel").build();
    let follower = store.project(Wall::<REVISION>::default());
    System::new("kennel").follow(&app, follower.leased_for(Duration::from_millis(1)))
}

/// Why the follower of the wall stopped, when the system was to settle.
async fn why_it_stopped(system: &System) -> String {
    let settled = system.settle().await.expect_err("something is in the way");
    assert_eq!(settled.kind(), ErrorKind::Failed, "{settled:?}");
    let status = system.follower("wall").status().await;
    let state = status.expect("it can be read").state;
    match state {
        State::Stopped(StopReason::Unable { failure }) => failure,
        state => panic!("{state:?}"),
    }
}

/// Why it was not built anew.
async fn why_it_is_not_rebuilt(system: &System) -> String {
    let refused = system.follower("wall").rebuild().await;
    let refused = refused.expect_err("something is in the way");
    assert_eq!(refused.kind(), ErrorKind::Failed, "{refused:?}");
    let Error::Follow(refused) = refused else {
        panic!("{refused:?}");
    };
    match refused.downcast_ref() {
        Some(FollowError::Stopped { source, .. }) => source.to_string(),
        _ => panic!("{refused:?}"),
    }
}

#[tokio::test]
async fn a_new_revision_that_cannot_take_its_place_stops_and_says_what_is_in_the_way() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit", "bow"]).await;
    of::<1>(&kennel.store).settle().await.unwrap();
    kennel
        .execute("CREATE VIEW seen AS SELECT trick FROM wall")
        .await;
    let failure = why_it_stopped(&kennel.replacing::<2>().await).await;
    assert!(
        failure.starts_with("something of yours, such as a view, needs a table of the read model"),
        "{failure}"
    );
    let detail = "; DETAIL: view seen depends on table wall; ";
    assert!(
        failure.contains(detail) && !failure.contains('\n'),
        "{failure}"
    );
    let rebuilt = why_it_is_not_rebuilt(&kennel.replacing::<1>().await).await;
    assert!(rebuilt.contains(&failure), "{rebuilt}");
    // Whoever asks elsewhere is told it.
    let status = kennel.replacing::<2>().await;
    let status = status.follower("wall").status().await.unwrap();
    assert!(status.stopped.unwrap().reason.contains(&failure));
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit", "bow"])]));

    kennel.execute("DROP VIEW seen").await;
    kennel.replacing::<2>().await.settle().await.unwrap();
    assert!(kennel.rows("wall").await.iter().all(|row| row.2 == 2));
}

#[tokio::test]
async fn a_new_revision_inside_of_commits_that_cannot_take_its_place_says_what_is_in_the_way() {
    let kennel = Schema::new().await;
    let first = kennel.store.inline(&kennel.app, Wall::<1>::default());
    first.await.unwrap();
    kennel
        .execute("CREATE VIEW seen AS SELECT trick FROM wall")
        .await;
    let store = kennel.log.store().await.unwrap();
    let app = Application::builder(store.clone()).name("kennel").build();
    let refused = store.inline(&app, Wall::<2>::default()).await.unwrap_err();
    let told = format!("{refused:?}");
    assert!(
        told.contains("could not be made ready\n  because: something of yours")
            && told.contains("\n  because: db error\n  because: ERROR: "),
        "{told}"
    );
    assert!(format!("{refused:#?}").starts_with("Prepare {\n    follower: "));
    let InlineError::Prepare { source, .. } = refused else {
        panic!("{refused:?}");
    };
    assert!(
        source.to_string().starts_with("something of yours"),
        "{source}"
    );
}

/// Makes nothing of an error.
struct Careless;

impl Projection for Careless {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl PostgresProjection for Careless {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        drop(tx.batch_execute("SELECT 1 / 0").await);
        Ok(())
    }

    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_create_that_hides_an_error_stops_its_follower() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let app = Application::builder(kennel.store.clone())
        .name("kennel")
        .build();
    let system = System::new("kennel").follow(&app, kennel.store.project(Careless));
    let failure = why_it_stopped(&system).await;
    assert!(
        failure.starts_with("a statement of `create` failed, and it went on"),
        "{failure}"
    );
}

/// A role that may read and write the log, and nothing else, and a store whose sessions have it.
pub(crate) async fn role(kennel: &Schema) -> (String, PostgresStore) {
    let name = format!("role_{}", Uuid::now_v7().simple());
    let schema = kennel.log.schema();
    kennel
        .execute(&format!(
            "CREATE ROLE {name}; GRANT {name} TO CURRENT_USER; GRANT USAGE ON SCHEMA {schema} TO {name}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {name}; \
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}"
        ))
        .await;
    let sign = if kennel.log.url().contains('?') {
        '&'
    } else {
        '?'
    };
    let url = format!("{}{sign}options=-c%20role%3D{name}", kennel.log.url());
    let builder = PostgresStore::builder(&url).schema(schema);
    let store = builder.connect().await.expect("it is allowed");
    (name, store)
}

#[tokio::test]
async fn who_may_not_make_the_tables_or_replace_anothers_is_told_whom_to_ask() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let (name, store) = role(&kennel).await;
    let failure = why_it_stopped(&of::<1>(&store)).await;
    let told = "`create` of `wall`, `wall_by_dog`, `wall_seen` failed; grant this user the right, as CREATE on the schema, or run `sync-followers` or \
                `rebuild` as a user who has it: db error: ERROR: permission denied for schema";
    assert!(failure.starts_with(told), "{failure}");
    let dry = of::<1>(&store).dry_run(10).await.unwrap_err();
    assert_eq!(dry.kind(), ErrorKind::Failed, "{dry:?}");
    assert!(format!("{dry:?}").contains(told), "{dry:?}");

    of::<1>(&kennel.store).settle().await.unwrap();
    let schema = kennel.log.schema();
    kennel
        .execute(&format!(
            "GRANT CREATE ON SCHEMA {schema} TO {name}; GRANT ALL ON wall TO {name}"
        ))
        .await;
    let failure = why_it_stopped(&of::<2>(&store)).await;
    assert!(
        failure.starts_with("this user may not do that to the tables of the read model")
            && failure.contains("must be owner of"),
        "{failure}"
    );
    assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
    of::<2>(&kennel.store).settle().await.unwrap();
    kennel
        .execute(&format!("DROP OWNED BY {name}; DROP ROLE {name}"))
        .await;
}

#[tokio::test]
async fn what_passes_is_waited_for_and_tried_again() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    of::<1>(&kennel.store).settle().await.unwrap();
    let builder = kennel.log.builder();
    let hasty = builder.lock_timeout(Duration::from_millis(100));
    let hasty = of::<2>(&hasty.connect().await.unwrap());
    kennel.execute("BEGIN; SELECT FROM wall").await;
    let refused = hasty.settle().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused:?}");
    kennel.execute("COMMIT").await;
    hasty.settle().await.unwrap();
    assert!(kennel.rows("wall").await.iter().all(|row| row.2 == 2));
}

/// Is told something by the server when it makes its table.
struct Told {
    code: &'static str,
    is_told: Arc<AtomicBool>,
}

impl Projection for Told {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl PostgresProjection for Told {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        if self.is_told.load(Ordering::SeqCst) {
            let code = self.code;
            let raise = format!("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$");
            tx.batch_execute(&raise).await?;
        }
        let toys = tx.table("toys");
        let create = format!("CREATE TABLE {toys} (name text)");
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[tokio::test]
async fn what_the_server_says_decides_whether_a_follower_stops_or_tries_again() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let tried_again = [
        "08006", "40001", "40P01", "55P03", "XX000", "57014", "55006", "25006", "53100", "58030",
        "57P01",
    ];
    let stopped = [
        "22012", "23505", "2BP01", "42501", "42601", "54001", "P0001",
    ];
    let all = tried_again.iter().map(|code| (*code, true));
    for (code, passes) in all.chain(stopped.iter().map(|code| (*code, false))) {
        let is_told = Arc::new(AtomicBool::new(true));
        let told = Told {
            code,
            is_told: Arc::clone(&is_told),
        };
        let app = Application::builder(kennel.store.clone()).name("kennel");
        let system = System::new("kennel").follow(&app.build(), kennel.store.project(told));
        let refused = system.settle().await.unwrap_err();
        let expected = if passes {
            ErrorKind::Unavailable
        } else {
            ErrorKind::Failed
        };
        assert_eq!(refused.kind(), expected, "{code}: {refused:?}");
        let state = system.follower("wall").status().await.unwrap().state;
        let is_stopped = matches!(&state, State::Stopped(StopReason::Unable { .. }));
        assert_eq!(is_stopped, !passes, "{code}: {state:?}");
        is_told.store(false, Ordering::SeqCst);
        if is_stopped {
            system.follower("wall").resume().unwrap();
        }
        system
            .settle()
            .await
            .unwrap_or_else(|error| panic!("{code}: {error:?}"));
        kennel
            .execute("DROP TABLE toys; DELETE FROM es_checkpoints")
            .await;
    }
}
