//! A program whose user may read and write the tables, and make none: as `docs/deployment.md` has it.
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use es_core::system::{OnFailure, State};
use es_core::{
    Aggregate, Application, BoxError, Follower, Projection, Recorded, Root, System, events,
};
use es_store_postgres::testing::TestLog;
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls, Transaction};
use uuid::Uuid;

#[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[aggregate("Parcel", snapshot_every = 2, cached)]
struct Parcel {
    root: Root<Self>,
    hub: String,
}

#[events]
impl Parcel {
    #[event("Accepted")]
    fn accept(hub: &str) -> Self {
        Self {
            root: Root::new(),
            hub: hub.to_owned(),
        }
    }

    #[event("Sorted")]
    fn sort(&mut self, hub: &str) {
        self.hub = hub.to_owned();
    }
}

/// Where each parcel is.
struct Hubs<const REVISION: u32>;

impl<const REVISION: u32> Projection for Hubs<REVISION> {
    const NAME: &'static str = "hubs";
    const REVISION: u32 = REVISION;
    type Events = ParcelEvent;
}

impl<const REVISION: u32> PostgresProjection for Hubs<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let create = format!(
            "CREATE TABLE {} (parcel uuid PRIMARY KEY, hub text)",
            tx.table("hubs")
        );
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<ParcelEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let (ParcelEvent::Accepted { hub } | ParcelEvent::Sorted { hub }) = &event.event;
        if hub == "nowhere" {
            return Err("there is no such hub".into());
        }
        let put = format!(
            "INSERT INTO {} VALUES ($1, $2) ON CONFLICT (parcel) DO UPDATE SET hub = excluded.hub",
            tx.table("hubs")
        );
        tx.execute(&put, &[&event.stream.id, hub]).await?;
        Ok(())
    }
}

/// What `docs/deployment.md` says that the user of a program is granted.
fn grants(schema: &str, app: &str) -> String {
    let page = include_str!("../../docs/deployment.md");
    let (_, sql) = page.split_once("```sql\n").expect("the page has it");
    let (sql, _) = sql.split_once("```").expect("it ends");
    sql.replace("SCHEMA parcels", &format!("SCHEMA {schema}"))
        .replace("TO app", &format!("TO {app}"))
}

struct Place {
    log: TestLog,
    role: String,
    owner: Client,
}

impl Place {
    async fn new() -> Self {
        let log = TestLog::new().await.unwrap();
        let (owner, connection) = tokio_postgres::connect(log.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let role = format!("app_of_{}", log.schema());
        let grants = grants(log.schema(), &role);
        let role_and_grants = format!("CREATE ROLE {role}; GRANT {role} TO CURRENT_USER; {grants}");
        owner.batch_execute(&role_and_grants).await.unwrap();
        Self { log, role, owner }
    }

    /// The store as a user that owns nothing.
    async fn store(&self) -> PostgresStore {
        let sign = if self.log.url().contains('?') {
            '&'
        } else {
            '?'
        };
        let url = format!("{}{sign}options=-crole%3D{}", self.log.url(), self.role);
        let store = PostgresStore::builder(&url).schema(self.log.schema());
        store.connect().await.unwrap()
    }

    async fn hubs(&self) -> Vec<(Uuid, String)> {
        let select = format!(
            "SELECT parcel, hub FROM {}.hubs ORDER BY parcel",
            self.log.schema()
        );
        let rows = self.owner.query(&select, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    async fn end(self) {
        let Self { log, role, owner } = self;
        drop(log);
        owner
            .batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
            .await
            .unwrap();
    }
}

fn application(store: &PostgresStore) -> Application {
    Application::builder(store.clone()).name("parcels").build()
}

fn following<const REVISION: u32>(store: &PostgresStore, app: &Application) -> System {
    let hubs = store
        .project(Hubs::<REVISION>)
        .on_failure(OnFailure::park().retries(0));
    System::new("parcels").follow(app, hubs)
}

#[tokio::test]
async fn who_may_read_and_write_the_tables_needs_no_more_once_their_owner_has_made_them() {
    let place = Place::new().await;
    let owners = place.log.store().await.unwrap();
    following::<1>(&owners, &application(&owners))
        .settle()
        .await
        .unwrap();

    let store = place.store().await;
    store.check().await.unwrap();
    let app = application(&store);
    let system = following::<1>(&store, &app);
    let mut parcels: Vec<_> = ["north", "south", "nowhere"].map(Parcel::accept).into();
    app.save(&mut parcels[..]).await.unwrap();
    let ids: Vec<_> = parcels.iter().map(Parcel::id).collect();
    for _ in 0..2 {
        let key = Uuid::from_u128(7);
        let sorted = app
            .once(key)
            .update(ids[0], |parcel: &mut Parcel| parcel.sort("west"));
        sorted.await.unwrap();
    }
    system.settle().await.unwrap();
    let wall = system.follower("hubs");
    assert_eq!(wall.status().await.unwrap().parked, 1);
    let nowhere = &wall.parked().await.unwrap()[0];
    wall.drop_parked(&nowhere.stream, nowhere.position, "ann", "it is closed")
        .await
        .unwrap();
    let mut expected = vec![(ids[0], "west".to_owned()), (ids[1], "south".to_owned())];
    expected.sort();
    assert_eq!(place.hubs().await, expected);
    assert_eq!(app.get::<Parcel>(ids[0]).await.unwrap().hub, "west");
    app.verify().await.unwrap();

    // A new revision has tables of its own.
    let newer = following::<2>(&store, &app);
    let error = newer.settle().await.unwrap_err();
    assert!(
        format!("{error:?}").contains("permission denied"),
        "{error:?}"
    );
    let state = newer.follower("hubs").status().await.unwrap().state;
    assert!(matches!(state, State::Stopped(_)), "{state:?}");
    following::<2>(&owners, &application(&owners))
        .settle()
        .await
        .unwrap();
    newer.follower("hubs").resume().unwrap();
    app.update(ids[1], |parcel: &mut Parcel| parcel.sort("east"))
        .await
        .unwrap();
    newer.settle().await.unwrap();
    expected.iter_mut().find(|(id, _)| *id == ids[1]).unwrap().1 = "east".to_owned();
    let hubs = place.hubs().await;
    assert!(expected.iter().all(|hub| hubs.contains(hub)), "{hubs:?}");
    place.end().await;
}
