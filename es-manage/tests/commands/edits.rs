//! Events are edited behind the store's back, and `verify` finds every one.
use std::fs;

use expect_test::expect;
use fastrand::Rng;
use rusqlite::Connection;

use crate::child::Place;
use crate::printed::refuses;
use crate::{Test, effort};

pub(crate) const TESTS: &[Test] = tests![
    a_copy_that_may_only_be_read_is_looked_through,
    every_edit_behind_the_stores_back_is_found,
    what_no_application_is_named_for_is_not_said_to_be_well,
];

const EVENTS: u64 = 30;

fn what_no_application_is_named_for_is_not_said_to_be_well() {
    let place = Place::seeded();
    for command in ["verify", "snapshot", "events"] {
        let mut command = place.command([command]);
        let ended = command.env("MANAGED", "without applications").output();
        refuses(
            &place.ended(ended.unwrap()),
            1,
            &expect![[r#"
                error: the system has no applications; name them, with the types of their aggregates, by `System::application`
            "#]],
        );
    }
}

fn a_copy_that_may_only_be_read_is_looked_through() {
    let place = Place::seeded();
    let folder = place.path("copy 100%#1");
    fs::create_dir(&folder).unwrap();
    fs::copy(place.path("school.db"), folder.join("school.db")).unwrap();
    let url = |path: &str, how| format!("school=sqlite:{path}?{how}");
    let copy = folder.join("school.db");
    for said in [
        url("school.db", "mode=ro"),
        url("school.db", "immutable=1"),
        url("copy 100%#1/school.db", "immutable=1"),
    ] {
        let run = |arguments: &[&str]| {
            let said = ["--store", &said];
            place.run(arguments.iter().copied().chain(said))
        };
        for command in [
            &["status"][..],
            &["verify"],
            &["events", "--app", "school"],
            &["export", "--app", "school"],
        ] {
            let ended = run(command);
            assert_eq!((ended.status, &*ended.err), (0, ""), "{command:?}");
        }
        let before = fs::read(&copy).unwrap();
        for command in [&["sync-followers", "wall"][..], &["rebuild", "wall"]] {
            let ended = run(command);
            assert!(ended.status > 0, "{command:?}: {ended:?}");
            assert!(
                ended.err.contains("the store was opened to be read alone"),
                "{command:?}: {ended:?}"
            );
        }
        assert!(before == fs::read(&copy).unwrap());
    }
}

fn every_edit_behind_the_stores_back_is_found() {
    let place = Place::seeded();
    place.learn(&["sit"; 23]);
    // What the log itself refuses is put back after each edit, so that its absence gives nothing away.
    let connection = Connection::open(place.path("school.db")).unwrap();
    let triggers: Vec<String> = connection
        .prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    connection
        .execute("VACUUM INTO ?1", [place.path("sound.db").to_str()])
        .unwrap();
    drop(connection);
    let rng = &mut Rng::new();
    let mut tried = 0;
    while tried < effort(60, 1_000) {
        for file in ["school.db", "school.db-wal", "school.db-shm"] {
            drop(std::fs::remove_file(place.path(file)));
        }
        std::fs::copy(place.path("sound.db"), place.path("school.db")).unwrap();
        let edit = edit(rng);
        let connection = Connection::open(place.path("school.db")).unwrap();
        connection
            .execute_batch(
                "DROP TRIGGER es_events_are_not_changed; DROP TRIGGER es_events_are_not_deleted",
            )
            .unwrap();
        // One that a unique index refuses is none.
        let Ok(1..) = connection.execute(&edit, []) else {
            continue;
        };
        for trigger in &triggers {
            connection.execute_batch(trigger).unwrap();
        }
        drop(connection);
        let ended = place.run(["verify", "--app", "school", "--json"]);
        assert_eq!(ended.status, 2, "{edit}: {ended:?}");
        let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert!(!report["findings"].as_array().unwrap().is_empty(), "{edit}");
        tried += 1;
    }
    println!("edits tried {tried}, found {tried}");
}

/// One that changes at least one row.
fn edit(rng: &mut Rng) -> String {
    let position = rng.u64(1..=EVENTS);
    let number = rng.i64(..);
    let columns = [
        format!("position = {number}"),
        format!("position = position + {}", EVENTS + rng.u64(1..9)),
        "category = category || 'x'".to_owned(),
        "stream = randomblob(16)".to_owned(),
        "stream = zeroblob(15)".to_owned(),
        format!("version = {number}"),
        "version = version + 100".to_owned(),
        "event = event || 'x'".to_owned(),
        "schema = schema + 1".to_owned(),
        "payload = CAST(payload || ' ' AS BLOB)".to_owned(),
        "payload = CAST(replace(payload, 'i', 'y') || ' ' AS BLOB)".to_owned(),
        "payload = zeroblob(0)".to_owned(),
        "metadata = '{}'".to_owned(),
        "metadata = 'no json'".to_owned(),
        format!("time = time + {}", rng.i64(1..1_000)),
        "commit_id = randomblob(16)".to_owned(),
        "events_in_commit = ifnull(events_in_commit, 0) + 1".to_owned(),
        "checksum = checksum + 1".to_owned(),
    ];
    match rng.u8(..10) {
        0 => format!("DELETE FROM es_events WHERE position = {position}"),
        1 => format!("DELETE FROM es_events WHERE position >= {position}"),
        2 => format!("UPDATE es_log SET head = head + {}", rng.i64(1..100)),
        3 => format!("UPDATE es_log SET head = {}", position - 1),
        _ => {
            let column = &columns[rng.usize(..columns.len())];
            format!("UPDATE es_events SET {column} WHERE position = {position}")
        }
    }
}
