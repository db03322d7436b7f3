//! Rows of events, column by column, and the sum over each.
use crc32fast::Hasher;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::CATEGORY;
use crate::by_hand::{Encoded, Entry};

/// What is written at once. All columns are here that are not the same in all rows.
#[derive(Default)]
pub(super) struct Rows<'e> {
    streams: Vec<Uuid>,
    versions: Vec<i64>,
    events: Vec<&'static str>,
    payloads: Vec<&'e [u8]>,
    times: Vec<i64>,
    commits: Vec<Uuid>,
    counts: Vec<Option<i64>>,
    checksums: Vec<i64>,
}

/// The rows of arrays, from $2 on; the category is $1.
pub(super) const ROWS: &str = "SELECT $1::text, r.stream, r.version, r.event, 1, r.payload, r.time, r.commit_id, r.count, r.checksum FROM";

/// The columns of [`ROWS`].
pub(super) const COLUMNS: &str = "category, stream, version, event, schema, payload, time, commit_id, events_in_commit, checksum";

pub(super) const ARRAYS: &str = "unnest($2::uuid[], $3::int8[], $4::text[], $5::bytea[], $6::int8[], $7::uuid[], $8::int8[], $9::int8[]) \
     AS r (stream, version, event, payload, time, commit_id, count, checksum)";

impl<'e> Rows<'e> {
    pub(super) fn push(&mut self, entry: &'e Entry, time: i64, commit: Uuid) {
        let mut count = i64::try_from(entry.events.len()).ok();
        let mut version = i64::try_from(entry.version).unwrap_or(i64::MAX);
        for event in &entry.events {
            version += 1;
            let sum = checksum(entry.id, version, event, time, commit, count);
            self.streams.push(entry.id);
            self.versions.push(version);
            self.events.push(event.name);
            self.payloads.push(&event.payload);
            self.times.push(time);
            self.commits.push(commit);
            self.counts.push(count.take());
            self.checksums.push(sum.into());
        }
    }

    pub(super) fn columns(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &CATEGORY,
            &self.streams,
            &self.versions,
            &self.events,
            &self.payloads,
            &self.times,
            &self.commits,
            &self.counts,
            &self.checksums,
        ]
    }
}

/// Over all columns but the position, which the database gives.
pub(super) fn checksum(
    id: Uuid,
    version: i64,
    event: &Encoded<Vec<u8>>,
    time: i64,
    commit: Uuid,
    events_in_commit: Option<i64>,
) -> u32 {
    let mut sum = Hasher::new();
    sum.update(CATEGORY.as_bytes());
    sum.update(id.as_bytes());
    sum.update(&version.to_le_bytes());
    sum.update(event.name.as_bytes());
    sum.update(&event.payload);
    sum.update(&time.to_le_bytes());
    sum.update(commit.as_bytes());
    sum.update(&events_in_commit.unwrap_or(0).to_le_bytes());
    sum.finalize()
}
