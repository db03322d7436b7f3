//! The commands over a real server.
use std::fs;

use es_store_postgres::testing::{Disk, Server};

use crate::Test;
use crate::child::{Ended, Place};

pub(crate) const TESTS: &[Test] = &[(
    "a_log_is_copied_to_a_server_and_verified_there",
    a_log_is_copied_to_a_server_and_verified_there,
)];

fn a_log_is_copied_to_a_server_and_verified_there() {
    let server = Server::start(Disk::NotWaitedFor).unwrap();
    let url = server.url();
    let place = Place::seeded();
    let run = |arguments: &[&str]| -> Ended {
        let mut command = place.command(arguments.iter().copied());
        command.env("MANAGED", "two").env("KENNEL_ES_STORE", &url);
        place.ended(command.args(["--system", "kennel"]).output().unwrap())
    };
    let unmigrated = run(&["verify"]);
    assert_eq!(unmigrated.status, 4, "{unmigrated:?}");
    assert!(
        unmigrated
            .err
            .ends_with("help: `school migrate` makes it\n"),
        "{unmigrated:?}"
    );
    assert_eq!(run(&["migrate"]).out, "kennel: migrated\n");
    assert_eq!(run(&["migrate"]).out, "kennel: up to date\n");

    let export = place
        .command(["export", "--app", "school"])
        .output()
        .unwrap()
        .stdout;
    fs::write(place.path("school.jsonl"), &export).unwrap();
    for known in [false, true] {
        let imported = run(&["import", "school.jsonl", "--from", "school"]);
        assert_eq!(imported.status, 0, "{imported:?}");
        assert_eq!(imported.out.contains("7 events there already"), known);
    }
    assert_eq!(run(&["export", "-o", "kennel.jsonl"]).status, 0);
    let lines = |text: Vec<u8>| {
        String::from_utf8(text)
            .unwrap()
            .split_once('\n')
            .unwrap()
            .1
            .to_owned()
    };
    // But for its head, which names the application.
    assert_eq!(
        lines(fs::read(place.path("kennel.jsonl")).unwrap()),
        lines(export)
    );
    let events = run(&[
        "events",
        "--since",
        "2024-03-04T11:00:00Z",
        "--event",
        "TrickAdded",
    ]);
    assert!(
        events.out.lines().count() == 1 && events.out.contains("\"trick\":\"sit\""),
        "{events:?}"
    );
    // The store finds nothing; that the kennel knows no dogs is found too.
    let verified = run(&["verify", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&verified.out).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(verified.status == 2 && findings.len() == 2, "{verified:?}");
    assert!(
        findings.iter().all(|found| found["kind"] == "unknown-type"),
        "{verified:?}"
    );

    drop(server);
    let gone = run(&["verify"]);
    assert_eq!(gone.status, 4, "{gone:?}");
}
