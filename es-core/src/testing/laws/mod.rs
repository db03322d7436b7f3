//! The laws, a file for each chapter. To add one, write it beside its neighbours and name it in `suite.rs`.
//!
//! A law is an async function that takes a fresh, empty store and panics where the store breaks it.

pub mod log;
pub mod streams;
mod suite;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::{StreamId, Version};
use crate::persistence::{Append, Commit, CommitId, EncodedEvent};

fn stream(id: u128) -> StreamId {
    StreamId::new("Dog", Uuid::from_u128(id))
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
        appends: appends.into(),
    }
}

/// A time with microseconds, as every store keeps them.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 123_456_000)
}
