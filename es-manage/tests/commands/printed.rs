//! What is printed, and every exit status; what of that tells of events is in `told`.
use std::time::{Duration, UNIX_EPOCH};

use expect_test::{Expect, expect};

use crate::Test;
use crate::child::{Ended, Place};

pub(crate) const TESTS: &[Test] = tests![
    without_a_command_the_commands_are_told,
    what_is_not_understood_is_a_usage_error,
    a_store_that_is_not_there_is_named_with_the_way_out,
    only_migrate_makes_a_store,
    wrong_settings_are_usage_errors,
    one_of_several_systems_is_chosen,
    a_sound_log_verifies,
    what_the_code_does_not_know_is_found,
    snapshots_are_taken_of_what_can_have_any,
    a_new_key_is_one,
    every_shell_gets_its_completions,
    commands_may_be_below_one_of_the_program,
];

pub(crate) fn check(ended: &Ended, status: i32, out: &Expect, err: &Expect) {
    out.assert_eq(&ended.out);
    err.assert_eq(&ended.err);
    assert_eq!(ended.status, status, "{ended:?}");
}

/// It ended well, and said nothing else.
pub(crate) fn prints(ended: &Ended, out: &Expect) {
    check(ended, 0, out, &expect![""]);
}

/// It did nothing but say why.
pub(crate) fn refuses(ended: &Ended, status: i32, err: &Expect) {
    check(ended, status, &expect![""], err);
}

fn without_a_command_the_commands_are_told() {
    let place = Place::new();
    let told = place.run([]);
    refuses(
        &told,
        1,
        &expect![[r#"
        Manages the events and the followers of this program

        Usage: school [OPTIONS] <COMMAND>

        Commands:
          status          Show how each follower is: state, lag, lease, parked events
          sync-followers  Let followers handle what they have not seen, leaders first
          rebuild         Make read models anew, beside those that readers see
          parked          List, retry or give up on what followers could not handle
          place           Say where a process manager stands, from where it goes on
          forget          Forget a follower that is none of this program's any more, as `status` names it
          migrate         Make the stores, or bring them up to date
          snapshot        Take snapshots of all aggregates that can have any
          events          Print events, one JSON object per line
          show            Show an aggregate, as it is or was, and what changed
          verify          Check that the log is what was written, and that this program can read it
          export          Write all events as JSON Lines; what is encrypted stays encrypted
          import          Store the events of an export; broken off and run again, it goes on where it was
          new-key         Print a new key for `ES_CIPHER_KEYS`
          completions     Print what a shell needs to complete these commands

        Options:
          -h, --help  Print help

        Common options:
              --store <URL>    Where the events are kept, instead of where the environment says: a URL, or
                               APPLICATION=URL
              --system <NAME>  Which system is meant, where there are several
              --json           Print the report as JSON
              --color <WHEN>   When to use colours [default: auto] [possible values: auto, always, never]

        Exit status:
          0  all is well
          1  what was asked for cannot be understood, or is not there
          2  a follower failed, or something was found or could not be done
          3  somebody else runs a follower
          4  a store cannot be reached, or is not migrated
    "#]],
    );
    let help = place.run(["--help"]);
    assert_eq!((help.status, &*help.err), (0, ""));
    assert_eq!(help.out, told.err);
    for command in [
        "status",
        "sync-followers",
        "rebuild",
        "parked",
        "migrate",
        "snapshot",
        "events",
        "show",
        "verify",
        "export",
        "import",
        "new-key",
        "completions",
    ] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
        let own = place.run([command, "--help"]);
        assert_eq!((own.status, &*own.err), (0, ""), "{command}");
    }
}

fn what_is_not_understood_is_a_usage_error() {
    let place = Place::seeded();
    refuses(
        &place.run(["sync"]),
        1,
        &expect![[r#"
        error: unrecognized subcommand 'sync'

          tip: a similar subcommand exists: 'sync-followers'

        Usage: school [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
    refuses(
        &place.run(["show", "Dog", "Fido"]),
        1,
        &expect![[r#"
        error: invalid value 'Fido' for '<ID>': an id is a UUID, such as 018f3d2e-8c1a-7bbb-8000-0123456789ab; `events --category` shows those there are

        For more information, try '--help'.
    "#]],
    );
    refuses(
        &place.run(["events", "--since", "yesterday", "--app", "school"]),
        1,
        &expect![[r#"
        error: invalid value 'yesterday' for '--since <TIME>': a time is written as 2024-03-04T09:00:00Z, or as a day, 2024-03-04

        For more information, try '--help'.
    "#]],
    );
    refuses(
        &place.run(["events", "--since", "24-03-04", "--app", "school"]),
        1,
        &expect![[r#"
            error: invalid value '24-03-04' for '--since <TIME>': a time is written as 2024-03-04T09:00:00Z, or as a day, 2024-03-04

            For more information, try '--help'.
        "#]],
    );
    refuses(
        &place.run(["events"]),
        1,
        &expect![[r#"
        error: which application is meant? say `--app NAME`; there are `school`, `office`
    "#]],
    );
    refuses(
        &place.run(["events", "--app", "kennel"]),
        1,
        &expect![[r#"
        error: there is no application `kennel`; there are `school`, `office`
    "#]],
    );
    refuses(
        &place.run(["events", "--app", "kennel", "--json"]),
        1,
        &expect![[r#"
        {"error":"there is no application `kennel`; there are `school`, `office`","causes":[],"help":null,"status":1}
    "#]],
    );
}

fn a_store_that_is_not_there_is_named_with_the_way_out() {
    let place = Place::new();
    refuses(
        &place.run(["status"]),
        4,
        &expect![[r#"
        error: there is no file `FOLDER/school.db`; correct the path, or call `SqliteStore::builder(path).open()` once to make it
        help: `school migrate` makes it
    "#]],
    );
    for command in ["verify", "sync-followers", "snapshot"] {
        assert_eq!(place.run([command]).status, 4, "{command}");
    }
    std::fs::write(
        place.path("school.db"),
        "this is no database, but a text that is long enough",
    )
    .unwrap();
    refuses(
        &place.run(["status"]),
        4,
        &expect![[r#"
        error: `FOLDER/school.db` is no SQLite file, or is damaged; name another file, or restore it from a backup
          because: file is not a database
          because: Error code 26: file is not a database
    "#]],
    );
    let ended = place.run(["migrate"]);
    assert_eq!(ended.status, 4, "{ended:?}");
}

fn only_migrate_makes_a_store() {
    let place = Place::new();
    assert_eq!(place.run(["status"]).status, 4);
    assert!(!place.path("school.db").exists());
    prints(
        &place.run(["migrate"]),
        &expect![[r#"
        school: migrated
    "#]],
    );
    prints(
        &place.run(["migrate"]),
        &expect![[r#"
        school: up to date
    "#]],
    );
    prints(
        &place.run(["migrate", "--json"]),
        &expect![[r#"
            {"system":"school","applications":["school","office"],"changed":false}
        "#]],
    );
    assert_eq!(place.run(["status"]).status, 0);
}

fn wrong_settings_are_usage_errors() {
    let place = Place::migrated();
    let mysql = place.run(["status", "--store", "mysql://host/db"]);
    assert_eq!((mysql.status, &*mysql.out), (1, ""));
    // Which URLs follow depends on the features.
    let begin = "error: the store given is `mysql://host/db`; write a URL that this build of es-store accepts: `memory:`";
    assert!(mysql.err.starts_with(begin), "{}", mysql.err);
    // One file for two applications.
    refuses(
        &place.run(["status", "--store", "sqlite:school.db"]),
        1,
        &expect![[r#"
        error: the log belongs to the application `school`, not to `office`; give `office` a store of its own, for instance by a table prefix, or the name that the log has
    "#]],
    );
    let apart = [
        "status",
        "--store",
        "school=sqlite:school.db",
        "--store=office=sqlite:office.db",
    ];
    let mut command = place.command(apart);
    command
        .env_remove("SCHOOL_ES_STORE")
        .env_remove("OFFICE_ES_STORE");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
}

fn one_of_several_systems_is_chosen() {
    let place = Place::migrated();
    let run = |arguments: &[&str]| {
        let mut command = place.command(arguments.iter().copied());
        place.ended(command.env("MANAGED", "two").output().unwrap())
    };
    check(
        &run(&["status"]),
        1,
        &expect![""],
        &expect![[r#"
        error: which system is meant? say `--system NAME`; there are `school`, `kennel`
    "#]],
    );
    check(
        &run(&["status", "--system", "zoo"]),
        1,
        &expect![""],
        &expect![[r#"
            error: there is no system `zoo`; there are `school`, `kennel`
        "#]],
    );
    check(
        &run(&["migrate", "--system", "kennel"]),
        0,
        &expect![[r#"
            kennel: migrated
        "#]],
        &expect![""],
    );
    check(
        &run(&["status", "--system", "kennel"]),
        0,
        &expect![[r#"
            kennel has no followers
        "#]],
        &expect![""],
    );
    refuses(
        &place.run(["status", "--system", "kennel"]),
        1,
        &expect![[r#"
            error: there is no system `kennel`; this program has one alone, so leave out `--system`
        "#]],
    );
}

fn a_sound_log_verifies() {
    let place = Place::seeded();
    prints(
        &place.run(["verify"]),
        &expect![[r#"
        school: 7 events read, all well
        office: 0 events read, all well
    "#]],
    );
    prints(
        &place.run(["verify", "--json", "--app", "school"]),
        &expect![[r#"
            {"application":"school","events":7,"erased":0,"findings":[]}
        "#]],
    );
}

fn what_the_code_does_not_know_is_found() {
    use crate::child::block_on;
    use es_core::persistence::{Append, Commit, CommitId, EncodedEvent, Metadata};
    use es_core::{StreamId, Version};
    use uuid::Uuid;

    let place = Place::seeded();
    block_on(async {
        let app = place.app().await;
        let odd = [
            ("Cat", 1, 0, "Slept", 1, "{}"),
            ("Dog", 2, 0, "Stolen", 1, "{}"),
            ("Dog", 3, 0, "TrickAdded", 1, "{\"trick\":\"sit\"}"),
            ("Dog", 4, 0, "Registered", 2, "{\"name\":\"Future\"}"),
            ("Dog", 5, 0, "Registered", 1, "{\"nom\":\"Rex\"}"),
            ("Dog", 5, 1, "TrickAdded", 1, "sealed"),
            (
                "Dog",
                6,
                0,
                "Registered",
                1,
                "{\"name\":\"Max\",\"owner\":{\"name\":\"Ann\"}}",
            ),
        ];
        for (category, id, expected, name, schema, payload) in odd {
            let commit = Commit {
                id: CommitId::draw(),
                time: UNIX_EPOCH + Duration::from_secs(1_709_600_000),
                metadata: Metadata::new(),
                appends: vec![Append {
                    stream: StreamId::new(category, Uuid::from_u128(id)),
                    expected: Version::from(expected),
                    events: vec![EncodedEvent {
                        name: name.into(),
                        schema,
                        payload: payload.into(),
                    }],
                }],
                checkpoint: None,
            };
            app.append(commit).await.unwrap();
        }
    });
    check(
        &place.run(["verify", "--app", "school"]),
        2,
        &expect![[r#"
            school: 14 events read, 7 findings
              the system names no type of aggregate that is stored as `Cat`
              `Dog/00000000-0000-0000-0000-000000000002` has an unknown event `Stolen` at version 1; use the program that wrote it, or declare it, if only as an old name or as `retired`
              `TrickAdded` at version 1 of `Dog/00000000-0000-0000-0000-000000000003` does not create a `Dog`
              `Registered` of `Dog/00000000-0000-0000-0000-000000000004` at version 1 has schema 2, but this program reads 1 at most; upgrade it
              `Registered` of `Dog/00000000-0000-0000-0000-000000000005` at version 1 cannot be read; its payload does not fit the event's fields: missing field `name` at line 1 column 13
              the stored payload of `TrickAdded` of `Dog/00000000-0000-0000-0000-000000000005` at version 2 cannot be opened; its cause says what is in the way: it begins with byte 0x73 and is no JSON object, neither compressed nor encrypted; restore it from a backup, or upgrade the program if a newer one wrote it
              `Registered` at version 1 of `Dog/00000000-0000-0000-0000-000000000006` is not read as a whole: of `owner`, something is left out; write `schema = 2` and `#[upcast("Registered", from = 1)]`, or take the change back
        "#]],
        &expect![""],
    );
    let fido = "00000000-0000-0000-0000-000000000005";
    refuses(
        &place.run(["show", "Dog", fido]),
        2,
        &expect![[r#"
            error: `Registered` of `Dog/00000000-0000-0000-0000-000000000005` at version 1 cannot be read; its payload does not fit the event's fields
              because: missing field `name` at line 1 column 13
        "#]],
    );
    let lines = place.run(["events", "--app", "school", "--after", "12"]);
    check(
        &lines,
        0,
        &expect![[r#"
            {"position":13,"time":"2024-03-05T00:53:20.000000Z","category":"Dog","id":"00000000-0000-0000-0000-000000000005","version":2,"event":"TrickAdded","schema":1,"commit":"COMMIT","unreadable":"the stored payload of `TrickAdded` of `Dog/00000000-0000-0000-0000-000000000005` at version 2 cannot be opened; its cause says what is in the way: it begins with byte 0x73 and is no JSON object, neither compressed nor encrypted; restore it from a backup, or upgrade the program if a newer one wrote it"}
            {"position":14,"time":"2024-03-05T00:53:20.000000Z","category":"Dog","id":"00000000-0000-0000-0000-000000000006","version":1,"event":"Registered","schema":1,"commit":"COMMIT","payload":{"name":"Max","owner":{"name":"Ann"}}}
        "#]],
        &expect![""],
    );
}

fn snapshots_are_taken_of_what_can_have_any() {
    let place = Place::seeded();
    prints(
        &place.run(["snapshot"]),
        &expect![[r#"
            Trainer: 1 snapshot taken
            office: no type of aggregate asks for snapshots
        "#]],
    );
    prints(
        &place.run(["snapshot", "--app", "school", "Trainer", "--json"]),
        &expect![[r#"
            {"application":"school","pruned":false,"taken":[{"category":"Trainer","snapshots":1,"erased":0}],"failed":[]}
        "#]],
    );
    prints(
        &place.run(["snapshot", "--app", "school", "--prune"]),
        &expect![[r#"
            Trainer: 1 snapshot taken, all others dropped
        "#]],
    );
    refuses(
        &place.run(["snapshot", "--app", "school", "Dog"]),
        1,
        &expect![[r#"
            error: `Dog` cannot have snapshots; write `#[aggregate("Dog", snapshot_every = 100)]`
        "#]],
    );
    refuses(
        &place.run(["snapshot", "--app", "school", "Cat"]),
        1,
        &expect![[r#"
            error: the system names no type of aggregate `Cat`; there are `Dog`, `Trainer`
        "#]],
    );
}

fn a_new_key_is_one() {
    use es_core::persistence::Key;

    let place = Place::new();
    let [one, other] = [(); 2].map(|()| place.run(["new-key"]).out);
    assert!(Key::from_base64(&one).is_ok() && one != other);
    let json: serde_json::Value =
        serde_json::from_str(&place.run(["new-key", "--json"]).out).unwrap();
    assert!(Key::from_base64(json["key"].as_str().unwrap()).is_ok());
}

fn every_shell_gets_its_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = place.run(["completions", shell]);
        assert_eq!(ended.status, 0);
        assert!(
            ended.out.contains("sync-followers") && ended.out.contains("school"),
            "{shell}"
        );
    }
    assert_eq!(place.run(["completions", "tcsh"]).status, 1);
}

fn commands_may_be_below_one_of_the_program() {
    let place = Place::new();
    let below = |arguments: &[&str]| {
        let mut command = place.command(arguments.iter().copied());
        place.ended(
            command
                .env("MANAGED", "below another command")
                .output()
                .unwrap(),
        )
    };
    refuses(
        &below(&["status"]),
        4,
        &expect![[r#"
        error: there is no file `FOLDER/school.db`; correct the path, or call `SqliteStore::builder(path).open()` once to make it
        help: `school manage migrate` makes it
    "#]],
    );
    assert_eq!(below(&["migrate"]).status, 0);
    let help = below(&["rebuild", "--help"]);
    assert_eq!(help.status, 0, "{help:?}");
    assert!(
        help.out.contains("Usage: school manage rebuild [OPTIONS]"),
        "{help:?}"
    );
    refuses(
        &below(&["completions", "bash"]),
        1,
        &expect![[r#"
        error: shells complete programs, and `school manage` is a part of one
    "#]],
    );
    refuses(
        &below(&["statu"]),
        1,
        &expect![[r#"
        error: unrecognized subcommand 'statu'

          tip: a similar subcommand exists: 'status'

        Usage: school manage [OPTIONS] <COMMAND>

        For more information, try '--help'.
    "#]],
    );
}
