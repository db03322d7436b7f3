//! The atomic unit of writing.
use std::borrow::Cow;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::{Advance, AppendError, Metadata};
use crate::domain::{Position, StreamId, Version};

/// Names one commit, so that sending it again is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitId(Uuid);

impl CommitId {
    /// Draws an id that no other commit has.
    #[must_use]
    pub fn draw() -> Self {
        Self(Uuid::now_v7())
    }

    /// As [`draw`](Self::draw), for who knows what time it is: looking at the clock once more, and counting the ids of a millisecond, takes
    /// half of what a save costs beside its events.
    pub(crate) fn draw_at(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        // In 64 bits, in which there is room for half a billion years.
        let seconds = since.as_secs().saturating_mul(1_000);
        let milliseconds = seconds.saturating_add(since.subsec_millis().into());
        // Versions 4 and 7 have the same bits in these bytes.
        let [_, _, _, _, _, _, random @ ..] = Uuid::new_v4().into_bytes();
        Self(Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }
}

impl From<Uuid> for CommitId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl From<CommitId> for Uuid {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Events of one or more streams, and a follower's checkpoint, that become visible together or not at all.
///
/// Without either it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// When it was made, in microseconds. A store moves it forward where its log is further on.
    pub time: SystemTime,
    /// Who and why, for all of its events.
    pub metadata: Metadata,
    /// What it appends, in the order in which it is to stand in the log. A stream may occur more than once.
    pub appends: Vec<Append>,
    /// The checkpoint that it moves.
    pub checkpoint: Option<Advance>,
}

impl Commit {
    /// Refuses payloads of more than `limit` bytes, and metadata that is too large or nested too deep, before anything is written.
    ///
    /// # Errors
    /// [`AppendError::MetadataTooLarge`] and [`AppendError::MetadataTooDeep`]; [`AppendError::TooLarge`] for the first such payload.
    pub fn check_sizes(&self, limit: usize) -> Result<(), AppendError> {
        match self.metadata.size() {
            Ok(size) if size <= Metadata::LARGEST => {}
            Ok(size) => {
                return Err(AppendError::MetadataTooLarge {
                    size,
                    limit: Metadata::LARGEST,
                });
            }
            Err(key) => {
                return Err(AppendError::MetadataTooDeep {
                    key: key.to_owned(),
                    limit: Metadata::DEEPEST,
                });
            }
        }
        for append in &self.appends {
            let mut version = append.expected;
            for event in &append.events {
                version = version.next();
                if event.payload.len() > limit {
                    return Err(AppendError::TooLarge {
                        stream: append.stream.clone(),
                        version,
                        event: event.name.clone().into_owned(),
                        size: event.payload.len(),
                        limit,
                    });
                }
            }
        }
        Ok(())
    }
}

/// Events for the end of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// The version it must be at; the events take the versions after it. Where a commit names the stream twice, that which the one before leaves it
    /// at.
    pub expected: Version,
    /// The events, oldest first. Without any, the version is checked all the same.
    pub events: Vec<EncodedEvent>,
}

/// An event as bytes, not yet in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedEvent {
    /// Its stored name.
    pub name: Cow<'static, str>,
    /// The schema version of the payload.
    pub schema: u32,
    /// What the mapper made of the JSON object of its fields; to a store, any bytes.
    pub payload: Bytes,
}

/// What became of a commit that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// Which commit.
    pub commit: CommitId,
    /// The position of its last event; `None` where it had none.
    pub position: Option<Position>,
    /// The time that its records carry; that of the commit where it had none.
    pub time: SystemTime,
}
