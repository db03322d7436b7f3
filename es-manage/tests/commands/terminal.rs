//! What people see in a terminal: at 80 and at 40 columns, with colours and without.
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;

use expect_test::{Expect, expect};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::Test;
use crate::child::Place;
use crate::school::Dog;

pub(crate) const TESTS: &[Test] = tests![
    reports_fit_the_terminal,
    an_aggregate_fits_the_terminal,
    colours_are_used_where_they_are_wanted,
    a_bar_is_drawn_and_taken_away,
];

/// What a child writes to a terminal of so many columns, as it writes it.
fn on_terminal(
    place: &Place,
    columns: u16,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Vec<u8> {
    let leader = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&leader).unwrap();
    unlockpt(&leader).unwrap();
    let size = Winsize {
        ws_row: 50,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&leader, size).unwrap();
    let name = ptsname(&leader, Vec::new()).unwrap();
    let open = || -> OwnedFd {
        rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
    };
    let mut command = place.command(arguments.iter().copied());
    command
        .env("TERM", "xterm-256color")
        .envs(environment.iter().copied())
        .stdin(Stdio::from(open()))
        .stdout(Stdio::from(open()))
        .stderr(Stdio::from(open()));
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut written = Vec::new();
    // It ends with an error once the child has closed the other side.
    drop(File::from(leader).read_to_end(&mut written));
    child.wait().unwrap();
    written
}

/// What the terminal shows at the end.
fn screen(written: &[u8], columns: u16) -> String {
    let mut parser = vt100::Parser::new(50, columns, 0);
    parser.process(written);
    let rows: Vec<_> = parser.screen().rows(0, columns).collect();
    rows.join("\n").trim_end().to_owned() + "\n"
}

fn shows(place: &Place, columns: u16, arguments: &[&str], expected: &Expect) {
    let written = on_terminal(place, columns, arguments, &[]);
    let shown = place.redacted(screen(&written, columns).as_bytes());
    assert!(
        shown
            .lines()
            .all(|line| line.chars().count() <= usize::from(columns)),
        "{shown}"
    );
    expected.assert_eq(&shown);
}

fn reports_fit_the_terminal() {
    let place = Place::seeded();
    place.learn(&["absurd"]);
    shows(
        &place,
        80,
        &["sync-followers"],
        &expect![[r#"
            follower      outcome    handled
            wall          caught up        6
            certificates  parked           5
            annals        caught up        5
            parked: certificates: 1 event set aside; see `parked list`
        "#]],
    );
    shows(
        &place,
        40,
        &["sync-followers", "-v", "2"],
        &expect![[r#"
        wall
          outcome  caught up
          handled  0
          from     8
          to       8
        certificates
          outcome  parked
          handled  0
          from     8
          to       8
        annals
          outcome  caught up
          handled  0
          from     5
          to       5
        parked: certificates: 1 event set aside;
         see `parked list`
    "#]],
    );
    shows(
        &place,
        80,
        &["status"],
        &expect![[r#"
        follower      log     state      behind  waiting  parked  run by
        wall          school  caught up       0                0
        certificates  school  caught up       0                1
        annals        office  caught up       0                0
    "#]],
    );
    shows(
        &place,
        40,
        &["status"],
        &expect![[r#"
        wall
          log      school
          state    caught up
          behind   0
          parked   0
        certificates
          log      school
          state    caught up
          behind   0
          parked   1
        annals
          log      office
          state    caught up
          behind   0
          parked   0
    "#]],
    );
    shows(
        &place,
        40,
        &["verify"],
        &expect![[r#"
        school: 8 events read, all well
        office: 5 events read, all well
    "#]],
    );
}

fn an_aggregate_fits_the_terminal() {
    let place = Place::seeded();
    place.learn(&["sit", "stay", "come", "bark", "walk backwards"]);
    let fido = Dog::id_for("Fido").to_string();
    let show = ["show", "Dog", &fido, "--at-version", "3"];
    shows(
        &place,
        80,
        &show,
        &expect![[r#"
            Dog 1e1d7398-8986-57af-bb01-11a89b2f8b02
            version 3 of 8, 2024-03-04T10:00:00Z

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
    shows(
        &place,
        40,
        &show,
        &expect![[r#"
            Dog 1e1d7398-8986-57af-bb01-11a89b2f8b02
            version 3 of 8, 2024-03-04T10:00:00Z

              name    "Fido"
              tricks  ["roll over", "play dead"]

            1 Registered  2024-03-04T09:00:00Z
              name: "Fido"
              tricks: []

            2 TrickAdded  2024-03-04T09:00:00Z
              tricks: [] → ["roll over"]

            3 TrickAdded  2024-03-04T10:00:00Z
              by alice
              tricks:
                + "play dead",
        "#]],
    );
}

fn colours_are_used_where_they_are_wanted() {
    let place = Place::seeded();
    let visible = |written: Vec<u8>| {
        String::from_utf8(written)
            .unwrap()
            .replace('\u{1b}', "ESC")
            .replace("\r\n", "\n")
    };
    let verify = |more: &[&str], environment: &[(&str, &str)]| {
        let arguments = [&["verify", "--app", "school"], more].concat();
        visible(on_terminal(&place, 80, &arguments, environment))
    };
    let plain = |text: &str| !text.contains("ESC[32m");
    // What the bar says to the terminal is not of interest here.
    let report = |text: &str| {
        text.lines()
            .last()
            .unwrap_or_default()
            .rsplit("ESC[2K")
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    expect!["school: 7 events read, ESC[32mall wellESC[0m"].assert_eq(&report(&verify(&[], &[])));
    assert!(plain(&verify(&[], &[("NO_COLOR", "1")])));
    assert!(plain(&verify(&["--color", "never"], &[])));
    assert!(!plain(&verify(&["--color=always"], &[("NO_COLOR", "1")])));
    // No terminal, no colours, unless they are wanted.
    let ended = place.run(["verify", "--app", "school"]);
    assert!(!ended.out.contains('\u{1b}'));
    let ended = place.run(["verify", "--app", "school", "--color", "always"]);
    assert!(ended.out.contains('\u{1b}'));
    assert!(
        place
            .run(["--color", "always", "zoo"])
            .err
            .contains('\u{1b}')
    );
    assert!(!place.run(["zoo"]).err.contains('\u{1b}'));
}

fn a_bar_is_drawn_and_taken_away() {
    let place = Place::seeded();
    place.learn_in(100, &["sit"; 2_000]);
    let export = ["export", "--app", "school", "-o", "school.jsonl"];
    assert_eq!(place.run(export).status, 0);
    let copy = Place::migrated();
    std::fs::copy(place.path("school.jsonl"), copy.path("school.jsonl")).unwrap();
    let written = on_terminal(
        &copy,
        80,
        &["import", "--app", "school", "school.jsonl"],
        &[],
    );
    let text = String::from_utf8_lossy(&written);
    assert!(
        text.contains("importing") && text.contains("/2,007") && text.contains("/s"),
        "{text}"
    );
    expect![[r#"
        2 007 events imported, up to position 2007
        wall, certificates will handle what was imported from its first event on; a proc
        ess manager does again what it did, effects outside included, unless its handler
        s pass by what is old
    "#]]
    .assert_eq(&screen(&written, 80));
    // Where nobody looks, none is drawn.
    let ended = place.run(["verify"]);
    assert_eq!(ended.err, "");
}
