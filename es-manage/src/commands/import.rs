//! The lines of an export, as a log again.
use std::fmt::{self, Write as _};
use std::io::{self, BufRead};

use es_core::application::SaveError;
use es_core::persistence::{Append, AppendError, Commit, CommitId, Record, Span};
use es_core::system::System;
use es_core::{Application, Error, Position, StreamId, Version};
use serde::Serialize;

use super::PAGE;
use super::line::{End, FORM, Head, encoded};
use crate::output::{Human, Text, clean, counted};
use crate::{Meaning, Progress, Status};

/// How an import meets events that are in the log already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ImportInto {
    /// The log is empty, or what is in it is the beginning of what is imported: an import that was broken off.
    #[default]
    Empty,
    /// What is imported comes after what is there, at the positions that are next. Commits that are there already are left out.
    Append,
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ImportReport {
    /// The application.
    pub application: Option<String>,
    /// How many events were stored.
    pub events: u64,
    /// How many were there already.
    pub known: u64,
    /// The position of the last event of the log.
    pub head: Position,
}

/// Why an import was broken off. What came before is stored, commit by commit; the same import again goes on from there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The log could not be read or written.
    #[error(transparent)]
    Log(#[from] Error),
    /// The input could not be read.
    #[error("cannot read line {line} of the input")]
    Input {
        /// Which line, counted from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is none of an export.
    #[error(
        "line {line} of the input is none of an export, so what comes from it on is not imported"
    )]
    Malformed {
        /// Which line, counted from 1.
        line: u64,
        /// What is wrong with it.
        source: es_core::BoxError,
    },
    /// The input begins with something else than an export does.
    #[error(
        "the input is no export that this program reads; begin with the file that `export` wrote"
    )]
    NotAnExport,
    /// The input is of another application.
    #[error(
        "the input is an export of `{from}`, and the log is that of `{into}`; name the log of `{from}`, or say `--from {from}` to import it all the same"
    )]
    Foreign {
        /// Whose events they are.
        from: String,
        /// Whose log it is.
        into: String,
    },
    /// The input is a part of a log, without its beginning.
    #[error(
        "the input begins at position {position}; import a part of a log behind what comes before it, by `--append`"
    )]
    Part {
        /// Where it begins.
        position: Position,
    },
    /// There is something else in the log. Where another writer put it there meanwhile, a commit of the input may stand behind it.
    #[error(
        "the log has other events than the input, first at position {position}; import into an empty log, or behind what is there by `--append`"
    )]
    NotEmpty {
        /// Where they differ.
        position: Position,
    },
    /// What is there already is newer.
    #[error(
        "line {line} of the input is older than the last event of the log, and times never run backwards along a log; import it into an empty one"
    )]
    Older {
        /// Which line, counted from 1.
        line: u64,
    },
    /// The log has something else where the input would go.
    #[error("the log has other events of `{stream}` than the input; import into an empty log")]
    Conflict {
        /// Which aggregate.
        stream: StreamId,
    },
    /// The log has another commit under the id of one of the input.
    #[error("the log has another commit `{commit}` than the input; import into an empty log")]
    OtherCommit {
        /// The id.
        commit: CommitId,
    },
    /// The input ends before its end.
    #[error(
        "the input ends after {events} events, but without its last line: it was cut off; import the whole of it, which goes on from here"
    )]
    Cut {
        /// How many events it had.
        events: u64,
    },
}

impl Meaning for ImportError {
    fn status(&self) -> Status {
        match self {
            Self::Log(error) => error.status(),
            Self::NotAnExport
            | Self::Foreign { .. }
            | Self::Part { .. }
            | Self::NotEmpty { .. }
            | Self::Older { .. }
            | Self::Conflict { .. }
            | Self::OtherCommit { .. } => Status::Usage,
            Self::Input { .. } | Self::Malformed { .. } | Self::Cut { .. } => Status::Failed,
        }
    }
}

/// Stores the events of an [export](crate::export()) with everything that was stored of them: order, commits, times, metadata, and payloads to the
/// byte.
///
/// Each commit is stored whole, and durably before the next; killed and run again it goes on where it was, with nothing lost and nothing twice.
/// Nobody else should write to the log meanwhile.
///
/// Checkpoints are not in an export, so followers begin with the first event of the imported log: read models are made again, and process managers do
/// again what they did, effects outside as mails and fees included, unless their handlers pass by what is old.
///
/// An export of an application that the log is not of is refused, unless `from` is its name. Where the export or the log has no name, nothing is
/// compared.
///
/// # Errors
/// [`ImportError`]; what came before is stored.
pub async fn import(
    app: &Application,
    input: &mut (dyn BufRead + Send),
    into: ImportInto,
    from: Option<&str>,
    events: Option<u64>,
    progress: &dyn Progress,
) -> Result<ImportReport, ImportError> {
    let head = app.log().head().await?;
    let mut importing = Importing {
        app,
        lines: Lines { input, line: 0 },
        log: Log {
            head,
            read: Vec::new().into_iter(),
            read_to: Position::START,
            last: None,
        },
        into,
        stored: 0,
        known: 0,
    };
    importing.begin(from).await?;
    progress.begin("importing", events);
    let ended = importing.run(progress).await;
    progress.end();
    ended?;
    Ok(ImportReport {
        application: app.name().map(str::to_owned),
        events: importing.stored,
        known: importing.known,
        head: app.log().head().await?,
    })
}

struct Importing<'a> {
    app: &'a Application,
    lines: Lines<'a>,
    log: Log,
    into: ImportInto,
    stored: u64,
    known: u64,
}

/// What is in the log already.
struct Log {
    head: Position,
    read: std::vec::IntoIter<Record>,
    read_to: Position,
    /// Of the last event, its time.
    last: Option<std::time::SystemTime>,
}

impl Importing<'_> {
    async fn begin(&mut self, named: Option<&str>) -> Result<(), ImportError> {
        let head: Option<Head> = match self.lines.next()? {
            Some(text) => serde_json::from_str(&text).ok(),
            None => None,
        };
        let Some(head) = head.filter(|head| head.export == FORM) else {
            return Err(ImportError::NotAnExport);
        };
        if let (Some(from), Some(into)) = (head.application, self.app.name())
            && from != into
            && named != Some(&*from)
        {
            let into = into.to_owned();
            return Err(ImportError::Foreign { from, into });
        }
        if let Some(before) = self.log.head.get().checked_sub(1) {
            let span = Span::after(Position::from(before)).limit(1);
            let last = self.app.log().page(span).await?.records.pop();
            self.log.last = last.map(|record| record.time);
        }
        Ok(())
    }

    async fn run(&mut self, progress: &dyn Progress) -> Result<(), ImportError> {
        let mut commit: Vec<Record> = Vec::new();
        let mut events = 0;
        while let Some(text) = self.lines.next()? {
            if let Ok(End { events: expected }) = serde_json::from_str(&text) {
                self.store(std::mem::take(&mut commit)).await?;
                progress.at(events);
                if self.lines.has_more()? {
                    return Err(self.malformed("it comes after the end"));
                }
                if expected != events {
                    return Err(self.malformed("it counts other events than there are"));
                }
                return Ok(());
            }
            let record: Record =
                serde_json::from_str(&text).map_err(|error| self.malformed(error))?;
            if let Some(last) = commit.last() {
                if last.commit != record.commit {
                    self.store(std::mem::take(&mut commit)).await?;
                    progress.at(events);
                } else if (last.time, &last.metadata) != (record.time, &record.metadata) {
                    return Err(self.malformed("its time or metadata is not that of its commit"));
                }
            }
            events += 1;
            if self.into == ImportInto::Empty && record.position.get() != events {
                return Err(match events {
                    1 => ImportError::Part {
                        position: record.position,
                    },
                    _ => self.malformed("its position is not the next"),
                });
            }
            commit.push(record);
        }
        // A commit is stored once it is known to be whole.
        Err(ImportError::Cut {
            events: events - commit.len() as u64,
        })
    }

    fn malformed(&self, wrong: impl Into<es_core::BoxError>) -> ImportError {
        ImportError::Malformed {
            line: self.lines.line,
            source: wrong.into(),
        }
    }

    /// Stores a commit, or sees that it is there.
    async fn store(&mut self, records: Vec<Record>) -> Result<(), ImportError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let (begin, last, count) = (first.position, last.position, records.len() as u64);
        if self.into == ImportInto::Empty && self.log.read_to < self.log.head {
            self.compare(&records).await?;
            self.known += count;
            return Ok(());
        }
        let (id, time) = (first.commit, first.time);
        let is_known = self.into == ImportInto::Append && self.app.outcome(id).await?.is_some();
        if !is_known && self.log.last.is_some_and(|last| time < last) {
            let line = self.lines.line.saturating_sub(count);
            return Err(ImportError::Older { line });
        }
        let metadata = first.metadata.clone();
        let commit = Commit {
            id,
            time,
            metadata,
            appends: appends(records),
            checkpoint: None,
        };
        let committed = self.app.append(commit).await.map_err(refused)?;
        if self.into == ImportInto::Empty && committed.position != Some(last) {
            // Somebody else wrote meanwhile.
            return Err(ImportError::NotEmpty { position: begin });
        }
        if is_known {
            self.known += count;
        } else {
            self.stored += count;
            self.log.last = Some(time);
        }
        Ok(())
    }

    /// Sees that events are in the log just as they are in the input.
    async fn compare(&mut self, records: &[Record]) -> Result<(), ImportError> {
        for expected in records {
            let found = match self.log.read.next() {
                Some(found) => Some(found),
                None => {
                    let span = Span::after(self.log.read_to).up_to(self.log.head);
                    let page = self.app.log().page(span.limit(PAGE)).await?;
                    self.log.read = page.records.into_iter();
                    self.log.read.next()
                }
            };
            match found {
                Some(found) if found == *expected => self.log.read_to = found.position,
                found => {
                    let position = found.map_or(expected.position, |found| found.position);
                    return Err(ImportError::NotEmpty { position });
                }
            }
        }
        Ok(())
    }
}

/// What it means that the log does not take a commit.
fn refused(error: Error) -> ImportError {
    use SaveError::{AlreadyExists, Conflict, Store};
    match error {
        Error::Save(AlreadyExists { stream } | Conflict { stream, .. }) => {
            ImportError::Conflict { stream }
        }
        Error::Save(Store(AppendError::IdTaken { commit })) => ImportError::OtherCommit { commit },
        error => ImportError::Log(error),
    }
}

/// The events of a commit, in their order: those of one stream that stand together are one append.
fn appends(records: Vec<Record>) -> Vec<Append> {
    let mut appends: Vec<Append> = Vec::new();
    for record in records {
        let event = encoded(&record);
        let before = Version::from(record.version.get().saturating_sub(1));
        match appends.last_mut() {
            Some(append)
                if append.stream == record.stream
                    && append.expected.get() + append.events.len() as u64 == before.get() =>
            {
                append.events.push(event);
            }
            _ => appends.push(Append {
                stream: record.stream,
                expected: before,
                events: vec![event],
            }),
        }
    }
    appends
}

/// The lines of the input, with the number of the one that came last.
struct Lines<'a> {
    input: &'a mut (dyn BufRead + Send),
    line: u64,
}

impl Lines<'_> {
    /// The next whole line; `None` at the end, also where the last one is not whole.
    fn next(&mut self) -> Result<Option<String>, ImportError> {
        let text = self.read()?;
        Ok(text.ends_with('\n').then_some(text))
    }

    /// Whether there is anything more, be it a whole line or not.
    fn has_more(&mut self) -> Result<bool, ImportError> {
        Ok(!self.read()?.is_empty())
    }

    fn read(&mut self) -> Result<String, ImportError> {
        let mut text = String::new();
        self.line += 1;
        let read = self.input.read_line(&mut text);
        read.map_err(|source| ImportError::Input {
            line: self.line,
            source,
        })?;
        Ok(text)
    }
}

/// What was imported, and who has yet to handle it.
#[derive(Serialize)]
pub(crate) struct Imported {
    #[serde(flatten)]
    report: ImportReport,
    /// The followers that have not seen all of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    followers_behind: Vec<String>,
}

impl Imported {
    pub(crate) async fn into(system: &System, report: ImportReport) -> Self {
        let mut followers_behind = Vec::new();
        for follower in system.leaders_first() {
            // How one is whose store is away cannot be told; what is imported is.
            if let Ok(status) = follower.status().await
                && report.application.as_deref().unwrap_or_default() == status.follower.log
                && status.position < status.head
            {
                followers_behind.push(follower.name().to_owned());
            }
        }
        Self {
            report,
            followers_behind,
        }
    }
}

impl Human for Imported {
    fn human(&self, text: &mut Text) -> fmt::Result {
        self.report.human(text)?;
        if self.report.events > 0 && !self.followers_behind.is_empty() {
            writeln!(
                text,
                "{} will handle what was imported from its first event on; a process manager does again what it did, effects outside included, unless its handlers \
                 pass by what is old",
                clean(&self.followers_behind.join(", "))
            )?;
        }
        Ok(())
    }
}

impl Human for ImportReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        write!(text, "{} imported", counted(self.events, "event"))?;
        if self.known > 0 {
            write!(text, ", {} there already", counted(self.known, "event"))?;
        }
        writeln!(text, ", up to position {}", self.head)
    }
}
