//! What the thread that writes tells by `tracing`. It is told for the whole process, so this has a process of its own.
use std::sync::Arc;

use es_core::persistence::EventStore;
use es_core::{Application, BoxError, Projection, Recorded};
use es_store_sqlite::{SqliteProjection, SqliteStore};
use pollster::block_on;
use rusqlite::Transaction;
use trials::log;
use trials::projections::{Dog, DogEvent};
use uuid::Uuid;

/// Refuses whatever there is.
struct Grumpy;

impl Projection for Grumpy {
    const NAME: &'static str = "grumpy";
    type Events = DogEvent;
}

impl SqliteProjection for Grumpy {
    fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Err("no dogs".into())
    }
}

#[test]
fn a_group_of_commits_tells_how_many_it_has_and_how_many_were_refused_and_a_failure_why() {
    let lines = tempfile::NamedTempFile::new().unwrap();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(Arc::new(lines.reopen().unwrap()))
        .with_ansi(false)
        .init();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let open = SqliteStore::builder(&path)
        .busy_timeout(std::time::Duration::ZERO)
        .open();
    let store = block_on(open).unwrap();
    block_on(store.commit(log::one(1, 0))).unwrap();
    block_on(store.commit(log::one(1, 0))).unwrap_err();
    let app = Application::builder(store.clone()).name("kennel").build();
    block_on(store.inline(&app, Grumpy)).unwrap();
    block_on(app.save(&mut Dog::register(Uuid::nil()))).unwrap_err();
    block_on(store.end_inline::<Grumpy>(&app)).unwrap();
    drop(app);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    block_on(store.commit(log::one(1, 0))).unwrap_err();
    drop(store);

    let told = std::fs::read_to_string(&lines).unwrap();
    for part in [
        "commit_group{jobs=1}: es_store_sqlite::commit: committed refused=0",
        "commit_group{jobs=1}: es_store_sqlite::commit: committed refused=1",
        "WARN commit_group{jobs=1}: es_store_sqlite::commit: refused by a projection error=the projection `grumpy` cannot handle `Registered` of `Dog/00000000-",
        "WARN commit_group{jobs=1}: es_store_sqlite::commit: not committed error=",
        "outcome_known=true",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("filled"), "{told}");
}
