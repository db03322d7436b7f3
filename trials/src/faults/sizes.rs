//! Payloads, nesting and streams far larger than they should be.
use std::fs;

use bytes::Bytes;
use es_core::persistence::{AppendError, EventStore, Metadata, Snapshot, SnapshotStore};
use es_core::{Aggregate, Application, Position, Root, StreamId, Version, events};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use uuid::Uuid;

use super::{Effort, Log};
use crate::{block_on, log};

/// What has many events.
#[derive(Aggregate, Debug)]
#[aggregate("Meter", id = Uuid)]
pub struct Meter {
    root: Root<Self>,
    /// Of all that was counted.
    pub sum: u64,
}

#[events]
impl Meter {
    /// Begins at 0.
    #[event("Installed")]
    pub fn install() -> Self {
        Self {
            root: Root::new(),
            sum: 0,
        }
    }

    /// Adds to the sum.
    #[event("Counted")]
    pub fn count(&mut self, by: u64) {
        self.sum += by;
    }

    /// Takes a note of some depth.
    #[event("Annotated")]
    pub fn annotate(&mut self, note: Deep) {
        let _ = note;
    }
}

/// So many lists in each other, written as a recursive type would be. A real one of 10 000 levels could not even be copied.
#[derive(Debug, Clone, PartialEq)]
pub struct Deep(usize);

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

pub(super) fn what_is_too_large_is_refused_before_it_is_written<L: Log>(_: Effort) -> String {
    const LIMIT: usize = 16 * 1024 * 1024;
    let most = L::LARGEST;
    let place = L::fresh();
    let sized = |size: usize| {
        let mut commit = log::one(1, 0);
        // Pages of zeros that nobody touches take no memory.
        commit.appends[0].events[0].payload = Bytes::from(vec![0; size]);
        commit
    };
    let store = place.open();
    for size in [LIMIT + 1, LIMIT * 10, most + 1] {
        let refused = block_on(store.commit(sized(size)));
        assert!(
            matches!(refused, Err(AppendError::TooLarge { limit: LIMIT, .. })),
            "{refused:?}"
        );
    }
    let unlimited = place.open_without_limit();
    let refused = block_on(unlimited.commit(sized(most + 1)));
    assert!(
        matches!(refused, Err(AppendError::TooLarge { limit, .. }) if limit == most),
        "{refused:?}"
    );
    let mut described = log::one(1, 0);
    described.metadata = Metadata::new().with("body", "x".repeat(Metadata::LARGEST));
    let refused = block_on(store.commit(described.clone()));
    assert!(
        matches!(refused, Err(AppendError::MetadataTooLarge { .. })),
        "{refused:?}"
    );
    let deep = (0..1_000).fold(Value::Null, |inside, _| Value::Array(vec![inside]));
    described.metadata = Metadata::new().with("body", deep);
    let refused = block_on(store.commit(described));
    assert!(
        matches!(refused, Err(AppendError::MetadataTooDeep { .. })),
        "{refused:?}"
    );
    let snapshot = Snapshot {
        stream: log::stream(1),
        version: Version::FIRST,
        fingerprint: 1,
        state: Bytes::from(vec![0; most + 1]),
    };
    assert!(block_on(store.keep_snapshot(snapshot)).is_err());
    assert_eq!(
        block_on(store.head()).expect("it can be read"),
        Position::START
    );
    block_on(store.commit(sized(LIMIT))).expect("the largest that is taken");
    format!(
        "sizes tried 5, of {} to {} bytes, peak memory {} MiB",
        LIMIT + 1,
        most + 1,
        peak_kibibytes() / 1024
    )
}

pub(super) fn deep_nesting_is_an_error<L: Log>(_: Effort) -> String {
    const LEVELS: usize = 10_000;
    let place = L::fresh();
    let store = place.open();
    let app = Application::new(store.clone());
    let mut meter = Meter::install();
    block_on(app.save(&mut meter)).expect("it is stored");
    meter.annotate(Deep(LEVELS));
    let refused = block_on(app.save(&mut meter)).expect_err("nobody could read it");

    // Another program wrote it.
    let stream = StreamId::of::<Meter>(&meter.id());
    let mut deep = log::commit(&[(stream, Version::FIRST, 1)], 0);
    let event = &mut deep.appends[0].events[0];
    event.name = "Annotated".into();
    event.payload = format!(r#"{{"note":{}{}}}"#, "[".repeat(LEVELS), "]".repeat(LEVELS)).into();
    block_on(store.commit(deep)).expect("to the store it is any bytes");
    let unread = block_on(app.get::<Meter>(meter.id())).expect_err("it is too deep");
    format!("levels {LEVELS}: saving says \"{refused}\", getting says \"{unread}\"")
}

/// The meter that [`counted`] makes.
pub const METER: Uuid = Uuid::from_u128(1);

/// Fills a log with so many events of one stream, which are tens of thousands.
pub fn counted(store: &impl EventStore, events: u64) {
    const COMMIT: u64 = 10_000;
    let stream = StreamId::new("Meter", METER);
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
        block_on(store.commit(commit)).expect("it is stored");
    }
}

/// The most memory that this process had, in KiB.
pub fn peak_kibibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kibibytes.expect("the system says so")
}
