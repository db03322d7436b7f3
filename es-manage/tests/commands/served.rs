//! The school on a server: each application in a database of its own.
use es_core::system::{OnFailure, ProcessManager, Projection, System};
use es_core::{Application, BoxError, Follower, Recorded};
use es_store::{AnyStore, Stores};
use es_store_postgres::testing::{Disk, Server};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use expect_test::expect;
use tokio_postgres::{NoTls, Transaction};

use crate::Test;
use crate::child::{Ended, Place};
use crate::printed::check;
use crate::school::{Certificate, Certificates, Dog, DogEvent, Trainer};

pub(crate) const TESTS: &[Test] = &[(
    "a_school_on_a_server_is_migrated_followed_and_made_anew",
    a_school_on_a_server_is_migrated_followed_and_made_anew,
)];

/// Every trick that was ever learnt.
struct Wall;

impl Projection for Wall {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl PostgresProjection for Wall {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let create = format!("CREATE TABLE {} (trick text)", tx.table("wall"));
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            if trick == "impossible" {
                return Err("no dog can do that".into());
            }
            let insert = format!("INSERT INTO {} VALUES ($1)", tx.table("wall"));
            let insert = tx.prepared(&insert).await?;
            tx.execute(&insert, &[&trick]).await?;
        }
        Ok(())
    }
}

pub(crate) async fn system(stores: Stores) -> Result<System, BoxError> {
    let (school, store) = stores.settings("school").builder_and_store().await?;
    let AnyStore::Postgres(store) = store else {
        return Err("this school is kept on a server".into());
    };
    let school = school.build();
    let office = stores.settings("office").open().await?;
    let wall = store.project(Wall).on_failure(OnFailure::park().retries(0));
    Ok(System::new("school")
        .application(&school, |types| {
            types.aggregate::<Dog>().aggregate::<Trainer>()
        })
        .application(&office, |types| types.aggregate::<Certificate>())
        .follow(&school, wall)
        .follow(&school, Certificates.onto(&office)))
}

struct School {
    place: Place,
    server: Server,
}

impl School {
    fn url(&self, name: &str) -> String {
        let url = self.server.url();
        format!("{}{name}", url.trim_end_matches("postgres"))
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ended {
        let mut command = self.place.command(arguments);
        command
            .env("MANAGED", "served")
            .env("SCHOOL_ES_STORE", self.url("school"))
            .env("OFFICE_ES_STORE", self.url("office"));
        self.place.ended(command.output().unwrap())
    }

    /// The tricks on the wall, as readers see them.
    async fn wall(&self) -> Vec<String> {
        let (client, connection) = tokio_postgres::connect(&self.url("school"), NoTls)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let rows = client.query("SELECT trick FROM wall", &[]).await.unwrap();
        connection.abort();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn a_school_on_a_server_is_migrated_followed_and_made_anew() {
    let school = School {
        place: Place::new(),
        server: Server::start(Disk::NotWaitedFor).unwrap(),
    };
    for name in ["school", "office"] {
        let made = school.server.program("createdb").arg(name).status();
        assert!(made.unwrap().success());
    }
    // Nothing is done to a server that nobody asked for.
    let ended = school.run(["status"]);
    assert_ne!(ended.status, 0);
    assert!(ended.err.contains("migrate"), "{ended:?}");
    check(
        &school.run(["migrate"]),
        0,
        &expect![[r#"
            school: migrated
        "#]],
        &expect![""],
    );
    check(
        &school.run(["migrate"]),
        0,
        &expect![[r#"
            school: up to date
        "#]],
        &expect![""],
    );

    // Connections end with their runtime.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let learn = async |tricks: &[&str]| {
        let store = PostgresStore::connect(&school.url("school")).await.unwrap();
        let app = Application::builder(store).name("school").build();
        let mut fido = match app.find::<Dog>(Dog::id_for("Fido")).await.unwrap() {
            Some(fido) => fido,
            None => Dog::register("Fido"),
        };
        for trick in tricks {
            fido.add_trick(*trick);
        }
        app.save(&mut fido).await.unwrap();
    };
    runtime.block_on(learn(&["sit", "bow"]));
    check(
        &school.run(["sync-followers"]),
        0,
        &expect![[r#"
            follower      outcome    handled
            wall          caught up        3
            certificates  caught up        3
        "#]],
        &expect![""],
    );
    check(
        &school.run(["status"]),
        0,
        &expect![[r#"
            follower      log     state      behind  waiting  parked  run by
            wall          school  caught up       0                0
            certificates  school  caught up       0                0
        "#]],
        &expect![""],
    );
    assert_eq!(runtime.block_on(school.wall()), ["sit", "bow"]);

    runtime.block_on(learn(&["impossible", "beg"]));
    let ended = school.run(["sync-followers", "wall", "--json"]);
    assert!(ended.out.contains("\"parked\":2"), "{ended:?}");
    let ended = school.run(["parked", "list", "wall"]);
    assert!(ended.out.contains("no dog can do that"), "{ended:?}");

    let ended = school.run(["rebuild", "wall", "--yes"]);
    assert_eq!(runtime.block_on(school.wall()), ["sit", "bow"], "{ended:?}");
    let ended = school.run(["verify"]);
    assert_eq!(ended.status, 0, "{ended:?}");
}
