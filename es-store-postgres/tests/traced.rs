//! What the task that writes tells by `tracing`. It is told for the whole process, so this has a process of its own.
use std::sync::Arc;

use es_core::persistence::EventStore;
use es_core::{Application, BoxError, Projection, Recorded};
use es_store_postgres::PostgresProjection;
use es_store_postgres::testing::TestLog;
use tokio_postgres::Transaction;
use trials::log;
use trials::projections::{Dog, DogEvent};
use uuid::Uuid;

/// Refuses whatever there is.
struct Grumpy;

impl Projection for Grumpy {
    const NAME: &'static str = "grumpy";
    type Events = DogEvent;
}

impl PostgresProjection for Grumpy {
    async fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        Err("no dogs".into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_commits_tells_how_many_it_has_and_how_many_were_refused_and_a_lost_connection()
{
    let lines = tempfile::NamedTempFile::new().unwrap();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(Arc::new(lines.reopen().unwrap()))
        .with_ansi(false)
        .with_thread_names(true)
        .init();
    let place = TestLog::new().await.unwrap();
    let store = place.store().await.unwrap();
    store.commit(log::one(1, 0)).await.unwrap();
    store.commit(log::one(1, 0)).await.unwrap_err();
    let app = Application::builder(store.clone()).name("kennel").build();
    store.inline(&app, Grumpy).await.unwrap();
    app.save(&mut Dog::register(Uuid::nil())).await.unwrap_err();
    store.end_inline::<Grumpy>(&app).await.unwrap();
    let (client, connection) = tokio_postgres::connect(place.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let kill =
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1";
    client.execute(kill, &[&place.schema()]).await.unwrap();
    store.commit(log::one(2, 0)).await.unwrap();
    // Who writes alone does so himself.
    let himself = std::thread::Builder::new().name("himself".to_owned());
    let alone = himself.spawn(move || {
        for expected in 1..20 {
            es_core::testing::block_on(store.commit(log::one(2, expected))).unwrap();
        }
    });
    let alone = tokio::task::spawn_blocking(move || alone.unwrap().join());
    alone.await.unwrap().unwrap();

    let told = std::fs::read_to_string(&lines).unwrap();
    for part in [
        "commit_group{jobs=1}: es_store_postgres::commit: committed refused=0",
        "commit_group{jobs=1}: es_store_postgres::commit: committed refused=1",
        "es_store_postgres::commit: refused by a projection error=the projection `grumpy` cannot handle `Registered` of `Dog/00000000-",
        "es_store_postgres::commit: connection lost, ",
        "himself commit_group{jobs=1}: es_store_postgres::commit: committed refused=0",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("filled"), "{told}");
}
