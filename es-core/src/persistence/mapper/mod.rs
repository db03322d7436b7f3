//! Between events and bytes. What is done to the bytes themselves (compression, encryption) belongs here, after [`json`].

mod json;

use std::borrow::Cow;

use bytes::Bytes;

use super::{EncodedEvent, Record};
use crate::domain::{Event, StreamId, Version};

/// An event that cannot be stored. Nothing was written; the event is pending still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event's values have no JSON form.
    #[error("`{event}` of `{stream}` at version {version} has no JSON form")]
    NotJson {
        /// The stream.
        stream: StreamId,
        /// The version it would have.
        version: Version,
        /// Its stored name.
        event: &'static str,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// A record that does not become an event of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The code declares no event of that name.
    #[error(
        "`{stream}` has an unknown event `{event}` at version {version}; declare it, if only as an old name"
    )]
    UnknownEvent {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
    },
    /// The record was written by newer code.
    #[error(
        "`{event}` of `{stream}` at version {version} has schema {found}, but this program reads {known} at most; upgrade it"
    )]
    FutureSchema {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
        /// The schema version of the record.
        found: u32,
        /// The highest schema version the code reads.
        known: u32,
    },
    /// The payload is not what the event's fields need.
    #[error(
        "`{event}` of `{stream}` at version {version} cannot be read; its payload does not fit the event's fields"
    )]
    Malformed {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
        /// What serde says.
        source: serde_json::Error,
    },
}

/// Makes an event ready for a store.
pub(crate) fn encode<E: Event>(
    event: &E,
    stream: &StreamId,
    version: Version,
) -> Result<EncodedEvent, EncodeError> {
    let payload = json::to_payload(event).map_err(|source| EncodeError::NotJson {
        stream: stream.clone(),
        version,
        event: event.name(),
        source,
    })?;
    Ok(EncodedEvent {
        name: Cow::Borrowed(event.name()),
        schema: event.schema(),
        payload: Bytes::from(payload),
    })
}

/// Makes a record an event again.
pub(crate) fn decode<E: Event>(record: &Record) -> Result<E, DecodeError> {
    let Some(shape) = E::SHAPES.iter().find(|shape| shape.name == record.event) else {
        return Err(DecodeError::UnknownEvent {
            stream: record.stream.clone(),
            version: record.version,
            event: record.event.to_string(),
        });
    };
    if record.schema > shape.schema {
        return Err(DecodeError::FutureSchema {
            stream: record.stream.clone(),
            version: record.version,
            event: record.event.to_string(),
            found: record.schema,
            known: shape.schema,
        });
    }
    json::from_payload(shape.name, &record.payload).map_err(|source| DecodeError::Malformed {
        stream: record.stream.clone(),
        version: record.version,
        event: record.event.to_string(),
        source,
    })
}
