//! Followers: caught up, rehearsed, held.
use std::time::Duration;

use es_core::persistence::{CheckpointStore, FollowerId, LeaseRequest};
use es_store_sqlite::SqliteStore;
use expect_test::expect;
use rusqlite::Connection;

use crate::Test;
use crate::child::{Place, block_on};
use crate::printed::check;

pub(crate) const TESTS: &[Test] = tests![
    leaders_come_before_those_they_lead,
    some_followers_are_named_and_doubles_count_once,
    a_dry_run_leaves_everything_as_it_was,
    a_follower_that_fails_keeps_its_progress_and_nobody_else_back,
    what_was_done_before_a_store_broke_is_told,
    silence_prints_errors_still,
    a_lease_held_elsewhere_is_named_and_can_be_waited_for,
    what_nobody_reads_any_more_changes_no_exit_status,
    who_is_no_follower_any_more_is_told_with_what_it_set_aside,
    a_process_manager_goes_on_from_where_it_is_put,
];

/// All rows of all tables, and the tables.
fn everything(place: &Place, file: &str) -> Vec<String> {
    let connection = Connection::open(place.path(file)).unwrap();
    let mut names = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = Vec::new();
    for name in names {
        let mut statement = connection
            .prepare(&format!("SELECT * FROM {name}"))
            .unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            all.push(format!("{name}: {}", values.collect::<Vec<_>>().join(" ")));
        }
        all.push(name);
    }
    all
}

pub(crate) fn rows(place: &Place, file: &str, table: &str) -> u32 {
    let connection = Connection::open(place.path(file)).unwrap();
    let count = format!("SELECT count(*) FROM {table}");
    connection.query_row(&count, [], |row| row.get(0)).unwrap()
}

fn leaders_come_before_those_they_lead() {
    let place = Place::seeded();
    let mut status = place.run(["status"]);
    // The story is of 2024: how many days ago, and how wide that is, changes.
    let words = status.out.lines().map(|line| {
        let words = line.split(' ').filter(|word| !word.is_empty());
        words
            .map(|word| {
                word.parse()
                    .map_or(word, |days: u32| if days > 100 { "…" } else { word })
            })
            .collect::<Vec<_>>()
            .join(" ")
    });
    status.out = words.collect::<Vec<_>>().join("\n");
    check(
        &status,
        0,
        &expect![[r#"
            follower log state behind waiting parked run by
            wall school not running 7 … days 0
            certificates school not running 7 … days 0
            annals office caught up 0 0"#]],
        &expect![""],
    );
    check(
        &place.run(["sync-followers"]),
        0,
        &expect![[r#"
            follower      outcome    handled
            wall          caught up        5
            certificates  caught up        5
            annals        caught up        5
        "#]],
        &expect![""],
    );
    check(
        &place.run(["sync-followers", "-v", "3"]),
        0,
        &expect![[r#"
            follower      outcome    handled  from  to  parked
            wall          caught up        0     7   7       0
            certificates  caught up        0     7   7       0
            annals        caught up        0     5   5       0
        "#]],
        &expect![""],
    );
    check(
        &place.run(["sync-followers", "--json"]),
        0,
        &expect![[r#"
            {"dry_run":false,"followers":[{"follower":"wall","outcome":"caught-up","from":7,"position":7,"events":0,"parked":0},{"follower":"certificates","outcome":"caught-up","from":7,"position":7,"events":0,"parked":0},{"follower":"annals","outcome":"caught-up","from":5,"position":5,"events":0,"parked":0}]}
        "#]],
        &expect![""],
    );
    assert_eq!(rows(&place, "school.db", "wall"), 3);
    assert_eq!(rows(&place, "office.db", "annals"), 5);
    check(
        &place.run(["status"]),
        0,
        &expect![[r#"
        follower      log     state      behind  waiting  parked  run by
        wall          school  caught up       0                0
        certificates  school  caught up       0                0
        annals        office  caught up       0                0
    "#]],
        &expect![""],
    );
}

fn some_followers_are_named_and_doubles_count_once() {
    let place = Place::seeded();
    let ended = place.run(["sync-followers", "wall", "wall", "annals"]);
    check(
        &ended,
        0,
        &expect![[r#"
        follower  outcome    handled
        wall      caught up        5
        annals    caught up        0
    "#]],
        &expect![""],
    );
    let ended = place.run(["sync-followers", "wall", "window"]);
    check(
        &ended,
        1,
        &expect![""],
        &expect![[r#"
        error: there is no follower `window`; there are `wall`, `certificates`, `annals`
    "#]],
    );
}

fn a_dry_run_leaves_everything_as_it_was() {
    let place = Place::seeded();
    let before = ["school.db", "office.db"].map(|file| everything(&place, file));
    check(
        &place.run(["sync-followers", "--dry-run"]),
        0,
        &expect![[r#"
            follower      outcome  would handle
            wall          well                5
            certificates  well                5
            annals        well                0
            certificates: not run: print a certificate, 3 times
            nothing was kept: this was a dry run; what handlers do elsewhere by themselves is not undone
        "#]],
        &expect![""],
    );
    assert_eq!(
        before,
        ["school.db", "office.db"].map(|file| everything(&place, file))
    );
    place.learn(&["impossible", "absurd"]);
    let before = ["school.db", "office.db"].map(|file| everything(&place, file));
    check(
        &place.run(["sync-followers", "-n"]),
        2,
        &expect![[r#"
            follower      outcome  would handle
            wall          failed              5
            certificates  failed              6
            annals        well                0
            certificates: not run: print a certificate, 4 times
            nothing was kept: this was a dry run; what handlers do elsewhere by themselves is not undone
        "#]],
        &expect![[r#"
            failed: wall: the event at position 8 cannot be handled: no dog can do that
            failed: certificates: the event at position 9 cannot be handled: the office does not count that
        "#]],
    );
    assert_eq!(
        before,
        ["school.db", "office.db"].map(|file| everything(&place, file))
    );
}

fn a_follower_that_fails_keeps_its_progress_and_nobody_else_back() {
    let place = Place::seeded();
    place.learn(&["beg", "impossible", "jump"]);
    let ended = place.run(["sync-followers"]);
    check(
        &ended,
        2,
        &expect![[r#"
        follower      outcome    handled
        wall          failed           6
        certificates  caught up        8
        annals        caught up        8
    "#]],
        &expect![[r#"
            failed: wall: `TrickAdded` of `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` at position 9 failed once: no dog can do that; mend that and start it again
        "#]],
    );
    // What comes before the failure is kept; the others are through.
    assert_eq!(rows(&place, "school.db", "wall"), 4);
    assert_eq!(rows(&place, "office.db", "annals"), 8);
    let status = place.run(["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let wall = &status["followers"][0];
    assert_eq!(
        (&wall["state"], &wall["events_behind"]),
        (&"stopped".into(), &2.into())
    );
    let reason = wall["reason"].as_str().unwrap();
    let told = "at position 9 failed once: no dog can do that; mend that and start it again, at 20";
    assert!(reason.contains(told), "{reason}");
    let status = place.run(["status"]);
    assert_eq!(status.status, 2, "{status:?}");
    assert!(status.out.contains(told), "{status:?}");
}

fn what_was_done_before_a_store_broke_is_told() {
    let place = Place::seeded();
    let office = Connection::open(place.path("office.db")).unwrap();
    let broken = "ALTER TABLE es_parked RENAME COLUMN failure TO something";
    office.execute(broken, ()).unwrap();
    let ended = place.run(["sync-followers"]);
    check(
        &ended,
        4,
        &expect![[r#"
        follower  outcome    handled
        wall      caught up        5
    "#]],
        &expect![[r#"
        error: cannot read how `certificates` on the log of `school` is
          because: cannot reach the store
          because: no such column: failure in SELECT position, category, stream, failure, attempts, since, retry FROM es_parked WHERE follower = ?1 AND log = ?2 ORDER BY position at offset 35
          because: Error code 1: SQL logic error
    "#]],
    );
    let ended = place.run(["sync-followers", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["followers"][0]["outcome"], "caught-up", "{report}");
    assert_eq!(report["followers"].as_array().unwrap().len(), 1);
}

fn silence_prints_errors_still() {
    let place = Place::seeded();
    check(
        &place.run(["sync-followers", "-v", "0"]),
        0,
        &expect![""],
        &expect![""],
    );
    place.learn(&["impossible"]);
    check(
        &place.run(["sync-followers", "-v", "0"]),
        2,
        &expect![""],
        &expect![[r#"
            failed: wall: `TrickAdded` of `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` at position 8 failed once: no dog can do that; mend that and start it again
        "#]],
    );
    assert_eq!(place.run(["sync-followers", "-v", "4"]).status, 1);
}

fn who_is_no_follower_any_more_is_told_with_what_it_set_aside() {
    let place = Place::seeded();
    assert_eq!(place.run(["sync-followers"]).status, 0);
    let connection = Connection::open(place.path("school.db")).unwrap();
    let renamed = "UPDATE es_checkpoints SET follower = 'pinboard' WHERE follower = 'wall'";
    assert_eq!(connection.execute(renamed, []).unwrap(), 1);
    let parked = "INSERT INTO es_parked (follower, log, position, category, stream, failure, attempts, since, retry) \
         VALUES ('pinboard', 'school', 7, 'Dog', zeroblob(16), 'no pin', 1, 0, 0)";
    assert_eq!(connection.execute(parked, []).unwrap(), 1);

    let status = place.run(["status"]);
    let told = "pinboard on the log of school is no follower of this system; it stands at position 7, with 1 event set aside; `forget` it, unless it is of another program";
    assert_eq!(status.out.lines().last(), Some(told), "{status:?}");
    assert_eq!(status.status, 0, "it may be of another program");
    let status = place.run(["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    assert_eq!(
        status["unknown"],
        serde_json::json!([{"follower": "pinboard", "log": "school", "position": 7, "parked": 1, "holder": null, "is_overtaken": false}])
    );
    let built = "INSERT INTO es_checkpoints (follower, log, position, revision) \
         VALUES ('wall', 'school', 0, 2), ('wall@r1', 'school', 3, 1)";
    assert_eq!(connection.execute(built, []).unwrap(), 2);
    let status = place.run(["status"]);
    let told = "wall@r1 on the log of school was built for a revision that another overtook; it stands at position 3; `forget` it, and drop its tables";
    assert!(status.out.lines().any(|line| line == told), "{status:?}");
    assert_eq!(
        place
            .run(["forget", "wall@r1", "--reason", "overtaken", "--by", "ann"])
            .status,
        0
    );

    let forget = |name: &str| place.run(["forget", name, "--reason", "renamed", "--by", "ann"]);
    let of_its_own = forget("certificates");
    assert_eq!(of_its_own.status, 1, "{of_its_own:?}");
    let told = "no follower `certificates` is unknown to this system; there are `pinboard` on the log of `school`";
    assert!(of_its_own.err.contains(told), "{of_its_own:?}");
    check(
        &forget("pinboard"),
        0,
        &expect![[r#"
            forgot pinboard on the log of school, which stood at position 7, and 1 event that it had set aside; tables that it made are there still
        "#]],
        &expect![""],
    );
    let given_up = "SELECT dropped_by || ': ' || reason FROM es_dropped WHERE follower = 'pinboard' AND position = 7";
    let given_up: String = connection
        .query_row(given_up, (), |row| row.get(0))
        .unwrap();
    assert_eq!(given_up, "ann: renamed");
    assert_eq!(rows(&place, "school.db", "es_parked"), 0);
    let status = place.run(["status"]);
    assert!(!status.out.contains("pinboard"), "{status:?}");
    assert_eq!(forget("pinboard").status, 1);
}

fn a_process_manager_goes_on_from_where_it_is_put() {
    let place = Place::seeded();
    let put = |position: &str| {
        let why = ["--reason", "they were told by hand", "--by", "ann"];
        place.run([&["place", "certificates", position][..], &why].concat())
    };
    check(
        &put("end"),
        0,
        &expect![[r#"
            certificates stands at position 7, and stood at 0
        "#]],
        &expect![""],
    );
    check(
        &place.run(["sync-followers", "certificates"]),
        0,
        &expect![[r#"
            follower      outcome    handled
            certificates  caught up        0
        "#]],
        &expect![""],
    );
    assert_eq!(put("3").status, 0);
    let list = place.run(["parked", "list", "certificates"]);
    let lines: Vec<_> = list.out.lines().collect();
    assert_eq!(lines.len(), 3, "{list:?}");
    assert!(lines[1].starts_with("certificates: put from position 0 to 7 by ann at 20"));
    assert!(lines[2].ends_with(": they were told by hand"));

    let beyond = put("8");
    assert_eq!(beyond.status, 1, "{beyond:?}");
    assert!(beyond.err.contains("the log ends at 7"), "{beyond:?}");
    let projection = place.run(["place", "wall", "end", "--reason", "why", "--by", "ann"]);
    assert_eq!(projection.status, 1, "{projection:?}");
    let told = "`rebuild` makes it anew";
    assert!(projection.err.contains(told), "{projection:?}");
}

fn take(place: &Place, length: Duration) {
    let request = LeaseRequest {
        follower: FollowerId::new("wall", "school"),
        holder: "`school` on another machine".to_owned(),
        length,
        epoch: None,
        stopped: None,
    };
    block_on(async {
        let store = SqliteStore::open(place.path("school.db")).await.unwrap();
        store.lease(request).await.unwrap();
    });
}

fn a_lease_held_elsewhere_is_named_and_can_be_waited_for() {
    let place = Place::seeded();
    take(&place, Duration::from_secs(600));
    let mut ended = place.run(["sync-followers", "wall", "certificates"]);
    // How old the lease is, and how long it lasts, depends on when it is asked for.
    for told in [", for ", "ends in "] {
        let (before, after) = ended.err.split_once(told).unwrap();
        let (seconds, after) = after.split_once(" s ").unwrap();
        assert!(seconds.parse::<f64>().is_ok(), "{seconds}");
        ended.err = format!("{before}{told}… s {after}");
    }
    check(
        &ended,
        3,
        &expect![[r#"
        follower      outcome    handled
        wall          held             0
        certificates  caught up        5
    "#]],
        &expect![[r#"
        held: wall: `school` on another machine runs `wall` on the log of `school`, for … s so far, under a lease that ends in … s unless it is renewed; wait for its end, or end it by `--take-over` if its holder has gone
    "#]],
    );
    let rehearsed = place.run(["sync-followers", "--dry-run", "wall"]);
    assert_eq!(rehearsed.status, 3, "{rehearsed:?}");
    assert!(
        rehearsed
            .err
            .contains("held: wall: `school` on another machine runs it"),
        "{rehearsed:?}"
    );
    let status = place.run(["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status.out).unwrap();
    let wall = &status["followers"][0];
    assert_eq!(
        (&wall["state"], &wall["holder"]),
        (&"running".into(), &"`school` on another machine".into())
    );
    let held = wall["held_seconds"].as_f64().unwrap();
    assert!((0.0..600.0).contains(&held), "{held}");

    // What it tries again and again is told here, too.
    let connection = Connection::open(place.path("school.db")).unwrap();
    let tries = "UPDATE es_checkpoints SET stopped = 'retrying the event at position 9, which failed 4 times: no route', stopped_by = holder, \
                 stopped_at = 1709600000000000 WHERE follower = 'wall'";
    assert_eq!(connection.execute(tries, []).unwrap(), 1);
    let status = place.run(["status"]);
    assert_eq!(status.status, 0, "{status:?}");
    let mut lines = status.out.lines().filter(|line| line.starts_with("wall"));
    assert!(lines.next().unwrap().contains("retrying"), "{status:?}");
    assert_eq!(
        lines.next().unwrap(),
        "wall: `school` on another machine does not go on: retrying the event at position 9, which failed 4 times: no route, at 2024-03-05T00:53:20Z"
    );

    // Where the holder is known to have gone, nobody waits for a lease that its clock let begin in years to come.
    let place = Place::seeded();
    take(&place, Duration::from_secs(20 * 365 * 24 * 3_600));
    let held = place.run(["sync-followers", "wall"]);
    assert!(held.err.contains("ends in 7300 days"), "{held:?}");
    let taken = place.run(["sync-followers", "wall", "--take-over"]);
    assert_eq!((taken.status, &*taken.err), (0, ""), "{taken:?}");
    assert_eq!(place.run(["sync-followers", "wall"]).status, 0);

    let place = Place::seeded();
    take(&place, Duration::from_millis(300));
    let ended = place.run(["sync-followers", "--wait", "30", "wall"]);
    check(
        &ended,
        0,
        &expect![[r#"
        follower  outcome    handled
        wall      caught up        5
    "#]],
        &expect![""],
    );
}

fn what_nobody_reads_any_more_changes_no_exit_status() {
    let place = Place::seeded();
    place.learn(&["impossible"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = place.command(["sync-followers"]);
    let ended = command.stdout(writer).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{told}");
    assert!(told.contains("no dog can do that"), "{told}");
}
