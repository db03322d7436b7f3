//! How a group of commits is stored: by one statement, in the hope that nothing is in its way, or as it is judged under the lock of the log.
use std::borrow::Cow;
use std::collections::HashMap;
use std::time::SystemTime;

use es_core::StreamId;
use es_core::persistence::{BoxError, Commit, Committed};
use tokio_postgres::types::ToSql;
use tokio_postgres::{GenericClient, Row, Statement};
use uuid::Uuid;

use crate::error::Fault;
use crate::names::written;
use crate::records::{bound, column, counter, microseconds, time};

mod rows;
mod verdict;

use rows::Rows;
pub(crate) use verdict::{Known, Stored, StoredEvent, Verdict, judge, parks};

/// The end of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) head: i64,
    /// Of the last event; `None` where there is none.
    pub(crate) time: Option<SystemTime>,
}

impl End {
    pub(crate) fn of(row: &Row) -> Result<Self, Fault> {
        let head = bound(counter(row, 0)?);
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

/// A group in which every commit is stored, if the log ends where it did and its streams are where their writers believe them.
pub(crate) struct Hope<'a> {
    /// Whether `append_one` writes it.
    pub(crate) is_one: bool,
    rows: Rows<'a>,
    /// What each stream must be at that is there: category, id, version.
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
                    // That a new stream is there already is seen by the index: looking before is a fifth of what a group of them takes.
                    None if expected == 0 && !append.events.is_empty() => {}
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

    /// Writes the group by one statement, which was prepared for it, if all of it can be stored; says whether it is. Others are told by it that the
    /// handle has committed, where there is one.
    pub(crate) async fn write(
        &self,
        client: &impl GenericClient,
        append: &Statement,
        handle: Option<&str>,
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
