//! From aggregates to a commit, and back to aggregates that know what became of it.
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Save, SaveError};
use crate::application::SnapshotPolicy;
use crate::application::cache::Cache;
use crate::application::categories::Categories;
use crate::application::snapshots;
use crate::domain::{Aggregate, Attempt, StreamId, Version};
use crate::persistence::{Append, Commit, CommitId, EncodedEvent, Metadata, Snapshot, encode};

/// One aggregate whose type does not matter.
#[doc(hidden)]
pub trait Unsaved {
    /// What its pending events append; where there are none, an append without any, which only asks for its version.
    fn stage(&self, categories: &Categories) -> Result<Append, SaveError>;

    /// What it appended in the commit whose outcome is not known.
    fn stage_again(&self, attempt: &Attempt) -> Result<Append, SaveError>;

    /// Whether it has pending events.
    fn is_pending(&self) -> bool;

    /// The commit of its whose outcome is not known.
    fn attempt(&self) -> Option<&Attempt>;

    /// Its pending events are sent.
    fn attempted(&mut self, attempt: Attempt);

    /// What was sent is not in the store, and never will be.
    fn refused(&mut self);

    /// What was sent is in the store since then; gives the snapshot that is due.
    fn settled(&mut self, time: SystemTime, keeping: &Keeping) -> Option<Snapshot>;
}

/// What is kept of an aggregate that was saved, besides its events.
#[doc(hidden)]
pub struct Keeping {
    pub(in crate::application) snapshots: SnapshotPolicy,
    pub(in crate::application) cache: Cache,
}

impl<A: Aggregate> Unsaved for A {
    fn stage(&self, categories: &Categories) -> Result<Append, SaveError> {
        categories.claim::<A>()?;
        if !self.root().is_open() {
            return Err(SaveError::NotCreated {
                category: A::CATEGORY,
            });
        }
        if self.root().is_panicked() {
            return Err(SaveError::Panicked {
                stream: stream(self),
            });
        }
        append(self, self.pending())
    }

    fn stage_again(&self, attempt: &Attempt) -> Result<Append, SaveError> {
        let pending = self.pending();
        let oldest = &pending[..attempt.events.min(pending.len())];
        if let Some(sealed) = sent(attempt).and_then(|sent| sent.sealed.as_ref()) {
            return Ok(Append {
                stream: stream(self),
                expected: saved_version(self),
                events: sealed.clone(),
            });
        }
        append(self, oldest)
    }

    fn is_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    fn attempt(&self) -> Option<&Attempt> {
        self.root().attempt()
    }

    fn attempted(&mut self, attempt: Attempt) {
        self.root_mut().attempted(attempt);
    }

    fn refused(&mut self) {
        self.root_mut().refused();
    }

    fn settled(&mut self, time: SystemTime, keeping: &Keeping) -> Option<Snapshot> {
        let before = saved_version(self);
        self.root_mut().committed(time);
        if A::CACHED.is_some() {
            keeping.cache.keep(&stream(self), self);
        }
        snapshots::due(keeping.snapshots, self, before)
    }
}

fn append<A: Aggregate>(aggregate: &A, events: &[A::Event]) -> Result<Append, SaveError> {
    let (stream, expected) = (stream(aggregate), saved_version(aggregate));
    Ok(Append {
        events: encode(events, &stream, expected)?,
        stream,
        expected,
    })
}

fn stream<A: Aggregate>(aggregate: &A) -> StreamId {
    StreamId::new(A::CATEGORY, aggregate.root().id())
}

/// The version without the pending events.
pub(in crate::application) fn saved_version<A: Aggregate>(aggregate: &A) -> Version {
    Version::from(aggregate.version().get() - aggregate.pending().len() as u64)
}

/// Whether the versions of aggregates without pending events are checked too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::application) enum Unchanged {
    LeftOut,
    Checked,
}

/// Encodes everything that is pending, before any I/O; nothing where nothing is.
pub(in crate::application) fn stage(
    what: &mut impl Save,
    categories: &Categories,
    unchanged: Unchanged,
) -> Result<Vec<Append>, SaveError> {
    // Most saves are of one aggregate; a vector that grows would begin with room for four.
    let mut appends = Vec::with_capacity(1);
    let mut refused = None;
    what.each(&mut |aggregate| match aggregate.stage(categories) {
        Ok(append) if append.events.is_empty() && unchanged == Unchanged::LeftOut => {}
        Ok(append) => appends.push(append),
        Err(error) => {
            refused.get_or_insert(error);
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    none_occurs_twice(&appends)?;
    if appends.iter().all(|append| append.events.is_empty()) {
        appends.clear();
    }
    Ok(appends)
}

fn none_occurs_twice(appends: &[Append]) -> Result<(), SaveError> {
    // Most saves are of one aggregate, and need no set.
    if appends.len() < 2 {
        return Ok(());
    }
    let mut streams = HashSet::with_capacity(appends.len());
    match appends
        .iter()
        .find(|append| !streams.insert(&append.stream))
    {
        Some(append) => Err(SaveError::Twice {
            stream: append.stream.clone(),
        }),
        None => Ok(()),
    }
}

/// What was sent beside the events, and the events where they were sealed: made into bytes again they would be other bytes.
#[derive(Clone)]
struct Sent {
    metadata: Metadata,
    sealed: Option<Vec<EncodedEvent>>,
}

/// Notes in every aggregate with pending events that they are sent in this commit.
pub(in crate::application) fn attempted(what: &mut impl Save, commit: &Commit, sealed: bool) {
    let members = || {
        let appends = commit.appends.iter();
        appends.filter(|append| !append.events.is_empty())
    };
    let (count, mut members) = (members().count(), members().enumerate());
    what.each(&mut |aggregate| {
        if !aggregate.is_pending() {
            return;
        }
        if let Some((place, append)) = members.next() {
            let sent = || {
                Arc::new(Sent {
                    metadata: commit.metadata.clone(),
                    sealed: sealed.then(|| append.events.clone()),
                })
            };
            aggregate.attempted(Attempt {
                commit: commit.id.into(),
                events: append.events.len(),
                place,
                members: count,
                time: commit.time,
                sent: (sealed || !commit.metadata.is_empty()).then(|| sent() as _),
            });
        }
    });
}

fn sent(attempt: &Attempt) -> Option<&Sent> {
    attempt.sent.as_ref()?.downcast_ref()
}

/// Takes note of the fate of a commit in every aggregate that is in it: stored since a time, or refused. Gives the snapshots that are due.
pub(in crate::application) fn settled(
    what: &mut impl Save,
    commit: CommitId,
    stored: Option<SystemTime>,
    keeping: &Keeping,
) -> Vec<Snapshot> {
    let mut due = Vec::new();
    what.each(&mut |aggregate| {
        if aggregate.attempt().map(id) != Some(commit) {
            return;
        }
        match stored {
            Some(time) => due.extend(aggregate.settled(time, keeping)),
            None => aggregate.refused(),
        }
    });
    due
}

fn id(attempt: &Attempt) -> CommitId {
    CommitId::from(attempt.commit)
}

/// A commit whose outcome is not known, in the first aggregate that has one.
pub(in crate::application) fn in_doubt(what: &mut impl Save) -> Option<CommitId> {
    let mut found = None;
    what.each(&mut |aggregate| found = found.or(aggregate.attempt().map(id)));
    found
}

/// The commit in doubt as it was sent; `None` where not all of its aggregates are here.
pub(in crate::application) fn stage_again(
    what: &mut impl Save,
    commit: CommitId,
) -> Result<Option<Commit>, SaveError> {
    let mut again = Commit {
        id: commit,
        time: SystemTime::UNIX_EPOCH,
        metadata: Metadata::new(),
        appends: Vec::new(),
        checkpoint: None,
    };
    let mut appends = Vec::new();
    let mut refused = None;
    let mut members = 0;
    what.each(&mut |aggregate| {
        let Some(attempt) = aggregate.attempt().filter(|attempt| id(attempt) == commit) else {
            return;
        };
        members = attempt.members;
        again.time = attempt.time;
        if let Some(sent) = sent(attempt) {
            again.metadata = sent.metadata.clone();
        }
        match aggregate.stage_again(attempt) {
            Ok(append) => appends.push((attempt.place, append)),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    appends.sort_by_key(|(place, _)| *place);
    if !appends.iter().map(|(place, _)| *place).eq(0..members) {
        return Ok(None);
    }
    again.appends = appends.into_iter().map(|(_, append)| append).collect();
    Ok(Some(again))
}
