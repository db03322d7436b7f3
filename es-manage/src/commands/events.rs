//! What happened, event by event.
use std::io;
use std::iter::once;
use std::time::SystemTime;

use es_core::application::AggregateType;
use es_core::persistence::{Filter, Metadata, Record, Slice, Span};
use es_core::{Application, Position, Result, StreamId, Version};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{PAGE, PrintError};

/// Which events are asked for; by itself, all there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventsQuery {
    /// Only those of aggregates of this type.
    pub category: Option<String>,
    /// Only those of this name; those too that were stored under a name that it had before, where the types tell that.
    pub event: Option<String>,
    /// Only those of this aggregate.
    pub stream: Option<StreamId>,
    /// Only those whose metadata has this actor.
    pub actor: Option<String>,
    /// Only those whose metadata has this correlation.
    pub correlation: Option<Uuid>,
    /// Only those at positions after this one.
    pub after: Position,
    /// Only those at positions up to and including this one.
    pub up_to: Option<Position>,
    /// Only those from this time on.
    pub since: Option<SystemTime>,
    /// Only those before this time.
    pub until: Option<SystemTime>,
    /// No more than so many.
    pub limit: Option<u64>,
    /// Those too that are still to come.
    pub follow: bool,
}

/// What [`events`] handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EventsReport {
    /// How many events.
    pub events: u64,
}

/// An event for people and programs: its payload as it is stored, but for compression and encryption.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct EventLine {
    /// Its place in the log.
    pub position: Position,
    /// When it was committed.
    #[serde(with = "crate::time::serde_text")]
    pub time: SystemTime,
    /// The stored name of the aggregate's type.
    pub category: String,
    /// The aggregate.
    pub id: Uuid,
    /// Its place in the stream.
    pub version: Version,
    /// Its stored name.
    pub event: String,
    /// The schema version of the payload.
    pub schema: u32,
    /// The commit it came with.
    pub commit: Uuid,
    /// Who and why, where that was said.
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    pub metadata: Metadata,
    /// Its fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Box<RawValue>>,
    /// Why its fields cannot be read, where they cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
}

impl EventLine {
    pub(crate) async fn of(app: &Application, record: Record) -> Self {
        let mut line = Self {
            position: record.position,
            time: record.time,
            category: record.stream.category.to_string(),
            id: record.stream.id,
            version: record.version,
            event: record.event.to_string(),
            schema: record.schema,
            commit: record.commit.into(),
            metadata: record.metadata.clone(),
            payload: None,
            unreadable: None,
        };
        match app.log().open(record).await {
            Ok(record) => match in_one_line(&record.payload) {
                Ok(payload) => line.payload = Some(payload),
                Err(error) => line.unreadable = Some(error.to_string()),
            },
            Err(error) => line.unreadable = Some(in_short(&error)),
        }
        line
    }
}

/// An error with its causes, in one line.
pub(crate) fn in_short(error: &(dyn std::error::Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told = format!("{told}: {error}");
        cause = error.source();
    }
    told
}

/// JSON as it is; where somebody wrote it with line breaks, without the white space between its parts.
fn in_one_line(json: &[u8]) -> serde_json::Result<Box<RawValue>> {
    let value: Box<RawValue> = serde_json::from_slice(json)?;
    if value.get().contains(['\n', '\r']) {
        return RawValue::from_string(without_space(value.get()));
    }
    Ok(value)
}

fn without_space(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let mut is_part = |letter: &char| {
        if is_escaped {
            is_escaped = false;
        } else if *letter == '"' {
            in_string = !in_string;
        } else if *letter == '\\' {
            is_escaped = true;
        }
        in_string || !letter.is_ascii_whitespace()
    };
    json.chars().filter(|letter| is_part(letter)).collect()
}

/// Hands the events that are asked for to `each`, oldest first, until there are no more, or until `each` fails.
///
/// Events whose payload cannot be opened are handed on without it, and say why. The types of the system say which names an event had before
/// (`#[event("TrickAdded", was = "TrickLearned")]`).
///
/// ```
/// # use es_core::Application;
/// # use es_core::application::AggregateType;
/// # async fn print(app: Application, types: &[AggregateType]) -> Result<(), es_manage::PrintError> {
/// use es_manage::EventsQuery;
///
/// let dogs = EventsQuery { category: Some("Dog".to_owned()), ..EventsQuery::default() };
/// es_manage::events(&app, types, &dogs, &mut |event| {
///     println!("{} {}", event.position, event.event);
///     Ok(())
/// }).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`PrintError`].
pub async fn events(
    app: &Application,
    types: &[AggregateType],
    query: &EventsQuery,
    each: &mut (dyn FnMut(&EventLine) -> io::Result<()> + Send),
) -> Result<EventsReport, PrintError> {
    let mut asked = Asked {
        query,
        types,
        written: 0,
        each,
    };
    let mut after = query.after;
    if let Some(since) = query.since {
        after = after.max(last_before(app, since).await?);
    }
    if !query.follow
        && let Some(stream) = &query.stream
    {
        asked.of_stream(app, stream, after).await?;
    } else {
        asked.of_log(app, after).await?;
    }
    Ok(EventsReport {
        events: asked.written,
    })
}

struct Asked<'a> {
    query: &'a EventsQuery,
    types: &'a [AggregateType],
    written: u64,
    each: &'a mut (dyn FnMut(&EventLine) -> io::Result<()> + Send),
}

impl Asked<'_> {
    async fn of_stream(
        &mut self,
        app: &Application,
        stream: &StreamId,
        after: Position,
    ) -> Result<(), PrintError> {
        let mut version = Version::NEW;
        loop {
            let slice = Slice::all().after(version).limit(PAGE);
            let records = app.log().stream(stream.clone(), slice).await?;
            let is_last = records.len() < PAGE;
            for record in records {
                version = record.version;
                if record.position > after && !self.take(app, record).await? {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn of_log(&mut self, app: &Application, mut after: Position) -> Result<(), PrintError> {
        // Where following ends may be told by an event that is not asked for.
        let ends = self.query.up_to.is_some() || self.query.until.is_some();
        let filter = match self.query.follow && ends {
            true => Filter::everything(),
            false => self.filter(),
        };
        let log = app.log().only(filter);
        let up_to = self.query.up_to.unwrap_or(Position::MAX);
        loop {
            let page = log
                .page(Span::after(after).up_to(up_to).limit(PAGE))
                .await?;
            let is_last = page.records.len() < PAGE;
            for record in page.records {
                if !self.take(app, record).await? {
                    return Ok(());
                }
            }
            after = page.read_to;
            if is_last {
                break;
            }
        }
        if !self.query.follow || self.is_enough() || after >= up_to {
            return Ok(());
        }
        let mut subscription = log.subscribe(after);
        while let Some(record) = subscription.next().await {
            let record = record?;
            let is_last = record.position >= up_to;
            if !self.take(app, record).await? || is_last {
                break;
            }
        }
        Ok(())
    }

    /// Hands on a record that is asked for; `false`: there is nothing more to be asked.
    async fn take(&mut self, app: &Application, record: Record) -> Result<bool, PrintError> {
        let query = self.query;
        let is_over = query.until.is_some_and(|until| record.time >= until)
            || query.up_to.is_some_and(|up_to| record.position > up_to);
        if is_over || self.is_enough() {
            return Ok(false);
        }
        let category = &*record.stream.category;
        let is_named =
            |event: &String| self.names(category, event).any(|name| name == record.event);
        let metadata = &record.metadata;
        let is_meant = is_or_any(query.category.as_deref(), Some(category))
            && query.event.as_ref().is_none_or(is_named)
            && is_or_any(query.stream.as_ref(), Some(&record.stream))
            && is_or_any(query.actor.as_deref(), metadata.get_actor())
            && is_or_any(query.correlation, metadata.get_correlation());
        if !is_meant {
            return Ok(true);
        }
        let line = EventLine::of(app, record).await;
        (self.each)(&line).map_err(|source| PrintError::Output {
            written: self.written,
            source,
        })?;
        self.written += 1;
        Ok(!self.is_enough())
    }

    fn is_enough(&self) -> bool {
        self.query.limit.is_some_and(|limit| self.written >= limit)
    }

    /// What the store can tell apart by itself.
    fn filter(&self) -> Filter {
        let query = self.query;
        let category = match (&query.category, &query.stream) {
            (Some(category), _) => category.clone(),
            (None, Some(stream)) => stream.category.to_string(),
            (None, None) => return Filter::everything(),
        };
        match &query.event {
            Some(event) => {
                let names: Vec<_> = self.names(&category, event).map(str::to_owned).collect();
                Filter::events(category, names)
            }
            None => Filter::category(category),
        }
    }

    /// The names under which an event of a category is stored: the one that is asked for, and those that it had before.
    fn names<'a>(&self, category: &str, event: &'a str) -> impl Iterator<Item = &'a str> {
        let shapes = self
            .types
            .iter()
            .filter(move |ty| ty.category == category)
            .flat_map(|ty| ty.events);
        let before = shapes
            .filter(move |shape| shape.name == event)
            .flat_map(|shape| shape.was);
        once(event).chain(before.copied())
    }
}

/// Whether something is what is asked for, or nothing is.
fn is_or_any<T: PartialEq>(asked: Option<T>, found: Option<T>) -> bool {
    asked.is_none() || asked == found
}

/// The position of the last event before a time: times never run backwards along the log, so it is searched by halves.
pub(crate) async fn last_before(app: &Application, time: SystemTime) -> Result<Position> {
    let log = app.log();
    let (mut before, mut from) = (0, log.head().await?.get() + 1);
    while from - before > 1 {
        let middle = before + (from - before) / 2;
        let page = log
            .page(Span::after(Position::from(middle - 1)).limit(1))
            .await?;
        match page.records.first() {
            Some(record) if record.time < time => before = middle,
            _ => from = middle,
        }
    }
    Ok(Position::from(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_line_breaks_keeps_its_numbers_and_strings() {
        let json = "{ \"a\" :\n\t[1.10 ,123456789012345678901234567890],\r\n\"b \\\\\": \" \\\" {\\n} \" }";
        let line = in_one_line(json.as_bytes()).unwrap();
        let expected = "{\"a\":[1.10,123456789012345678901234567890],\"b \\\\\":\" \\\" {\\n} \"}";
        assert_eq!(line.get(), expected);
        let as_it_is = "{ \"a\" : 1.10 }";
        assert_eq!(in_one_line(as_it_is.as_bytes()).unwrap().get(), as_it_is);
    }
}
