//! The atomic unit of writing.
use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use uuid::Uuid;

use super::{Advance, Metadata};
use crate::domain::{Position, StreamId, Version};

/// Names one commit, so that sending it again is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(Uuid);

impl CommitId {
    /// Draws an id that no other commit has.
    #[must_use]
    pub fn draw() -> Self {
        Self::draw_at(SystemTime::now())
    }

    /// As [`draw`](CommitId::draw), where the time was read already: a UUID of version 7.
    ///
    /// What is random in it is drawn once for the process and counted on from there: asking the system for each commit costs more than all
    /// the rest of saving an event in memory.
    pub(crate) fn draw_at(now: SystemTime) -> Self {
        static DRAWN: LazyLock<(AtomicU64, u16)> = LazyLock::new(|| {
            let (high, low) = Uuid::now_v7().as_u64_pair();
            #[expect(clippy::cast_possible_truncation, reason = "12 bits are wanted")]
            (AtomicU64::new(low), high as u16)
        });
        let (next, process) = &*DRAWN;
        let millis = now.duration_since(UNIX_EPOCH).map_or(0, |since| {
            since.as_secs() * 1_000 + u64::from(since.subsec_millis())
        });
        let high = millis << 16 | 0x7000 | u64::from(process & 0x0fff);
        let low = next.fetch_add(1, Ordering::Relaxed) & 0x3fff_ffff_ffff_ffff | 1 << 63;
        Self(Uuid::from_u64_pair(high, low))
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

/// Events for the end of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// The version it must be at; the events take the versions after it.
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_two_commits_have_one_id() {
        let draw = || (0..10_000).map(|_| CommitId::draw()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(draw)).collect();
        let ids: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 40_000);
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_of_its_time() {
        for millis in [0, 1, 999, 1_700_000_000_123, 0xffff_ffff_ffff] {
            let id = CommitId::draw_at(UNIX_EPOCH + Duration::from_millis(millis)).0;
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
            assert_eq!(seconds * 1_000 + u64::from(nanos / 1_000_000), millis);
        }
    }
}
