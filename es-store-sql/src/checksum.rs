//! What an accident or an edit by hand does not keep: a sum over all columns of a record.
//!
//! It finds damage and naive tampering; it is no signature.
use crc32fast::Hasher;
use uuid::Uuid;

/// The columns of a row of events, as they are stored.
///
/// ```
/// use es_store_sql::checksum::Columns;
/// use uuid::Uuid;
///
/// let written = Columns {
///     position: 1,
///     category: "Dog",
///     stream: Uuid::nil(),
///     version: 1,
///     event: "Registered",
///     schema: 1,
///     payload: b"{}",
///     metadata: None,
///     time: 0,
///     commit: Uuid::nil(),
///     events_in_commit: Some(1),
/// };
/// let edited = Columns { category: "Cat", ..written };
/// assert_ne!(edited.checksum(), written.checksum());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Columns<'a> {
    /// Where in the log.
    pub position: i64,
    /// The category of its stream.
    pub category: &'a str,
    /// The id of its stream.
    pub stream: Uuid,
    /// Where in its stream.
    pub version: i64,
    /// Its name.
    pub event: &'a str,
    /// The schema version of its payload.
    pub schema: u32,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its metadata as JSON, where it has any.
    pub metadata: Option<&'a str>,
    /// When, in microseconds since 1970.
    pub time: i64,
    /// The id of its commit.
    pub commit: Uuid,
    /// How many events the commit has, at its last one.
    pub events_in_commit: Option<i64>,
}

impl Columns<'_> {
    /// CRC-32 of all columns, which files and databases out there are verified by; texts and payloads with their lengths, so that what moves from one into the next is found.
    #[must_use]
    pub fn checksum(&self) -> u32 {
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

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: Columns<'_> = Columns {
        position: 7,
        category: "Dog",
        stream: Uuid::from_u128(1),
        version: 3,
        event: "TrickAdded",
        schema: 2,
        payload: br#"{"trick":"sit"}"#,
        metadata: Some(r#"{"actor":"ann"}"#),
        time: 1_700_000_000_000_000,
        commit: Uuid::from_u128(9),
        events_in_commit: Some(2),
    };

    #[test]
    fn the_sum_is_the_one_that_is_in_files_and_databases() {
        let bare = Columns {
            metadata: None,
            events_in_commit: None,
            ..STORED
        };
        assert_eq!(
            (STORED.checksum(), bare.checksum()),
            (3_695_536_170, 420_592_570)
        );
    }

    #[test]
    fn what_moves_from_one_column_into_the_next_is_found() {
        let moved = Columns {
            category: "Do",
            event: "gTrickAdded",
            ..STORED
        };
        assert_ne!(moved.checksum(), STORED.checksum());
    }
}
