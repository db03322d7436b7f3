//! Commits that say of themselves how many events they have, and what a whole log is.
use std::collections::HashMap;
use std::time::SystemTime;

use bytes::Bytes;
use es_core::persistence::{
    Append, Commit, CommitId, EncodedEvent, EventStore, Filter, Metadata, Record, Span,
};
use es_core::{Position, StreamId, Version};
use uuid::Uuid;

use crate::block_on;

/// How many records are read at once.
const PAGE: usize = 5_000;

/// A stream of the category `Lamp`.
pub fn stream(number: u128) -> StreamId {
    StreamId::new("Lamp", Uuid::from_u128(number))
}

/// A commit of so many events for each of these streams at these versions. Each payload begins with its place in the commit and the number
/// of events in it, and has at least `size` bytes.
pub fn commit(appends: &[(StreamId, Version, usize)], size: usize) -> Commit {
    let of: usize = appends.iter().map(|(_, _, count)| count).sum();
    let mut place = 0;
    let mut event = || {
        place += 1;
        let mut payload = format!(r#"{{"place":{place},"of":{of},"filled":""#).into_bytes();
        payload.resize(payload.len().max(size), b'x');
        payload.extend(br#""}"#);
        EncodedEvent {
            name: "Switched".into(),
            schema: 1,
            payload: Bytes::from(payload),
        }
    };
    Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new(),
        appends: appends
            .iter()
            .map(|(stream, expected, count)| Append {
                stream: stream.clone(),
                expected: *expected,
                events: (0..*count).map(|_| event()).collect(),
            })
            .collect(),
        checkpoint: None,
    }
}

/// A commit of one event, without anything in it.
pub fn one(stream: u128, expected: u64) -> Commit {
    commit(&[(self::stream(stream), Version::from(expected), 1)], 0)
}

/// Every commit in a log.
#[derive(Debug)]
pub struct Whole {
    /// In order: a commit and the position of its last event.
    pub commits: Vec<(CommitId, Position)>,
    /// The same by their ids.
    pub by_id: HashMap<CommitId, Position>,
    /// Commits of which events are missing.
    pub partial: usize,
    /// Where each stream is.
    pub versions: HashMap<StreamId, u64>,
}

/// Reads a whole log, and panics where it has a hole. Waits, so it is not called where a runtime is at work.
pub fn whole(store: &impl EventStore) -> Whole {
    block_on(read(store))
}

async fn read(store: &impl EventStore) -> Whole {
    let mut whole = Whole {
        commits: Vec::new(),
        by_id: HashMap::new(),
        partial: 0,
        versions: HashMap::new(),
    };
    let mut last = Position::START;
    let mut open: Option<(CommitId, u64, u64)> = None;
    loop {
        let everything = Filter::everything();
        let page = store.read_log(Span::after(last).limit(PAGE), &everything);
        let page = page.await.expect("the log can be read");
        let full = page.records.len() == PAGE;
        for record in page.records {
            assert_eq!(record.position, last.next(), "positions have a hole");
            last = record.position;
            let version = whole.versions.entry(record.stream.clone()).or_default();
            *version += 1;
            assert_eq!(
                record.version.get(),
                *version,
                "{} has a hole",
                record.stream
            );
            let (place, of) = place(&record);
            let expected = match open.take() {
                Some((commit, place, _)) if commit == record.commit => place + 1,
                Some(_) => {
                    whole.partial += 1;
                    1
                }
                None => 1,
            };
            whole.partial += usize::from(place != expected);
            if place == of {
                whole.commits.push((record.commit, last));
                let twice = whole.by_id.insert(record.commit, last);
                assert!(twice.is_none(), "commit {} is stored twice", record.commit);
            } else {
                open = Some((record.commit, place, of));
            }
        }
        if !full {
            break;
        }
    }
    whole.partial += usize::from(open.is_some());
    let head = store.head().await.expect("the head can be read");
    assert_eq!(head, last, "the head is not at the last event");
    whole
}

/// The place of an event in its commit, and how many there are.
fn place(record: &Record) -> (u64, u64) {
    let payload: serde_json::Value =
        serde_json::from_slice(&record.payload).expect("the payload is what was written");
    let number = |key: &str| payload[key].as_u64().expect("it is a number");
    (number("place"), number("of"))
}
