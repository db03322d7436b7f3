//! Files that exports go to: whole or not at all, and nothing else is touched.
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::Test;
use crate::child::{Ended, Place};
use crate::copies::exported;

pub(crate) const TESTS: &[Test] = tests![
    an_export_that_fails_leaves_the_old_file,
    a_log_with_a_hole_is_not_exported,
    an_export_that_cannot_be_put_in_place_leaves_nothing_beside,
    an_export_touches_no_file_of_others,
    a_database_is_not_replaced,
    exports_to_one_file_are_each_whole,
    the_mode_of_a_file_stays,
    behind_a_link_its_target_is_replaced,
    what_is_no_file_is_written_to_as_it_is,
    a_dash_is_the_standard_output,
];

fn export_to(place: &Place, file: &str) -> Ended {
    place.run(["export", "--app", "school", "-o", file])
}

fn names(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(place.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.contains(".db")).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn an_export_that_fails_leaves_the_old_file() {
    let place = Place::seeded();
    fs::write(place.path("school.jsonl"), "old").unwrap();
    let connection = Connection::open(place.path("school.db")).unwrap();
    connection
        .execute_batch(
            "DROP TRIGGER es_events_are_not_changed; UPDATE es_events SET stream = zeroblob(15) WHERE position = 5",
        )
        .unwrap();
    let ended = export_to(&place, "school.jsonl");
    assert_eq!((ended.status, &*ended.out), (2, ""), "{ended:?}");
    let old = fs::read_to_string(place.path("school.jsonl")).unwrap();
    assert_eq!(
        (&*old, &*names(&place)),
        ("old", &["school.jsonl".to_owned()][..])
    );
}

fn a_log_with_a_hole_is_not_exported() {
    for (missing, position) in [
        ("position = 4", 4),
        ("position > 5", 6),
        ("position = 1", 1),
    ] {
        let place = Place::seeded();
        fs::write(place.path("school.jsonl"), "old").unwrap();
        let connection = Connection::open(place.path("school.db")).unwrap();
        let delete = format!(
            "DROP TRIGGER es_events_are_not_deleted; DELETE FROM es_events WHERE {missing}"
        );
        connection.execute_batch(&delete).unwrap();
        let ended = export_to(&place, "school.jsonl");
        let told = format!(
            "error: nothing is exported; `school.jsonl` is what it was\n  because: the log has no event at position {position}, and a part of a log is no export; `verify` tells what is missing\n"
        );
        assert_eq!((ended.status, &*ended.out, ended.err), (2, "", told));
        let old = fs::read_to_string(place.path("school.jsonl")).unwrap();
        assert_eq!(
            (&*old, &*names(&place)),
            ("old", &["school.jsonl".to_owned()][..])
        );
        // Who reads it elsewhere sees no end.
        let printed = place.run(["export", "--app", "school"]);
        assert_eq!(printed.status, 2);
        assert!(!printed.out.contains("{\"events\":"), "{printed:?}");
        // A part without it is whole.
        let after = ["export", "--app", "school", "--after", "4"];
        assert_eq!(place.run(after).status == 0, position < 5);
        assert_eq!(place.run(["verify", "--app", "school"]).status, 2);
    }
}

fn an_export_that_cannot_be_put_in_place_leaves_nothing_beside() {
    let place = Place::seeded();
    fs::create_dir(place.path("school.jsonl")).unwrap();
    let ended = export_to(&place, "school.jsonl");
    assert_eq!((ended.status, &*ended.out), (2, ""), "{ended:?}");
    assert_eq!(
        ended.err,
        "error: cannot write `school.jsonl`: Is a directory (os error 21)\n"
    );
    assert_eq!(names(&place), ["school.jsonl"]);
    for nowhere in ["nowhere/school.jsonl", "nowhere/"] {
        assert_eq!(export_to(&place, nowhere).status, 2);
    }
    assert_eq!(names(&place), ["school.jsonl"]);
}

fn an_export_touches_no_file_of_others() {
    let place = Place::seeded();
    fs::write(place.path("letter"), "dear Alice").unwrap();
    fs::write(place.path("one.jsonl.part"), "of somebody").unwrap();
    symlink("letter", place.path("other.jsonl.part")).unwrap();
    for file in ["one.jsonl", "other.jsonl"] {
        assert_eq!(export_to(&place, file).status, 0);
        assert_eq!(
            fs::read_to_string(place.path(file)).unwrap(),
            exported(&place)
        );
    }
    let untouched = ["letter", "one.jsonl.part", "other.jsonl.part"]
        .map(|name| fs::read_to_string(place.path(name)).unwrap());
    assert_eq!(untouched, ["dear Alice", "of somebody", "dear Alice"]);
}

fn a_database_is_not_replaced() {
    let place = Place::seeded();
    symlink(place.path("school.db"), place.path("link")).unwrap();
    for file in ["school.db", "office.db", "link"] {
        let ended = export_to(&place, file);
        let told = format!(
            "error: cannot write `{file}`: it is a database, which the export would take the place of; name another file\n"
        );
        assert_eq!((ended.status, &*ended.out, ended.err), (2, "", told));
    }
    assert_eq!(place.run(["verify"]).status, 0);
    assert_eq!(names(&place), ["link"]);
}

fn exports_to_one_file_are_each_whole() {
    let place = Place::seeded();
    place.learn_in(10, &["sit"; 4_000]);
    let whole = exported(&place);
    for _ in 0..3 {
        let exports: Vec<_> = (0..4)
            .map(|_| {
                let mut command =
                    place.command(["export", "--app", "school", "-o", "school.jsonl"]);
                command
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in exports {
            let ended = place.ended(child.wait_with_output().unwrap());
            assert_eq!(ended.status, 0, "{ended:?}");
        }
        let written = fs::read_to_string(place.path("school.jsonl")).unwrap();
        assert!(written == whole, "{} of {}", written.len(), whole.len());
    }
    assert_eq!(names(&place), ["school.jsonl"]);
}

fn the_mode_of_a_file_stays() {
    let place = Place::seeded();
    fs::write(place.path("plain"), "").unwrap();
    assert_eq!(export_to(&place, "new.jsonl").status, 0);
    assert_eq!(mode(&place.path("new.jsonl")), mode(&place.path("plain")));
    for kept in [0o600, 0o666] {
        fs::write(place.path("old.jsonl"), "old").unwrap();
        fs::set_permissions(place.path("old.jsonl"), Permissions::from_mode(kept)).unwrap();
        assert_eq!(export_to(&place, "old.jsonl").status, 0);
        assert_eq!(mode(&place.path("old.jsonl")), kept);
    }
}

fn behind_a_link_its_target_is_replaced() {
    let place = Place::seeded();
    fs::create_dir(place.path("backups")).unwrap();
    fs::write(place.path("backups/old.jsonl"), "old").unwrap();
    for target in ["backups/old.jsonl", "backups/new.jsonl"] {
        let link = format!("{}.link", target.replace('/', "-"));
        symlink(target, place.path(&link)).unwrap();
        let again = format!("again-{link}");
        symlink(&link, place.path(&again)).unwrap();
        assert_eq!(export_to(&place, &again).status, 0);
        for link in [link, again] {
            assert!(place.path(&link).is_symlink(), "{link}");
        }
        let written = fs::read_to_string(place.path(target)).unwrap();
        assert_eq!(written, exported(&place));
    }
}

fn what_is_no_file_is_written_to_as_it_is() {
    let place = Place::seeded();
    let pipe = place.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let mut command = place.command(["export", "--app", "school", "-o", "pipe"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    // Where the pipe is replaced, nobody ever writes to it.
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let ended = place.ended(child.wait_with_output().unwrap());
    assert_eq!(ended.out, "7 events exported, up to position 7\n");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(reader.join().unwrap(), exported(&place));
}

fn a_dash_is_the_standard_output() {
    let place = Place::seeded();
    let plain = place.run(["export", "--app", "school"]);
    let dash = export_to(&place, "-");
    assert_eq!((dash.status, dash.out), (0, plain.out));
    assert_eq!(names(&place), Vec::<String>::new());
}
