//! The records in order, and what finds them.
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::{Bound, ControlFlow, Range};
use std::time::SystemTime;

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, Filter, FollowerId, LogPage, Metadata,
    Record, Slice, Span, Visit,
};
use es_core::{Position, StreamId, Version};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::followers::{Followers, View};
use crate::projection::Inline;
use crate::records::Records;

#[derive(Default)]
pub(crate) struct Log {
    /// The record at position n is at index n - 1.
    records: Records,
    /// Where the events of a stream are: version n is at index n - 1.
    streams: FxHashMap<StreamId, Vec<usize>>,
    /// The ids of the streams of a category.
    ids: FxHashMap<Cow<'static, str>, BTreeSet<Uuid>>,
    /// Where the events of a commit are.
    commits: FxHashMap<CommitId, Range<usize>>,
    pub(crate) followers: Followers,
    /// Projections that run inside of each commit.
    pub(crate) inline: Vec<Inline>,
    owner: Option<String>,
}

impl Log {
    pub(crate) fn commit(
        &mut self,
        commit: Commit,
        payload_limit: usize,
    ) -> Result<Committed, AppendError> {
        if let Some(range) = self.commits.get(&commit.id) {
            return self.committed_before(&commit, range.clone());
        }
        commit.check_sizes(payload_limit)?;
        self.check_versions(&commit.appends)?;
        if let Some(advance) = &commit.checkpoint {
            self.followers.check(advance)?;
        }

        let time = self
            .records
            .last()
            .map_or(commit.time, |newest| newest.time.max(commit.time));
        let first = self.records.len();
        let views = self.handled_inline(&commit, time)?;
        for append in commit.appends {
            self.append(append, commit.id, time, &commit.metadata);
        }
        if let Some(advance) = commit.checkpoint {
            self.followers.advance(advance, time);
        }
        for (follower, view) in views {
            let last = self.records.last().map(|record| record.commit);
            self.followers.keep(follower, view, self.head(), last);
        }
        let range = first..self.records.len();
        if !range.is_empty() {
            self.commits.insert(commit.id, range.clone());
        }
        Ok(committed(commit.id, range, time))
    }

    pub(crate) fn outcome(&self, commit: CommitId) -> Option<Committed> {
        let range = self.commits.get(&commit)?.clone();
        let time = self.records.at(range.start).time;
        Some(committed(commit, range, time))
    }

    pub(crate) fn read_stream(&self, stream: &StreamId, slice: Slice) -> Vec<Record> {
        let chosen = self.chosen(stream, slice).iter();
        let records = chosen.map(|&place| self.records.at(place).clone());
        if slice.descending {
            records.rev().collect()
        } else {
            records.collect()
        }
    }

    pub(crate) fn visit_stream(&self, stream: &StreamId, slice: Slice, visit: &mut Visit<'_>) {
        let chosen = self.chosen(stream, slice).iter();
        let mut visit = |&place: &usize| visit(self.records.at(place).stored());
        // Whoever breaks off has what he wants.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = if slice.descending {
            chosen.rev().try_for_each(&mut visit)
        } else {
            chosen.clone().try_for_each(&mut visit)
        };
    }

    /// Where the events of a part of a stream are, oldest first.
    fn chosen(&self, stream: &StreamId, slice: Slice) -> &[usize] {
        let Some(places) = self.streams.get(stream) else {
            return &[];
        };
        let after = index(slice.after.get()).min(places.len());
        let up_to = index(slice.up_to.get()).clamp(after, places.len());
        let limit = slice.limit.min(up_to - after);
        if slice.descending {
            &places[up_to - limit..up_to]
        } else {
            &places[after..after + limit]
        }
    }

    pub(crate) fn read(&self, span: Span, filter: &Filter) -> LogPage {
        let after = index(span.after.get()).min(self.records.len());
        let end = index(span.up_to.get()).clamp(after, self.records.len());
        let chosen = self
            .records
            .range(after..end)
            .filter(|record| filter.admits(&record.stream.category, &record.event));
        let records: Vec<_> = chosen.take(span.limit).cloned().collect();
        let read_to = match records.last() {
            Some(last) if records.len() == span.limit => last.position,
            None if span.limit == 0 => span.after,
            _ => span.after.max(Position::from(end as u64)),
        };
        LogPage { records, read_to }
    }

    pub(crate) fn read_ids(&self, category: &str, after: Option<Uuid>, limit: usize) -> Vec<Uuid> {
        let Some(ids) = self.ids.get(category) else {
            return Vec::new();
        };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let chosen = ids.range((begin, Bound::Unbounded));
        chosen.take(limit).copied().collect()
    }

    pub(crate) fn head(&self) -> Position {
        Position::from(self.records.len() as u64)
    }

    /// Whose log this is: `name`'s, where it was nobody's.
    pub(crate) fn owner(&mut self, name: &str) -> &str {
        self.owner.get_or_insert_with(|| name.to_owned())
    }

    /// What the projections inside the commit make of it, where it has events.
    fn handled_inline(
        &self,
        commit: &Commit,
        time: SystemTime,
    ) -> Result<Vec<(FollowerId, View)>, AppendError> {
        let is_empty = commit.appends.iter().all(|append| append.events.is_empty());
        if self.inline.is_empty() || is_empty {
            return Ok(Vec::new());
        }
        let mut position = self.head();
        let mut records = Vec::new();
        for append in &commit.appends {
            let mut version = append.expected;
            for event in &append.events {
                (version, position) = (version.next(), position.next());
                records.push(Record {
                    stream: append.stream.clone(),
                    version,
                    position,
                    event: event.name.clone(),
                    schema: event.schema,
                    payload: event.payload.clone(),
                    time,
                    commit: commit.id,
                    metadata: commit.metadata.clone(),
                });
            }
        }
        let mut views = Vec::with_capacity(self.inline.len());
        for inline in &self.inline {
            let follower = inline.inlined.follower();
            let view = inline.handle(self.followers.view(follower), &records);
            let view = view.map_err(|source| inline.inlined.refused(source))?;
            views.push((follower.clone(), view));
        }
        Ok(views)
    }

    /// Checks every append against the version its stream will have by then, before anything is written.
    fn check_versions(&self, appends: &[Append]) -> Result<(), AppendError> {
        let now = |append: &Append| self.streams.get(&append.stream).map_or(0, Vec::len);
        // Most commits are of one append, and need no map.
        if let [append] = appends {
            return check_version(append, now(append));
        }
        let mut versions = FxHashMap::default();
        for append in appends {
            let version = versions
                .entry(&append.stream)
                .or_insert_with(|| now(append));
            check_version(append, *version)?;
            *version += append.events.len();
        }
        Ok(())
    }

    fn append(&mut self, append: Append, commit: CommitId, time: SystemTime, metadata: &Metadata) {
        if append.events.is_empty() {
            return;
        }
        if append.expected == Version::NEW {
            let ids = self.ids.entry(append.stream.category.clone()).or_default();
            ids.insert(append.stream.id);
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
        let mut records = self.records.range(range.clone());
        let sent = commit.appends.iter().flat_map(|append| {
            let mut version = append.expected;
            append.events.iter().map(move |event| {
                version = version.next();
                (&append.stream, version, event)
            })
        });
        let same = records.len() == sent.clone().count()
            && records
                .clone()
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
        let time = records.next().map_or(commit.time, |first| first.time);
        Ok(committed(commit.id, range, time))
    }
}

fn check_version(append: &Append, actual: usize) -> Result<(), AppendError> {
    let actual = Version::from(actual as u64);
    if append.expected == actual {
        return Ok(());
    }
    Err(AppendError::Conflict {
        stream: append.stream.clone(),
        expected: append.expected,
        actual,
    })
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
