//! What an accident or an edit by hand does not keep: a sum over all columns of a record.
//!
//! It finds damage and naive tampering; it is no signature.
use crc32fast::Hasher;
use uuid::Uuid;

/// The columns of a row of events, as they are stored.
pub(crate) struct Columns<'a> {
    pub(crate) position: i64,
    pub(crate) category: &'a str,
    pub(crate) stream: Uuid,
    pub(crate) version: i64,
    pub(crate) event: &'a str,
    pub(crate) schema: u32,
    pub(crate) payload: &'a [u8],
    pub(crate) metadata: Option<&'a str>,
    pub(crate) time: i64,
    pub(crate) commit: Uuid,
    pub(crate) events_in_commit: Option<i64>,
}

impl Columns<'_> {
    /// CRC-32 of all columns; texts and payloads with their lengths, so that what moves from one into the next is found.
    pub(crate) fn checksum(&self) -> u32 {
        let mut sum = Hasher::new();
        sum.update(&self.position.to_le_bytes());
        text(&mut sum, self.category.as_bytes());
        sum.update(self.stream.as_bytes());
        sum.update(&self.version.to_le_bytes());
        text(&mut sum, self.event.as_bytes());
        sum.update(&self.schema.to_le_bytes());
        text(&mut sum, self.payload);
        // No text of metadata is empty.
        text(&mut sum, self.metadata.unwrap_or_default().as_bytes());
        sum.update(&self.time.to_le_bytes());
        sum.update(self.commit.as_bytes());
        sum.update(&self.events_in_commit.unwrap_or(0).to_le_bytes());
        sum.finalize()
    }
}

fn text(sum: &mut Hasher, text: &[u8]) {
    sum.update(&(text.len() as u64).to_le_bytes());
    sum.update(text);
}
