//! Where a payload belongs.
use crate::domain::{StreamId, Version};

/// Where a payload belongs. An encrypted one is bound to its place, and read at no other.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "aes"),
    expect(dead_code, reason = "only encryption looks at all of it")
)]
pub(crate) struct Place<'a> {
    pub(crate) stream: &'a StreamId,
    pub(crate) version: Version,
    /// The stored name of the event, or [`SNAPSHOT`](Place::SNAPSHOT).
    pub(crate) name: &'a str,
}

impl Place<'_> {
    /// Stands where the name of an event would. No event has it: their names are UpperCamelCase identifiers.
    pub(crate) const SNAPSHOT: &'static str = "\0snapshot";

    /// Writes the place at the end of `bytes`: no two places are written alike.
    #[cfg(feature = "aes")]
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let mut text = |text: &str| {
            bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        text(&self.stream.category);
        text(self.name);
        bytes.extend_from_slice(self.stream.id.as_bytes());
        bytes.extend_from_slice(&self.version.get().to_be_bytes());
    }
}
