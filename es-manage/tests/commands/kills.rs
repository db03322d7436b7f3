//! Commands are killed at random points, and run again: nothing lost, nothing twice.
use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use es_core::Version;
use fastrand::Rng;
use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};

use crate::child::{Place, block_on, version_of_fido};
use crate::school::{Certificate, Dog};
use crate::{Test, effort};

pub(crate) const TESTS: &[Test] = tests![
    an_import_that_is_killed_goes_on_where_it_was,
    followers_that_are_killed_go_on_where_they_were,
    a_rebuild_that_is_killed_is_begun_again_and_readers_see_no_part,
    an_export_that_is_interrupted_leaves_nothing_beside,
    who_is_interrupted_gives_back_its_leases,
    who_is_interrupted_twice_ends_though_a_handler_does_not,
];

fn tricks(place: &Place, count: u32) {
    let names: Vec<_> = (0..count).map(|number| format!("trick {number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    place.learn_in(200, &names);
}

fn an_import_that_is_killed_goes_on_where_it_was() {
    let place = Place::seeded();
    tricks(&place, 4_000);
    let export = place
        .command(["export", "--app", "school"])
        .output()
        .unwrap()
        .stdout;
    let rng = &mut Rng::new();
    let (mut kills, mut inside) = (0, 0);
    for _ in 0..effort(3, 30) {
        let copy = Place::migrated();
        let mut reached = Version::NEW;
        for _ in 0..4 {
            let mut command = copy.command(["import", "--app", "school"]);
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            let mut stdin = child.stdin.take().unwrap();
            // It is killed while it waits for more, or while it works off what it has.
            let written = stdin.write_all(&export[..rng.usize(..export.len())]);
            child.kill().unwrap();
            assert!(written.is_ok() && !child.wait().unwrap().success());
            drop(stdin);
            kills += 1;
            let now = block_on(async { version_of_fido(&copy.app().await).await });
            assert!(now >= reached, "{now} after {reached}");
            inside += i32::from(now > reached);
            reached = now;
        }
        fs::write(copy.path("school.jsonl"), &export).unwrap();
        assert_eq!(
            copy.run(["import", "--app", "school", "school.jsonl"])
                .status,
            0
        );
        let again = copy
            .command(["export", "--app", "school"])
            .output()
            .unwrap()
            .stdout;
        assert!(again == export, "the copy is another log");
    }
    assert!(inside > 0, "none was killed while it imported");
    println!("kills {kills}, of which {inside} had imported more, lost 0, twice 0");
}

fn an_export_that_is_interrupted_leaves_nothing_beside() {
    let place = Place::seeded();
    tricks(&place, 8_000);
    fs::create_dir(place.path("backups")).unwrap();
    let backups = || fs::read_dir(place.path("backups")).unwrap().count();
    let mut interrupted = 0;
    for signal in [Signal::INT, Signal::TERM].repeat(effort(3, 30)) {
        fs::write(place.path("backups/school.jsonl"), "old").unwrap();
        let mut command =
            place.command(["export", "--app", "school", "-o", "backups/school.jsonl"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while backups() < 2 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&child), signal).unwrap();
        }
        let ended = place.ended(child.wait_with_output().unwrap());
        if ended.status != 0 {
            let told = "error: interrupted; `backups/school.jsonl` is what it was\n";
            assert_eq!((ended.status, &*ended.err), (2, told));
            let old = fs::read_to_string(place.path("backups/school.jsonl")).unwrap();
            assert_eq!(old, "old");
            interrupted += 1;
        }
        assert_eq!(backups(), 1);
    }
    assert!(interrupted > 0, "none was interrupted while it worked");
}

/// Where a follower's checkpoint is.
fn checkpoint(connection: &Connection, follower: &str) -> u32 {
    let position = "SELECT max(position) FROM es_checkpoints WHERE follower = ?1";
    let position = connection.query_row(position, [follower], |row| row.get::<_, Option<u32>>(0));
    position.unwrap().unwrap_or(0)
}

/// Kills a child once a follower is that far; `false`: it had ended.
fn kill_at(child: &mut Child, connection: &Connection, follower: &str, position: u32) -> bool {
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        if checkpoint(connection, follower) >= position {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
        std::thread::yield_now();
    }
}

const TRICKS: u32 = 600;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn followers_that_are_killed_go_on_where_they_were() {
    let rng = &mut Rng::new();
    let mut kills = 0;
    for _ in 0..effort(1, 10) {
        let place = Place::seeded();
        tricks(&place, TRICKS);
        let [school, office] =
            ["school.db", "office.db"].map(|file| Connection::open(place.path(file)).unwrap());
        for (follower, connection) in [
            ("wall", &school),
            ("certificates", &office),
            ("certificates", &office),
            ("annals", &office),
        ] {
            let at = checkpoint(connection, follower) + rng.u32(1..TRICKS / 3);
            let mut command = place.command(["sync-followers", "--wait", "60"]);
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            kills += i32::from(kill_at(&mut child, connection, follower, at));
        }
        let ended = place.run(["sync-followers", "--wait", "60"]);
        assert_eq!(ended.status, 0, "{ended:?}");
        let wall = "SELECT count(*), count(DISTINCT position) FROM wall";
        let wall: (u32, u32) = school
            .query_row(wall, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        assert_eq!(wall, (TRICKS + 3, TRICKS + 3));
        let certificate = block_on(async {
            place
                .office()
                .await
                .get::<Certificate>(Dog::id_for("Fido"))
                .await
        });
        assert_eq!(certificate.unwrap().tricks, TRICKS + 2);
        let annals: u32 = office
            .query_row("SELECT count(*) FROM annals", [], |row| row.get(0))
            .unwrap();
        // Two certificates were opened, and each trick was counted.
        assert_eq!(annals, 2 + TRICKS + 3);
    }
    assert!(kills > 0, "none was killed while it worked");
    println!("kills {kills}, missing 0, twice 0");
}

fn who_is_interrupted_gives_back_its_leases() {
    let place = Place::seeded();
    tricks(&place, TRICKS);
    let school = Connection::open(place.path("school.db")).unwrap();
    for (arguments, follower, outcome) in [
        (
            &["sync-followers", "wall"][..],
            "wall",
            "what was done is kept, and the same command goes on from there",
        ),
        (
            &["rebuild", "wall"],
            "wall@again",
            "what readers see is whole, and the same command begins again",
        ),
    ] {
        let mut interrupted = 0;
        for signal in [Signal::INT, Signal::TERM, Signal::INT] {
            let mut command = place.command(arguments.iter().copied());
            let child = command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let at = checkpoint(&school, follower) + 1;
            while checkpoint(&school, follower) < at {
                std::thread::yield_now();
            }
            kill_process(Pid::from_child(&child), signal).unwrap();
            let ended = place.ended(child.wait_with_output().unwrap());
            if ended.status != 0 {
                assert_eq!(ended.status, 2, "{ended:?}");
                assert_eq!(ended.err, format!("error: interrupted; {outcome}\n"));
                interrupted += 1;
            }
            let held = "SELECT count(*) FROM es_checkpoints WHERE holder IS NOT NULL";
            let held: u32 = school.query_row(held, [], |row| row.get(0)).unwrap();
            assert_eq!(held, 0, "{ended:?}");
        }
        assert!(interrupted > 0, "none was interrupted while it worked");
        assert_eq!(place.run(arguments.iter().copied()).status, 0);
    }
}

fn who_is_interrupted_twice_ends_though_a_handler_does_not() {
    let place = Place::seeded();
    place.learn(&["endless"]);
    let mut command = place.command(["sync-followers", "wall"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !place.path("endless").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::yield_now();
    }
    let pid = Pid::from_child(&child);
    let interrupt = || kill_process(pid, Signal::INT).unwrap();
    interrupt();
    // It tries to give back its lease, and is still there.
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    let begun = Instant::now();
    let ended = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        // Again and again: it may not listen yet.
        interrupt();
        if begun.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it is still there");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(ended.code(), Some(2));
}

fn a_rebuild_that_is_killed_is_begun_again_and_readers_see_no_part() {
    let rng = &mut Rng::new();
    let place = Place::seeded();
    tricks(&place, TRICKS);
    assert_eq!(place.run(["sync-followers"]).status, 0);
    let school = Connection::open(place.path("school.db")).unwrap();
    let whole = "SELECT count(*), count(DISTINCT position) FROM wall";
    let whole = || -> (u32, u32) {
        school
            .query_row(whole, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
    };
    let mut kills = 0;
    for _ in 0..effort(3, 30) {
        let mut command = place.command(["rebuild", "wall"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        kills += i32::from(kill_at(
            &mut child,
            &school,
            "wall@again",
            rng.u32(..TRICKS),
        ));
        // Readers see the old one or the new one, never a part.
        assert_eq!(whole(), (TRICKS + 3, TRICKS + 3));
        // The lease of the one that was killed ends by itself.
        while place.run(["rebuild", "wall"]).status == 3 {
            std::thread::yield_now();
        }
        assert_eq!(whole(), (TRICKS + 3, TRICKS + 3));
    }
    println!("kills {kills}, readers that saw a part 0");
}
