//! What the task that writes tells by `tracing`. It is told for the whole process, so this has a process of its own.
use std::sync::Arc;

use es_core::persistence::{Append, Commit, CommitId, EncodedEvent, EventStore, Metadata};
use es_core::{StreamId, Version};
use es_store_postgres::testing::TestLog;

fn commit(stream: &StreamId) -> Commit {
    Commit {
        id: CommitId::draw(),
        time: std::time::SystemTime::now(),
        metadata: Metadata::new(),
        appends: vec![Append {
            stream: stream.clone(),
            expected: Version::NEW,
            events: vec![EncodedEvent {
                name: "Switched".into(),
                schema: 1,
                payload: br#"{"secret":1}"#.as_slice().into(),
            }],
        }],
        checkpoint: None,
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
        .init();
    let log = TestLog::new().await.unwrap();
    let store = log.store().await.unwrap();
    let stream = StreamId::new("Lamp", uuid::Uuid::from_u128(1));
    store.commit(commit(&stream)).await.unwrap();
    store.commit(commit(&stream)).await.unwrap_err();
    let (client, connection) = tokio_postgres::connect(log.url(), tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let kill =
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = $1";
    client.execute(kill, &[&log.schema()]).await.unwrap();
    store
        .commit(commit(&StreamId::new("Lamp", uuid::Uuid::from_u128(2))))
        .await
        .unwrap();
    drop(store);

    let told = std::fs::read_to_string(&lines).unwrap();
    for part in [
        "commit_group{jobs=1}: es_store_postgres::commit: committed refused=0",
        "commit_group{jobs=1}: es_store_postgres::commit: committed refused=1",
        "es_store_postgres::commit: connection lost, ",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("secret"), "{told}");
}
