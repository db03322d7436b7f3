//! Payloads, nesting and streams far larger than they should be.
use std::fs;
use std::path::Path;

use bytes::Bytes;
use es_core::persistence::{AppendError, EventStore, Snapshot, SnapshotStore};
use es_core::{Aggregate, Application, Position, Root, StreamId, Version, events};
use es_store_sqlite::SqliteStore;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{Effort, log, process};

#[derive(Aggregate, Debug)]
#[aggregate("Meter", id = Uuid)]
struct Meter {
    root: Root<Self>,
    sum: u64,
}

#[events]
impl Meter {
    #[event("Installed")]
    fn install() -> Self {
        Self {
            root: Root::new(),
            sum: 0,
        }
    }

    #[event("Counted")]
    fn count(&mut self, by: u64) {
        self.sum += by;
    }

    #[event("Annotated")]
    fn annotate(&mut self, note: Deep) {
        let _ = note;
    }
}

/// So many lists in each other, written as a recursive type would be. A real one of 10 000 levels could not even be copied.
#[derive(Debug, Clone, PartialEq)]
struct Deep(usize);

impl Serialize for Deep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.checked_sub(1) {
            Some(inner) => [Self(inner)].serialize(serializer),
            None => serializer.serialize_unit(),
        }
    }
}

impl<'de> Deserialize<'de> for Deep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|_| Self(0))
    }
}

pub(crate) fn what_is_too_large_is_refused_before_it_is_written(_: Effort) -> String {
    const LIMIT: usize = 16 * 1024 * 1024;
    const MOST: usize = 1_000_000_000;
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let sized = |size: usize| {
        let mut commit = log::one(1, 0);
        // Pages of zeros that nobody touches take no memory.
        commit.appends[0].events[0].payload = Bytes::from(vec![0; size]);
        commit
    };
    let store = log::open(&path);
    for size in [LIMIT + 1, LIMIT * 10, MOST + 1] {
        let refused = pollster::block_on(store.commit(sized(size)));
        assert!(
            matches!(refused, Err(AppendError::TooLarge { limit: LIMIT, .. })),
            "{refused:?}"
        );
    }
    let builder = SqliteStore::builder(&path).payload_limit(usize::MAX);
    let unlimited = pollster::block_on(builder.open()).expect("it opens");
    let refused = pollster::block_on(unlimited.commit(sized(MOST + 1)));
    assert!(
        matches!(refused, Err(AppendError::TooLarge { limit: MOST, .. })),
        "{refused:?}"
    );
    let snapshot = Snapshot {
        stream: log::stream(1),
        version: Version::FIRST,
        fingerprint: 1,
        state: Bytes::from(vec![0; MOST + 1]),
    };
    assert!(pollster::block_on(store.keep_snapshot(snapshot)).is_err());
    assert_eq!(
        pollster::block_on(store.head()).expect("it can be read"),
        Position::START
    );
    pollster::block_on(store.commit(sized(LIMIT))).expect("the largest that is taken");
    format!(
        "sizes tried 5, of {} to {} bytes, peak memory {} MiB",
        LIMIT + 1,
        MOST + 1,
        peak_kibibytes() / 1024
    )
}

pub(crate) fn deep_nesting_is_an_error(_: Effort) -> String {
    const LEVELS: usize = 10_000;
    let folder = tempfile::tempdir().expect("there is room");
    let store = log::open(&folder.path().join("log.db"));
    let app = Application::new(store.clone());
    let mut meter = Meter::install();
    pollster::block_on(app.save(&mut meter)).expect("it is stored");
    meter.annotate(Deep(LEVELS));
    let refused = pollster::block_on(app.save(&mut meter)).expect_err("nobody could read it");

    // Another program wrote it.
    let stream = StreamId::of::<Meter>(&meter.id());
    let mut deep = log::commit(&[(stream, Version::FIRST, 1)], 0);
    let event = &mut deep.appends[0].events[0];
    event.name = "Annotated".into();
    event.payload = format!(r#"{{"note":{}{}}}"#, "[".repeat(LEVELS), "]".repeat(LEVELS)).into();
    pollster::block_on(store.commit(deep)).expect("to the store it is any bytes");
    let unread = pollster::block_on(app.get::<Meter>(meter.id())).expect_err("it is too deep");
    format!("levels {LEVELS}: saving says \"{refused}\", getting says \"{unread}\"")
}

/// What a process does with a whole log, whose memory is looked at.
const READINGS: [&str; 3] = ["load", "follow", "history"];

/// So many times what it is with 10 000 events.
const AT_MOST: f64 = 1.2;

pub(crate) fn long_streams_take_no_more_memory_than_short_ones(effort: Effort) -> String {
    const FEW: u64 = 10_000;
    let many = effort.of(100_000, 1_000_000);
    let peaks = |events: u64| {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("log.db");
        counted(&path, events);
        READINGS.map(|reading| {
            let path = path.to_str().expect("a path of letters");
            let (mut child, mut lines) = process::start(process::command(&[reading, path]));
            let said = lines.next().and_then(Result::ok).unwrap_or_default();
            assert!(child.wait().expect("it ends").success());
            let (seen, peak) = said.split_once(' ').expect("two numbers");
            assert_eq!(seen, events.to_string(), "{reading}");
            peak.parse::<f64>().expect("a number") / 1024.0
        })
    };
    let (few, many_peaks) = (peaks(FEW), peaks(many));
    let figures = READINGS.iter().zip(few.iter().zip(many_peaks));
    let figures: Vec<_> = figures
        .map(|(reading, (few, many))| {
            let ratio = many / few;
            assert!(ratio <= AT_MOST, "{reading}: {few:.1} MiB, then {many:.1}");
            format!("{reading} {few:.1}, {many:.1} ({ratio:.2} x)")
        })
        .collect();
    format!(
        "peak memory in MiB at {FEW} and {many} events in a stream: {}; at most {AT_MOST} x",
        figures.join("; ")
    )
}

/// Makes a log of one stream.
fn counted(path: &Path, events: u64) {
    const COMMIT: u64 = 10_000;
    let store = log::open(path);
    let stream = StreamId::new("Meter", Uuid::from_u128(1));
    for number in 0..events / COMMIT {
        let count = usize::try_from(COMMIT).expect("it fits");
        let expected = Version::from(number * COMMIT);
        let mut commit = log::commit(&[(stream.clone(), expected, count)], 0);
        for event in &mut commit.appends[0].events {
            event.name = "Counted".into();
            event.payload = Bytes::from_static(br#"{"by":1}"#);
        }
        if number == 0 {
            let first = &mut commit.appends[0].events[0];
            first.name = "Installed".into();
            first.payload = Bytes::from_static(b"{}");
        }
        pollster::block_on(store.commit(commit)).expect("it is stored");
    }
}

/// The child: loads the aggregate.
pub(crate) fn load(path: &Path) {
    let app = Application::new(log::open(path));
    let meter = pollster::block_on(app.get::<Meter>(Uuid::from_u128(1))).expect("it is there");
    assert_eq!(meter.sum + 1, meter.version().get());
    process::say(&format!("{} {}", meter.version(), peak_kibibytes()));
}

/// The child: follows the log from its start to its head.
pub(crate) fn follow(path: &Path) {
    let app = Application::new(log::open(path));
    let head = pollster::block_on(app.log().head()).expect("it can be read");
    let mut subscription = app.log().subscribe(Position::START).up_to(head);
    let mut seen = Position::START;
    while let Some(record) = pollster::block_on(subscription.next()) {
        let record = record.expect("it can be read");
        assert_eq!(record.position, seen.next());
        seen = record.position;
    }
    process::say(&format!("{seen} {}", peak_kibibytes()));
}

/// The child: tells the whole story of the aggregate.
pub(crate) fn history(path: &Path) {
    let app = Application::new(log::open(path));
    let mut history = app.history::<Meter>(Uuid::from_u128(1));
    let mut seen = Version::NEW;
    while let Some(recorded) = pollster::block_on(history.next()) {
        let recorded = recorded.expect("it can be read");
        assert_eq!(recorded.version, seen.next());
        seen = recorded.version;
    }
    process::say(&format!("{seen} {}", peak_kibibytes()));
}

/// The most memory that this process had.
fn peak_kibibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.expect("the system says so")
}
