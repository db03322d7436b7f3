//! What a follower has read before its turn: while one batch is handled, the next is read.
//!
//! Events are facts, so what was read stays true, whoever else is at work meanwhile.
use std::cmp::Ordering;

use crate::domain::Position;
use crate::persistence::{LogPage, Record};

/// A batch is not to grow beyond so many bytes of payloads.
const BYTES: usize = 8 * 1024 * 1024;

/// How many events are read at once at first.
const FIRST: usize = 1_000;

/// What was read of the log behind a position.
pub(super) struct Ahead {
    after: Position,
    page: LogPage,
}

impl Ahead {
    pub(super) fn new(after: Position, page: LogPage) -> Self {
        Self { after, page }
    }

    /// What a batch left over, and what was read behind it.
    pub(super) fn left_over(
        mut left: Vec<Record>,
        after: Position,
        behind: Option<LogPage>,
    ) -> Option<Self> {
        let Some(last) = left.last() else {
            return behind.map(|page| Self::new(after, page));
        };
        let mut read_to = last.position;
        if let Some(behind) = behind {
            left.extend(behind.records);
            read_to = behind.read_to;
        }
        let records = left;
        Some(Self::new(after, LogPage { records, read_to }))
    }

    /// What was read right behind a position.
    pub(super) fn behind(self, position: Position) -> Option<LogPage> {
        (self.after == position).then_some(self.page)
    }

    /// The page behind a position, up to a bound, of so many records at most; `None` where something else was read.
    pub(super) fn take(
        kept: &mut Option<Self>,
        after: Position,
        up_to: Position,
        limit: usize,
    ) -> Option<LogPage> {
        let ahead = kept.take()?;
        if ahead.after != after || ahead.page.read_to > up_to || ahead.page.read_to <= after {
            return None;
        }
        let mut page = ahead.page;
        if page.records.len() > limit {
            let records = page.records.split_off(limit);
            let read_to = page.read_to;
            page.read_to = page.records.last()?.position;
            *kept = Some(Self::new(page.read_to, LogPage { records, read_to }));
        }
        Some(page)
    }
}

/// How many events are read at once: more and more as long as they are small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    most: usize,
    now: usize,
}

impl Size {
    pub(super) fn up_to(most: usize) -> Self {
        Self {
            most,
            now: most.min(FIRST),
        }
    }

    pub(super) fn get(self) -> usize {
        self.now
    }

    /// After a page that was full.
    pub(super) fn learn(&mut self, page: &[Record]) {
        let bytes: usize = page.iter().map(|record| record.payload.len()).sum();
        self.now = match (bytes * 2).cmp(&BYTES) {
            Ordering::Less => (self.now * 2).min(self.most),
            _ if bytes > BYTES => (self.now / 2).max(1),
            _ => self.now,
        };
    }
}
