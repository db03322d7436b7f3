//! Files that cannot be opened, and several who open a new one at once.
use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use es_core::persistence::EventStore;
use es_store_sqlite::{OpenError, SqliteStore, SqliteStoreBuilder};
use rusqlite::Connection;

use crate::{Effort, file, log, process};

/// What is wrong with a file, how it is made so, and which error names it.
struct Case {
    what: &'static str,
    make: fn(&Path),
    settings: fn(SqliteStoreBuilder) -> SqliteStoreBuilder,
    expected: fn(&OpenError) -> bool,
}

const CASES: &[Case] = &[
    Case {
        what: "no file, not to be made",
        make: |_| {},
        settings: |store| store.migrate(false),
        expected: |error| matches!(error, OpenError::Missing { .. }),
    },
    Case {
        what: "no file, to be read",
        make: |_| {},
        settings: |store| store.read_only(true),
        expected: |error| matches!(error, OpenError::Missing { .. }),
    },
    Case {
        what: "an empty file, not to be migrated",
        make: |path| fs::write(path, "").expect("there is room"),
        settings: |store| store.migrate(false),
        expected: |error| matches!(error, OpenError::Unmigrated { found: 0, .. }),
    },
    Case {
        what: "an empty file, to be read",
        make: |path| fs::write(path, "").expect("there is room"),
        settings: |store| store.read_only(true),
        expected: |error| matches!(error, OpenError::Unmigrated { found: 0, .. }),
    },
    Case {
        what: "another database, not to be migrated",
        make: |path| execute(path, "CREATE TABLE customers (name TEXT)"),
        settings: |store| store.migrate(false),
        expected: |error| matches!(error, OpenError::Unmigrated { found: 0, .. }),
    },
    Case {
        what: "a newer version",
        make: |path| change_log(path, "UPDATE es_log SET version = 7"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Newer { found: 7, .. }),
    },
    Case {
        what: "a newer version, with another journal",
        make: |path| {
            change_log(
                path,
                "UPDATE es_log SET version = 7; PRAGMA journal_mode = DELETE",
            )
        },
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Newer { found: 7, .. }),
    },
    Case {
        what: "a version that is none",
        make: |path| change_log(path, "UPDATE es_log SET version = -1"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Sqlite { .. }),
    },
    Case {
        what: "a table is missing",
        make: |path| change_log(path, "DROP TABLE es_checkpoints"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Incomplete { table, .. } if table == "es_checkpoints"),
    },
    Case {
        what: "an index is missing",
        make: |path| change_log(path, "DROP INDEX es_events_by_stream"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Incomplete { table, .. } if table == "es_events_by_stream"),
    },
    Case {
        what: "the table with the version is missing",
        make: |path| change_log(path, "DROP TABLE es_log"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Incomplete { table, .. } if table == "es_log"),
    },
    Case {
        what: "the version is missing",
        make: |path| change_log(path, "DELETE FROM es_log"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Incomplete { table, .. } if table == "es_log"),
    },
    Case {
        what: "a view has the name of a table",
        make: |path| execute(path, "CREATE VIEW es_log AS SELECT 1 AS version"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Occupied { name, .. } if name == "es_log"),
    },
    Case {
        what: "a prefix that differs in capitals alone",
        make: |path| drop(file::open(path)),
        settings: |store| store.table_prefix("ES_"),
        expected: |error| matches!(error, OpenError::Occupied { name, .. } if name == "es_log"),
    },
    Case {
        what: "no database",
        make: |path| fs::write(path, "Dear diary. ".repeat(1_000)).expect("there is room"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::NotADatabase { .. }),
    },
    Case {
        what: "a short text",
        make: |path| fs::write(path, "Dear diary").expect("there is room"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::NotADatabase { .. }),
    },
    Case {
        what: "a folder",
        make: |path| fs::create_dir(path).expect("there is room"),
        settings: |store| store,
        expected: |error| matches!(error, OpenError::Folder { .. }),
    },
];

pub(crate) fn each_has_its_own_error(_: Effort) -> String {
    for case in CASES {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log.db");
        (case.make)(&path);
        let before = fs::read(&path).ok();
        let builder = (case.settings)(SqliteStore::builder(&path));
        let error = pollster::block_on(builder.open()).expect_err(case.what);
        assert!((case.expected)(&error), "{}: {error:?}", case.what);
        assert!(
            before == fs::read(&path).ok(),
            "{}: the file was changed",
            case.what
        );
    }
    let folder = tempfile::tempdir().expect("there is room");
    let uri = pollster::block_on(SqliteStore::open("file:log.db?mode=memory"));
    let error = uri.expect_err("a URI");
    assert!(matches!(error, OpenError::Uri { .. }), "{error:?}");
    let nowhere = folder.path().join("no/such/folder/log.db");
    let error = pollster::block_on(SqliteStore::open(&nowhere)).expect_err("nowhere");
    assert!(matches!(error, OpenError::NoFolder { .. }), "{error:?}");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("there is room");
    let in_a_file = pollster::block_on(SqliteStore::open(file.join("log.db")));
    assert!(
        matches!(in_a_file, Err(OpenError::NoFolder { .. })),
        "{in_a_file:?}"
    );
    let error = pollster::block_on(SqliteStore::open("")).expect_err("no name");
    assert!(
        matches!(error, OpenError::NoWriteAheadLog { .. }),
        "{error:?}"
    );
    let cut_short = pollster::block_on(SqliteStore::open(folder.path().join("a\0b")));
    assert!(
        matches!(cut_short, Err(OpenError::Sqlite { .. })),
        "{cut_short:?}"
    );
    format!("kinds tried {}, files changed = 0", CASES.len() + 4)
}

fn execute(path: &Path, statements: &str) {
    let connection = Connection::open(path).expect("it opens");
    connection
        .execute_batch(statements)
        .expect("nothing is in the way");
}

fn change_log(path: &Path, statements: &str) {
    drop(file::open(path));
    execute(path, statements);
}

pub(crate) fn several_open_a_new_file_at_once(effort: Effort) -> String {
    const THREADS: usize = 6;
    const PROCESSES: usize = 4;
    let rounds = effort.of(5, 60);
    for _ in 0..rounds {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log.db");
        let path_text = path.to_str().expect("a path of letters");
        let start = Barrier::new(THREADS);
        thread::scope(|scope| {
            let opening = || {
                start.wait();
                let store = file::open(&path);
                pollster::block_on(store.commit(log::one(fastrand::u128(..), 0)))
                    .expect("it is stored");
            };
            (0..THREADS).for_each(|_| drop(scope.spawn(opening)));
        });
        assert_eq!(log::whole(&file::open(&path)).commits.len(), THREADS);

        let path = folder.path().join("other.db");
        let path_text = path_text.replace("log.db", "other.db");
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| process::start(process::command(&["append-one", &path_text])).0)
            .collect();
        for mut child in children {
            assert!(child.wait().expect("it ends").success());
        }
        assert_eq!(log::whole(&file::open(&path)).commits.len(), PROCESSES);
    }
    format!("rounds {rounds}, of {THREADS} threads and {PROCESSES} processes, refused = 0")
}

/// The child: opens a file that may not be there yet, and appends once.
pub(crate) fn append_one(path: &Path) {
    let store = file::open(path);
    pollster::block_on(store.commit(log::one(fastrand::u128(..), 0))).expect("it is stored");
}

pub(crate) fn a_locked_one_is_refused_in_time(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    drop(file::open(&path));
    let lock = Connection::open(&path).expect("it opens");
    lock.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE")
        .expect("it is free");
    let patience = Duration::from_millis(200);
    let open = || {
        let builder = SqliteStore::builder(&path).busy_timeout(patience);
        pollster::block_on(builder.open())
    };
    let started = Instant::now();
    let error = open().expect_err("it is locked");
    let took = started.elapsed();
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    assert!(took < patience * 5, "{took:?}");
    lock.execute_batch("COMMIT").expect("it is ours");
    open().expect("it is free again");
    format!(
        "refused after {} ms, of {} allowed",
        took.as_millis(),
        patience.as_millis()
    )
}
