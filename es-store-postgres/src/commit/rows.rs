//! The rows that commits become.
use std::borrow::Cow;

use es_core::Position;
use es_core::persistence::{Append, Commit, Committed, EncodedEvent};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::End;
use crate::checksum::Columns;
use crate::names::written;
use crate::records::{Full, bound, further, microseconds, stored, time};

/// Rows of events, column by column.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    pub(crate) positions: Vec<i64>,
    versions: Vec<i64>,
    events: Vec<Cow<'a, str>>,
    schemas: Vec<i64>,
    payloads: Vec<&'a [u8]>,
    metadata: Vec<Option<&'a str>>,
    times: Vec<i64>,
    commits: Vec<Uuid>,
    categories: Vec<Cow<'a, str>>,
    streams: Vec<Uuid>,
    counts: Vec<Option<i64>>,
    checksums: Vec<i64>,
}

impl<'a> Rows<'a> {
    /// The columns, in the order in which the statements take them.
    pub(crate) fn columns(&self) -> [&(dyn ToSql + Sync); 12] {
        [
            &self.positions,
            &self.versions,
            &self.events,
            &self.schemas,
            &self.payloads,
            &self.metadata,
            &self.times,
            &self.commits,
            &self.categories,
            &self.streams,
            &self.counts,
            &self.checksums,
        ]
    }

    /// How many there are.
    pub(crate) fn count(&self) -> i64 {
        bound(self.positions.len() as u64)
    }

    /// The columns of the only row; all commits of one row have one event.
    pub(crate) fn only(&self) -> Option<[&(dyn ToSql + Sync); 11]> {
        if self.positions.len() != 1 {
            return None;
        }
        Some([
            &self.positions[0],
            &self.versions[0],
            &self.events[0],
            &self.schemas[0],
            &self.payloads[0],
            &self.metadata[0],
            &self.times[0],
            &self.commits[0],
            &self.categories[0],
            &self.streams[0],
            &self.checksums[0],
        ])
    }

    /// Puts the events of a commit behind the end of the log, which moves on; its versions were checked.
    pub(super) fn push(
        &mut self,
        end: &mut End,
        commit: &'a Commit,
        metadata: Option<&'a str>,
    ) -> Result<Committed, Full> {
        let count = commit
            .appends
            .iter()
            .map(|append| append.events.len())
            .sum();
        if count == 0 {
            return Ok(Committed {
                commit: commit.id,
                position: None,
                time: commit.time,
            });
        }
        let head = further(end.head, count)?;
        for append in &commit.appends {
            further(stored(append.expected.get())?, append.events.len())?;
        }
        let not_before = end.time.map_or(commit.time, |time| time.max(commit.time));
        let at = microseconds(not_before);
        let mut position = end.head;
        let mut events_in_commit = Some(stored(count as u64)?);
        for append in &commit.appends {
            let first = bound(append.expected.get()) + 1;
            for (version, event) in (first..).zip(&append.events) {
                position += 1;
                let columns = Columns {
                    position,
                    category: &append.stream.category,
                    stream: append.stream.id,
                    version,
                    event: &event.name,
                    schema: event.schema,
                    payload: &event.payload,
                    metadata,
                    time: at,
                    commit: commit.id.into(),
                    events_in_commit: events_in_commit.take(),
                };
                self.push_row(&columns, append, event, metadata);
            }
        }
        *end = End {
            head,
            time: Some(time(at)),
        };
        Ok(Committed {
            commit: commit.id,
            position: Some(Position::from(head.cast_unsigned())),
            time: time(at),
        })
    }

    fn push_row(
        &mut self,
        columns: &Columns<'_>,
        append: &'a Append,
        event: &'a EncodedEvent,
        metadata: Option<&'a str>,
    ) {
        self.positions.push(columns.position);
        self.versions.push(columns.version);
        self.events.push(written(&event.name));
        self.schemas.push(event.schema.into());
        self.payloads.push(&event.payload);
        self.metadata.push(metadata);
        self.times.push(columns.time);
        self.commits.push(columns.commit);
        self.categories.push(written(&append.stream.category));
        self.streams.push(append.stream.id);
        self.counts.push(columns.events_in_commit);
        self.checksums.push(columns.checksum().into());
    }
}
