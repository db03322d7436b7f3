//! An event as stored.
use std::borrow::Cow;
use std::time::SystemTime;

use bytes::Bytes;

use super::{CommitId, DecodeError, EventSet, Metadata};
use crate::domain::{Position, StreamId, Version};

/// An event as stored. With the feature `json` it is handed on as JSON, and read again from its text, to the byte: by `serde_json` alone, since
/// other serializers know nothing of what is JSON already, and not by way of a `serde_json::Value`, which sorts fields and rounds great numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// Its stored name.
    pub event: Cow<'static, str>,
    /// The schema version of the payload.
    pub schema: u32,
    /// What the mapper made of the JSON object of its fields; to a store, any bytes.
    pub payload: Bytes,
    /// When it was committed, in microseconds, by the clock of who saved it; never earlier than the record before it in the log. So one clock that is
    /// ahead has all that is saved after it carry its time, until the others have come to that: let clocks be kept by NTP.
    pub time: SystemTime,
    /// The commit it came with.
    pub commit: CommitId,
    /// Who and why.
    pub metadata: Metadata,
}

/// What replay needs of a record, borrowed from where it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent<'a> {
    /// Its place in the stream.
    pub version: Version,
    /// Its stored name.
    pub event: &'a str,
    /// The schema version of the payload.
    pub schema: u32,
    /// What the mapper made of the JSON object of its fields.
    pub payload: &'a [u8],
    /// When it was committed, in microseconds.
    pub time: SystemTime,
}

impl Record {
    /// What replay needs of it.
    #[must_use]
    pub fn stored(&self) -> StoredEvent<'_> {
        StoredEvent {
            version: self.version,
            event: &self.event,
            schema: self.schema,
            payload: &self.payload,
            time: self.time,
        }
    }
}

/// A record whose payload has become an event again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded<E> {
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Its place in the stream.
    pub version: Version,
    /// Its place in the log.
    pub position: Position,
    /// The event.
    pub event: E,
    /// The JSON object of its fields, as it was before it was compressed or encrypted.
    pub payload: Bytes,
    /// When it was committed, in microseconds.
    pub time: SystemTime,
    /// The commit it came with.
    pub commit: CommitId,
    /// Who and why.
    pub metadata: Metadata,
}

impl<E: EventSet> Recorded<E> {
    /// Makes a record an event again, whose payload is JSON.
    ///
    /// # Errors
    /// [`DecodeError`] where it is none that the set has.
    pub fn of(record: &Record) -> Result<Self, DecodeError> {
        Ok(Self::new(record.clone(), E::decode(record)?))
    }
}

impl<E> Recorded<E> {
    pub(crate) fn new(record: Record, event: E) -> Self {
        Self {
            stream: record.stream,
            version: record.version,
            position: record.position,
            event,
            payload: record.payload,
            time: record.time,
            commit: record.commit,
            metadata: record.metadata,
        }
    }
}
