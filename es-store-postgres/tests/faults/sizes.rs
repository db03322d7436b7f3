//! Payloads, nesting and streams far larger than they should be.
use std::fs;

use bytes::Bytes;
use es_core::persistence::{AppendError, EventStore, Snapshot, SnapshotStore};
use es_core::{Aggregate, Application, Position, Root, StreamId, Version, events};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use crate::{Effort, log, process, server};

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
    const MOST: usize = 256 * 1024 * 1024;
    let place = server::fresh();
    let sized = |size: usize| {
        let mut commit = log::one(1, 0);
        // Pages of zeros that nobody touches take no memory.
        commit.appends[0].events[0].payload = Bytes::from(vec![0; size]);
        commit
    };
    let store = server::open(&place);
    for size in [LIMIT + 1, LIMIT * 10, MOST + 1] {
        let refused = server::block_on(store.commit(sized(size)));
        assert!(
            matches!(refused, Err(AppendError::TooLarge { limit: LIMIT, .. })),
            "{refused:?}"
        );
    }
    let builder = place.builder().payload_limit(usize::MAX);
    let unlimited = server::block_on(builder.connect()).expect("the server answers");
    let refused = server::block_on(unlimited.commit(sized(MOST + 1)));
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
    assert!(server::block_on(store.keep_snapshot(snapshot)).is_err());
    assert_eq!(
        server::block_on(store.head()).expect("it can be read"),
        Position::START
    );
    server::block_on(store.commit(sized(LIMIT))).expect("the largest that is taken");
    format!(
        "sizes tried 5, of {} to {} bytes, peak memory {} MiB",
        LIMIT + 1,
        MOST + 1,
        peak_mebibytes()
    )
}

pub(crate) fn what_the_database_refuses_fails_alone(effort: Effort) -> String {
    const OTHERS: usize = 63;
    let place = server::fresh();
    let store = server::open(&place);
    let rounds = effort.of(4, 50);
    // Too long for an index, and of letters that do not repeat.
    let mut name = String::new();
    while name.len() < 10_000 {
        name += &Uuid::from_u128(fastrand::u128(..)).simple().to_string();
    }
    server::block_on(async {
        for round in 0..rounds {
            let mut group = Vec::new();
            for number in 0..=OTHERS {
                let mut commit = log::one(fastrand::u128(..), 0);
                if number == round % OTHERS {
                    commit.appends[0].stream.category = name.clone().into();
                }
                let store = store.clone();
                group.push(tokio::spawn(async move { store.commit(commit).await }));
            }
            for (number, commit) in group.into_iter().enumerate() {
                match commit.await.expect("it does not panic") {
                    Ok(_) if number != round % OTHERS => {}
                    Err(AppendError::Failed(_)) if number == round % OTHERS => {}
                    other => panic!("number {number} of round {round}: {other:?}"),
                }
            }
        }
    });
    assert_eq!(log::whole(&store).commits.len(), rounds * OTHERS);
    format!(
        "refused {rounds}, others of their groups {}, failed = 0",
        rounds * OTHERS
    )
}

pub(crate) fn deep_nesting_is_an_error(_: Effort) -> String {
    const LEVELS: usize = 10_000;
    let place = server::fresh();
    let store = server::open(&place);
    let app = Application::new(store.clone());
    let mut meter = Meter::install();
    server::block_on(app.save(&mut meter)).expect("it is stored");
    meter.annotate(Deep(LEVELS));
    let refused = server::block_on(app.save(&mut meter)).expect_err("nobody could read it");

    // Another program wrote it.
    let stream = StreamId::of::<Meter>(&meter.id());
    let mut deep = log::commit(&[(stream, Version::FIRST, 1)], 0);
    let event = &mut deep.appends[0].events[0];
    event.name = "Annotated".into();
    event.payload = format!(r#"{{"note":{}{}}}"#, "[".repeat(LEVELS), "]".repeat(LEVELS)).into();
    server::block_on(store.commit(deep)).expect("to the store it is any bytes");
    let unread = server::block_on(app.get::<Meter>(meter.id())).expect_err("it is too deep");
    format!("levels {LEVELS}: saving says \"{refused}\", getting says \"{unread}\"")
}

pub(crate) fn a_long_stream_is_loaded_in_little_memory(effort: Effort) -> String {
    const COMMIT: u64 = 10_000;
    let events = effort.of(100_000, 1_000_000);
    let place = server::fresh();
    let store = server::open(&place);
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
        server::block_on(store.commit(commit)).expect("it is stored");
    }
    drop(store);
    let arguments = ["load", place.url(), place.schema()];
    let (mut child, mut lines) = process::start(process::command(&arguments));
    let said = lines.next().and_then(Result::ok).unwrap_or_default();
    assert!(child.wait().expect("it ends").success());
    let (sum, peak) = said.split_once(' ').expect("two numbers");
    assert_eq!(sum, (events - 1).to_string());
    let peak: u64 = peak.parse().expect("a number");
    assert!(peak < 64, "{peak} MiB");
    format!("events {events}, loaded, then read from the log: peak memory {peak} MiB")
}

/// The child.
pub(crate) fn load(url: &str, schema: &str) {
    let app = Application::new(server::open_at(url, schema));
    let meter = server::block_on(app.get::<Meter>(Uuid::from_u128(1))).expect("it is there");
    let mut read = Position::START;
    loop {
        let records = server::block_on(app.log().read(read, 1_000)).expect("it can be read");
        match records.last() {
            Some(last) => read = last.position,
            None => break,
        }
    }
    assert_eq!(read.get(), meter.version().get());
    process::say(&format!("{} {}", meter.sum, peak_mebibytes()));
}

/// The most memory that this process had.
fn peak_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.unwrap_or(0) / 1024
}
