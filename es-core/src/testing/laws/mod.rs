//! The laws, a file for each chapter. To add one, write it beside its neighbours, name it in `suite.rs` and in the list below, and write a store
//! that breaks it in `tests/broken_stores.rs`.
//!
//! A law is an async function that takes a fresh, empty store and panics where the store breaks it. The laws are numbered, so that they can
//! be talked about; those that are written so far (the others await what they are about):
//!
//! 1. A commit without events changes nothing, though the versions it names are checked.
//! 2. Records come back exactly as written; to a store, a payload is any bytes.
//! 3. A version already present is a conflict that names stream, expected and actual version; nothing of the commit is stored.
//! 4. A commit over several streams is all or nothing, also when one stream occurs twice in it.
//! 5. Versions of a stream have no holes.
//! 6. A stream is read from both ends and in part, and a page is short only at its end; one that does not exist is empty.
//! 7. Two categories with one id are two streams.
//! 8. Of two writers racing for one version exactly one wins.
//! 9. The same commit sent again gives the first result, which can be asked for by its id; a commit with the id of another is refused.
//! 10. Positions are 1, 2, 3 … with no holes, also after refused commits.
//! 11. Events of one commit are neighbours in the log, in order.
//! 12. A reader that has seen a position never later finds a new event at or below it; eight writers and one tailing reader: none missed,
//!     none twice, none out of order.
//! 13. The log is read page by page.
//! 15. Time never runs backwards along the log.

pub mod log;
pub mod streams;
mod suite;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Append, Commit, CommitId, EncodedEvent, EventStore, Filter, Metadata, Record, Span,
};

pub use suite::{Law, all};

fn stream(id: u128) -> StreamId {
    StreamId::new("Dog", Uuid::from_u128(id))
}

/// Reads everything in a part of the log.
async fn read_log(store: &impl EventStore, after: u64, limit: usize) -> Vec<Record> {
    let span = Span::after(Position::from(after)).limit(limit);
    let page = store.read_log(span, &Filter::everything()).await;
    page.expect("the log can be read").records
}

fn event(payload: impl Into<String>) -> EncodedEvent {
    EncodedEvent {
        name: "TrickAdded".into(),
        schema: 1,
        payload: Bytes::from(payload.into()),
    }
}

/// Appends `count` events to a stream that is at version `expected`.
fn append(stream: &StreamId, expected: u64, count: u64) -> Append {
    Append {
        stream: stream.clone(),
        expected: Version::from(expected),
        events: (1..=count)
            .map(|place| event(format!(r#"{{"trick":"{}"}}"#, expected + place)))
            .collect(),
    }
}

fn commit(appends: impl Into<Vec<Append>>) -> Commit {
    Commit {
        id: CommitId::draw(),
        time: at(1),
        metadata: Metadata::new(),
        appends: appends.into(),
        checkpoint: None,
    }
}

/// A time with microseconds, as every store keeps them.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 123_456_000)
}
