//! How much is read at once.
use std::cmp::Ordering;

use crate::persistence::Record;

/// What is read at once is not to grow beyond so many bytes of payloads.
const BYTES: usize = 8 * 1024 * 1024;

/// How many events are read at once: more and more as long as they are small.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    most: usize,
    now: usize,
}

impl Size {
    pub(crate) fn new(first: usize, most: usize) -> Self {
        Self {
            most,
            now: most.min(first),
        }
    }

    pub(crate) fn get(self) -> usize {
        self.now
    }

    /// After a page that was full, of records as they are kept.
    pub(crate) fn learn(&mut self, page: &[Record]) {
        self.learn_bytes(page.iter().map(|record| record.payload.len()).sum());
    }

    /// After a page that was full, of so many bytes.
    pub(crate) fn learn_bytes(&mut self, bytes: usize) {
        self.now = match (bytes * 2).cmp(&BYTES) {
            Ordering::Less => (self.now * 2).min(self.most),
            _ if bytes > BYTES => (self.now / 2).max(1),
            _ => self.now,
        };
    }
}
