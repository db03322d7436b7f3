//! Stores by SQLite's name for a database in memory.
use std::path::Path;
use std::time::SystemTime;

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, EncodedEvent, EventStore, Metadata,
};
use es_core::{Position, StreamId, Version};
use es_store_sqlite::{OpenError, SqliteStore, SqliteStoreBuilder};
use pollster::block_on;
use uuid::Uuid;

const IN_MEMORY: &str = ":memory:";

fn commit(store: &SqliteStore, payload: &'static str) -> Result<Committed, AppendError> {
    block_on(store.commit(Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new(),
        appends: vec![Append {
            stream: StreamId::new("Lamp", Uuid::new_v4()),
            expected: Version::NEW,
            events: vec![EncodedEvent {
                name: "Switched".into(),
                schema: 1,
                payload: payload.as_bytes().into(),
            }],
        }],
        checkpoint: None,
    }))
}

fn head(store: &SqliteStore) -> Position {
    block_on(store.head()).expect("it can be read")
}

#[test]
fn each_opening_is_an_empty_log_that_its_clones_share() {
    let one = block_on(SqliteStore::open(IN_MEMORY)).expect("there is room");
    commit(&one.clone(), "{}").expect("it is stored");
    let other = block_on(SqliteStore::open(Path::new(IN_MEMORY))).expect("there is room");
    assert_eq!(
        (head(&one), head(&other)),
        (Position::from(1), Position::START)
    );
    assert!(!Path::new(IN_MEMORY).exists());
}

#[test]
fn what_the_builder_was_told_holds() {
    let store = SqliteStore::builder(IN_MEMORY)
        .table_prefix("lamps_")
        .payload_limit(2);
    let store = block_on(store.open()).expect("there is room");
    commit(&store, "{}").expect("it is small");
    let large = commit(&store, "{ }").expect_err("it is large");
    assert!(matches!(large, AppendError::TooLarge { .. }), "{large:?}");
    let prefix = SqliteStore::builder(IN_MEMORY).table_prefix("1").open();
    let refused = block_on(prefix).expect_err("it is no name");
    assert!(matches!(refused, OpenError::Prefix { .. }), "{refused:?}");
}

#[test]
fn where_nothing_would_be_written_it_is_refused() {
    let refused: [fn(SqliteStoreBuilder) -> SqliteStoreBuilder; 3] = [
        |store| store.read_only(true),
        |store| store.immutable(true),
        |store| store.migrate(false),
    ];
    for told in refused {
        let opened = block_on(told(SqliteStore::builder(IN_MEMORY)).open());
        let error = opened.expect_err("nothing could be in it");
        assert_eq!(
            error.to_string(),
            "`:memory:` is empty at each opening, and nobody else sees what is in it, so there is nothing to read or to migrate; name a file, or open \
             it to be written, without `migrate(false)`"
        );
    }
}

#[test]
fn another_name_is_that_of_a_file_or_of_none() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join(IN_MEMORY);
    drop(block_on(SqliteStore::open(&path)).expect("it opens"));
    assert!(path.is_file());
    let uri = block_on(SqliteStore::open("file::memory:?cache=shared")).expect_err("a URI");
    assert!(matches!(uri, OpenError::Uri { .. }), "{uri:?}");
}
