//! The lines of an export: a head that says what it is, an event in each, and an end that says how many there were.
//!
//! ```text
//! {"export":1,"application":"school"}
//! {"position":1,"time":"2024-03-04T09:00:00.000000Z","commit":"…","category":"Dog","id":"…","version":1,"event":"Registered","schema":1,"payload":{"name":"Fido"}}
//! {"events":1}
//! ```
//!
//! An event is as `es-core` writes it: what is encrypted stays so, and what is imported is the same to the byte.
use es_core::persistence::{EncodedEvent, Record};
use serde::{Deserialize, Serialize};

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
