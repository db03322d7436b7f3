//! Events are edited by hand.
use es_core::Version;
use es_core::persistence::EventStore;
use es_store_postgres::Finding;
use fastrand::Rng;

use crate::{Effort, log, server};

const COMMITS: u64 = 10;

pub(crate) fn triggers_refuse_them_and_verify_finds_what_is_bypassed(effort: Effort) -> String {
    let place = server::fresh();
    let store = server::open(&place);
    for number in 0..COMMITS {
        let expected = |per_commit| Version::from(number * per_commit);
        let appends = [
            (log::stream(1), expected(2), 2),
            (log::stream(2), expected(1), 1),
        ];
        server::block_on(store.commit(log::commit(&appends, 50))).expect("it is stored");
    }
    let events = COMMITS * 3;
    for (edit, sentence) in [
        (
            "UPDATE es_events SET payload = ''",
            "events are facts: they are not changed",
        ),
        (
            "DELETE FROM es_events",
            "events are facts: they are not deleted",
        ),
        (
            "DELETE FROM es_events WHERE false",
            "events are facts: they are not deleted",
        ),
        (
            "TRUNCATE es_events",
            "events are facts: they are not deleted",
        ),
    ] {
        let refused = server::execute(&place, edit).expect_err("the trigger refuses it");
        let said = refused.as_db_error().expect("the server says it").message();
        assert!(said.starts_with(sentence), "{edit}: {said}");
    }
    let verify = || server::block_on(store.verify()).expect("it can be read");
    let well = verify();
    assert_eq!((well.events, well.findings.len()), (events, 0), "{well:?}");

    let off = "ALTER TABLE es_events DISABLE TRIGGER USER; CREATE TABLE copy AS SELECT * FROM es_events; \
               CREATE TABLE log_copy AS SELECT * FROM es_log";
    server::execute(&place, off).expect("nothing is in the way");
    let unguarded = |finding: &Finding| matches!(finding, Finding::Unguarded { .. });
    let guards = verify().findings;
    assert!(
        guards.len() == 3 && guards.iter().all(unguarded),
        "{guards:?}"
    );
    let mut rng = Rng::new();
    let (mut tried, mut found) = (0, 0);
    for _ in 0..effort.of(150, 3_000) {
        let edit = edit(&mut rng, events);
        let changed = server::block_on(async {
            let session = server::session(&place).await;
            // One that an index refuses is none.
            session.execute(&edit, &[]).await.unwrap_or(0)
        });
        if changed == 0 {
            continue;
        }
        tried += 1;
        let findings = verify().findings;
        let is_found = findings.iter().any(|finding| !unguarded(finding));
        assert!(is_found, "{edit}: {changed} rows");
        found += 1;
        let restore = "DELETE FROM es_events; INSERT INTO es_events SELECT * FROM copy; \
                       UPDATE es_log SET head = (SELECT head FROM log_copy)";
        server::execute(&place, restore).expect("it is as before");
    }
    format!("refused 4, edits tried {tried}, found {found}")
}

/// One that changes at least one row.
fn edit(rng: &mut Rng, events: u64) -> String {
    let position = rng.u64(1..=events);
    let number = rng.i64(..);
    let columns = [
        format!("position = {number}"),
        format!("position = position + {}", events + rng.u64(1..9)),
        "category = category || 'x'".to_owned(),
        "stream = '00000000-0000-0000-0000-000000000000'".to_owned(),
        format!("version = {number}"),
        "version = version + 100".to_owned(),
        "event = 'Stitched'".to_owned(),
        "schema = schema + 1".to_owned(),
        "payload = overlay(payload placing '\\x79' from 30)".to_owned(),
        "payload = payload || ' '".to_owned(),
        "metadata = '{}'".to_owned(),
        format!("time = time + {}", rng.i64(1..1_000)),
        "commit_id = gen_random_uuid()".to_owned(),
        "events_in_commit = coalesce(events_in_commit, 0) + 1".to_owned(),
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
