//! Logs that are exported, and come back the same to the byte.
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use es_core::application::ApplicationBuilder;
use es_core::persistence::{Append, Commit, CommitId, EncodedEvent, Metadata, Span};
use es_core::{Application, Position, StreamId, Version};
use es_manage::{ImportInto, export, import};
use es_store_memory::MemoryStore;
use expect_test::expect;
use fastrand::Rng;
use uuid::Uuid;

use crate::child::{Place, block_on};
use crate::printed::check;
use crate::school::Dog;
use crate::{Test, effort};

pub(crate) const TESTS: &[Test] = tests![
    an_export_is_a_file_of_lines,
    a_copy_of_a_copy_is_the_same_to_the_byte,
    what_is_encrypted_stays_encrypted,
    random_logs_come_back_as_they_were,
];

pub(crate) fn exported(place: &Place) -> String {
    let output = place
        .command(["export", "--app", "school"])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

fn an_export_is_a_file_of_lines() {
    let place = Place::seeded();
    check(
        &place.run(["export", "--app", "school"]),
        0,
        &expect![[r#"
            {"export":1,"application":"school"}
            {"position":1,"time":"2024-03-04T09:00:00.000000Z","commit":"COMMIT","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":1,"event":"Registered","schema":1,"payload":{"name":"Fido"}}
            {"position":2,"time":"2024-03-04T09:00:00.000000Z","commit":"COMMIT","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":2,"event":"TrickAdded","schema":1,"payload":{"trick":"roll over"}}
            {"position":3,"time":"2024-03-04T10:00:00.000000Z","commit":"COMMIT","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":3,"event":"TrickAdded","schema":1,"metadata":{"actor":"alice"},"payload":{"trick":"play dead"}}
            {"position":4,"time":"2024-03-04T10:00:00.000000Z","commit":"COMMIT","category":"Trainer","id":"00000000-0000-0000-0000-000000000000","version":1,"event":"Hired","schema":1,"metadata":{"actor":"alice"},"payload":{}}
            {"position":5,"time":"2024-03-04T10:00:00.000000Z","commit":"COMMIT","category":"Trainer","id":"00000000-0000-0000-0000-000000000000","version":2,"event":"Praised","schema":1,"metadata":{"actor":"alice"},"payload":{}}
            {"position":6,"time":"2024-03-04T11:00:00.000000Z","commit":"COMMIT","category":"Dog","id":"407d3ee3-a4f3-54fe-98dd-13c70cfefff8","version":1,"event":"Registered","schema":1,"payload":{"name":"Rex"}}
            {"position":7,"time":"2024-03-04T11:00:00.000000Z","commit":"COMMIT","category":"Dog","id":"407d3ee3-a4f3-54fe-98dd-13c70cfefff8","version":2,"event":"TrickAdded","schema":1,"payload":{"trick":"sit"}}
            {"events":7}
        "#]],
        &expect![""],
    );
    let ended = place.run(["export", "--app", "school", "--output", "school.jsonl"]);
    check(
        &ended,
        0,
        &expect![[r#"
        7 events exported, up to position 7
    "#]],
        &expect![""],
    );
    assert_eq!(
        fs::read_to_string(place.path("school.jsonl")).unwrap(),
        exported(&place)
    );
    let json = place.run(["export", "--app", "school", "--json", "-o", "again.jsonl"]);
    check(
        &json,
        0,
        &expect![[r#"
        {"application":"school","events":7,"head":7}
    "#]],
        &expect![""],
    );
}

fn a_copy_of_a_copy_is_the_same_to_the_byte() {
    let place = Place::seeded();
    let first = exported(&place);
    let copy = Place::migrated();
    fs::write(copy.path("school.jsonl"), &first).unwrap();
    let import = ["import", "--app", "school", "school.jsonl"];
    check(
        &copy.run(import),
        0,
        &expect![[r#"
            7 events imported, up to position 7
            wall, certificates will handle what was imported from its first event on; a process manager does again what it did, effects outside included, unless its handlers pass by what is old
        "#]],
        &expect![""],
    );
    assert_eq!(exported(&copy), first);
    // Once more, nothing is twice.
    check(
        &copy.run(import),
        0,
        &expect![[r#"
        0 events imported, 7 events there already, up to position 7
    "#]],
        &expect![""],
    );
    assert_eq!(exported(&copy), first);
    assert_eq!(copy.run(["verify"]).status, 0);
    // The copy goes on like the original.
    copy.learn(&["sit"]);
    assert_eq!(copy.run(["sync-followers"]).status, 0);
}

fn what_is_encrypted_stays_encrypted() {
    let place = Place::migrated();
    let key = place.run(["new-key"]).out;
    let keys = format!("1:{}", key.trim());
    block_on(async {
        let stores =
            es_store::Stores::new().store(format!("sqlite:{}", place.path("school.db").display()));
        let settings = stores
            .settings("school")
            .map([("ES_CIPHER_KEYS", keys.as_str())]);
        let app = settings.open().await.unwrap();
        app.save(&mut Dog::register("Fido")).await.unwrap();
    });
    let first = exported(&place);
    assert!(
        first.contains("\"stored\":") && !first.contains("Fido"),
        "{first}"
    );
    let copy = Place::migrated();
    fs::write(copy.path("school.jsonl"), &first).unwrap();
    assert_eq!(
        copy.run(["import", "--app", "school", "school.jsonl"])
            .status,
        0
    );
    assert_eq!(exported(&copy), first);
    // Without the key the log can be copied, and not read.
    assert_eq!(copy.run(["verify", "--app", "school"]).status, 2);
    let events = copy.run(["events", "--app", "school"]);
    assert!(
        events.status == 0 && events.out.contains("\"unreadable\":"),
        "{events:?}"
    );
    let mut verify = copy.command(["verify", "--app", "school"]);
    assert!(
        verify
            .env("ES_CIPHER_KEYS", keys)
            .output()
            .unwrap()
            .status
            .success()
    );
}

/// Writes an event of its own behind every line that is read of it.
fn random_logs_come_back_as_they_were() {
    for _ in 0..effort(50, 1_000) {
        let seed = fastrand::u64(..);
        let rng = &mut Rng::with_seed(seed);
        block_on(async {
            let (one, other) = (app(), app());
            for commit in commits(rng) {
                one.append(commit).await.unwrap();
            }
            let mut first = Vec::new();
            let report = export(&one, Position::START, &mut first, &())
                .await
                .unwrap();
            // Cut off anywhere, it goes on from there.
            let cut = rng.usize(..first.len());
            drop(
                import(
                    &other,
                    &mut &first[..cut],
                    ImportInto::Empty,
                    None,
                    None,
                    &(),
                )
                .await,
            );
            let imported = import(&other, &mut &*first, ImportInto::Empty, None, None, &())
                .await
                .unwrap();
            assert_eq!(
                imported.events + imported.known,
                report.events,
                "seed {seed}"
            );
            let mut again = Vec::new();
            export(&other, Position::START, &mut again, &())
                .await
                .unwrap();
            assert_eq!(first, again, "seed {seed}");
            let all = |app: Application| async move {
                app.log().page(Span::all()).await.unwrap().records
            };
            assert_eq!(all(one).await, all(other).await, "seed {seed}");
        });
    }
}

pub(crate) fn app() -> Application {
    let builder: ApplicationBuilder = Application::builder(MemoryStore::new());
    builder.name("school").build()
}

fn commits(rng: &mut Rng) -> Vec<Commit> {
    let mut versions = [[0_u64; 3]; 2];
    let mut time = UNIX_EPOCH;
    let mut commits = Vec::new();
    for _ in 0..rng.usize(..20) {
        let magnitude = rng.u32(1..50);
        time += Duration::from_micros(rng.u64(..1 << magnitude));
        let mut appends = Vec::new();
        for _ in 0..rng.usize(1..4) {
            let (category, id) = (rng.usize(..2), rng.usize(..3));
            let events: Vec<_> = (0..rng.usize(1..4)).map(|_| event(rng)).collect();
            let version = &mut versions[category][id];
            appends.push(Append {
                stream: StreamId::new(
                    ["Dog", "Größe \"1\""][category],
                    Uuid::from_u128(id as u128),
                ),
                expected: Version::from(*version),
                events: events.clone(),
            });
            *version += events.len() as u64;
        }
        commits.push(Commit {
            id: CommitId::from(Uuid::from_u128(rng.u128(..))),
            time,
            metadata: metadata(rng),
            appends,
            checkpoint: None,
        });
    }
    commits
}

fn metadata(rng: &mut Rng) -> Metadata {
    match rng.u8(..3) {
        0 => Metadata::new(),
        1 => Metadata::new().actor("al\"ice\n"),
        _ => Metadata::new()
            .correlation(Uuid::from_u128(rng.u128(..)))
            .with("zebra", 1)
            .with("a", serde_json::json!({"deep": [1.5, null, "\u{0}"]})),
    }
}

fn event(rng: &mut Rng) -> EncodedEvent {
    let payloads: [&[u8]; 9] = [
        b"{}",
        b"{\"name\":\"Fido\"}",
        b"{ \"b\" : 1.0, \"a\" : 18446744073709551615, \"a\": \"\\u00e9\" }",
        b" {}",
        b"{}\n",
        b"{\"a\":\n1}",
        b"{not json}",
        b"\x87\x00\xff",
        b"",
    ];
    EncodedEvent {
        name: ["Registered", "Trick \u{1f415}"][rng.usize(..2)].into(),
        schema: rng.u32(..),
        payload: payloads[rng.usize(..payloads.len())].into(),
    }
}
