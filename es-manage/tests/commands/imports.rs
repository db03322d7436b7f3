//! What an import takes, where it goes, and what it refuses.
use std::fs;
use std::io::{BufReader, Read};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::task::{Context, Poll, Waker};
use std::time::UNIX_EPOCH;

use es_core::{Application, Position};
use es_manage::{ImportError, ImportInto, ImportReport, import};
use es_store_memory::MemoryStore;
use expect_test::expect;

use crate::Test;
use crate::child::{Place, block_on};
use crate::copies::{app, exported};
use crate::printed::{check, prints, refuses};
use crate::school::Dog;

pub(crate) const TESTS: &[Test] = tests![
    an_import_goes_into_an_empty_log_or_behind_what_is_there,
    an_export_of_another_application_is_taken_where_it_is_named,
    what_is_no_whole_export_is_refused_by_its_line,
    an_import_is_read_from_a_pipe_with_a_name,
    who_handles_what_was_imported_once_more_is_told,
    an_import_beside_another_writer_says_where_they_met,
];

fn an_import_goes_into_an_empty_log_or_behind_what_is_there() {
    let place = Place::seeded();
    let first = exported(&place);
    let other = Place::migrated();
    block_on(async {
        let app = other.app().await;
        app.save(&mut Dog::register("Bello")).await.unwrap();
    });
    fs::write(other.path("school.jsonl"), &first).unwrap();
    let import = ["import", "--app", "school", "school.jsonl"];
    check(
        &other.run(import),
        1,
        &expect![""],
        &expect![[r#"
        error: the log has other events than the input, first at position 1; import into an empty log, or behind what is there by `--append`
    "#]],
    );
    // Bello was registered today, and the export is of 2024.
    let append = ["import", "--app", "school", "--append", "school.jsonl"];
    check(
        &other.run(append),
        1,
        &expect![""],
        &expect![[r#"
        error: line 2 of the input is older than the last event of the log, and times never run backwards along a log; import it into an empty one
    "#]],
    );

    let beyond = ["export", "--app", "school", "--after", "8"];
    check(
        &place.run(beyond),
        1,
        &expect![""],
        &expect![[r#"
            error: the log ends at position 7, before 8: it is another log than was exported before, or was restored; export all of it
        "#]],
    );

    // What came after a copy goes behind it; twice is once.
    let copy = Place::migrated();
    fs::write(copy.path("school.jsonl"), &first).unwrap();
    assert_eq!(copy.run(import).status, 0);
    place.learn(&["beg", "jump"]);
    let rest = [
        "export",
        "--app",
        "school",
        "--after",
        "7",
        "-o",
        "rest.jsonl",
    ];
    assert_eq!(place.run(rest).status, 0);
    fs::copy(place.path("rest.jsonl"), copy.path("rest.jsonl")).unwrap();
    assert_eq!(
        copy.run(["import", "--app", "school", "rest.jsonl"]).status,
        1
    );
    let append = ["import", "--app", "school", "--append", "rest.jsonl"];
    check(
        &copy.run(append),
        0,
        &expect![[r#"
            2 events imported, up to position 9
            wall, certificates will handle what was imported from its first event on; a process manager does again what it did, effects outside included, unless its handlers pass by what is old
        "#]],
        &expect![""],
    );
    check(
        &copy.run(append),
        0,
        &expect![[r#"
        0 events imported, 2 events there already, up to position 9
    "#]],
        &expect![""],
    );
    assert_eq!(exported(&copy), exported(&place));

    // What the log has at those versions is something else.
    let other = Place::migrated();
    block_on(async {
        let early = es_core::testing::VirtualClock::at(UNIX_EPOCH);
        let url = format!("sqlite:{}", other.path("school.db").display());
        let app = crate::school::application("school", url, |builder| builder.clock(early)).await;
        app.save(&mut Dog::register("Fido")).await.unwrap();
    });
    fs::write(other.path("school.jsonl"), &first).unwrap();
    let append = ["import", "--app", "school", "--append", "school.jsonl"];
    check(
        &other.run(append),
        1,
        &expect![""],
        &expect![[r#"
        error: the log has other events of `Dog/1e1d7398-8986-57af-bb01-11a89b2f8b02` than the input; import into an empty log
    "#]],
    );
}

fn who_handles_what_was_imported_once_more_is_told() {
    let place = Place::seeded();
    let export = ["export", "--app", "school", "-o", "school.jsonl"];
    assert_eq!(place.run(export).status, 0);
    let copy = Place::migrated();
    fs::copy(place.path("school.jsonl"), copy.path("school.jsonl")).unwrap();
    let told = "wall, certificates will handle what was imported from its first event on; a process manager does again what it did, effects outside included, unless its \
        handlers pass by what is old\n";
    let import = ["import", "--app", "school", "school.jsonl"];
    let ended = copy.run(import);
    assert_eq!(
        (ended.status, ended.out.ends_with(told)),
        (0, true),
        "{ended:?}"
    );
    // Nothing is imported any more, so nothing is told of it.
    let ended = copy.run(import);
    assert_eq!(
        (ended.status, ended.out.lines().count()),
        (0, 1),
        "{ended:?}"
    );
    let help = |command| copy.run([command, "--help"]).out;
    assert!(help("import").contains("does again what it did"));
    assert!(help("export").contains("Checkpoints"));
}

fn an_export_of_another_application_is_taken_where_it_is_named() {
    let place = Place::seeded();
    fs::write(place.path("school.jsonl"), exported(&place)).unwrap();
    let import = ["import", "--app", "office", "school.jsonl"];
    let refused = expect![[r#"
        error: the input is an export of `school`, and the log is that of `office`; name the log of `school`, or say `--from school` to import it all the same
    "#]];
    refuses(&place.run(import), 1, &refused);
    // Another name does not help.
    let other = [&import[..], &["--from", "kennel"]].concat();
    refuses(&place.run(other), 1, &refused);
    assert_eq!(place.run(["events", "--app", "office"]).out, "");
    let named = [&import[..], &["--from", "school"]].concat();
    prints(
        &place.run(named),
        &expect![[r#"
            7 events imported, up to position 7
            annals will handle what was imported from its first event on; a process manager does again what it did, effects outside included, unless its handlers pass by what is old
        "#]],
    );
    // It says of whom its copies are.
    let copy = place.run(["export", "--app", "office"]).out;
    assert!(copy.starts_with("{\"export\":1,\"application\":\"office\"}\n"));

    // Who has no name takes everything, and what has none goes everywhere.
    let nameless = || Application::new(MemoryStore::new());
    let export = exported(&place);
    let unnamed = export.replacen("\"school\"", "null", 1);
    for (into, input) in [(nameless(), &export), (app(), &unnamed)] {
        let mut input = input.as_bytes();
        let imported = import_all(&into, &mut input, None);
        assert_eq!(imported.unwrap().events, 7);
    }
    let kennel = export.replacen("school", "kennel", 1);
    let into = app();
    match import_all(&into, &mut kennel.as_bytes(), Some("zoo")) {
        Err(ImportError::Foreign { from, into }) => {
            assert_eq!((&*from, &*into), ("kennel", "school"))
        }
        other => panic!("an export of the kennel in the school, and it was {other:?}"),
    }
    let imported = import_all(&into, &mut kennel.as_bytes(), Some("kennel"));
    assert_eq!(imported.unwrap().events, 7);
}

fn import_all(
    app: &Application,
    input: &mut &[u8],
    from: Option<&str>,
) -> Result<ImportReport, ImportError> {
    block_on(import(app, input, ImportInto::Empty, from, None, &()))
}

fn what_is_no_whole_export_is_refused_by_its_line() {
    let place = Place::seeded();
    let first = exported(&place);
    let lines: Vec<&str> = first.lines().collect();
    let import = |text: String| {
        let copy = Place::migrated();
        fs::write(copy.path("school.jsonl"), text).unwrap();
        let ended = copy.run(["import", "--app", "school", "school.jsonl"]);
        // Whatever was wrong: the whole file, later, makes it good.
        fs::write(copy.path("school.jsonl"), &first).unwrap();
        assert_eq!(
            copy.run(["import", "--app", "school", "school.jsonl"])
                .status,
            0,
            "{ended:?}"
        );
        assert_eq!(exported(&copy), first);
        ended
    };
    check(
        &import(String::new()),
        1,
        &expect![""],
        &expect![[r#"
        error: the input is no export that this program reads; begin with the file that `export` wrote
    "#]],
    );
    check(
        &import("{}\n".to_owned()),
        1,
        &expect![""],
        &expect![[r#"
        error: the input is no export that this program reads; begin with the file that `export` wrote
    "#]],
    );
    check(
        &import(lines[..6].join("\n") + "\n"),
        2,
        &expect![""],
        &expect![[r#"
            error: the input ends after 2 events, but without its last line: it was cut off; import the whole of it, which goes on from here
        "#]],
    );
    check(
        &import(first[..first.len() - 30].to_owned()),
        2,
        &expect![""],
        &expect![[r#"
            error: the input ends after 5 events, but without its last line: it was cut off; import the whole of it, which goes on from here
        "#]],
    );
    check(
        &import([&lines[..3], &lines[4..]].concat().join("\n") + "\n"),
        2,
        &expect![""],
        &expect![[r#"
            error: line 4 of the input is none of an export, so what comes from it on is not imported
              because: its position is not the next
        "#]],
    );
    check(
        &import(first.replace("\"version\":2,\"event\"", "\"version\":\"two\",\"event\"")),
        2,
        &expect![""],
        &expect![[r#"
            error: line 3 of the input is none of an export, so what comes from it on is not imported
              because: invalid type: string "two", expected u64 at line 1 column 175
        "#]],
    );
    check(
        &import(first.replace("{\"events\":7}", "{\"events\":8}")),
        2,
        &expect![""],
        &expect![[r#"
            error: line 10 of the input is none of an export, so what comes from it on is not imported
              because: it counts other events than there are
        "#]],
    );
    check(
        &import(first.clone() + "{}\n"),
        2,
        &expect![""],
        &expect![[r#"
            error: line 10 of the input is none of an export, so what comes from it on is not imported
              because: it comes after the end
        "#]],
    );
    check(
        &import(first.clone() + "{\"position\":8"),
        2,
        &expect![""],
        &expect![[r#"
            error: line 10 of the input is none of an export, so what comes from it on is not imported
              because: it comes after the end
        "#]],
    );
    check(
        &import(first.replacen("\"version\":1,", "\"version\":0,", 1)),
        2,
        &expect![""],
        &expect![[r#"
            error: line 2 of the input is none of an export, so what comes from it on is not imported
              because: its version is 0, and versions begin with 1
        "#]],
    );
    // Three lines of one commit, the second of which says something else.
    let second = lines[4];
    for other in [
        second.replace("T10:00:00.", "T10:30:00."),
        second.replace("alice", "bob"),
    ] {
        assert_ne!(other, second);
        check(
            &import(first.replace(second, &other)),
            2,
            &expect![""],
            &expect![[r#"
                error: line 5 of the input is none of an export, so what comes from it on is not imported
                  because: its time or metadata is not that of its commit
            "#]],
        );
    }
    let nowhere = place.run(["import", "--app", "school", "nowhere.jsonl"]);
    check(
        &nowhere,
        1,
        &expect![""],
        &expect![[r#"
        error: cannot read `nowhere.jsonl`: No such file or directory (os error 2)
    "#]],
    );
}

fn an_import_is_read_from_a_pipe_with_a_name() {
    let place = Place::seeded();
    let export = exported(&place);
    let copy = Place::migrated();
    let pipe = copy.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut command = copy.command(["import", "--app", "school", "pipe"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    fs::write(&pipe, &export).unwrap();
    let ended = copy.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(exported(&copy), export);
}

struct Meddling<'a> {
    lines: Vec<&'a [u8]>,
    app: &'a Application,
}

impl Read for Meddling<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(line) = self.lines.pop() else {
            return Ok(0);
        };
        buffer[..line.len()].copy_from_slice(line);
        if self.lines.len() == 2 {
            // The store of an application in memory answers at once.
            let mut rex = Dog::register("Rex the second");
            let mut saved = pin!(self.app.save(&mut rex));
            let polled = saved.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(_))), "{polled:?}");
        }
        Ok(line.len())
    }
}

fn an_import_beside_another_writer_says_where_they_met() {
    let place = Place::seeded();
    let export = exported(&place);
    let app = app();
    let mut lines: Vec<_> = export.split_inclusive('\n').map(str::as_bytes).collect();
    lines.reverse();
    let mut input = BufReader::new(Meddling { lines, app: &app });
    let ended = block_on(import(&app, &mut input, ImportInto::Empty, None, None, &()));
    match ended {
        Err(ImportError::NotEmpty { position }) => assert_eq!(position, Position::from(3)),
        other => panic!("another wrote in between, and it was {other:?}"),
    }
}
