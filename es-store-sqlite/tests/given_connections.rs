//! Stores on connections that somebody else opened.
use std::fs;
use std::ops::ControlFlow;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, SystemTime};

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, EncodedEvent, EventStore, Filter, Metadata, Slice, Span,
};
use es_core::{Position, StreamId, Version};
use es_store_sqlite::{OpenError, SqliteStore, SqliteStoreBuilder};
use pollster::block_on;
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

fn open(builder: SqliteStoreBuilder) -> Result<SqliteStore, OpenError> {
    block_on(builder.open())
}

fn commit(stream: u128, events: usize, size: usize) -> Commit {
    let event = EncodedEvent {
        name: "Switched".into(),
        schema: 1,
        payload: vec![b' '; size].into(),
    };
    Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new(),
        appends: vec![Append {
            stream: StreamId::new("Lamp", Uuid::from_u128(stream)),
            expected: Version::NEW,
            events: vec![event; events],
        }],
        checkpoint: None,
    }
}

/// Opens a file, and makes something of the connection or the file.
fn after(path: &Path, statements: &str) -> Connection {
    let connection = Connection::open(path).expect("it opens");
    connection
        .execute_batch(statements)
        .expect("they can be run");
    connection
}

fn uri(name: &str) -> Connection {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(name, flags).expect("it opens")
}

/// What is wrong with a connection, how it is made so, and which error names it.
type Case = (
    &'static str,
    fn(&Path) -> Connection,
    fn(&OpenError) -> bool,
);

const REFUSED: &[Case] = &[
    (
        "a transaction is open",
        |path| after(path, "BEGIN"),
        |error| matches!(error, OpenError::InTransaction { .. }),
    ),
    (
        "a transaction in memory is open",
        |_| after(Path::new(":memory:"), "BEGIN; CREATE TABLE notes (text)"),
        |error| matches!(error, OpenError::InTransaction { path } if path == Path::new("")),
    ),
    (
        "it was opened to be read",
        |path| {
            drop(after(path, "CREATE TABLE notes (text)"));
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens")
        },
        |error| matches!(error, OpenError::ConnectionReads { .. }),
    ),
    (
        "it was set to read",
        |path| after(path, "PRAGMA query_only = TRUE"),
        |error| matches!(error, OpenError::ConnectionReads { .. }),
    ),
    (
        "it was set to read in memory",
        |_| after(Path::new(":memory:"), "PRAGMA query_only = TRUE"),
        |error| matches!(error, OpenError::ConnectionReads { .. }),
    ),
    (
        "a temporary table is in front of the log's",
        |path| after(path, "CREATE TEMP TABLE Es_Events (text)"),
        |error| matches!(error, OpenError::Occupied { name, .. } if name == "Es_Events"),
    ),
    (
        "a temporary trigger changes what the log does",
        |path| {
            drop(open(SqliteStore::builder(path)).expect("it opens"));
            after(
                path,
                "CREATE TEMP TRIGGER meddles AFTER INSERT ON es_events BEGIN SELECT RAISE(IGNORE); END",
            )
        },
        |error| matches!(error, OpenError::Occupied { name, .. } if name == "meddles"),
    ),
    (
        "its file was deleted",
        |path| {
            let connection = after(path, "CREATE TABLE notes (text)");
            fs::remove_file(path).expect("it is ours");
            connection
        },
        |error| matches!(error, OpenError::Unlocked { .. }),
    ),
    (
        "another file is in the place of its own",
        |path| {
            let connection = after(path, "CREATE TABLE notes (text)");
            fs::rename(path, path.with_extension("moved")).expect("it is ours");
            fs::copy(path.with_extension("moved"), path).expect("it is ours");
            connection
        },
        |error| matches!(error, OpenError::Unlocked { .. }),
    ),
    (
        "it takes no locks",
        |path| uri(&format!("file:{}?nolock=1", path.display())),
        |error| matches!(error, OpenError::Unlocked { .. }),
    ),
    (
        "it locks in a way of its own",
        |path| uri(&format!("file:{}?vfs=unix-dotfile", path.display())),
        |error| matches!(error, OpenError::Unlocked { .. }),
    ),
    (
        "it has the file for itself and cannot let go",
        |path| {
            after(
                path,
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; CREATE TABLE notes (text)",
            )
        },
        |error| matches!(error, OpenError::Locked { .. }),
    ),
    (
        "a folder is in the place of the write-ahead log",
        |path| {
            fs::create_dir(path.with_file_name("log.db-wal")).expect("it is ours");
            Connection::open(path).expect("it opens")
        },
        |error| matches!(error, OpenError::Sqlite { .. }),
    ),
    (
        "what is there is no database",
        |path| {
            fs::write(path, "Dear diary. ".repeat(1_000)).expect("it is ours");
            Connection::open(path).expect("it opens")
        },
        |error| matches!(error, OpenError::NotADatabase { .. }),
    ),
    (
        "its tables are newer",
        |path| {
            drop(open(SqliteStore::builder(path)).expect("it opens"));
            after(path, "UPDATE es_log SET version = 7")
        },
        |error| matches!(error, OpenError::Newer { found: 7, .. }),
    ),
];

#[test]
fn what_cannot_be_written_with_is_refused_by_name() {
    for (what, make, expected) in REFUSED {
        let folder = tempfile::tempdir().unwrap();
        let connection = make(&folder.path().join("log.db"));
        let builder = SqliteStore::builder_on(connection).busy_timeout(Duration::from_millis(50));
        let error = open(builder).expect_err(what);
        assert!(expected(&error), "{what}: {error:?}");
    }
}

#[test]
fn what_the_store_needs_is_set_whatever_was_set_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let mut connection = after(
        &path,
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE notes (text)",
    );
    // It would wait for ever.
    connection.busy_handler(Some(|_| true)).unwrap();
    let builder = SqliteStore::builder_on(connection).busy_timeout(Duration::from_millis(50));
    let store = open(builder).unwrap();
    block_on(store.commit(commit(1, 1, 1))).unwrap();
    let beside = Connection::open(&path).unwrap();
    let journal: String = beside
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(journal, "wal");
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = block_on(store.commit(commit(2, 1, 1)));
    assert!(
        matches!(refused, Err(AppendError::Failed(_))),
        "{refused:?}"
    );
    beside.execute_batch("ROLLBACK").unwrap();
    block_on(store.commit(commit(2, 1, 1))).unwrap();
    assert_eq!(block_on(store.head()).unwrap(), Position::from(2));
}

#[test]
fn in_memory_half_a_commit_is_taken_back_whatever_the_journal_was() {
    let connection = Connection::open_in_memory().unwrap();
    connection
        .execute_batch("PRAGMA journal_mode = OFF; PRAGMA max_page_count = 40")
        .unwrap();
    let store = open(SqliteStore::builder_on(connection)).unwrap();
    block_on(store.commit(commit(1, 1, 1))).unwrap();
    // The first of them fit.
    let refused = block_on(store.commit(commit(2, 20, 10_000)));
    assert!(
        matches!(refused, Err(AppendError::Failed(_))),
        "{refused:?}"
    );
    let page = block_on(store.read_log(Span::all(), &Filter::everything())).unwrap();
    assert_eq!(page.records.len(), 1);
    assert!(block_on(store.verify()).unwrap().findings.is_empty());
    block_on(store.commit(commit(2, 1, 1))).unwrap();
}

#[test]
fn in_memory_a_visitor_who_panics_keeps_nobody_out() {
    let connection = Connection::open_in_memory().unwrap();
    let store = open(SqliteStore::builder_on(connection)).unwrap();
    let first = commit(1, 3, 1);
    let stream = first.appends[0].stream.clone();
    block_on(store.commit(first)).unwrap();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        block_on(store.visit_stream(&stream, Slice::all(), &mut |_| panic!("as a handler would")))
    }));
    assert!(panicked.is_err());
    block_on(store.commit(commit(2, 1, 1))).unwrap();
    let mut seen = 0;
    let mut visit = |_: es_core::persistence::StoredEvent<'_>| {
        seen += 1;
        ControlFlow::Continue(())
    };
    block_on(store.visit_stream(&stream, Slice::all(), &mut visit)).unwrap();
    assert_eq!(seen, 3);
}

#[test]
fn a_log_is_read_through_a_connection_that_only_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let store = open(SqliteStore::builder(&path)).unwrap();
    block_on(store.commit(commit(1, 2, 1))).unwrap();
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let reads = open(SqliteStore::builder_on(connection).read_only(true)).unwrap();
    assert_eq!(block_on(reads.head()).unwrap(), Position::from(2));
    let refused = block_on(reads.commit(commit(2, 1, 1)));
    assert!(
        matches!(refused, Err(AppendError::Failed(_))),
        "{refused:?}"
    );

    // The same in memory: the tables must be there, since none are made.
    let connection = Connection::open_in_memory().unwrap();
    let none = open(SqliteStore::builder_on(connection).read_only(true)).unwrap_err();
    assert!(matches!(none, OpenError::Unmigrated { .. }), "{none:?}");
    let told = "there are no tables of this log yet; call `SqliteStore::builder(";
    assert!(none.to_string().starts_with(told), "{none}");
    assert_eq!(format!("{none:?}"), none.to_string());
    assert!(format!("{none:#?}").starts_with("Unmigrated {\n    path: "));
    let mut connection = Connection::open_in_memory().unwrap();
    let file = Connection::open(&path).unwrap();
    rusqlite::backup::Backup::new(&file, &mut connection)
        .unwrap()
        .run_to_completion(100, Duration::ZERO, None)
        .unwrap();
    let copy = open(SqliteStore::builder_on(connection).read_only(true)).unwrap();
    assert_eq!(block_on(copy.head()).unwrap(), Position::from(2));
    assert!(block_on(copy.commit(commit(2, 1, 1))).is_err());
}

/// SQLite takes any bytes for a name; they are not always text.
#[cfg(target_os = "linux")]
#[test]
fn a_file_whose_name_is_no_text_is_found_by_readers() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff.db"));
    let store = open(SqliteStore::builder_on(Connection::open(&path).unwrap())).unwrap();
    block_on(store.commit(commit(1, 1, 1))).unwrap();
    assert_eq!(block_on(store.head()).unwrap(), Position::FIRST);
    assert!(path.exists());
}
