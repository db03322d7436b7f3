//! Files that cannot grow, may not be written to, or are locked.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use es_core::persistence::{AppendError, EventStore, Filter, ReadError, Span};
use es_core::{Aggregate, Application, Position, Root, events};
use es_store_sqlite::{OpenError, SqliteStore};
use rusqlite::Connection;
use trials::faults::lease::PATIENCE;
use uuid::Uuid;

use crate::{Effort, file, log, process};

#[derive(Aggregate, Debug)]
#[aggregate("Lamp", id = Uuid)]
struct Lamp {
    root: Root<Self>,
    notes: Vec<String>,
}

#[events]
impl Lamp {
    #[event("Mounted")]
    fn mount() -> Self {
        Self {
            root: Root::new(),
            notes: Vec::new(),
        }
    }

    #[event("Noted")]
    fn note(&mut self, note: String) {
        self.notes.push(note);
    }
}

/// The file may have 512 KiB; then it may have more.
pub(crate) fn a_file_that_cannot_grow_fails_and_goes_on_once_it_can(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let program = process::command(&["fill", path.to_str().expect("a path of letters")]);
    let mut limited = Command::new("sh");
    // The soft limit alone, so that it can be raised again; SIGXFSZ would end the program.
    limited
        .args(["-c", r#"trap '' XFSZ; ulimit -S -f 1024; exec "$0" "$@""#])
        .arg(program.get_program())
        .args(program.get_args());
    let (mut child, mut lines) = process::start(limited);
    let figure = lines.next().and_then(Result::ok);
    assert!(child.wait().expect("it ends").success(), "{figure:?}");
    let app = Application::new(file::open(&path));
    let stored = pollster::block_on(app.log().read(Position::START, 100_000));
    format!(
        "{}, events in the end {}",
        figure.expect("a line"),
        stored.expect("it can be read").len()
    )
}

/// The child: saves until its limit, then raises the limit and saves what is pending.
pub(crate) fn fill(path: &Path) {
    let figure = fill_until(path, || {
        let raised = Command::new("prlimit")
            .args([
                "--fsize=unlimited",
                "--pid",
                &std::process::id().to_string(),
            ])
            .status();
        assert!(
            raised.is_ok_and(|status| status.success()),
            "`prlimit` raises the limit"
        );
    });
    process::say(&figure);
}

/// Saves until there is no room, then again once there is.
fn fill_until(path: &Path, make_room: impl FnOnce()) -> String {
    let app = Application::new(file::open(path));
    let mut lamp = Lamp::mount();
    let mut saved = 0;
    let (error, took) = loop {
        lamp.note("x".repeat(10_000));
        let started = Instant::now();
        match pollster::block_on(app.save(&mut lamp)) {
            Ok(_) => saved += 1,
            Err(error) => break (error, started.elapsed()),
        }
        assert!(saved < 1_000, "the limit does not hold");
    };
    assert!(took < Duration::from_secs(5), "{took:?}");
    let pending = lamp.pending().len();
    let again = pollster::block_on(app.save(&mut lamp));
    assert!(again.is_err(), "still full");
    let found = pollster::block_on(app.find::<Lamp>(lamp.id())).expect("it can be read");
    assert_eq!(found.map_or(0, |lamp| lamp.notes.len()), saved);
    make_room();
    pollster::block_on(app.save(&mut lamp)).expect("there is room again");
    assert!(lamp.pending().is_empty());
    let found = pollster::block_on(app.get::<Lamp>(lamp.id())).expect("it is there");
    assert_eq!(found.notes.len(), saved + 1);
    format!(
        "saved {saved}, then refused after {} ms with {pending} pending ({error}), saved once there was room",
        took.as_millis()
    )
}

/// Small disks that root, or a user who may make namespaces, can mount where nobody else sees them: how, at `$0`, with room for files at `$1`.
const SMALL_DISKS: [(&str, &str); 2] = [
    ("tmpfs", "mount -t tmpfs -o size=2m small \"$0\""),
    (
        "ext4",
        "truncate -s 4m \"$1/image\" && mkfs.ext4 -q -m 0 -O ^has_journal \"$1/image\" && mount -o loop \"$1/image\" \"$0\"",
    ),
];

pub(crate) fn a_full_disk_fails_and_goes_on_once_there_is_room(_: Effort) -> String {
    let figures = SMALL_DISKS.map(|(kind, mount)| {
        let folder = tempfile::tempdir().expect("there is room");
        let disk = folder.path().join("disk");
        fs::create_dir(&disk).expect("there is room");
        let mut reasons = Vec::new();
        for namespace in ["-m", "-Urm"] {
            let program = process::command(&["fill-disk", disk.to_str().expect("letters")]);
            // Gone with its last process, whatever becomes of that.
            let mut mounted = Command::new("unshare");
            mounted
                .args([namespace, "sh", "-c"])
                .arg(format!(
                    "{mount} 2>&1 && echo mounted && shift && exec \"$@\""
                ))
                .args([&disk, folder.path()])
                .arg(program.get_program())
                .args(program.get_args());
            let Ok((mut child, lines)) = process::try_start(mounted) else {
                reasons.push("there is no `unshare`".to_owned());
                break;
            };
            let mut said: Vec<_> = lines.map_while(Result::ok).collect();
            let well = child.wait().expect("it ends").success();
            if let Some(at) = said.iter().position(|line| line == "mounted") {
                said.drain(..=at);
                assert!(well, "{kind}: {said:?}");
                return format!("{kind}: {}", said.join("; "));
            }
            said.push(format!("`unshare {namespace}` or its mount was refused"));
            reasons.push(said.join(" "));
        }
        format!("{kind}: NOT RUN: {}", reasons.join("; "))
    });
    figures.join(". ")
}

/// The child, on a small disk of its own.
pub(crate) fn fill_disk(disk: &Path) {
    let ballast = disk.join("ballast");
    // All there is.
    let mut whole = fs::File::create(&ballast).expect("it is empty");
    let full = std::io::copy(&mut std::io::repeat(7), &mut whole).expect_err("it is small");
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let opened = pollster::block_on(SqliteStore::open(disk.join("none.db")));
    assert!(
        matches!(opened, Err(OpenError::Full { .. })),
        "{:?}",
        opened.err()
    );
    let left = whole.metadata().expect("it is open").len() - 1_000_000;
    whole.set_len(left).expect("it gets shorter");
    drop(whole);
    let path = disk.join("log.db");
    let figure = fill_until(&path, || fs::remove_file(&ballast).expect("it is ours"));
    let store = file::open(&path);
    let verified = pollster::block_on(store.verify()).expect("it can be read");
    assert!(verified.findings.is_empty(), "{verified:?}");
    process::say(&format!("no room to open: refused; {figure}"));
}

/// For root there are no permissions, so a child that is somebody else tries.
pub(crate) fn a_file_that_may_only_be_read_is_refused(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let store = file::open(&path);
    pollster::block_on(store.commit(log::one(1, 0))).expect("it is stored");
    drop(store);
    let before = fs::read(&path).expect("it is there");
    let allow = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    // The program too is where others may run it.
    let program = folder.path().join("program");
    fs::copy(std::env::current_exe().expect("it is a file"), &program).expect("there is room");
    allow(&program, 0o755);
    let run = |task: &str, expected: &str| {
        let mut child = Command::new(&program);
        child.args(["child", task, path.to_str().expect("letters")]);
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        {
            child.uid(65_534).gid(65_534);
        }
        let (mut child, mut lines) = process::start(child);
        let said = lines.next().and_then(Result::ok).unwrap_or_default();
        assert!(child.wait().expect("it ends").success());
        assert_eq!(said, expected);
        said
    };
    let mut said = Vec::new();
    allow(folder.path(), 0o777);
    allow(&path, 0o444);
    said.push(run("may-write", "refused"));
    allow(folder.path(), 0o555);
    allow(&path, 0o666);
    said.push(run("may-write", "refused"));
    allow(&path, 0o444);
    said.push(run("may-write", "refused"));
    // There SQLite cannot share it with others, unless it is told that there are none.
    run("may-read", "read");
    allow(folder.path(), 0o777);
    allow(&path, 0o666);
    assert!(before == fs::read(&path).expect("it is there"));
    said.push(run("may-write", "stored"));
    assert_eq!(log::whole(&file::open(&path)).commits.len(), 2);
    format!("file, folder, both, neither: {}", said.join("; "))
}

/// The child: says `read`, where it is, and nothing can be written.
pub(crate) fn may_read(path: &Path) {
    let opened = SqliteStore::builder(path).immutable(true).open();
    let store = pollster::block_on(opened).expect("nobody writes to it");
    let refused = pollster::block_on(store.commit(log::one(2, 0)));
    assert!(
        matches!(refused, Err(AppendError::Failed(_))),
        "{refused:?}"
    );
    assert_eq!(log::whole(&store).commits.len(), 1);
    process::say("read");
}

/// The child: says `stored`, or `refused` where that was the error of its own.
pub(crate) fn may_write(path: &Path) {
    let opened = pollster::block_on(SqliteStore::open(path));
    let said = match opened {
        Ok(store) => match pollster::block_on(store.commit(log::one(2, 0))) {
            Ok(_) => "stored".to_owned(),
            Err(error) => format!("opened, and then {error:?}"),
        },
        Err(OpenError::ReadOnly { .. }) => "refused".to_owned(),
        Err(other) => format!("{other:?}"),
    };
    process::say(&said);
}

pub(crate) fn a_locked_file_fails_in_time_and_goes_on_once_it_is_free(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let patience = Duration::from_millis(200);
    let store = SqliteStore::builder(&path).busy_timeout(patience);
    let store = pollster::block_on(store.open()).expect("it opens");
    let other = Connection::open(&path).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("it is free");
    let started = Instant::now();
    let refused = pollster::block_on(store.commit(log::one(1, 0)));
    let took = started.elapsed();
    assert!(
        matches!(refused, Err(AppendError::Failed(_))),
        "{refused:?}"
    );
    assert!(took < patience * 5, "{took:?}");
    pollster::block_on(store.read_log(Span::all(), &Filter::everything())).expect("readers go on");

    let app = Application::new(store.clone());
    let mut lamp = Lamp::mount();
    let error = pollster::block_on(app.save(&mut lamp)).expect_err("it is locked");
    assert_eq!(lamp.pending().len(), 1, "{error:?}");
    other.execute_batch("ROLLBACK").expect("it is ours");
    pollster::block_on(app.save(&mut lamp)).expect("it is free again");
    assert!(lamp.pending().is_empty());
    pollster::block_on(store.commit(log::one(1, 0))).expect("it is free again");
    format!(
        "refused after {} ms, of {} allowed; saved once it was free",
        took.as_millis(),
        patience.as_millis()
    )
}

/// A backup is put in the place of a file that is open, or the file is deleted: what is written goes to a file without a name, and what is read is
/// that file's, so that a follower would wait for ever for what others write to the one that is there.
pub(crate) fn a_file_that_was_replaced_is_neither_written_nor_read(_: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let (path, moved) = (folder.path().join("log.db"), folder.path().join("moved.db"));
    let replace = |with_another: bool| {
        let store = file::open(&path);
        let version = pollster::block_on(store.head())
            .expect("it can be read")
            .get();
        pollster::block_on(store.commit(log::one(1, version))).expect("it is stored");
        fs::rename(&path, &moved).expect("it is ours");
        if with_another {
            fs::copy(&moved, &path).expect("there is room");
        }
        let refused = pollster::block_on(store.commit(log::one(1, version + 1)));
        assert!(
            matches!(&refused, Err(AppendError::Failed(why)) if why.to_string().contains("replaced")),
            "{refused:?}"
        );
        // The connection that read the head is there still; readers look a few times a second.
        let began = Instant::now();
        let unread = loop {
            match pollster::block_on(store.head()) {
                Ok(_) if began.elapsed() < PATIENCE => {}
                answered => break answered,
            }
        };
        assert!(
            matches!(&unread, Err(ReadError::Unavailable(why)) if why.to_string().contains("replaced")),
            "{unread:?}"
        );
        fs::rename(&moved, &path).expect("it is ours");
        pollster::block_on(store.commit(log::one(1, version + 1))).expect("it is back");
        let head = pollster::block_on(store.head()).expect("it is back");
        assert_eq!(head.get(), version + 2);
    };
    replace(true);
    replace(false);

    // A relative path means the same after the process went elsewhere.
    let home = std::env::current_dir().expect("it is somewhere");
    std::env::set_current_dir(folder.path()).expect("it is there");
    let store = file::open(Path::new("relative.db"));
    std::env::set_current_dir(home).expect("it is there");
    pollster::block_on(store.commit(log::one(1, 0))).expect("it is stored");
    assert_eq!(log::whole(&store).commits.len(), 1);
    "replaced 1, deleted 1, written to a file without a name = 0, read from one = 0".to_owned()
}
