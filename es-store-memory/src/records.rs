//! All records, in blocks: where there is no room left, none is moved, so that no commit is kept waiting by the length of the log.
use std::ops::Range;

use es_core::persistence::Record;

/// How many records are in a block.
const BLOCK: usize = 512;

#[derive(Default)]
pub(crate) struct Records {
    /// All are full but the last.
    blocks: Vec<Vec<Record>>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        match self.blocks.split_last() {
            Some((last, full)) => full.len() * BLOCK + last.len(),
            None => 0,
        }
    }

    pub(crate) fn push(&mut self, record: Record) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(record),
            _ => {
                // The first block of a short log is as large as it must be.
                let room = if self.blocks.is_empty() { 0 } else { BLOCK };
                let mut block = Vec::with_capacity(room);
                block.push(record);
                self.blocks.push(block);
            }
        }
    }

    /// The record at a place that there is.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> &Record {
        &self.blocks[place / BLOCK][place % BLOCK]
    }

    pub(crate) fn last(&self) -> Option<&Record> {
        self.blocks.last()?.last()
    }

    pub(crate) fn range(
        &self,
        range: Range<usize>,
    ) -> impl ExactSizeIterator<Item = &Record> + Clone {
        range.map(|place| self.at(place))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use es_core::persistence::{CommitId, Metadata};
    use es_core::{Position, StreamId, Version};

    use super::*;

    fn record(position: usize) -> Record {
        Record {
            stream: StreamId::new("Lamp", uuid::Uuid::nil()),
            version: Version::FIRST,
            position: Position::from(position as u64),
            event: "Switched".into(),
            schema: 1,
            payload: Default::default(),
            time: SystemTime::UNIX_EPOCH,
            commit: CommitId::from(uuid::Uuid::nil()),
            metadata: Metadata::new(),
        }
    }

    #[test]
    fn records_are_where_they_were_pushed_over_the_bounds_of_blocks() {
        let mut records = Records::default();
        assert_eq!((records.len(), records.last()), (0, None));
        for place in 0..3 * BLOCK + 1 {
            records.push(record(place));
            assert_eq!(
                (records.len(), records.last()),
                (place + 1, Some(&record(place)))
            );
        }
        let positions = records
            .range(BLOCK - 1..2 * BLOCK + 1)
            .map(|found| found.position.get());
        assert!(positions.eq(BLOCK as u64 - 1..2 * BLOCK as u64 + 1));
    }
}
