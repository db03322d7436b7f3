//! Which commits of a group are stored, and the rows that they become.
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::SystemTime;

use es_core::persistence::{
    Advance, Append, AppendError, BoxError, Commit, CommitId, Committed, EncodedEvent, FollowerId,
    Standing,
};
use es_core::{Position, StreamId, Version};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};
use uuid::Uuid;

use crate::checksum::Columns;
use crate::error::{Fault, not_committed};
use crate::followers;
use crate::names::written;
use crate::reads::Found;
use crate::records::{Full, bound, column, further, microseconds, name, schema, stored, time};

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) head: i64,
    /// Of the last event; `None` where there is none.
    pub(crate) time: Option<SystemTime>,
}

impl End {
    pub(crate) fn of(row: &Row) -> Result<Self, Fault> {
        let head = bound(crate::records::counter(row, 0)?);
        let last = time(column(row, 1)?);
        Ok(Self {
            head,
            time: (head > 0).then_some(last),
        })
    }

    pub(crate) fn microseconds(&self) -> i64 {
        self.time.map_or(0, microseconds)
    }
}

/// The metadata of each commit as it is stored.
pub(crate) fn metadata(commits: &[&Commit]) -> Result<Vec<Option<String>>, Fault> {
    let json = |commit: &&Commit| {
        if commit.metadata.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&commit.metadata).map(Some)
    };
    let all: Result<_, serde_json::Error> = commits.iter().map(json).collect();
    all.map_err(|error| Fault::Commit(std::sync::Arc::new(BoxError::from(error))))
}

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
    fn push(
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

/// A group in which every commit is stored, if the log ends where it did and its streams are where their writers believe them.
pub(crate) struct Hope<'a> {
    /// Whether `append_one` writes it.
    pub(crate) is_one: bool,
    rows: Rows<'a>,
    /// What each stream must be at: category, id, version.
    categories: Vec<Cow<'a, str>>,
    streams: Vec<Uuid>,
    expected: Vec<i64>,
    pub(crate) end: End,
    pub(crate) committed: Vec<Committed>,
}

impl<'a> Hope<'a> {
    /// `None` where the group contradicts itself, or has to be looked at more closely: it moves a checkpoint, or has a commit without events.
    pub(crate) fn new(
        mut end: End,
        commits: &[&'a Commit],
        metadata: &'a [Option<String>],
    ) -> Option<Self> {
        let mut hope = Self {
            is_one: is_one(commits),
            rows: Rows::default(),
            categories: Vec::new(),
            streams: Vec::new(),
            expected: Vec::new(),
            end,
            committed: Vec::with_capacity(commits.len()),
        };
        let several = commits.len() > 1 || commits.iter().any(|commit| commit.appends.len() > 1);
        let mut versions: HashMap<&StreamId, u64> = HashMap::new();
        for (commit, metadata) in commits.iter().zip(metadata) {
            if commit.checkpoint.is_some() {
                return None;
            }
            for append in &commit.appends {
                let expected = append.expected.get();
                match versions.get(&append.stream) {
                    Some(version) if *version != expected => return None,
                    Some(_) => {}
                    None => {
                        hope.categories.push(written(&append.stream.category));
                        hope.streams.push(append.stream.id);
                        hope.expected.push(i64::try_from(expected).ok()?);
                    }
                }
                if several {
                    let next = expected.checked_add(append.events.len() as u64)?;
                    versions.insert(&append.stream, next);
                }
            }
            let committed = hope.rows.push(&mut end, commit, metadata.as_deref()).ok()?;
            committed.position?;
            hope.committed.push(committed);
        }
        hope.end = end;
        Some(hope)
    }

    /// Writes the group by one statement, which was prepared for it, if all of it can be stored; says whether it is.
    pub(crate) async fn write(
        &self,
        client: &impl GenericClient,
        append: &Statement,
        handle: &str,
    ) -> Result<bool, Fault> {
        let (head, time) = (self.end.head, self.end.microseconds());
        let before = head - self.rows.count();
        let mut values: Vec<&(dyn ToSql + Sync)> = Vec::with_capacity(19);
        match self.rows.only() {
            Some(columns) if self.is_one => values.extend(columns),
            _ => {
                values.extend(self.rows.columns());
                let more: [&(dyn ToSql + Sync); 6] = [
                    &head,
                    &time,
                    &before,
                    &self.categories,
                    &self.streams,
                    &self.expected,
                ];
                values.extend(more);
            }
        }
        values.push(&handle);
        match client.query_opt(append, &values).await.map_err(Fault::from) {
            Ok(row) => Ok(row.is_some()),
            Err(fault) if fault.is_race() => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

/// Whether the commits are one of one event, for which there is a statement of its own.
pub(crate) fn is_one(commits: &[&Commit]) -> bool {
    let appends = || commits.iter().flat_map(|commit| &commit.appends);
    appends().map(|append| append.events.len()).sum::<usize>() == 1 && appends().count() == 1
}

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
        let has_events = commit
            .appends
            .iter()
            .any(|append| !append.events.is_empty());
        let again = match (fresh.get(&commit.id), known.commits.get(&commit.id)) {
            _ if refused.is_none() && !has_events => None,
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
