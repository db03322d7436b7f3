//! Read models made anew or as they were, and what tells that they must be.
use std::fs;

use expect_test::expect;
use rusqlite::Connection;

use crate::Test;
use crate::child::{Ended, Place};
use crate::followers::rows;
use crate::printed::check;

pub(crate) const TESTS: &[Test] = tests![
    a_read_model_is_made_anew,
    a_read_model_is_made_as_it_was,
    a_log_that_was_restored_is_noticed,
    a_revision_that_is_another_than_the_programs_is_told,
];

fn a_read_model_is_made_anew() {
    let place = Place::seeded();
    assert_eq!(place.run(["sync-followers"]).status, 0);
    let connection = Connection::open(place.path("school.db")).unwrap();
    connection
        .execute("DELETE FROM wall WHERE trick = 'sit'", [])
        .unwrap();
    drop(connection);
    check(
        &place.run(["rebuild", "wall"]),
        0,
        &expect![[r#"
            wall: rebuilt, up to position 7
        "#]],
        &expect![""],
    );
    assert_eq!(rows(&place, "school.db", "wall"), 3);
    check(
        &place.run(["rebuild", "certificates"]),
        1,
        &expect![""],
        &expect![[r#"
            error: `certificates` on the log of `school` is no projection, so there is nothing to rebuild
        "#]],
    );
    check(
        &place.run(["rebuild", "window"]),
        1,
        &expect![""],
        &expect![[r#"
            error: there is no follower `window`; there are `wall`, `certificates`, `annals`
        "#]],
    );
    assert_eq!(place.run(["rebuild"]).status, 1);
}

fn a_read_model_is_made_as_it_was() {
    let place = Place::seeded();
    assert_eq!(place.run(["sync-followers"]).status, 0);
    for (until, into, position, tricks) in [
        ("2", "early", 2, 1),
        ("2024-03-04T10:30:00Z", "then", 5, 2),
        ("99", "late", 7, 3),
    ] {
        let ended = place.run(["rebuild", "wall", "--until", until, "--into", into]);
        let built = format!("wall: built beside, as `{into}`, up to position {position}\n");
        assert_eq!((ended.status, ended.out), (0, built));
        assert_eq!(rows(&place, "school.db", &format!("wall__{into}")), tricks);
        assert_eq!(rows(&place, "school.db", "wall"), 3);
    }
    // What the names of revisions end with is lower-case letters and digits too.
    for into in ["Early days", "again", "r2"] {
        let told = format!(
            "error: `{into}` cannot be a part of the names of tables; use lower-case letters and digits, at most 20, a letter first, and neither \
             `again` nor `r` and a number, under which read models are made anew\n"
        );
        let ended = place.run(["rebuild", "wall", "--until", "2", "--into", into]);
        assert_eq!((ended.status, ended.err), (1, told));
    }
    check(
        &place.run(["rebuild", "wall", "--until", "lately", "--into", "lately"]),
        1,
        &expect![""],
        &expect![[r#"
            error: invalid value 'lately' for '--until <POSITION|TIME>': a time is written as 2024-03-04T09:00:00Z, or as a day, 2024-03-04; or as a position: 1, 2, 3 …

            For more information, try '--help'.
        "#]],
    );
    assert_eq!(place.run(["rebuild", "wall", "--until", "2"]).status, 1);
}

fn a_log_that_was_restored_is_noticed() {
    let place = Place::seeded();
    let copy = |from: &str, to: &str| {
        fs::copy(place.path(from), place.path(to)).unwrap();
    };
    copy("school.db", "backup.db");
    copy("office.db", "office-backup.db");
    place.learn(&["bow"]);
    assert_eq!(place.run(["sync-followers"]).status, 0);
    // Whoever had it open has closed it, so all is in the file.
    copy("backup.db", "school.db");
    let mut status = place.run(["status"]);
    // It makes nothing that could be rebuilt.
    let way_out = "restore what a process manager writes to the same moment, or put it to where it is to go on by `place`\n";
    assert!(status.out.contains(way_out), "{status:?}");
    let why = "certificates: the log was restored: the checkpoint stands at position 8, commit `";
    assert!(status.out.contains(why), "{status:?}");
    let lines = status.out.lines();
    let lines = lines.filter(|line| !line.starts_with("wall") && !line.starts_with(why));
    status.out = lines.map(|line| format!("{line}\n")).collect();
    check(
        &status,
        2,
        &expect![[r#"
            follower      log     state         behind  waiting   parked  run by
            certificates  school  log restored       0                 0
            annals        office  caught up          0                 0
        "#]],
        &expect![""],
    );
    let rehearsed = place.run(["sync-followers", "--dry-run", "certificates"]);
    assert_eq!(rehearsed.status, 2, "{rehearsed:?}");
    assert!(
        rehearsed
            .err
            .contains("failed: certificates: the log was restored"),
        "{rehearsed:?}"
    );
    place.learn(&["beg", "jump"]);
    assert!(
        place
            .run(["status"])
            .out
            .contains("certificates  school  log restored")
    );
    copy("office-backup.db", "office.db");
    let synced = place.run(["sync-followers"]);
    assert_eq!(synced.status, 0, "{synced:?}");
}

fn a_revision_that_is_another_than_the_programs_is_told() {
    let place = Place::seeded();
    assert_eq!(place.run(["sync-followers", "wall"]).status, 0);
    let edit = |edit: &str| {
        let connection = Connection::open(place.path("school.db")).unwrap();
        connection.execute_batch(edit).unwrap();
    };
    let of_the_wall = |ended: &Ended| {
        let lines = ended.out.lines();
        let lines = lines.filter(|line| line.starts_with("wall"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    edit("UPDATE es_checkpoints SET revision = 1 WHERE follower = 'wall'");
    let due = place.run(["status"]);
    assert_eq!(due.status, 0, "{due:?}");
    expect![[r#"
        wall          school  new revision       0                 0
        wall: readers see revision 1; `sync-followers` builds revision 2 beside it and puts it in its place
    "#]].assert_eq(&of_the_wall(&due));
    check(
        &place.run(["sync-followers", "--dry-run", "wall"]),
        0,
        &expect![[r#"
            follower  outcome  would handle
            wall      well                5
            wall: builds revision 2 of the whole log, beside what readers see
            nothing was kept: this was a dry run; what handlers do elsewhere by themselves is not undone
        "#]],
        &expect![""],
    );
    // What the old revision has set aside says nothing of the new one.
    edit(
        "INSERT INTO es_parked SELECT 'wall', 'school', position, category, stream, 'no dog can do that', 1, 0, 0 \
         FROM es_events WHERE position = 2",
    );
    let tried = place.run(["sync-followers", "--dry-run", "wall"]);
    assert_eq!(tried.status, 0, "{tried:?}");
    assert!(tried.out.contains("builds revision 2"), "{tried:?}");
    edit("DELETE FROM es_parked");
    // Nor does it matter that the old program runs.
    edit(
        "UPDATE es_checkpoints SET holder = 'school', since = 0, until = 9000000000000000 WHERE follower = 'wall'",
    );
    let tried = place.run(["sync-followers", "--dry-run", "wall"]);
    assert_eq!((tried.status, &*tried.err), (0, ""), "{tried:?}");
    edit(
        "UPDATE es_checkpoints SET holder = NULL, since = NULL, until = NULL WHERE follower = 'wall'",
    );
    assert_eq!(place.run(["sync-followers", "wall"]).status, 0);
    let well = place.run(["status"]);
    assert!(of_the_wall(&well).contains("caught up"), "{well:?}");

    edit("UPDATE es_checkpoints SET revision = 3 WHERE follower = 'wall'");
    let outdated = place.run(["status"]);
    assert_eq!(outdated.status, 2, "{outdated:?}");
    expect![[r#"
        wall          school  outdated          0                 0
        wall: what it makes is of revision 3 already, and this program makes revision 2; use the newer program, or give this one a `REVISION` above 3, which makes it anew
    "#]].assert_eq(&of_the_wall(&outdated));
}
