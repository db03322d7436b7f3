//! What followers could not handle: listed, tried again, given up on.
use expect_test::expect;

use crate::Test;
use crate::child::Place;
use crate::followers::rows;
use crate::printed::{check, refuses};

pub(crate) const TESTS: &[Test] = tests![
    what_is_parked_is_listed_retried_and_dropped,
    what_somebody_said_forges_no_line,
    who_gives_up_says_why_and_who_it_is,
];

fn what_is_parked_is_listed_retried_and_dropped() {
    let place = Place::seeded();
    check(
        &place.run(["parked", "list"]),
        0,
        &expect![[r#"
            nothing is parked
        "#]],
        &expect![""],
    );
    place.learn(&["absurd", "jump"]);
    check(
        &place.run(["sync-followers"]),
        2,
        &expect![[r#"
            follower      outcome    handled
            wall          caught up        7
            certificates  parked           5
            annals        caught up        5
        "#]],
        &expect![[r#"
            parked: certificates: 2 events set aside; see `parked list`
        "#]],
    );
    assert_eq!(place.run(["status"]).status, 2);
    let rehearsed = place.run(["sync-followers", "--dry-run", "certificates"]);
    assert_eq!(rehearsed.status, 2, "{rehearsed:?}");
    assert!(
        rehearsed
            .err
            .contains("parked: certificates: 2 events set aside"),
        "{rehearsed:?}"
    );
    let without_times = |mut ended: crate::child::Ended| {
        let lines = ended
            .out
            .lines()
            .map(|line| match line.split_once("since ") {
                Some((before, _)) => format!("{before}since …"),
                None => line.to_owned(),
            });
        let lines = lines.map(|line| match line.split_once(" at 20") {
            Some((before, _)) => format!("{before} at …"),
            None => line,
        });
        ended.out = lines.collect::<Vec<_>>().join("\n");
        ended
    };
    check(
        &without_times(place.run(["parked", "list"])),
        2,
        &expect![[r#"
            certificates
              position 8  Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02
                failed once: the office does not count that
                since …
              position 9  Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02
                waits behind the one before
                since …"#]],
        &expect![""],
    );
    check(
        &place.run(["parked", "retry", "certificates"]),
        0,
        &expect![[r#"
            certificates: Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02 is tried again by whoever runs the follower
        "#]],
        &expect![""],
    );
    // It fails again.
    assert_eq!(place.run(["sync-followers"]).status, 2);
    let fido = format!("Dog/{}", crate::school::Dog::id_for("Fido"));
    let wrong = place.run([
        "parked",
        "drop",
        "certificates",
        &fido,
        "9",
        "--reason",
        "not that one",
    ]);
    check(
        &wrong,
        1,
        &expect![""],
        &expect![[r#"
        error: `certificates` on the log of `school` has nothing parked of `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02`, or another event first; list what is parked again
    "#]],
    );
    let dropped = place.run([
        "parked",
        "drop",
        "certificates",
        &fido,
        "8",
        "--reason",
        "dogs are not cats",
    ]);
    check(
        &dropped,
        0,
        &expect![[r#"
        certificates: given up on position 8
    "#]],
        &expect![""],
    );
    check(
        &place.run(["sync-followers"]),
        0,
        &expect![[r#"
            follower      outcome    handled
            wall          caught up        0
            certificates  caught up        1
            annals        caught up        1
        "#]],
        &expect![""],
    );
    check(
        &without_times(place.run(["parked", "list"])),
        0,
        &expect![[r#"
            nothing is parked
            certificates: given up on position 8 of Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02, by alice at …"#]],
        &expect![""],
    );
    // Three tricks at first, one dropped, one that had waited.
    assert_eq!(rows(&place, "office.db", "annals"), 6);
}

fn who_gives_up_says_why_and_who_it_is() {
    let place = Place::seeded();
    place.learn(&["absurd"]);
    assert_eq!(place.run(["sync-followers"]).status, 2);
    let fido = format!("Dog/{}", crate::school::Dog::id_for("Fido"));
    let begin = ["parked", "drop", "certificates", &fido, "8"];
    for reason in ["", " \t\u{a0}"] {
        let ended = place.run([&begin[..], &["--reason", reason]].concat());
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(
            ended.err.contains("for '--reason <REASON>': it is empty;"),
            "{ended:?}"
        );
    }
    let by_nobody = [&begin[..], &["--reason", "dogs are not cats", "--by", " "]].concat();
    let ended = place.run(by_nobody);
    assert_eq!(ended.status, 1, "{ended:?}");
    let mut unnamed = place.command([&begin[..], &["--reason", "dogs are not cats"]].concat());
    refuses(
        &place.ended(unnamed.env("USER", "").output().unwrap()),
        1,
        &expect![[r#"
            error: invalid value '' for '--by <BY>': it is empty; say who decides, by `--by NAME`

            For more information, try '--help'.
        "#]],
    );
    let parked = place.run(["parked", "list"]);
    assert_eq!(parked.status, 2, "{parked:?}");
    let by_bob = [
        &begin[..],
        &["--reason", "dogs are not cats", "--by", "bob"],
    ]
    .concat();
    let mut named = place.command(by_bob);
    let ended = place.ended(named.env("USER", "").output().unwrap());
    assert_eq!(ended.status, 0, "{ended:?}");
}

fn what_somebody_said_forges_no_line() {
    let place = Place::seeded();
    place.learn(&["absurd"]);
    assert_eq!(place.run(["sync-followers"]).status, 2);
    let fido = format!("Dog/{}", crate::school::Dog::id_for("Fido"));
    let begin = ["parked", "drop", "certificates", &fido, "8"];
    let said = [
        "--reason",
        "none\nwall: given up on position 1\u{2028}\u{202e}",
        "--by",
        "al\rice\n",
    ];
    let dropped = place.run([&begin[..], &said].concat());
    assert_eq!(dropped.status, 0, "{dropped:?}");
    let listed = place.run(["parked", "list"]).out;
    let lines: Vec<_> = listed.lines().collect();
    assert!(
        matches!(&lines[..], ["nothing is parked", told]
            if told.contains(r"by al\rice\n at ")
            && told.ends_with(r": none\nwall: given up on position 1\u{2028}\u{202e}")),
        "{lines:?}"
    );
}
