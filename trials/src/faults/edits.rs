//! Events are edited by hand.
use es_core::Version;
use es_core::persistence::{EventStore, Filter, Finding, Record, Span};
use fastrand::Rng;
use uuid::Uuid;

use super::log::execute;
use super::{Effort, Log};
use crate::{block_on, log};

const COMMITS: u64 = 10;

pub(super) fn triggers_refuse_them_and_verify_finds_what_is_bypassed<L: Log>(
    effort: Effort,
) -> String {
    let place = L::fresh();
    let store = place.open();
    for number in 0..COMMITS {
        let expected = |per_commit| Version::from(number * per_commit);
        let appends = [
            (log::stream(1), expected(2), 2),
            (log::stream(2), expected(1), 1),
        ];
        block_on(store.commit(log::commit(&appends, 50))).expect("it is stored");
    }
    let deletions = [&["DELETE FROM es_events"], L::DELETIONS].concat();
    let deletions = deletions.iter().map(|edit| (*edit, "deleted"));
    let update = ("UPDATE es_events SET schema = schema + 1", "changed");
    let refused = 1 + deletions.len();
    for (edit, done) in deletions.chain([update]) {
        let said = place.execute(edit).expect_err("the trigger refuses it");
        let sentence = format!("events are facts: they are not {done}");
        assert!(said.starts_with(&sentence), "{edit}: {said}");
    }
    let verify = || block_on(store.verify()).expect("it can be read");
    let well = verify();
    let events = COMMITS * 3;
    assert_eq!((well.events, well.findings.len()), (events, 0), "{well:?}");

    let (unguarded, guards) = L::UNGUARDED;
    execute(&place, unguarded);
    let is_unguarded = |finding: &Finding| matches!(finding, Finding::Unguarded { .. });
    let findings = verify().findings;
    assert!(
        findings.len() == guards && findings.iter().all(is_unguarded),
        "{findings:?}"
    );

    execute(
        &place,
        "CREATE TABLE copy AS SELECT * FROM es_events; CREATE TABLE log_copy AS SELECT * FROM es_log",
    );
    let everything = Filter::everything();
    let page = block_on(store.read_log(Span::all(), &everything)).expect("it can be read");
    let mut rng = Rng::new();
    let (mut tried, mut found) = (0, 0);
    for _ in 0..effort.of(L::EDITS.0, L::EDITS.1) {
        let edit = edit::<L>(&mut rng, &page.records);
        // One that an index refuses is none.
        let changed = place.execute(&edit).unwrap_or(0);
        if changed == 0 {
            continue;
        }
        tried += 1;
        let findings = verify().findings;
        let is_found = findings.iter().any(|finding| !is_unguarded(finding));
        assert!(is_found, "{edit}: {changed} rows");
        found += 1;
        execute(
            &place,
            "BEGIN; DELETE FROM es_events; INSERT INTO es_events SELECT * FROM copy; \
             UPDATE es_log SET head = (SELECT head FROM log_copy); COMMIT",
        );
    }
    format!("refused {refused}, edits tried {tried}, found {found}")
}

/// One that changes at least one row.
fn edit<L: Log>(rng: &mut Rng, records: &[Record]) -> String {
    let record = &records[rng.usize(..records.len())];
    let position = record.position;
    let number = rng.i64(..);
    let [mut flipped, mut longer] = [(); 2].map(|()| record.payload.to_vec());
    flipped[rng.usize(..record.payload.len())] ^= 1;
    longer.push(b' ');
    let columns = [
        format!("position = {number}"),
        format!(
            "position = position + {}",
            records.len() as u64 + rng.u64(1..9)
        ),
        "category = category || 'x'".to_owned(),
        format!("stream = {}", L::uuid(Uuid::nil())),
        format!("version = {number}"),
        "version = version + 100".to_owned(),
        "event = 'Stitched'".to_owned(),
        "schema = schema + 1".to_owned(),
        format!("payload = {}", L::bytes(&flipped)),
        format!("payload = {}", L::bytes(&longer)),
        "metadata = '{}'".to_owned(),
        format!("time = time + {}", rng.i64(1..1_000)),
        format!("commit_id = {}", L::uuid(Uuid::from_u128(rng.u128(..)))),
        "events_in_commit = coalesce(events_in_commit, 0) + 1".to_owned(),
        "checksum = checksum + 1".to_owned(),
    ];
    match rng.u8(..10) {
        0 => format!("DELETE FROM es_events WHERE position = {position}"),
        1 => format!("DELETE FROM es_events WHERE position >= {position}"),
        2 => format!("UPDATE es_log SET head = head + {}", rng.i64(1..100)),
        3 => format!("UPDATE es_log SET head = {}", position.get() - 1),
        _ => {
            let column = &columns[rng.usize(..columns.len())];
            format!("UPDATE es_events SET {column} WHERE position = {position}")
        }
    }
}
