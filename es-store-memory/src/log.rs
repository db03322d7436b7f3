//! The events in order, what they came with, and what finds them.
use std::iter;
use std::ops::{ControlFlow, Range};
use std::time::SystemTime;

use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, EncodedEvent, Filter, FollowerId, LogPage,
    Metadata, Record, Slice, Span, StoredEvent, Visit,
};
use es_core::{Position, StreamId, Version};
use rustc_hash::FxHashMap;
use uuid::Uuid;

use crate::blocks::Blocks;
use crate::followers::{Followers, View};
use crate::projection::Inline;
use crate::streams::{Run, Streams, index};

#[derive(Default)]
pub(crate) struct Log {
    /// The event at position n is at place n - 1.
    events: Blocks<EncodedEvent>,
    /// What they were appended with, in the same order.
    appends: Blocks<Appended>,
    streams: Streams,
    /// Where the appends of a commit are.
    commits: FxHashMap<CommitId, Range<usize>>,
    pub(crate) followers: Followers,
    /// Projections that run inside of each commit.
    pub(crate) inline: Vec<Inline>,
    owner: Option<String>,
}

/// What the events of an append have in common.
struct Appended {
    stream: StreamId,
    run: Run,
    commit: CommitId,
    metadata: Metadata,
}

impl Log {
    pub(crate) fn commit(
        &mut self,
        commit: Commit,
        payload_limit: usize,
    ) -> Result<Committed, AppendError> {
        if let Some(appends) = self.commits.get(&commit.id) {
            return self.committed_before(&commit, appends);
        }
        commit.check_sizes(payload_limit)?;
        self.check_versions(&commit.appends)?;
        if let Some(advance) = &commit.checkpoint {
            self.followers.check(advance)?;
        }

        let newest = self.appends.last();
        let time = newest.map_or(commit.time, |newest| newest.run.time.max(commit.time));
        let (head, first) = (self.events.len(), self.appends.len());
        let views = self.handled_inline(&commit, time)?;
        for append in commit.appends {
            self.append(append, commit.id, time, &commit.metadata);
        }
        if let Some(advance) = commit.checkpoint {
            self.followers.advance(advance, time);
        }
        for (follower, view) in views {
            let last = self.appends.last().map(|newest| newest.commit);
            self.followers.keep(follower, view, self.head(), last);
        }
        let stored = self.events.len() > head;
        if stored {
            self.commits.insert(commit.id, first..self.appends.len());
        }
        Ok(Committed {
            commit: commit.id,
            position: stored.then(|| self.head()),
            time: if stored { time } else { commit.time },
        })
    }

    pub(crate) fn outcome(&self, commit: CommitId) -> Option<Committed> {
        let appends = self.commits.get(&commit)?;
        Some(self.committed(appends))
    }

    /// What became of the commit that has these appends.
    fn committed(&self, appends: &Range<usize>) -> Committed {
        let last = self.appends.at(appends.end - 1);
        Committed {
            commit: last.commit,
            position: Some(Position::from(last.run.places.end as u64)),
            time: last.run.time,
        }
    }

    pub(crate) fn read_stream(&self, stream: &StreamId, slice: Slice) -> Vec<Record> {
        let chosen = self.streams.chosen(stream, slice);
        let records = chosen.map(|(run, place)| self.record(self.appends.at(run.append), place));
        if slice.descending {
            records.rev().collect()
        } else {
            records.collect()
        }
    }

    pub(crate) fn visit_stream(&self, stream: &StreamId, slice: Slice, visit: &mut Visit<'_>) {
        let mut chosen = self.streams.chosen(stream, slice);
        let mut visit = |(run, place): (&Run, usize)| {
            let event = self.events.at(place);
            visit(StoredEvent {
                version: run.version(place),
                event: &event.name,
                schema: event.schema,
                payload: &event.payload,
                time: run.time,
            })
        };
        // Whoever breaks off has what he wants.
        let (ControlFlow::Continue(()) | ControlFlow::Break(())) = if slice.descending {
            chosen.rev().try_for_each(&mut visit)
        } else {
            chosen.try_for_each(&mut visit)
        };
    }

    pub(crate) fn read(&self, span: Span, filter: &Filter) -> LogPage {
        let after = index(span.after.get()).min(self.events.len());
        let end = index(span.up_to.get()).clamp(after, self.events.len());
        let first = self
            .appends
            .partition_point(|append| append.run.places.end <= after);
        let touched = self
            .appends
            .from(first)
            .take_while(|append| append.run.places.start < end);
        let records: Vec<_> = touched
            .flat_map(|append| {
                let places = append.run.places.start.max(after)..append.run.places.end.min(end);
                places.map(move |place| (append, place))
            })
            .filter(|(append, place)| {
                filter.admits(&append.stream.category, &self.events.at(*place).name)
            })
            .take(span.limit)
            .map(|(append, place)| self.record(append, place))
            .collect();
        let read_to = match records.last() {
            Some(last) if records.len() == span.limit => last.position,
            None if span.limit == 0 => span.after,
            _ => span.after.max(Position::from(end as u64)),
        };
        LogPage { records, read_to }
    }

    pub(crate) fn read_ids(&self, category: &str, after: Option<Uuid>, limit: usize) -> Vec<Uuid> {
        self.streams.ids(category, after, limit)
    }

    pub(crate) fn head(&self) -> Position {
        Position::from(self.events.len() as u64)
    }

    /// The event at a place, as it is stored.
    fn record(&self, append: &Appended, place: usize) -> Record {
        let event = self.events.at(place).clone();
        Record {
            stream: append.stream.clone(),
            version: append.run.version(place),
            position: Position::from(place as u64 + 1),
            event: event.name,
            schema: event.schema,
            payload: event.payload,
            time: append.run.time,
            commit: append.commit,
            metadata: append.metadata.clone(),
        }
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
            let view = inline.handle(self.followers.view(follower), &records)?;
            views.push((follower.clone(), view));
        }
        Ok(views)
    }

    /// Checks every append against the version its stream will have by then, before anything is written.
    fn check_versions(&self, appends: &[Append]) -> Result<(), AppendError> {
        // Most commits are of one append, and need no map.
        if let [append] = appends {
            return check_version(append, self.streams.version(&append.stream));
        }
        let mut versions = FxHashMap::default();
        for append in appends {
            let version = versions
                .entry(&append.stream)
                .or_insert_with(|| self.streams.version(&append.stream));
            check_version(append, *version)?;
            *version = Version::from(version.get() + append.events.len() as u64);
        }
        Ok(())
    }

    fn append(&mut self, append: Append, commit: CommitId, time: SystemTime, metadata: &Metadata) {
        if append.events.is_empty() {
            return;
        }
        let first = self.events.len();
        let places = first..first + append.events.len();
        for event in append.events {
            self.events.push(event);
        }
        let run = Run {
            before: append.expected,
            places,
            time,
            append: self.appends.len(),
        };
        self.streams.push(&append.stream, run.clone());
        self.appends.push(Appended {
            stream: append.stream,
            run,
            commit,
            metadata: metadata.clone(),
        });
    }

    /// The first result of a commit that is sent again, and has these appends.
    fn committed_before(
        &self,
        commit: &Commit,
        appends: &Range<usize>,
    ) -> Result<Committed, AppendError> {
        let stored = appends.clone().flat_map(|append| {
            let append = self.appends.at(append);
            let places = append.run.places.clone();
            places.map(move |place| {
                let version = append.run.version(place);
                (&append.stream, version, self.events.at(place))
            })
        });
        let sent = commit.appends.iter().flat_map(|append| {
            let versions = iter::successors(Some(append.expected.next()), |v| Some(v.next()));
            versions
                .zip(&append.events)
                .map(move |(version, event)| (&append.stream, version, event))
        });
        if !stored.eq(sent) {
            return Err(AppendError::IdTaken { commit: commit.id });
        }
        Ok(self.committed(appends))
    }
}

fn check_version(append: &Append, actual: Version) -> Result<(), AppendError> {
    if append.expected == actual {
        return Ok(());
    }
    Err(AppendError::Conflict {
        stream: append.stream.clone(),
        expected: append.expected,
        actual,
    })
}
