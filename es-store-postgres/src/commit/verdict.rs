//! Which commits of a group are stored, looked at one by one under the log's lock.
use std::borrow::Cow;
use std::collections::HashMap;

use es_core::persistence::{
    Advance, AppendError, Commit, CommitId, Committed, EncodedEvent, FollowerId, Standing,
};
use es_core::{Position, StreamId, Version};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{End, Rows};
use crate::error::{Fault, not_committed};
use crate::followers;
use crate::reads::Found;
use crate::records::{Full, bound, column, name, schema, stored};

/// What the log has of a group, under its lock.
pub(crate) struct Known {
    pub(crate) end: End,
    pub(crate) versions: HashMap<StreamId, u64>,
    pub(crate) commits: HashMap<CommitId, Stored>,
    pub(crate) standings: HashMap<FollowerId, Standing>,
    /// What parked streams begin with: of a group, one commit at most changes what is parked.
    pub(crate) first_parked: HashMap<StreamId, Position>,
}

/// A commit that is stored already.
pub(crate) struct Stored {
    pub(crate) found: Found,
    pub(crate) events: Vec<StoredEvent>,
}

/// What a commit is recognised by, besides its id.
#[derive(PartialEq)]
pub(crate) struct StoredEvent {
    category: String,
    stream: Uuid,
    version: i64,
    event: String,
    schema: u32,
    payload: Vec<u8>,
}

impl StoredEvent {
    pub(crate) fn of(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            category: name(row, 0)?,
            stream: column(row, 1)?,
            version: column(row, 2)?,
            event: name(row, 3)?,
            schema: schema(row, 4)?,
            payload: column(row, 5)?,
        })
    }
}

/// What becomes of a group: the answer to each commit, and what has to be written for it.
pub(crate) struct Verdict<'a> {
    pub(crate) answers: Vec<Result<Committed, AppendError>>,
    pub(crate) rows: Rows<'a>,
    pub(crate) end: End,
    /// Where checkpoints go, each by the last commit that moves it.
    pub(crate) checkpoints: HashMap<&'a FollowerId, (i64, Option<Uuid>)>,
    /// What changes what is parked.
    pub(crate) parking: Vec<&'a Advance>,
    /// Whether anything has to be written.
    pub(crate) changed: bool,
}

/// Looks at the commits one after the other, as if each were alone.
pub(crate) fn judge<'a>(
    mut known: Known,
    commits: &[&'a Commit],
    metadata: &'a [Option<String>],
) -> Verdict<'a> {
    let mut verdict = Verdict {
        answers: Vec::with_capacity(commits.len()),
        rows: Rows::default(),
        end: known.end,
        checkpoints: HashMap::new(),
        parking: Vec::new(),
        changed: false,
    };
    // Those of this group that are stored: a commit may be in it twice.
    let mut fresh: HashMap<CommitId, (&Commit, Committed)> = HashMap::new();
    for (commit, metadata) in commits.iter().zip(metadata) {
        let refused = refusal(&known, commit);
        let again = match (fresh.get(&commit.id), known.commits.get(&commit.id)) {
            (Some((first, committed)), _) => {
                Some(recognised(same_as_sent(first, commit), *committed))
            }
            (None, Some(stored)) => {
                let same = same_as_stored(&stored.events, commit);
                Some(recognised(same, stored.found.committed))
            }
            (None, None) => None,
        };
        let answer = match (again, refused) {
            (Some(again), _) => again,
            (None, Some(refused)) => Err(refused),
            (None, None) => verdict.store(&mut known, commit, metadata.as_deref()),
        };
        if let Ok(committed) = &answer
            && committed.position.is_some()
        {
            fresh.entry(commit.id).or_insert((commit, *committed));
        }
        verdict.answers.push(answer);
    }
    verdict
}

impl<'a> Verdict<'a> {
    fn store(
        &mut self,
        known: &mut Known,
        commit: &'a Commit,
        metadata: Option<&'a str>,
    ) -> Result<Committed, AppendError> {
        let full = |full: Full| not_committed(full.into());
        let moved = match &commit.checkpoint {
            Some(advance) => Some((advance, stored(advance.to.get()).map_err(full)?)),
            None => None,
        };
        let committed = self
            .rows
            .push(&mut self.end, commit, metadata)
            .map_err(full)?;
        if let Some((advance, stored)) = moved {
            let standing = known.standings.entry(advance.follower.clone());
            let standing = standing.or_default();
            standing.position = advance.to;
            standing.stands_at = advance.stands_at;
            let at = (stored, advance.stands_at.map(Uuid::from));
            self.checkpoints.insert(&advance.follower, at);
            if !advance.parking.is_empty() {
                self.parking.push(advance);
            }
        }
        for append in &commit.appends {
            if let Some(version) = known.versions.get_mut(&append.stream) {
                *version += append.events.len() as u64;
            }
        }
        self.changed |= commit.checkpoint.is_some() || committed.position.is_some();
        Ok(committed)
    }
}

/// Why a commit cannot be stored.
fn refusal(known: &Known, commit: &Commit) -> Option<AppendError> {
    // Most commits are of one append, and need no map.
    let mut appended: HashMap<&StreamId, u64> = HashMap::new();
    let several = commit.appends.len() > 1;
    for append in &commit.appends {
        let stored = known.versions.get(&append.stream).copied().unwrap_or(0);
        let actual = appended.get(&append.stream).copied().unwrap_or(stored);
        if append.expected.get() != actual {
            return Some(AppendError::Conflict {
                stream: append.stream.clone(),
                expected: append.expected,
                actual: Version::from(actual),
            });
        }
        if several {
            appended.insert(&append.stream, actual + append.events.len() as u64);
        }
    }
    let advance = commit.checkpoint.as_ref()?;
    let standing = known.standings.get(&advance.follower);
    let standing = standing.map_or_else(|| Cow::Owned(Standing::default()), Cow::Borrowed);
    followers::refusal(advance, &standing, &known.first_parked)
}

/// Whether a commit changes what is parked.
pub(crate) fn parks(commit: &Commit) -> bool {
    let advance = commit.checkpoint.as_ref();
    advance.is_some_and(|advance| !advance.parking.is_empty())
}

/// The first result, for a commit that is sent again.
fn recognised(same: bool, committed: Committed) -> Result<Committed, AppendError> {
    if same {
        return Ok(committed);
    }
    Err(AppendError::IdTaken {
        commit: committed.commit,
    })
}

/// The events of a commit, each with its stream and version.
fn events(commit: &Commit) -> impl Iterator<Item = (&StreamId, i64, &EncodedEvent)> {
    commit.appends.iter().flat_map(|append| {
        let first = append.expected.get().saturating_add(1);
        let events = append.events.iter().enumerate();
        events.map(move |(place, event)| {
            let version = bound(first.saturating_add(place as u64));
            (&append.stream, version, event)
        })
    })
}

fn same_as_sent(first: &Commit, again: &Commit) -> bool {
    events(first).eq(events(again))
}

fn same_as_stored(stored: &[StoredEvent], again: &Commit) -> bool {
    let mut again = events(again);
    let same = stored.iter().all(|stored| {
        again.next().is_some_and(|(stream, version, event)| {
            stored.category == stream.category
                && stored.stream == stream.id
                && stored.version == version
                && stored.event == event.name
                && stored.schema == event.schema
                && stored.payload == *event.payload
        })
    });
    same && again.next().is_none()
}
