//! Between events and what is stored: a name, and beside it the JSON object of the fields.
//!
//! Always inlined: an event that is returned through a function is copied once more.
use serde::de::Error as _;
use serde_json::{Error, Result};

use super::DogEvent;

const REGISTERED: &str = "Registered";
const TRICK_ADDED: &str = "TrickAdded";

/// An event as a row of a database has it.
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
}

/// An event on its way there.
pub(crate) struct Encoded<P> {
    pub(crate) name: &'static str,
    pub(crate) payload: P,
}

#[inline(always)]
pub(crate) fn decode(stored: &Stored) -> Result<DogEvent> {
    decode_payload(&stored.name, &stored.payload)
}

#[inline(always)]
pub(super) fn decode_payload(name: &str, payload: &[u8]) -> Result<DogEvent> {
    // Whether it is text is looked at once, and not string by string.
    let payload = str::from_utf8(payload).map_err(Error::custom)?;
    match name {
        REGISTERED => serde_json::from_str(payload).map(DogEvent::Registered),
        TRICK_ADDED => serde_json::from_str(payload).map(DogEvent::TrickAdded),
        name => Err(Error::unknown_variant(name, &[REGISTERED, TRICK_ADDED])),
    }
}

#[inline(always)]
pub(crate) fn encode(event: &DogEvent) -> Result<Encoded<Vec<u8>>> {
    let mut payload = Vec::with_capacity(128);
    let name = encode_into(&mut payload, event)?;
    Ok(Encoded { name, payload })
}

/// Writes the payload at the end of `buffer` and says the name.
#[inline(always)]
pub(crate) fn encode_into(buffer: &mut Vec<u8>, event: &DogEvent) -> Result<&'static str> {
    match event {
        DogEvent::Registered(event) => serde_json::to_writer(buffer, event).map(|()| REGISTERED),
        DogEvent::TrickAdded(event) => serde_json::to_writer(buffer, event).map(|()| TRICK_ADDED),
    }
}
