//! Between events and JSON. What is done to the bytes themselves is done by the [codecs](super::codec), after [`encode`] and before [`decode`].

mod faithful;
mod json;
mod misfit;
mod plain;
mod unread;

pub(crate) use json::write_state;
pub use misfit::Misfit;
pub(crate) use unread::unread;

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use plain::Plain;

use super::{CodecError, EncodedEvent, Record, StoredEvent};
use crate::domain::{Event, EventShape, JsonMap, StreamId, UpcastError, Version, what_it_said};

/// An event that cannot be stored. Nothing was written; the event is pending still.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The event's values have no JSON form that reads as the same values: NaN and infinity, more than 127 levels of nesting, maps whose keys
    /// are no strings or numbers.
    #[error(
        "`{event}` of `{stream}` at version {version} cannot be stored as JSON; its cause says what to store instead"
    )]
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
    /// The JSON of its values would not be read again, or as other values: an attribute of serde's leaves something out, `Some(None)` reads as
    /// `None`, a map in an enum with a tag has keys that are no strings.
    #[error(
        "`{event}` of `{stream}` at version {version} would not be read again as it is; give its values a form in serde that gives them back"
    )]
    NotFaithful {
        /// The stream.
        stream: StreamId,
        /// The version it would have.
        version: Version,
        /// Its stored name.
        event: &'static str,
        /// What serde says; nothing where it would be read as other values.
        source: Option<Misfit>,
    },
    /// Its payload cannot be compressed or encrypted.
    #[error(
        "the payload of `{event}` of `{stream}` at version {version} cannot be brought into its stored form; its cause says why"
    )]
    Codec {
        /// The stream.
        stream: StreamId,
        /// The version it would have.
        version: Version,
        /// Its stored name.
        event: String,
        /// Why.
        source: CodecError,
    },
}

/// A record that does not become an event of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The code declares no event of that name.
    #[error(
        "`{stream}` has an unknown event `{event}` at version {version}; use the program that wrote it, or declare it, if only as an \
         old name or as `retired`"
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
    /// An upcaster is missing, failed or panicked.
    #[error(
        "`{event}` of `{stream}` at version {version} cannot be brought from schema {found} to {known}"
    )]
    Upcast {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
        /// The schema version of the record.
        found: u32,
        /// The schema version the code reads.
        known: u32,
        /// Which step failed.
        source: Box<UpcastError>,
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
        source: Misfit,
    },
    /// The payload is compressed or encrypted, and cannot be had again: it was changed or moved, or its key or a feature of `es-core` is missing.
    #[error(
        "the stored payload of `{event}` of `{stream}` at version {version} cannot be opened; its cause says what is in the way"
    )]
    Codec {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
        /// What is in the way.
        source: CodecError,
    },
    /// The payload is encrypted, and its key was destroyed: the event took place, and nobody can read it.
    #[error(
        "`{event}` of `{stream}` at version {version} is erased; the key of the stream was destroyed on purpose, and its events cannot be read \
         any more"
    )]
    Erased {
        /// The stream.
        stream: StreamId,
        /// Its place in the stream.
        version: Version,
        /// Its stored name.
        event: String,
    },
}

/// Makes the events that follow version `after` of a stream ready for a store.
///
/// Their payloads are parts of one buffer: an allocation for each, and one more for its reference count, cost as much as the encoding.
///
/// # Errors
/// [`EncodeError`] where the values of one have no JSON form.
pub fn encode<E: Event>(
    events: &[E],
    stream: &StreamId,
    after: Version,
) -> Result<Vec<EncodedEvent>, EncodeError> {
    // Whoever serializes may encode, too: meanwhile nobody has the buffer.
    let mut buffer = BUFFER.take();
    let written = write_all(&mut buffer, events, stream, after);
    let encoded = written.map(|ends| {
        let payloads = Bytes::copy_from_slice(&buffer);
        // Most saves are of one event.
        if let [event] = events {
            return vec![encoded(event, payloads)];
        }
        let mut start = 0;
        let ends = ends.into_iter().chain([payloads.len()]);
        let ranges = ends.map(|end| std::mem::replace(&mut start, end)..end);
        let all = events.iter().zip(ranges);
        all.map(|(event, range)| encoded(event, payloads.slice(range)))
            .collect()
    });
    buffer.clear();
    buffer.shrink_to(LARGEST_BUFFER);
    BUFFER.set(buffer);
    encoded
}

thread_local! {
    /// Where payloads are written first: how long they get is not known before, and they are to take no more than they need.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// How many bytes a thread keeps for the next events.
const LARGEST_BUFFER: usize = 64 * 1024;

/// Writes the payloads of events, and says where each but the last ends.
fn write_all<E: Event>(
    payloads: &mut Vec<u8>,
    events: &[E],
    stream: &StreamId,
    after: Version,
) -> Result<Vec<usize>, EncodeError> {
    let mut ends = Vec::with_capacity(events.len().saturating_sub(1));
    let mut version = after;
    for (place, event) in events.iter().enumerate() {
        if place > 0 {
            ends.push(payloads.len());
        }
        version = version.next();
        write(payloads, event, stream, version)?;
    }
    Ok(ends)
}

/// Writes the payload of an event at the end of `payloads`.
fn write<E: Event>(
    payloads: &mut Vec<u8>,
    event: &E,
    stream: &StreamId,
    version: Version,
) -> Result<(), EncodeError> {
    let start = payloads.len();
    json::write_payload(payloads, event).map_err(|source| EncodeError::NotJson {
        stream: stream.clone(),
        version,
        event: event.name(),
        source,
    })?;
    if Plain::<E>::IS {
        return Ok(());
    }
    let source = match json::from_payload::<E>(event.name(), &payloads[start..]) {
        // What is not even like itself, as NaN in a form of the user's own, cannot be compared.
        #[expect(clippy::eq_op, reason = "it may not be")]
        Ok(again) if again == *event || *event != *event => return Ok(()),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    Err(EncodeError::NotFaithful {
        stream: stream.clone(),
        version,
        event: event.name(),
        source: source.map(Misfit::from),
    })
}

/// The payload of an event as it is written, whether it would be read again or not: what is wrong with it can be shown then.
#[cfg(feature = "testing")]
pub(crate) fn payload<E: Event>(event: &E) -> serde_json::Result<Vec<u8>> {
    let mut payload = Vec::new();
    json::write_payload(&mut payload, event)?;
    Ok(payload)
}

fn encoded<E: Event>(event: &E, payload: Bytes) -> EncodedEvent {
    EncodedEvent {
        name: Cow::Borrowed(event.name()),
        schema: event.schema(),
        payload,
    }
}

/// Makes a record an event again.
///
/// # Errors
/// [`DecodeError`] where it is none that `E` declares.
#[inline]
pub fn decode<E: Event>(record: &Record) -> Result<E, DecodeError> {
    decode_stored(&record.stream, record.stored())
}

/// Makes what is stored in a stream an event again.
///
/// Always inlined, as all between the payload and the state: an event that goes through one function more is copied once more.
///
/// # Errors
/// [`DecodeError`] where it is none that `E` declares.
#[inline(always)]
pub(crate) fn decode_stored<E: Event>(
    stream: &StreamId,
    event: StoredEvent<'_>,
) -> Result<E, DecodeError> {
    let stored = Stored { stream, event };
    let Some(shape) = shape::<E>(event.event) else {
        return Err(stored.unknown());
    };
    if event.schema != shape.schema {
        return decode_old(&stored, shape);
    }
    json::from_payload(shape.name, event.payload).map_err(|source| stored.malformed(source))
}

/// Makes a record of another schema version an event: apart, so that the everyday way stays small enough to be inlined.
#[cold]
fn decode_old<E: Event>(stored: &Stored<'_>, shape: &'static EventShape) -> Result<E, DecodeError> {
    let found = stored.event.schema;
    if found > shape.schema {
        return Err(stored.future(shape.schema));
    }
    let payload =
        serde_json::from_slice(stored.event.payload).map_err(|source| stored.malformed(source))?;
    let payload =
        upcast::<E>(shape, found, payload).map_err(|source| stored.upcast(shape.schema, source))?;
    // Through bytes again: reading the fields out of the map would be compiled a second time for every event.
    serde_json::to_vec(&payload)
        .and_then(|payload| json::from_payload(shape.name, &payload))
        .map_err(|source| stored.malformed(source))
}

/// What the code declares about the event of that stored name, present or old.
fn shape<E: Event>(name: &str) -> Option<&'static EventShape> {
    let now = E::SHAPES.iter().find(|shape| shape.name == name);
    now.or_else(|| E::SHAPES.iter().find(|shape| shape.was.contains(&name)))
}

/// Brings a payload to the schema version of the code, step by step. An upcaster that panics has failed: what it left of the payload is thrown away.
fn upcast<E: Event>(
    shape: &EventShape,
    found: u32,
    mut payload: JsonMap,
) -> Result<JsonMap, UpcastError> {
    for from in found..shape.schema {
        let step = AssertUnwindSafe(|| E::upcast(shape.name, from, &mut payload));
        catch_unwind(step).unwrap_or_else(|panic| {
            let message = what_it_said(&*panic).to_owned();
            Err(UpcastError::Failed {
                event: shape.name,
                from,
                source: UpcasterPanicked { message }.into(),
            })
        })?;
    }
    Ok(payload)
}

/// What an upcaster said when it panicked.
#[derive(Debug, thiserror::Error)]
#[error("it panicked: {message}")]
struct UpcasterPanicked {
    message: String,
}

/// Names a record in an error.
struct Stored<'a> {
    stream: &'a StreamId,
    event: StoredEvent<'a>,
}

impl Stored<'_> {
    #[cold]
    fn unknown(&self) -> DecodeError {
        DecodeError::UnknownEvent {
            stream: self.stream.clone(),
            version: self.event.version,
            event: self.event.event.to_owned(),
        }
    }

    #[cold]
    fn future(&self, known: u32) -> DecodeError {
        DecodeError::FutureSchema {
            stream: self.stream.clone(),
            version: self.event.version,
            event: self.event.event.to_owned(),
            found: self.event.schema,
            known,
        }
    }

    #[cold]
    fn upcast(&self, known: u32, source: UpcastError) -> DecodeError {
        DecodeError::Upcast {
            stream: self.stream.clone(),
            version: self.event.version,
            event: self.event.event.to_owned(),
            found: self.event.schema,
            known,
            source: Box::new(source),
        }
    }

    #[cold]
    fn malformed(&self, source: serde_json::Error) -> DecodeError {
        DecodeError::Malformed {
            stream: self.stream.clone(),
            version: self.event.version,
            event: self.event.event.to_owned(),
            source: source.into(),
        }
    }
}
