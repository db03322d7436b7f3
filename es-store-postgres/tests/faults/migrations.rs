//! Tables that are not as they have to be, and several who migrate at once.
use std::thread;

use es_core::persistence::{AppendError, EventStore};
use es_store_postgres::{OpenError, PostgresStore};
use trials::block_on;
use trials::faults::Log;

use crate::place::Place;
use crate::{Effort, log, process};

/// What is wrong with the tables, how they are made so, and which error names it.
struct Case {
    what: &'static str,
    make: &'static str,
    expected: fn(&OpenError) -> bool,
    /// Whether migrating mends it.
    mended: bool,
}

const CASES: &[Case] = &[
    Case {
        what: "no tables",
        make: "DROP TABLE es_log; DROP TABLE es_events CASCADE; DROP TABLE es_checkpoints; DROP TABLE es_snapshots; \
               DROP TABLE es_parked; DROP TABLE es_dropped; DROP TABLE es_placed; \
               DROP FUNCTION es_as_jsonb; DROP FUNCTION es_events_are_facts",
        expected: |error| matches!(error, OpenError::Unmigrated { found: 0, needed: 3, command, .. } if command == "`school migrate`"),
        mended: true,
    },
    Case {
        what: "a newer version",
        make: "UPDATE es_log SET version = 7",
        expected: |error| {
            matches!(
                error,
                OpenError::Newer {
                    found: 7,
                    known: 3,
                    ..
                }
            )
        },
        mended: false,
    },
    Case {
        what: "a version that is none",
        make: "UPDATE es_log SET version = -1",
        expected: |error| matches!(error, OpenError::Postgres(_)),
        mended: false,
    },
    Case {
        what: "a table is missing",
        make: "DROP TABLE es_checkpoints",
        expected: |error| matches!(error, OpenError::Incomplete { part } if part == "es_checkpoints"),
        mended: false,
    },
    Case {
        what: "an index is missing",
        make: "DROP INDEX es_events_by_stream",
        expected: |error| matches!(error, OpenError::Incomplete { part } if part == "es_events_by_stream"),
        mended: false,
    },
    Case {
        what: "a table of a later version is missing",
        make: "DROP TABLE es_parked",
        expected: |error| matches!(error, OpenError::Incomplete { part } if part == "es_parked"),
        mended: false,
    },
    Case {
        what: "a table that a later version needs is somebody else's",
        make: "UPDATE es_log SET version = 1; DROP TABLE es_dropped",
        expected: |error| matches!(error, OpenError::Occupied { name } if name == "es_parked"),
        mended: false,
    },
    Case {
        what: "the table with the version is missing",
        make: "DROP TABLE es_log",
        expected: |error| matches!(error, OpenError::Incomplete { part } if part == "es_log"),
        mended: false,
    },
    Case {
        what: "the version is missing",
        make: "DELETE FROM es_log",
        expected: |error| matches!(error, OpenError::Incomplete { part } if part == "es_log"),
        mended: false,
    },
    Case {
        what: "a view has the name of a table",
        make: "ALTER TABLE es_log RENAME TO was; ALTER TABLE es_events RENAME TO were; CREATE VIEW es_log AS SELECT 1 AS version",
        expected: |error| matches!(error, OpenError::Occupied { name } if name == "es_log"),
        mended: false,
    },
    Case {
        what: "somebody else's table has the name of ours",
        make: "DROP TABLE es_log; CREATE TABLE es_log (lines text)",
        expected: |error| matches!(error, OpenError::Occupied { name } if name == "es_log"),
        mended: false,
    },
];

pub(crate) fn each_has_its_own_error(_: Effort) -> String {
    let opened = |error: &(dyn std::error::Error + 'static)| -> String {
        let mut cause = Some(error);
        let mut text = String::new();
        while let Some(error) = cause {
            text += &format!("{error}\n");
            cause = error.source();
        }
        text
    };
    for case in CASES {
        let place = Place::fresh();
        place
            .execute(case.make)
            .unwrap_or_else(|e| panic!("{}: {e:?}", case.what));
        let builder = place.builder().migration_command("`school migrate`");
        let store = block_on(builder.connect()).expect("no table is touched");
        let found = block_on(store.check()).expect_err(case.what);
        assert!((case.expected)(&found), "{}: {found:?}", case.what);

        // Reading and writing say the same, and nothing hangs.
        let text = opened(&found);
        let text = text
            .trim()
            .lines()
            .last()
            .expect("an error has a text")
            .to_owned();
        let read = block_on(store.head()).expect_err(case.what);
        assert!(opened(&read).contains(&text), "{}: {read:?}", case.what);
        let written = block_on(store.commit(log::one(1, 0))).expect_err(case.what);
        assert!(
            matches!(written, AppendError::Failed(_)),
            "{}: {written:?}",
            case.what
        );
        assert!(
            opened(&written).contains(&text),
            "{}: {written:?}",
            case.what
        );

        let migrated = block_on(store.migrate());
        assert_eq!(migrated.is_ok(), case.mended, "{}: {migrated:?}", case.what);
        if case.mended {
            block_on(store.commit(log::one(1, 0))).expect("the same handle goes on");
            assert_eq!(log::whole(&store).commits.len(), 1);
        }
    }
    format!("kinds tried {}", CASES.len())
}

/// A schema that is not there yet.
fn elsewhere(place: &Place, number: usize) -> String {
    format!("{}_{number}", place.schema())
}

pub(crate) fn one_of_several_migrates(effort: Effort) -> String {
    const THREADS: usize = 6;
    const PROCESSES: usize = 3;
    let place = Place::fresh();
    let rounds = effort.of(3, 30);
    for round in 0..rounds {
        let schema = elsewhere(&place, round);
        let migrate = || {
            let builder = PostgresStore::builder(place.url()).schema(&schema);
            let store = block_on(builder.connect()).expect("the server answers");
            let migrated = block_on(store.migrate()).expect("one of them does it");
            block_on(store.commit(log::one(fastrand::u128(..), 0))).expect("stored");
            usize::from(migrated.from == 0)
        };
        let children: Vec<_> = (0..PROCESSES)
            .map(|_| {
                process::start(process::command(&[
                    "migrate",
                    &Place::of(place.url(), &schema).address(),
                ]))
            })
            .collect();
        let mut migrated: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(migrate)).collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended.map(|migrated| migrated.expect("no panic")).sum()
        });
        for (mut child, lines) in children {
            migrated += lines
                .map_while(Result::ok)
                .filter(|line| line == "0")
                .count();
            assert!(child.wait().expect("it ends").success());
        }
        assert_eq!(migrated, 1);
        let whole = log::whole(&Place::of(place.url(), &schema).open());
        assert_eq!(whole.commits.len(), THREADS + PROCESSES);
        place
            .execute(&format!("DROP SCHEMA {schema} CASCADE"))
            .expect("it is there");
    }
    format!(
        "rounds {rounds}, of {THREADS} threads and {PROCESSES} processes, migrated {rounds}, refused = 0"
    )
}

/// The child: migrates, appends, and says which version it found.
pub(crate) fn migrate_one(told: &[&str]) {
    let store = Place::at(told[0]).open();
    let migrated = block_on(store.migrate()).expect("one of them does it");
    block_on(store.commit(log::one(fastrand::u128(..), 0))).expect("it is stored");
    process::say(&migrated.from.to_string());
}

pub(crate) fn a_failed_migration_leaves_nothing(_: Effort) -> String {
    let place = Place::fresh();
    let schema = elsewhere(&place, 0);
    // A step in the middle finds a name that is taken.
    let taken = format!("CREATE SCHEMA {schema}; CREATE VIEW {schema}.es_history AS SELECT 1");
    place.execute(&taken).expect("it is new");
    let store = Place::of(place.url(), &schema).open();
    let failed = block_on(store.migrate()).expect_err("a name is taken");
    assert!(matches!(failed, OpenError::Postgres(_)), "{failed:?}");
    let found = block_on(store.check()).expect_err("nothing is there");
    assert!(
        matches!(found, OpenError::Unmigrated { found: 0, .. }),
        "{found:?}"
    );
    place
        .execute(&format!("DROP VIEW {schema}.es_history"))
        .expect("it is there");
    block_on(store.migrate()).expect("nothing is in the way");
    block_on(store.check()).expect("it is as it has to be");
    place
        .execute(&format!("DROP SCHEMA {schema} CASCADE"))
        .expect("it is there");
    "half-migrated = 0".to_owned()
}
