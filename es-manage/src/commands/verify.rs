//! Whether the log is what was written, and whether this program can read it.
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use es_core::application::{AggregateType, LogError};
use es_core::persistence::{DecodeError, Finding, Record, Span};
use es_core::{Application, Error, Position, Result};
use serde::Serialize;

use super::PAGE;
use super::events::in_short;
use crate::output::{BAD, GOOD, Human, Text, clean, counted, grouped, styled};
use crate::{Progress, Status};

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The application.
    pub application: Option<String>,
    /// How many events were read.
    pub events: u64,
    /// How many of them nobody can read any more, because their key was destroyed on purpose. That is no finding.
    pub erased: u64,
    /// What is not as it should be; nothing, where all is well.
    pub findings: Vec<Found>,
}

impl VerifyReport {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.findings.is_empty() {
            Status::Well
        } else {
            Status::Failed
        }
    }
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Found {
    /// What kind of thing.
    pub kind: FoundKind,
    /// Where in the log, where that can be said; of several, the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// How many events it is about.
    pub events: u64,
    /// What it is, for people.
    pub message: String,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FoundKind {
    /// An event was changed behind the store's back.
    Altered,
    /// Positions are missing.
    Hole,
    /// The versions of a stream are not 1, 2, 3 ….
    Stream,
    /// The log does not end where it says.
    Head,
    /// Times run backwards.
    Time,
    /// What refuses edits is missing.
    Unguarded,
    /// Events cannot be read from the store at all.
    Unreadable,
    /// The system does not name this type of aggregate.
    UnknownType,
    /// The type of aggregate does not declare this event.
    UnknownEvent,
    /// The payload is not what the event's fields need, or cannot be opened.
    Undecodable,
    /// A part of the payload is left out by reading it.
    Unread,
    /// An event that creates stands behind the first of its stream, or the first does not create.
    Misplaced,
    /// Something else that the store found.
    Other,
}

/// Reads the whole log twice: the store compares it with what it wrote; then each event is decoded by the types of the system.
///
/// What befalls many events alike is one finding, with the first of them.
///
/// ```
/// # use es_core::Application;
/// # use es_core::application::AggregateType;
/// # async fn nightly(app: Application, types: &[AggregateType]) -> es_core::Result<()> {
/// let report = es_manage::verify(&app, types, &()).await?;
/// assert!(report.findings.is_empty(), "{:?}", report.findings);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`], where the store cannot be read.
pub async fn verify(
    app: &Application,
    types: &[AggregateType],
    progress: &dyn Progress,
) -> Result<VerifyReport> {
    progress.begin("verifying", None);
    let verified = app.verify().await?;
    progress.end();
    let mut report = VerifyReport {
        application: app.name().map(str::to_owned),
        events: verified.events,
        erased: 0,
        findings: verified.findings.iter().map(of_the_store).collect(),
    };
    let head = app.log().head().await?;
    progress.begin("decoding", Some(head.get()));
    let mut decoding = Decoding {
        types,
        erased: 0,
        found: BTreeMap::new(),
    };
    let read = decoding.all(app, head, progress).await;
    progress.end();
    report.erased = decoding.erased;
    let mut found: Vec<_> = decoding.found.into_values().collect();
    found.sort_by_key(|found| found.position);
    report.findings.extend(found);
    match read {
        Ok(()) => Ok(report),
        // The store could read all of it just now. Where it still answers, what is in the way is what is stored.
        Err((after, Error::Log(LogError::Store(error)))) => {
            app.log().head().await?;
            report.findings.push(Found {
                kind: FoundKind::Unreadable,
                position: i64::try_from(after.get()).ok(),
                events: head.get().saturating_sub(after.get()),
                message: format!(
                    "what comes after position {after} cannot be read: {}",
                    in_short(&error)
                ),
            });
            Ok(report)
        }
        Err((_, error)) => Err(error),
    }
}

fn of_the_store(finding: &Finding) -> Found {
    let (kind, position) = match finding {
        Finding::Altered { position } => (FoundKind::Altered, Some(*position)),
        Finding::Hole { next, .. } => (FoundKind::Hole, Some(*next)),
        Finding::Stream { .. } => (FoundKind::Stream, None),
        Finding::Head { last, .. } => (FoundKind::Head, i64::try_from(last.get()).ok()),
        Finding::Time { position } => (FoundKind::Time, i64::try_from(position.get()).ok()),
        Finding::Unguarded { .. } => (FoundKind::Unguarded, None),
        _ => (FoundKind::Other, None),
    };
    Found {
        kind,
        position,
        events: 1,
        message: finding.to_string(),
    }
}

struct Decoding<'a> {
    types: &'a [AggregateType],
    erased: u64,
    /// By what is alike: the kind, the category, and the event's name and schema.
    found: BTreeMap<(FoundKind, String, String), Found>,
}

impl Decoding<'_> {
    async fn all(
        &mut self,
        app: &Application,
        head: Position,
        progress: &dyn Progress,
    ) -> Result<(), (Position, Error)> {
        let mut after = Position::START;
        while after < head {
            let span = Span::after(after).up_to(head).limit(PAGE);
            let page = app.log().page(span).await.map_err(|error| (after, error))?;
            if page.records.is_empty() {
                break;
            }
            for record in page.records {
                after = record.position;
                self.one(app, record)
                    .await
                    .map_err(|error| (after, error))?;
            }
            progress.at(after.get());
        }
        Ok(())
    }

    async fn one(&mut self, app: &Application, record: Record) -> Result<()> {
        let category = &record.stream.category;
        let ty = self.types.iter().find(|ty| ty.category == *category);
        let Some(ty) = ty else {
            let message =
                format!("the system names no type of aggregate that is stored as `{category}`");
            let alike = (FoundKind::UnknownType, category.to_string(), String::new());
            self.note(alike, record.position, message);
            return Ok(());
        };
        let alike = |kind, record: &Record| {
            let (category, event) = (&record.stream.category, &record.event);
            let of = format!("{event}, schema {}", record.schema);
            (kind, category.to_string(), of)
        };
        let (undecodable, position) = (alike(FoundKind::Undecodable, &record), record.position);
        let record = match app.log().open(record).await {
            Ok(record) => record,
            Err(Error::Log(LogError::Decode(DecodeError::Erased { .. }))) => {
                self.erased += 1;
                return Ok(());
            }
            Err(Error::Log(LogError::Decode(error))) => {
                self.note(undecodable, position, in_short(&error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let name = &*record.event;
        let mut shapes = ty.events.iter();
        let shape = shapes.find(|shape| shape.name == name || shape.was.contains(&name));
        match ty.check(&record) {
            Ok(None) => {}
            Ok(Some(field)) => {
                let (declared, schema) = (shape.map_or(name, |shape| shape.name), record.schema);
                let message = format!(
                    "`{name}` at version {} of `{}` is not read as a whole: of `{field}`, something is left out; write `schema = {}` and \
                     `#[upcast(\"{declared}\", from = {schema})]`, or take the change back",
                    record.version,
                    record.stream,
                    u64::from(schema) + 1
                );
                self.note(alike(FoundKind::Unread, &record), position, message);
            }
            Err(error @ DecodeError::UnknownEvent { .. }) => {
                let unknown = alike(FoundKind::UnknownEvent, &record);
                self.note(unknown, position, in_short(&error));
                return Ok(());
            }
            Err(error) => {
                self.note(undecodable, position, in_short(&error));
                return Ok(());
            }
        }
        let is_first = record.version == es_core::Version::FIRST;
        if shape.is_some_and(|shape| shape.creates != is_first) {
            let what = if is_first {
                "does not create a"
            } else {
                "creates the"
            };
            let message = format!(
                "`{name}` at version {} of `{}` {what} `{}`",
                record.version, record.stream, ty.category
            );
            self.note(alike(FoundKind::Misplaced, &record), position, message);
        }
        Ok(())
    }

    fn note(&mut self, alike: (FoundKind, String, String), position: Position, message: String) {
        let found = self
            .found
            .entry(alike)
            .or_insert_with_key(|(kind, ..)| Found {
                kind: *kind,
                position: i64::try_from(position.get()).ok(),
                events: 0,
                message,
            });
        found.events += 1;
    }
}

/// How many findings are shown to people.
const SHOWN: usize = 50;

impl Human for VerifyReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let name = self.application.as_deref().unwrap_or("the log");
        let count = self.findings.len() as u64;
        let (word, style) = match count {
            0 => ("all well".to_owned(), GOOD),
            count => (counted(count, "finding"), BAD),
        };
        write!(
            text,
            "{name}: {} read, {}",
            counted(self.events, "event"),
            styled(word, style)
        )?;
        if self.erased > 0 {
            write!(text, " ({} erased on purpose)", grouped(self.erased))?;
        }
        writeln!(text)?;
        for found in self.findings.iter().take(SHOWN) {
            write!(text, "  {}", clean(&found.message))?;
            if found.events > 1 {
                let position = found.position.unwrap_or_default();
                write!(
                    text,
                    " ({}, first at position {position})",
                    counted(found.events, "event")
                )?;
            }
            writeln!(text)?;
        }
        if let Some(more @ 1..) = self.findings.len().checked_sub(SHOWN) {
            writeln!(text, "  … and {more} more; `--json` has all")?;
        }
        Ok(())
    }
}
