//! What is pending in a dog, as a database takes it.
use std::time::SystemTime;

use uuid::Uuid;

use super::{Dog, Encoded, encode};

/// What is pending in a dog, as it is to be written.
pub(crate) struct Entry {
    pub(crate) id: Uuid,
    /// The version that the dog must be at.
    pub(crate) version: u64,
    pub(crate) events: Vec<Encoded<Vec<u8>>>,
}

impl Entry {
    pub(crate) fn of(dog: &Dog) -> serde_json::Result<Self> {
        let events = dog.pending().iter().map(encode);
        Ok(Self {
            id: dog.id(),
            version: dog.saved_version(),
            events: events.collect::<serde_json::Result<_>>()?,
        })
    }
}

/// The time as it is stored: microseconds since 1970.
pub(crate) fn microseconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}
