//! What happened, as lines of JSON, and what an aggregate is or was.
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use es_core::persistence::{Append, Commit, CommitId, EncodedEvent, Metadata};
use es_core::{StreamId, Version};
use expect_test::expect;
use uuid::Uuid;

use crate::Test;
use crate::child::{Place, block_on};
use crate::printed::{prints, refuses};
use crate::school::Dog;

pub(crate) const TESTS: &[Test] = tests![
    events_are_lines_of_json,
    json_commands_no_terminal_and_loses_nothing,
    events_are_filtered,
    events_are_found_under_names_that_they_had_before,
    events_are_followed,
    following_ends_where_it_was_told_to,
    a_broken_pipe_is_no_panic,
    an_aggregate_is_shown_as_it_is_and_was,
    a_day_that_is_looked_back_to_is_past_as_a_whole,
    what_comes_after_what_is_shown_need_not_be_readable,
    what_cannot_be_shown_says_what_can,
];

fn events_are_lines_of_json() {
    let place = Place::seeded();
    prints(
        &place.run(["events", "--app", "school"]),
        &expect![[r#"
            {"position":1,"time":"2024-03-04T09:00:00.000000Z","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":1,"event":"Registered","schema":1,"commit":"COMMIT","payload":{"name":"Fido"}}
            {"position":2,"time":"2024-03-04T09:00:00.000000Z","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":2,"event":"TrickAdded","schema":1,"commit":"COMMIT","payload":{"trick":"roll over"}}
            {"position":3,"time":"2024-03-04T10:00:00.000000Z","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":3,"event":"TrickAdded","schema":1,"commit":"COMMIT","metadata":{"actor":"alice"},"payload":{"trick":"play dead"}}
            {"position":4,"time":"2024-03-04T10:00:00.000000Z","category":"Trainer","id":"00000000-0000-0000-0000-000000000000","version":1,"event":"Hired","schema":1,"commit":"COMMIT","metadata":{"actor":"alice"},"payload":{}}
            {"position":5,"time":"2024-03-04T10:00:00.000000Z","category":"Trainer","id":"00000000-0000-0000-0000-000000000000","version":2,"event":"Praised","schema":1,"commit":"COMMIT","metadata":{"actor":"alice"},"payload":{}}
            {"position":6,"time":"2024-03-04T11:00:00.000000Z","category":"Dog","id":"407d3ee3-a4f3-54fe-98dd-13c70cfefff8","version":1,"event":"Registered","schema":1,"commit":"COMMIT","payload":{"name":"Rex"}}
            {"position":7,"time":"2024-03-04T11:00:00.000000Z","category":"Dog","id":"407d3ee3-a4f3-54fe-98dd-13c70cfefff8","version":2,"event":"TrickAdded","schema":1,"commit":"COMMIT","payload":{"trick":"sit"}}
        "#]],
    );
    assert_eq!(place.run(["events", "--app", "office"]).out, "");
}

fn json_commands_no_terminal_and_loses_nothing() {
    let place = Place::seeded();
    let odd = "a\u{7f}b\u{9b}31m\u{1b}[0m";
    let payload = format!(
        "{{\n  \"trick\": \"{}\", \"n\":\t[1.10, 123456789012345678901234567890]\n}}",
        &odd[..8]
    );
    let commit = Commit {
        id: CommitId::draw(),
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_600_000),
        metadata: Metadata::new().actor(odd),
        appends: vec![Append {
            stream: StreamId::new("Dog", Dog::id_for("Fido")),
            expected: Version::from(3),
            events: vec![EncodedEvent {
                name: "TrickAdded".into(),
                schema: 1,
                payload: payload.into(),
            }],
        }],
        checkpoint: None,
    };
    block_on(async { place.app().await.append(commit).await.unwrap() });
    let fido = Dog::id_for("Fido").to_string();
    let show = ["show", "Dog", &fido, "--last", "1", "--json"];
    let events = ["events", "--app", "school", "--after", "7"];
    for (arguments, from) in [(&show[..], "/changes/0/event"), (&events[..], "")] {
        let ended = place.run(arguments.iter().copied());
        assert_eq!((ended.status, ended.out.lines().count()), (0, 1));
        let line = ended.out.trim_end_matches('\n');
        assert!(!line.contains(char::is_control), "{line:?}");
        let payload =
            r#""payload":{"trick":"a\u007fb\u009b31m","n":[1.10,123456789012345678901234567890]}"#;
        assert!(line.contains(payload), "{line}");
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line.pointer(from).unwrap()["metadata"]["actor"], odd);
    }
    let missing = place.run(["events", "--app", odd, "--json"]);
    assert_eq!((missing.status, missing.err.lines().count()), (1, 1));
    assert!(
        !missing.err.trim_end().contains(char::is_control),
        "{missing:?}"
    );
    let told: serde_json::Value = serde_json::from_str(&missing.err).unwrap();
    assert!(told["error"].as_str().unwrap().contains(odd), "{missing:?}");
}

fn events_are_filtered() {
    let place = Place::seeded();
    let id = Dog::id_for("Fido");
    let stream = format!("Dog/{id}");
    let positions = |arguments: &[&str]| {
        let all = ["events", "--app", "school"].iter().chain(arguments);
        let ended = place.run(all.copied());
        assert_eq!((ended.status, &*ended.err), (0, ""));
        let lines = ended.out.lines();
        let positions = lines.map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["position"].as_u64().unwrap()
        });
        positions.collect::<Vec<_>>()
    };
    let cases: &[(&[&str], &[u64])] = &[
        (&[], &[1, 2, 3, 4, 5, 6, 7]),
        (&["--category", "Trainer"], &[4, 5]),
        (&["--category", "Dog", "--event", "TrickAdded"], &[2, 3, 7]),
        (&["--event", "TrickAdded"], &[2, 3, 7]),
        (&["--stream", &stream], &[1, 2, 3]),
        (
            &["--stream", &stream, "--event", "TrickAdded", "--after", "2"],
            &[3],
        ),
        (&["--actor", "alice"], &[3, 4, 5]),
        (&["--actor", "alice", "--stream", &stream], &[3]),
        (&["--actor", "bob"], &[]),
        (&["--after", "2", "--up-to", "5"], &[3, 4, 5]),
        (&["--after", "5", "--limit", "1"], &[6]),
        (&["--limit", "0"], &[]),
        (&["--since", "2024-03-04T10:00:00Z"], &[3, 4, 5, 6, 7]),
        (
            &[
                "--since",
                "2024-03-04T10:00:00Z",
                "--until",
                "2024-03-04T11:00:00Z",
            ],
            &[3, 4, 5],
        ),
        (&["--until", "2024-03-04"], &[]),
        (&["--since", "2024-03-05"], &[]),
        (&["--category", "Cat"], &[]),
    ];
    for (arguments, expected) in cases {
        assert_eq!(positions(arguments), *expected, "{arguments:?}");
    }
    let request = Uuid::from_u128(7);
    block_on(async {
        let app = place.app().await;
        let app = app.with(Metadata::new().actor("alice").correlation(request));
        app.update(id, |dog: &mut Dog| dog.add_trick("bow"))
            .await
            .unwrap();
    });
    assert_eq!(positions(&["--correlation", &request.to_string()]), [8]);
    assert_eq!(positions(&["--actor", "alice"]), [3, 4, 5, 8]);
}

fn events_are_found_under_names_that_they_had_before() {
    let place = Place::seeded();
    // As a program of before wrote them.
    let learned = |version: u64| Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new(),
        appends: vec![Append {
            stream: StreamId::new("Dog", Dog::id_for("Rex")),
            expected: Version::from(version),
            events: vec![EncodedEvent {
                name: "TrickLearned".into(),
                schema: 1,
                payload: r#"{"trick":"bow"}"#.into(),
            }],
        }],
        checkpoint: None,
    };
    block_on(async {
        let app = place.app().await;
        app.append(learned(2)).await.unwrap();
    });
    let rex = format!("Dog/{}", Dog::id_for("Rex"));
    let cases: &[(&[&str], usize)] = &[
        (&["--event", "TrickAdded"], 4),
        (&["--event", "TrickLearned"], 1),
        (&["--category", "Dog", "--event", "TrickAdded"], 4),
        (&["--category", "Trainer", "--event", "TrickAdded"], 0),
        (&["--stream", &rex, "--event", "TrickAdded"], 2),
    ];
    for (arguments, expected) in cases {
        let all = ["events", "--app", "school"].iter().chain(*arguments);
        let ended = place.run(all.copied());
        assert_eq!(ended.out.lines().count(), *expected, "{arguments:?}");
    }
}

fn events_are_followed() {
    let place = Place::seeded();
    let arguments = [
        "events", "--app", "school", "--follow", "--after", "6", "--limit", "3",
    ];
    let mut child = place
        .command(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("\"position\":7"));
    place.learn(&["sit", "stay"]);
    for position in ["8", "9"] {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(&format!("\"position\":{position}")), "{line}");
    }
    assert!(child.wait().unwrap().success());
}

fn following_ends_where_it_was_told_to() {
    let place = Place::seeded();
    let arguments = [
        "events",
        "--app",
        "school",
        "--follow",
        "--category",
        "Trainer",
        "--up-to",
        "9",
    ];
    let child = place
        .command(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // None of a trainer comes, and yet that is the end.
    place.learn(&["sit", "stay", "beg"]);
    let ended = place.ended(child.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.out.lines().count()), (0, 2));
    // So it does where the end was there before.
    let ended = place.run([
        "events",
        "--app",
        "school",
        "--follow",
        "--category",
        "Trainer",
        "--until",
        "2024-03-04T10:30:00Z",
    ]);
    assert_eq!((ended.status, ended.out.lines().count()), (0, 2));
}

fn a_broken_pipe_is_no_panic() {
    let place = Place::seeded();
    place.learn_in(10, &["sit"; 2_000]);
    let to_file = ["export", "--app", "school", "-o", "school.jsonl"];
    let cases: &[(&[&str], i32)] = &[
        (&["events", "--app", "school"], 0),
        // What there is of it fits into what is written at the end.
        (&["events", "--app", "school", "--limit", "1"], 0),
        (&["completions", "bash"], 0),
        (&to_file, 0),
        (&["status"], 0),
        (&["show", "Dog", "00000000-0000-0000-0000-000000000000"], 1),
        (&["export", "--app", "school"], 2),
    ];
    for (arguments, status) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = place.command(arguments.iter().copied());
        let output = command.stdout(writer).stderr(Stdio::piped()).output();
        let ended = place.ended(output.unwrap());
        assert_eq!(ended.status, *status, "{arguments:?}: {ended:?}");
        assert_eq!(
            ended.err.is_empty(),
            *status == 0,
            "{arguments:?}: {ended:?}"
        );
        assert!(!ended.err.contains("panicked"), "{ended:?}");
    }
}

fn an_aggregate_is_shown_as_it_is_and_was() {
    let place = Place::seeded();
    let fido = crate::school::Dog::id_for("Fido").to_string();
    let show = |more: &[&str]| {
        let all = ["show", "Dog", &fido]
            .into_iter()
            .chain(more.iter().copied());
        place.run(all.collect::<Vec<_>>())
    };
    prints(
        &show(&[]),
        &expect![[r#"
        Dog 1e1d7398-8986-57af-bb01-11a89b2f8b02
        version 3, 2024-03-04T10:00:00Z

          name    "Fido"
          tricks  ["roll over", "play dead"]

        1 Registered  2024-03-04T09:00:00Z
          name: "Fido"
          tricks: []

        2 TrickAdded  2024-03-04T09:00:00Z
          tricks: [] → ["roll over"]

        3 TrickAdded  2024-03-04T10:00:00Z
          by alice
          tricks: ["roll over"] → ["roll over", "play dead"]
    "#]],
    );
    prints(
        &show(&["--at-version", "2", "--last", "1"]),
        &expect![[r#"
            Dog 1e1d7398-8986-57af-bb01-11a89b2f8b02
            version 2 of 3, 2024-03-04T09:00:00Z

              name    "Fido"
              tricks  ["roll over"]

            2 TrickAdded  2024-03-04T09:00:00Z
              tricks: [] → ["roll over"]
        "#]],
    );
    prints(
        &show(&["--as-of", "2024-03-04T09:30:00Z", "--last", "0"]),
        &expect![[r#"
            Dog 1e1d7398-8986-57af-bb01-11a89b2f8b02
            version 2 of 3, 2024-03-04T09:00:00Z

              name    "Fido"
              tricks  ["roll over"]
        "#]],
    );
    prints(
        &show(&["--json", "--last", "1"]),
        &expect![[r#"
            {"category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":3,"newest":3,"created":"2024-03-04T09:00:00.000000Z","modified":"2024-03-04T10:00:00.000000Z","state":{"name":"\"Fido\"","tricks":"[\"roll over\", \"play dead\"]"},"changes":[{"event":{"position":3,"time":"2024-03-04T10:00:00.000000Z","category":"Dog","id":"1e1d7398-8986-57af-bb01-11a89b2f8b02","version":3,"event":"TrickAdded","schema":1,"commit":"COMMIT","metadata":{"actor":"alice"},"payload":{"trick":"play dead"}},"fields":[{"field":"tricks","before":"[\"roll over\"]","after":"[\"roll over\", \"play dead\"]"}]}]}
        "#]],
    );
}

fn a_day_that_is_looked_back_to_is_past_as_a_whole() {
    let place = Place::seeded();
    let fido = Dog::id_for("Fido").to_string();
    let version = |time: &str| {
        let ended = place.run(["show", "Dog", &fido, "--as-of", time, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&ended.out).ok()?;
        report["version"].as_u64()
    };
    assert_eq!(version("2024-03-04"), Some(3));
    assert_eq!(version("2024-03-03"), None);
    assert_eq!(version("2024-03-04T00:00:00Z"), None);
    assert_eq!(version("2024-03-04T09:00:00Z"), Some(2));
    assert_eq!(version("2024-03-04T09:59:59.999999Z"), Some(2));
    assert_eq!(version("2024-03-04T10:00:00Z"), Some(3));
    // What `events` prints begins and ends with the first moment of a day.
    let count = |arguments: &[&str]| {
        let all = ["events", "--app", "school"].iter().chain(arguments);
        place.run(all.copied()).out.lines().count()
    };
    assert_eq!(count(&["--since", "2024-03-04"]), 7);
    assert_eq!(count(&["--until", "2024-03-04"]), 0);
    for (command, meaning) in [
        ("show", "at the end of a day in UTC"),
        ("events", "first moment in UTC"),
    ] {
        let help = place.run([command, "--help"]).out;
        let help: Vec<_> = help.split_whitespace().collect();
        assert!(help.join(" ").contains(meaning), "{command}");
    }
}

fn what_comes_after_what_is_shown_need_not_be_readable() {
    let place = Place::seeded();
    let fido = Dog::id_for("Fido").to_string();
    block_on(async {
        let stolen = Commit {
            id: CommitId::draw(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_600_000),
            metadata: Metadata::new(),
            appends: vec![Append {
                stream: StreamId::new("Dog", Dog::id_for("Fido")),
                expected: Version::from(3),
                events: vec![EncodedEvent {
                    name: "TrickAdded".into(),
                    schema: 1,
                    payload: "sealed".into(),
                }],
            }],
            checkpoint: None,
        };
        place.app().await.append(stolen).await.unwrap();
    });
    let then = ["--at-version", "3"];
    for at in [then, ["--as-of", "2024-03-04"]] {
        let ended = place.run(["show", "Dog", &fido].into_iter().chain(at));
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.out.contains("\nversion 3 of 4, "), "{ended:?}");
    }
    for at in [&[][..], &["--at-version", "4"], &["--as-of", "2024-03-05"]] {
        let shown = place.run(["show", "Dog", &fido].iter().chain(at).copied());
        assert_eq!((shown.status, &*shown.out), (2, ""), "{at:?}");
    }
}

fn what_cannot_be_shown_says_what_can() {
    let place = Place::seeded();
    let fido = crate::school::Dog::id_for("Fido").to_string();
    let nobody = "00000000-0000-0000-0000-000000000001";
    refuses(
        &place.run(["show", "Cat", &fido]),
        1,
        &expect![[r#"
            error: the system names no type of aggregate `Cat`; there are `Dog`, `Trainer`, `Certificate`
        "#]],
    );
    refuses(
        &place.run(["show", "Dog", nobody]),
        1,
        &expect![[r#"
            error: `Dog/00000000-0000-0000-0000-000000000001` does not exist; create it, or use `find` where it need not exist
        "#]],
    );
    refuses(
        &place.run(["show", "Dog", &fido, "--at-version", "9"]),
        1,
        &expect![[r#"
            error: `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` has no version 9; it has 1 to 3
        "#]],
    );
    // Further beyond than what is told of the last ones.
    let beyond = place.run(["show", "Dog", &fido, "--at-version", "240"]);
    assert!(
        beyond.err.contains("has no version 240; it has 1 to 3"),
        "{beyond:?}"
    );
    let all = ["show", "Dog", &fido, "--last", "18446744073709551615"];
    assert_eq!(place.run(all).status, 0);
    refuses(
        &place.run(["show", "Dog", &fido, "--at-version", "0"]),
        1,
        &expect![[r#"
            error: `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` has no version 0; it has 1 to 3
        "#]],
    );
    refuses(
        &place.run(["show", "Dog", &fido, "--as-of", "2001-01-01"]),
        1,
        &expect![[r#"
            error: `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` did not exist yet at that time; its history tells since when it does
        "#]],
    );
    let both = [
        "show",
        "Dog",
        &fido,
        "--as-of",
        "2001-01-01",
        "--at-version",
        "1",
    ];
    assert_eq!(place.run(both).status, 1);
}
