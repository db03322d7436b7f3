//! What a follower has read before its turn: while one batch is handled, the next is read.
//!
//! Events are facts, so what was read stays true, whoever else is at work meanwhile, unless the log is replaced by another, as from a backup.
use std::time::{Duration, SystemTime};

use crate::domain::Position;
use crate::persistence::{LogPage, Record};

/// How long nobody asks whether what was read of a log is still in it.
const NEW: Duration = Duration::from_millis(100);

/// What was read of the log behind a position.
pub(super) struct Ahead {
    after: Position,
    pub(super) page: LogPage,
    pub(super) read_at: SystemTime,
}

impl Ahead {
    pub(super) fn new(after: Position, page: LogPage, read_at: SystemTime) -> Self {
        Self {
            after,
            page,
            read_at,
        }
    }

    /// Whether it was read so lately that the log is taken to be the same.
    pub(super) fn is_new(&self, now: SystemTime) -> bool {
        let age = now.duration_since(self.read_at);
        age.is_ok_and(|age| age < NEW)
    }

    /// What a batch left over that was read at some time, and what was read behind it.
    pub(super) fn left_over(
        mut left: Vec<Record>,
        after: Position,
        read_at: SystemTime,
        behind: Option<Self>,
    ) -> Option<Self> {
        let Some(last) = left.last() else {
            return behind;
        };
        let mut read_to = last.position;
        if let Some(behind) = behind {
            left.extend(behind.page.records);
            read_to = behind.page.read_to;
        }
        let records = left;
        Some(Self::new(after, LogPage { records, read_to }, read_at))
    }

    /// Whether it was read right behind a position.
    pub(super) fn is_behind(&self, position: Position) -> bool {
        self.after == position
    }

    /// The page behind a position, up to a bound, of so many records at most; `None` where something else was read.
    pub(super) fn take(
        kept: &mut Option<Self>,
        after: Position,
        up_to: Position,
        limit: usize,
    ) -> Option<Self> {
        let mut ahead = kept.take()?;
        if ahead.after != after || ahead.page.read_to > up_to || ahead.page.read_to <= after {
            return None;
        }
        let page = &mut ahead.page;
        if page.records.len() > limit {
            let records = page.records.split_off(limit);
            let read_to = page.read_to;
            page.read_to = page.records.last()?.position;
            let left = LogPage { records, read_to };
            *kept = Some(Self::new(page.read_to, left, ahead.read_at));
        }
        Some(ahead)
    }
}
