//! The lines of an export: a head that says what it is, an event in each, and an end that says how many there were.
//!
//! ```text
//! {"export":1,"application":"school"}
//! {"position":1,"time":"2024-03-04T09:00:00Z","commit":"…","category":"Dog","id":"…","version":1,"event":"Registered","schema":1,"payload":{"name":"Fido"}}
//! {"events":1}
//! ```
//!
//! A payload is written as it is stored: as JSON where it is JSON in one line, and in base64 (`"stored"`) where it is compressed or encrypted. So
//! what is encrypted stays so, and what is imported is the same to the byte.
use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use es_core::persistence::{CommitId, EncodedEvent, Metadata, Record};
use es_core::{Position, StreamId, Version};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::time;

/// The form that this program writes and reads.
pub(crate) const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Head {
    pub(crate) export: u32,
    pub(crate) application: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub(crate) events: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line<'a> {
    position: u64,
    time: Cow<'a, str>,
    commit: Uuid,
    category: Cow<'a, str>,
    id: Uuid,
    version: u64,
    event: Cow<'a, str>,
    schema: u32,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none", borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
}

impl<'a> Line<'a> {
    pub(crate) fn of(record: &'a Record) -> Self {
        let payload = as_json(&record.payload);
        Self {
            position: record.position.get(),
            time: time::text(record.time).into(),
            commit: record.commit.into(),
            category: Cow::Borrowed(&record.stream.category),
            id: record.stream.id,
            version: record.version.get(),
            event: Cow::Borrowed(&record.event),
            schema: record.schema,
            metadata: record.metadata.clone(),
            stored: payload.is_none().then(|| STANDARD.encode(&record.payload)),
            payload,
        }
    }

    /// The record; or what is wrong with the line.
    pub(crate) fn into_record(self) -> Result<Record, &'static str> {
        let payload = match (self.payload, self.stored) {
            (Some(json), None) => Bytes::copy_from_slice(json.get().as_bytes()),
            (None, Some(stored)) => STANDARD
                .decode(stored)
                .map_err(|_| "`stored` is not base64")?
                .into(),
            _ => return Err("it has not one of `payload` and `stored`"),
        };
        if self.version == 0 {
            return Err("its version is 0, and versions begin with 1");
        }
        Ok(Record {
            stream: StreamId::new(self.category.into_owned(), self.id),
            version: Version::from(self.version),
            position: Position::from(self.position),
            event: self.event.into_owned().into(),
            schema: self.schema,
            payload,
            time: time::parse_text(&self.time).ok_or("`time` is none of RFC 3339")?,
            commit: CommitId::from(self.commit),
            metadata: self.metadata,
        })
    }
}

/// The payload, where it comes back to the byte from a line of JSON.
fn as_json(payload: &[u8]) -> Option<&RawValue> {
    let is_in_one_line = !payload.contains(&b'\n') && !payload.contains(&b'\r');
    if !payload.starts_with(b"{") || !payload.ends_with(b"}") || !is_in_one_line {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// What a record is to a commit.
pub(crate) fn encoded(record: &Record) -> EncodedEvent {
    EncodedEvent {
        name: record.event.clone(),
        schema: record.schema,
        payload: record.payload.clone(),
    }
}

/// How many events an export has, as far as its lines tell.
pub(crate) fn count(input: &mut impl std::io::BufRead) -> std::io::Result<u64> {
    let mut lines: u64 = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            // The head and the end are no events.
            return Ok(lines.saturating_sub(2));
        }
        let breaks = buffer.iter().filter(|byte| **byte == b'\n').count();
        lines += breaks as u64;
        let read = buffer.len();
        input.consume(read);
    }
}
