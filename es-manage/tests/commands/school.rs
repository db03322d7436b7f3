//! A school of dogs, an office of certificates, and who follows whom.
use std::future::ready;
use std::num::NonZeroUsize;
use std::time::Duration;

use es_core::application::{ApplicationBuilder, UnitOfWork};
use es_core::system::{Follower, OnFailure, ProcessManager, Projection, System};
use es_core::{Aggregate, Application, BoxError, Recorded, Root, events};
use es_store::{AnyStore, OpenError, Stores};
use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Aggregate, Debug)]
#[aggregate("Dog")]
pub(crate) struct Dog {
    root: Root<Self>,
    name: String,
    tricks: Vec<String>,
}

#[events]
impl Dog {
    pub(crate) fn id_for(name: &str) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("/dogs/{name}").as_bytes())
    }

    #[event("Registered", id = Self::id_for(name))]
    pub(crate) fn register(name: &str) -> Self {
        Self {
            root: Root::new(),
            name: name.to_owned(),
            tricks: Vec::new(),
        }
    }

    #[event("TrickAdded", was = "TrickLearned")]
    pub(crate) fn add_trick(&mut self, trick: impl Into<String>) {
        self.tricks.push(trick);
    }
}

#[derive(Aggregate, Debug, Serialize, Deserialize)]
#[aggregate("Trainer", snapshot_every = 100)]
pub(crate) struct Trainer {
    root: Root<Self>,
    praised: u32,
}

#[events]
impl Trainer {
    #[event("Hired", id = Uuid::nil())]
    pub(crate) fn hire() -> Self {
        Self {
            root: Root::new(),
            praised: 0,
        }
    }

    #[event("Praised")]
    pub(crate) fn praise(&mut self) {
        self.praised += 1;
    }
}

#[derive(Aggregate, Debug)]
#[aggregate("Certificate")]
pub(crate) struct Certificate {
    root: Root<Self>,
    pub(crate) tricks: u32,
}

#[events]
impl Certificate {
    #[event("Opened", id = *dog)]
    pub(crate) fn open(dog: Uuid) -> Self {
        let _ = dog;
        Self {
            root: Root::new(),
            tricks: 0,
        }
    }

    #[event("Counted")]
    pub(crate) fn count(&mut self) {
        self.tricks += 1;
    }
}

/// How often each certificate was counted: follows what the office does.
struct Annals;

impl Projection for Annals {
    const NAME: &'static str = "annals";
    type Events = CertificateEvent;
}

impl SqliteProjection for Annals {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        tx.execute(
            &format!("CREATE TABLE {} (id BLOB)", tx.table("annals")),
            (),
        )?;
        Ok(())
    }

    fn handle(
        &mut self,
        event: Recorded<CertificateEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let insert = format!("INSERT INTO {} VALUES (?1)", tx.table("annals"));
        tx.execute(&insert, [event.stream.id])?;
        Ok(())
    }
}

/// Every trick that was ever learnt.
struct Wall;

impl Projection for Wall {
    const NAME: &'static str = "wall";
    const REVISION: u32 = 2;
    type Events = DogEvent;
}

impl SqliteProjection for Wall {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let wall = tx.table("wall");
        tx.execute(
            &format!("CREATE TABLE {wall} (position INTEGER, trick TEXT)"),
            (),
        )?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            if trick == "impossible" {
                return Err("no dog can do that".into());
            }
            if trick == "endless" {
                std::fs::write("endless", "")?;
                loop {
                    std::thread::park();
                }
            }
            let position = i64::try_from(event.position.get())?;
            let insert = format!("INSERT INTO {} VALUES (?1, ?2)", tx.table("wall"));
            tx.prepare_cached(&insert)?.execute((position, trick))?;
        }
        Ok(())
    }
}

/// A certificate for each dog, which counts its tricks.
pub(crate) struct Certificates;

impl ProcessManager for Certificates {
    const NAME: &'static str = "certificates";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            if trick == "absurd" {
                return Err("the office does not count that".into());
            }
            let id = event.stream.id;
            let found = work.find::<Certificate>(id).await?;
            let mut certificate = found.unwrap_or_else(|| Certificate::open(id));
            certificate.count();
            let print = || ready(Ok::<_, BoxError>(()));
            work.outside("print a certificate", print).await?;
            work.save(certificate);
        }
        Ok(())
    }
}

/// Who is killed keeps its lease for so long.
const LEASE: Duration = Duration::from_millis(500);

/// Small, so that they are killed between two.
const BATCH: NonZeroUsize = NonZeroUsize::new(50).unwrap();

pub(crate) async fn system(stores: Stores) -> Result<System, BoxError> {
    let (school, at_school) = opened(&stores, "school").await?;
    let (office, at_office) = opened(&stores, "office").await?;
    let (school, office) = (school.build(), office.build());
    // Those who are led come first, so that it is seen who puts them in order.
    Ok(System::new("school")
        .application(&school, |types| {
            types.aggregate::<Dog>().aggregate::<Trainer>()
        })
        .application(&office, |types| types.aggregate::<Certificate>())
        .follow(
            &office,
            at_office
                .project(Annals)
                .batches_of(BATCH)
                .leased_for(LEASE),
        )
        .follow(
            &school,
            at_school
                .project(Wall)
                .batches_of(BATCH)
                .on_failure(OnFailure::stop().retries(0))
                .leased_for(LEASE),
        )
        .follow(
            &school,
            Certificates
                .onto(&office)
                .on_failure(OnFailure::park().retries(0))
                .leased_for(LEASE),
        ))
}

/// A system without followers, and without aggregates.
pub(crate) async fn kennel(stores: Stores) -> Result<System, OpenError> {
    let kennel = stores.settings("kennel").open().await?;
    Ok(System::new("kennel").application(&kennel, |types| types))
}

/// A system that follows a log, and names no application.
pub(crate) async fn without_applications(stores: Stores) -> Result<System, BoxError> {
    let (school, at_school) = opened(&stores, "school").await?;
    Ok(System::new("school").follow(&school.build(), at_school.project(Wall)))
}

/// A system that opens its store by itself, whatever is said.
pub(crate) async fn of_its_own(_: Stores) -> Result<System, BoxError> {
    let store = SqliteStore::open("school.db").await?;
    let school = Application::builder(store).name("school").build();
    Ok(System::new("school").application(&school, |types| types.aggregate::<Dog>()))
}

async fn opened(
    stores: &Stores,
    name: &str,
) -> Result<(ApplicationBuilder, SqliteStore), BoxError> {
    let (builder, store) = stores.settings(name).builder_and_store().await?;
    match store {
        AnyStore::Sqlite(store) => Ok((builder, store)),
        _ => Err("the school is kept in files".into()),
    }
}

/// The application of one name, on its file.
pub(crate) async fn application(
    name: &str,
    url: String,
    told: impl FnOnce(ApplicationBuilder) -> ApplicationBuilder,
) -> Application {
    let stores = Stores::new().store(url);
    told(opened(&stores, name).await.unwrap().0).build()
}
