//! A store that is plain enough to be believed: lists and loops, nothing fast, nothing shared with a real one.
use uuid::Uuid;

use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    AppendError, Commit, CommitId, Committed, Filter, FollowerId, LogPage, Record, Slice, Snapshot,
    Span,
};

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) log: Vec<Record>,
    checkpoints: Vec<(FollowerId, Position)>,
    snapshots: Vec<Snapshot>,
    owner: Option<String>,
}

impl Model {
    /// Writes a commit, or gives every reason that a store may have to refuse it: where there are several, it may name any.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Committed, Vec<AppendError>> {
        let records = self.recorded(commit);
        if let Some(first) = self.outcome(commit.id) {
            let stored = self.log.iter().filter(|old| old.commit == commit.id);
            let same = stored.map(what).eq(records.iter().map(what));
            let taken = AppendError::IdTaken { commit: commit.id };
            return if same { Ok(first) } else { Err(vec![taken]) };
        }
        let refusals = self.refusals(commit);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        self.log.extend(records);
        if let Some(advance) = &commit.checkpoint {
            self.checkpoints
                .retain(|(follower, _)| *follower != advance.follower);
            self.checkpoints
                .push((advance.follower.clone(), advance.to));
        }
        Ok(self.outcome(commit.id).unwrap_or(Committed {
            commit: commit.id,
            position: None,
            time: commit.time,
        }))
    }

    /// What a commit would add to the log.
    fn recorded(&self, commit: &Commit) -> Vec<Record> {
        let newest = self.log.last().map(|record| record.time);
        let mut records = Vec::new();
        for append in &commit.appends {
            let mut version = append.expected;
            for event in &append.events {
                version = version.next();
                records.push(Record {
                    stream: append.stream.clone(),
                    version,
                    position: Position::from((self.log.len() + records.len() + 1) as u64),
                    event: event.name.clone(),
                    schema: event.schema,
                    payload: event.payload.clone(),
                    time: newest.map_or(commit.time, |newest| newest.max(commit.time)),
                    commit: commit.id,
                    metadata: commit.metadata.clone(),
                });
            }
        }
        records
    }

    fn refusals(&self, commit: &Commit) -> Vec<AppendError> {
        let mut refusals = Vec::new();
        let mut versions: Vec<(&StreamId, Option<u64>)> = Vec::new();
        for append in &commit.appends {
            let stream = &append.stream;
            let before = versions.iter().rev().find(|(other, _)| *other == stream);
            let actual = before.map_or(Some(self.version(stream).get()), |(_, version)| *version);
            // Behind a conflict nobody can say which version the stream would have.
            let Some(actual) = actual else { continue };
            if append.expected.get() == actual {
                versions.push((stream, Some(actual + append.events.len() as u64)));
                continue;
            }
            versions.push((stream, None));
            refusals.push(AppendError::Conflict {
                stream: stream.clone(),
                expected: append.expected,
                actual: Version::from(actual),
            });
        }
        if let Some(advance) = &commit.checkpoint {
            let actual = self.checkpoint(&advance.follower);
            if advance.from != actual || advance.to <= advance.from {
                refusals.push(AppendError::Checkpoint {
                    follower: advance.follower.clone(),
                    from: advance.from,
                    to: advance.to,
                    actual,
                });
            }
        }
        refusals
    }

    pub(super) fn version(&self, stream: &StreamId) -> Version {
        let newest = self.log.iter().rev().find(|old| old.stream == *stream);
        newest.map_or(Version::NEW, |record| record.version)
    }

    pub(super) fn outcome(&self, commit: CommitId) -> Option<Committed> {
        let last = self.log.iter().rev().find(|old| old.commit == commit)?;
        Some(Committed {
            commit,
            position: Some(last.position),
            time: last.time,
        })
    }

    pub(super) fn read_stream(&self, stream: &StreamId, slice: Slice) -> Vec<Record> {
        let mut records = self.log.clone();
        records.retain(|record| {
            record.stream == *stream
                && record.version > slice.after
                && record.version <= slice.up_to
        });
        if slice.descending {
            records.reverse();
        }
        records.truncate(slice.limit);
        records
    }

    pub(super) fn read_log(&self, span: Span, filter: &Filter) -> LogPage {
        let mut page = LogPage {
            records: Vec::new(),
            read_to: span.after,
        };
        for record in &self.log {
            if record.position <= span.after || record.position > span.up_to {
                continue;
            }
            if page.records.len() == span.limit {
                break;
            }
            if filter.admits(&record.stream.category, &record.event) {
                page.records.push(record.clone());
                page.read_to = record.position;
            }
        }
        if page.records.len() < span.limit {
            page.read_to = self.head().min(span.up_to).max(span.after);
        }
        page
    }

    pub(super) fn read_ids(&self, category: &str, after: Option<Uuid>, limit: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for record in &self.log {
            if record.stream.category == category && after.is_none_or(|it| record.stream.id > it) {
                ids.push(record.stream.id);
            }
        }
        ids.sort();
        ids.dedup();
        ids.truncate(limit);
        ids
    }

    pub(super) fn head(&self) -> Position {
        Position::from(self.log.len() as u64)
    }

    pub(super) fn checkpoint(&self, follower: &FollowerId) -> Position {
        let known = self.checkpoints.iter().find(|(id, _)| id == follower);
        known.map_or(Position::START, |(_, position)| *position)
    }

    pub(super) fn owner(&mut self, name: &str) -> String {
        if self.owner.is_none() {
            self.owner = Some(name.to_owned());
        }
        self.owner.clone().unwrap_or_default()
    }

    pub(super) fn keep_snapshot(&mut self, snapshot: &Snapshot) {
        self.snapshots
            .retain(|old| old.stream != snapshot.stream || old.version != snapshot.version);
        self.snapshots.push(snapshot.clone());
    }

    pub(super) fn read_snapshot(&self, stream: &StreamId, up_to: Version) -> Option<Snapshot> {
        let mut newest: Option<&Snapshot> = None;
        for snapshot in &self.snapshots {
            let fits = snapshot.stream == *stream && snapshot.version <= up_to;
            if fits && newest.is_none_or(|newest| newest.version < snapshot.version) {
                newest = Some(snapshot);
            }
        }
        newest.cloned()
    }

    pub(super) fn drop_snapshots(&mut self, stream: Option<&StreamId>) {
        self.snapshots
            .retain(|old| stream.is_some_and(|stream| old.stream != *stream));
    }
}

/// What makes a record the same when its commit is sent again: not where and when it was stored.
fn what(record: &Record) -> (&StreamId, Version, &str, u32, &[u8]) {
    (
        &record.stream,
        record.version,
        &record.event,
        record.schema,
        &record.payload,
    )
}
