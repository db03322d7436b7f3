//! The records in order, and what finds them.
use std::collections::HashMap;
use std::ops::Range;
use std::time::SystemTime;

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, Metadata, Record, Slice,
};
use es_core::{Position, StreamId, Version};

#[derive(Debug, Default)]
pub(crate) struct Log {
    /// The record at position n is at index n - 1.
    records: Vec<Record>,
    /// Where the events of a stream are: version n is at index n - 1.
    streams: HashMap<StreamId, Vec<usize>>,
    /// Where the events of a commit are.
    commits: HashMap<CommitId, Range<usize>>,
}

impl Log {
    pub(crate) fn commit(&mut self, commit: Commit) -> Result<Committed, AppendError> {
        if let Some(range) = self.commits.get(&commit.id) {
            return self.committed_before(&commit, range.clone());
        }
        self.check_versions(&commit.appends)?;

        let time = self
            .records
            .last()
            .map_or(commit.time, |newest| newest.time.max(commit.time));
        let first = self.records.len();
        for append in commit.appends {
            self.append(append, commit.id, time, &commit.metadata);
        }
        let range = first..self.records.len();
        if range.is_empty() {
            return Ok(committed(commit.id, range, time));
        }
        self.commits.insert(commit.id, range.clone());
        Ok(committed(commit.id, range, time))
    }

    pub(crate) fn outcome(&self, commit: CommitId) -> Option<Committed> {
        let range = self.commits.get(&commit)?.clone();
        let time = self.records[range.start].time;
        Some(committed(commit, range, time))
    }

    pub(crate) fn read_stream(&self, stream: &StreamId, slice: Slice) -> Vec<Record> {
        let Some(places) = self.streams.get(stream) else {
            return Vec::new();
        };
        let after = index(slice.after.get()).min(places.len());
        let up_to = index(slice.up_to.get()).clamp(after, places.len());
        let chosen = places[after..up_to]
            .iter()
            .map(|&place| self.records[place].clone());
        if slice.descending {
            chosen.rev().take(slice.limit).collect()
        } else {
            chosen.take(slice.limit).collect()
        }
    }

    pub(crate) fn read(&self, after: Position, limit: usize) -> Vec<Record> {
        self.records
            .iter()
            .skip(index(after.get()))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Checks every append against the version its stream will have by then, before anything is written.
    fn check_versions(&self, appends: &[Append]) -> Result<(), AppendError> {
        let mut versions = HashMap::with_capacity(appends.len());
        for append in appends {
            let stream = &append.stream;
            let version = versions
                .entry(stream)
                .or_insert_with(|| self.streams.get(stream).map_or(0, Vec::len));
            let actual = Version::from(*version as u64);
            if append.expected != actual {
                return Err(AppendError::Conflict {
                    stream: stream.clone(),
                    expected: append.expected,
                    actual,
                });
            }
            *version += append.events.len();
        }
        Ok(())
    }

    fn append(&mut self, append: Append, commit: CommitId, time: SystemTime, metadata: &Metadata) {
        if append.events.is_empty() {
            return;
        }
        let places = self.streams.entry(append.stream.clone()).or_default();
        let mut version = append.expected;
        for event in append.events {
            version = version.next();
            places.push(self.records.len());
            self.records.push(Record {
                stream: append.stream.clone(),
                version,
                position: Position::from(self.records.len() as u64 + 1),
                event: event.name,
                schema: event.schema,
                payload: event.payload,
                time,
                commit,
                metadata: metadata.clone(),
            });
        }
    }

    /// The first result of a commit that is sent again.
    fn committed_before(
        &self,
        commit: &Commit,
        range: Range<usize>,
    ) -> Result<Committed, AppendError> {
        let records = &self.records[range.clone()];
        let sent = commit.appends.iter().flat_map(|append| {
            let mut version = append.expected;
            append.events.iter().map(move |event| {
                version = version.next();
                (&append.stream, version, event)
            })
        });
        let same = records.len() == sent.clone().count()
            && records
                .iter()
                .zip(sent)
                .all(|(stored, (stream, version, event))| {
                    stored.stream == *stream
                        && stored.version == version
                        && stored.event == event.name
                        && stored.schema == event.schema
                        && stored.payload == event.payload
                });
        if !same {
            return Err(AppendError::IdTaken { commit: commit.id });
        }
        Ok(committed(commit.id, range, records[0].time))
    }
}

fn committed(commit: CommitId, range: Range<usize>, time: SystemTime) -> Committed {
    let position = (!range.is_empty()).then(|| Position::from(range.end as u64));
    Committed {
        commit,
        position,
        time,
    }
}

/// A counter as an index; one beyond what this machine can address is beyond every stream.
fn index(counter: u64) -> usize {
    usize::try_from(counter).unwrap_or(usize::MAX)
}
