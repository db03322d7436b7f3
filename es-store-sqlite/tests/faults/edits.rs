//! Events are edited by hand.
use std::path::Path;

use es_core::Version;
use es_core::persistence::EventStore;
use es_store_sqlite::Finding;
use fastrand::Rng;
use rusqlite::Connection;

use crate::{Effort, log};

const COMMITS: u64 = 10;

pub(crate) fn triggers_refuse_them_and_verify_finds_what_is_bypassed(effort: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let store = log::open(&path);
    for number in 0..COMMITS {
        let expected = |per_commit| Version::from(number * per_commit);
        let appends = [
            (log::stream(1), expected(2), 2),
            (log::stream(2), expected(1), 1),
        ];
        pollster::block_on(store.commit(log::commit(&appends, 50))).expect("it is stored");
    }
    let events = COMMITS * 3;
    let connection = Connection::open(&path).expect("it opens");
    for (edit, sentence) in [
        (
            "UPDATE es_events SET payload = x'00'",
            "events are facts: they are not changed",
        ),
        (
            "DELETE FROM es_events",
            "events are facts: they are not deleted",
        ),
    ] {
        let refused = connection
            .execute(edit, [])
            .expect_err("the trigger refuses it");
        assert!(refused.to_string().starts_with(sentence), "{refused}");
    }
    let verify = || pollster::block_on(store.verify()).expect("it can be read");
    let well = verify();
    assert_eq!((well.events, well.findings.len()), (events, 0), "{well:?}");

    connection
        .execute_batch(
            "DROP TRIGGER es_events_are_not_changed; DROP TRIGGER es_events_are_not_deleted",
        )
        .expect("they are there");
    let unguarded = |finding: &Finding| matches!(finding, Finding::Unguarded { .. });
    let guards = verify().findings;
    assert!(
        guards.len() == 2 && guards.iter().all(unguarded),
        "{guards:?}"
    );

    let copy = path.with_extension("copy");
    connection
        .execute("VACUUM INTO ?1", [copy.to_str()])
        .expect("there is room");
    let mut rng = Rng::new();
    let (mut tried, mut found) = (0, 0);
    for _ in 0..effort.of(300, 5_000) {
        let edit = edit(&mut rng, events);
        let transaction = connection.unchecked_transaction().expect("nobody writes");
        // One that a unique index refuses is none.
        let Ok(changed @ 1..) = connection.execute(&edit, []) else {
            continue;
        };
        transaction.commit().expect("nobody writes");
        tried += 1;
        let findings = verify().findings;
        let is_found = findings.iter().any(|finding| !unguarded(finding));
        assert!(is_found, "{edit}: {changed} rows");
        found += 1;
        restore(&connection, &copy);
    }
    format!("refused 2, edits tried {tried}, found {found}")
}

/// One that changes at least one row.
fn edit(rng: &mut Rng, events: u64) -> String {
    let position = rng.u64(1..=events);
    let number = rng.i64(..);
    let columns = [
        format!("position = {number}"),
        format!("position = position + {}", events + rng.u64(1..9)),
        "category = category || 'x'".to_owned(),
        "stream = zeroblob(16)".to_owned(),
        format!("version = {number}"),
        "version = version + 100".to_owned(),
        "event = 'Stitched'".to_owned(),
        "schema = schema + 1".to_owned(),
        "payload = CAST(replace(payload, 'x', 'y') AS BLOB)".to_owned(),
        "payload = CAST(payload || ' ' AS BLOB)".to_owned(),
        "metadata = '{}'".to_owned(),
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

fn restore(connection: &Connection, copy: &Path) {
    let attach = format!("ATTACH '{}' AS copy", copy.display());
    connection
        .execute_batch(&format!(
            "{attach}; BEGIN; DELETE FROM es_events; INSERT INTO es_events SELECT * FROM copy.es_events;
             UPDATE es_log SET head = (SELECT head FROM copy.es_log); COMMIT; DETACH copy"
        ))
        .expect("it is as before");
}
