//! What the thread that writes tells by `tracing`. It is told for the whole process, so this has a process of its own.
use std::sync::Arc;

use es_core::persistence::{Append, Commit, CommitId, EncodedEvent, EventStore, Metadata};
use es_core::{StreamId, Version};
use es_store_sqlite::SqliteStore;
use pollster::block_on;

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
    let stream = StreamId::new("Lamp", uuid::Uuid::from_u128(1));
    block_on(store.commit(commit(&stream))).unwrap();
    block_on(store.commit(commit(&stream))).unwrap_err();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    block_on(store.commit(commit(&stream))).unwrap_err();
    drop(store);

    let told = std::fs::read_to_string(&lines).unwrap();
    for part in [
        "commit_group{jobs=1}: es_store_sqlite::commit: committed refused=0",
        "commit_group{jobs=1}: es_store_sqlite::commit: committed refused=1",
        "WARN commit_group{jobs=1}: es_store_sqlite::commit: not committed error=",
        "outcome_known=true",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(!told.contains("secret"), "{told}");
}
