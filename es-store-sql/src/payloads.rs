//! Payloads that are parts of buffers they share: reading a record takes no allocation for its payload.
use std::mem;

use bytes::Bytes;
use es_core::persistence::Record;

/// How many bytes of payloads share one allocation: who keeps one record keeps no more than these.
const SHARED: usize = 32 * 1024;

/// The payloads of the newest records, which have none yet.
///
/// For each row its payload is pushed before the record is, which is without one; at the end what is left is handed out.
#[derive(Debug, Default)]
pub struct Payloads {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Payloads {
    /// Takes the payload of the record that comes next.
    #[inline]
    pub fn push(&mut self, records: &mut [Record], payload: &[u8]) {
        if self.bytes.len() + payload.len() > SHARED {
            self.hand_out(records);
        }
        self.bytes.extend_from_slice(payload);
        self.ends.push(self.bytes.len());
    }

    /// Gives the newest records their payloads.
    pub fn hand_out(&mut self, records: &mut [Record]) {
        let bytes = Bytes::from(mem::take(&mut self.bytes));
        let waiting = records.len().saturating_sub(self.ends.len());
        let mut start = 0;
        for (record, end) in records[waiting..].iter_mut().zip(self.ends.drain(..)) {
            record.payload = bytes.slice(start..end);
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use es_core::persistence::{CommitId, Metadata};
    use es_core::{Position, StreamId, Version};
    use uuid::Uuid;

    use super::*;

    fn record() -> Record {
        Record {
            stream: StreamId::new("Dog", Uuid::nil()),
            version: Version::FIRST,
            position: Position::FIRST,
            event: "Barked".into(),
            schema: 1,
            payload: Bytes::new(),
            metadata: Metadata::new(),
            time: UNIX_EPOCH,
            commit: CommitId::from(Uuid::nil()),
        }
    }

    #[test]
    fn each_record_has_its_own_payload_however_they_are_spread_over_buffers() {
        let sizes = [0, 1, SHARED, SHARED + 1, 7, SHARED / 2, SHARED / 2, 1, 0];
        let written: Vec<_> = (0_u8..).zip(sizes).map(|(n, size)| vec![n; size]).collect();
        let (mut records, mut payloads) = (Vec::new(), Payloads::default());
        for payload in &written {
            payloads.push(&mut records, payload);
            records.push(record());
        }
        payloads.hand_out(&mut records);
        let read: Vec<_> = records
            .iter()
            .map(|record| record.payload.to_vec())
            .collect();
        assert_eq!(read, written);
    }
}
