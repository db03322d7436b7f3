//! Events as they are stored, without a store.
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use crate::domain::{Aggregate, Event, JsonMap, Position, StreamId, Version};
use crate::persistence::{CommitId, EncodedEvent, Metadata, Record, decode, encode, mapper};
use crate::system::told;

/// An event that came back from a store, with its payload.
pub(super) struct Stored<E> {
    pub(super) event: E,
    pub(super) payload: JsonMap,
}

/// Writes an event and reads it again, which must give the same event.
pub(super) fn written_and_read<E: Event>(event: &E) -> Result<Stored<E>, String> {
    let payload = payload(event)?;
    let again: E = read(event.name(), event.schema(), payload.clone())?;
    if again != *event {
        let stored = String::from_utf8_lossy(&payload);
        return Err(format!(
            "does not come back the same: it is stored as {stored}, which reads as {again:?}"
        ));
    }
    Ok(Stored {
        event: again,
        payload: object(&payload)?,
    })
}

/// Events as a store is given them.
///
/// # Panics
/// Where one cannot be stored.
#[track_caller]
pub(super) fn encoded<A: Aggregate>(stream: &StreamId, events: &[A::Event]) -> Vec<EncodedEvent> {
    match encode(events, stream, Version::NEW) {
        Ok(encoded) => encoded,
        Err(error) => panic!("{}", told(&error)),
    }
}

/// Reads a payload of an event and writes it again.
pub(super) fn rewrite<E: Event>(
    name: &str,
    schema: u32,
    stored: &JsonMap,
) -> Result<JsonMap, String> {
    let event: E = read(name, schema, text(stored).into())?;
    object(&payload(&event)?)
}

/// A payload as it stands in a store.
pub(super) fn text(payload: &JsonMap) -> String {
    serde_json::to_string(payload).unwrap_or_default()
}

fn payload<E: Event>(event: &E) -> Result<Bytes, String> {
    let written = mapper::payload(event);
    let payload = written.map_err(|error| format!("cannot be stored: {error}"))?;
    Ok(payload.into())
}

fn object(payload: &[u8]) -> Result<JsonMap, String> {
    serde_json::from_slice(payload)
        .map_err(|error| format!("is not stored as a JSON object: {error}"))
}

fn read<E: Event>(name: &str, schema: u32, payload: Bytes) -> Result<E, String> {
    let record = Record {
        stream: stream(),
        version: Version::FIRST,
        position: Position::FIRST,
        event: name.to_owned().into(),
        schema,
        payload,
        time: SystemTime::UNIX_EPOCH,
        commit: CommitId::from(Uuid::nil()),
        metadata: Metadata::new(),
    };
    decode(&record).map_err(|error| format!("cannot be read: {}", reason(&error)))
}

fn stream() -> StreamId {
    StreamId::new("sample", Uuid::nil())
}

/// What went wrong at the bottom; the record that is named above it is no real one.
fn reason(error: &dyn std::error::Error) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}
