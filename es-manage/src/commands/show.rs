//! One aggregate: what it is like now, or was like then, and how it came to be so.
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use es_core::application::{AggregateType, FieldState, LoadError};
use es_core::persistence::Slice;
use es_core::{Application, Error, Result, StreamId, Version};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::events::EventLine;
use crate::output::{BAD, GOOD, HEAD, Human, QUIET, Text, clean, styled};
use crate::time;

/// At which point an aggregate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// As it is now.
    #[default]
    Now,
    /// As it was at a version.
    Version(Version),
    /// As it was at a time.
    Time(SystemTime),
}

/// An aggregate, as it is or was.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ShowReport {
    /// The stored name of its type.
    pub category: String,
    /// Its id.
    pub id: Uuid,
    /// The version that is shown.
    pub version: Version,
    /// The newest version there is.
    pub newest: Version,
    /// When its first event was committed.
    #[serde(with = "crate::time::serde_text")]
    pub created: SystemTime,
    /// When the event of the version that is shown was committed.
    #[serde(with = "crate::time::serde_text")]
    pub modified: SystemTime,
    /// Its fields, as `Debug` prints them; nothing for one that cannot be printed.
    #[serde(serialize_with = "as_map")]
    pub state: Vec<FieldState>,
    /// The newest events up to that version, oldest first, and what each changed.
    pub changes: Vec<Change>,
}

/// An event, and what it changed.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Change {
    /// The event.
    pub event: EventLine,
    /// The fields that are not what they were.
    pub fields: Vec<FieldChange>,
}

/// A field that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldChange {
    /// Its name.
    pub field: &'static str,
    /// What it was, as `Debug` prints it; nothing before the aggregate was created.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
    /// Line by line, what is gone (`-`) and what is new (`+`).
    #[serde(skip)]
    lines: Vec<(char, String)>,
}

fn as_map<S: Serializer>(state: &[FieldState], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(state.iter().map(|field| (field.name, &field.value)))
}

/// Replays an aggregate from its first event, and tells what it was like at a version or a time, and what its `last` newest events up to there
/// changed.
///
/// ```
/// # use es_core::Application;
/// # use es_core::application::AggregateType;
/// # async fn print(app: Application, dogs: AggregateType, id: uuid::Uuid) -> es_core::Result<()> {
/// let report = es_manage::show(&app, &dogs, id, es_manage::At::Now, 20).await?;
/// for change in &report.changes {
///     println!("{} {:?}", change.event.event, change.fields);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`]; [`LoadError::NotFound`], [`LoadError::NoSuchVersion`] and [`LoadError::NotYet`] where there is no such thing.
pub async fn show(
    app: &Application,
    ty: &AggregateType,
    id: Uuid,
    at: At,
    last: usize,
) -> Result<ShowReport> {
    let stream = StreamId::new(ty.category, id);
    let latest = Slice::all().descending().limit(1);
    let latest = app.log().stream(stream.clone(), latest).await?;
    let Some(newest) = latest.first().map(|record| record.version) else {
        return Err(Error::Load(LoadError::NotFound { stream }));
    };
    let asked = match at {
        At::Now => newest,
        At::Version(asked) => asked,
        At::Time(asked) => match version_at(app, &stream, newest, asked).await? {
            Version::NEW => return Err(Error::Load(LoadError::NotYet { stream, asked })),
            version => version,
        },
    };
    // To print a state takes longer than to replay an event, so it is done where it will be seen.
    let seen_after = asked.get().saturating_sub((last as u64).saturating_add(1));
    let mut story = ty.story(app, id);
    let mut changes = VecDeque::new();
    let mut created = None;
    let mut shown: Option<(SystemTime, Vec<FieldState>)> = None;
    let mut version = Version::NEW;
    // What comes after what is shown need not be readable.
    while version < asked && asked <= newest {
        let Some(record) = story.next().await else {
            break;
        };
        let record = record?;
        version = record.version;
        created.get_or_insert(record.time);
        if version.get() <= seen_after {
            continue;
        }
        let state = story.state();
        let before = shown.map(|(_, state)| state).unwrap_or_default();
        let fields = differences(&before, &state);
        shown = Some((record.time, state));
        if last == 0 || (version.get() == seen_after + 1 && version > Version::FIRST) {
            continue;
        }
        if changes.len() == last {
            changes.pop_front();
        }
        changes.push_back(Change {
            event: EventLine::of(app, record).await,
            fields,
        });
    }
    let (Some((modified, state)), Some(created), true) = (shown, created, version == asked) else {
        return Err(Error::Load(LoadError::NoSuchVersion {
            stream,
            asked,
            newest,
        }));
    };
    Ok(ShowReport {
        category: ty.category.to_owned(),
        id,
        version,
        newest,
        created,
        modified,
        state,
        changes: changes.into(),
    })
}

/// The version of the last event up to a time: times never run backwards along a stream, so it is searched by halves, and no payload is opened.
async fn version_at(
    app: &Application,
    stream: &StreamId,
    newest: Version,
    time: SystemTime,
) -> Result<Version> {
    let (mut up_to, mut beyond) = (0, newest.get() + 1);
    while beyond - up_to > 1 {
        let middle = up_to + (beyond - up_to) / 2;
        let slice = Slice::all().after(Version::from(middle - 1)).limit(1);
        let records = app.log().stream(stream.clone(), slice).await?;
        match records.first() {
            Some(record) if record.time <= time => up_to = middle,
            _ => beyond = middle,
        }
    }
    Ok(Version::from(up_to))
}

/// The fields that differ.
fn differences(before: &[FieldState], after: &[FieldState]) -> Vec<FieldChange> {
    let changes = after.iter().filter_map(|now| {
        let then = before.iter().find(|then| then.name == now.name);
        if then.is_some_and(|then| then.value == now.value) {
            return None;
        }
        Some(FieldChange {
            field: now.name,
            before: then.and_then(|then| then.value.clone()),
            after: now.value.clone(),
            lines: changed_lines(
                then.and_then(|then| then.lines.as_deref()),
                now.lines.as_deref(),
            ),
        })
    });
    changes.collect()
}

/// What is gone, and what is new, each element of the whole in a line: what stands alike at the beginning and at the end of both is left out, which
/// is exact where one thing was added, changed or taken away, and never says that something changed which did not.
fn changed_lines(before: Option<&str>, after: Option<&str>) -> Vec<(char, String)> {
    let before = elements(before.unwrap_or_default());
    let after = elements(after.unwrap_or_default());
    let pairs = before.iter().zip(&after);
    let head = pairs.take_while(|(before, after)| before == after).count();
    let (before, after) = (&before[head..], &after[head..]);
    let pairs = before.iter().rev().zip(after.iter().rev());
    let tail = pairs.take_while(|(before, after)| before == after).count();
    let gone = &before[..before.len() - tail];
    let new = &after[..after.len() - tail];
    let gone = gone.iter().map(|lines| ('-', in_one_line(lines)));
    let new = new.iter().map(|lines| ('+', in_one_line(lines)));
    gone.chain(new).collect()
}

/// How far the parts of a whole are indented by `{:#?}`.
const INDENT: usize = 4;

/// The lines of what `{:#?}` printed, element by element; what opens and closes the whole are elements too.
fn elements(text: &str) -> Vec<Vec<&str>> {
    if matches!(text, "[]" | "{}") {
        let (opening, closing) = text.split_at(1);
        return vec![vec![opening], vec![closing]];
    }
    let mut elements: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let inner = line.trim_start();
        let indent = line.len() - inner.len();
        let is_of_the_one_before = indent > INDENT || (indent == INDENT && closes(inner));
        match elements.last_mut() {
            Some(element) if is_of_the_one_before => element.push(line),
            _ => elements.push(vec![line]),
        }
    }
    elements
}

fn opens(line: &str) -> bool {
    line.ends_with(['(', '[', '{'])
}

fn closes(line: &str) -> bool {
    line.starts_with([')', ']', '}'])
}

/// What `{:#?}` printed over several lines, as `{:?}` prints it in one.
fn in_one_line(lines: &[&str]) -> String {
    let mut text = String::new();
    // Of each bracket that is open, whether what is in it stands apart from it, as the fields of a struct do.
    let mut open: Vec<bool> = Vec::new();
    for line in lines {
        let line = line.trim();
        let is_apart = if closes(line) {
            if text.ends_with(',') {
                text.pop();
            }
            open.pop().unwrap_or(false)
        } else if opens(&text) {
            open.last().copied().unwrap_or(false)
        } else {
            !text.is_empty()
        };
        if is_apart {
            text.push(' ');
        }
        text.push_str(line);
        if opens(line) {
            // A map is a value, and has no name before it.
            open.push(text.ends_with(" {") && !text.ends_with(": {"));
        }
    }
    text
}

impl Human for ShowReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let title = styled(format!("{} {}", self.category, self.id), HEAD);
        writeln!(text, "{title}")?;
        write!(text, "version {}", self.version)?;
        if self.newest != self.version {
            write!(text, " of {}", self.newest)?;
        }
        writeln!(text, ", {}", time::text(self.modified))?;
        writeln!(text)?;
        let names = self.state.iter().map(|field| field.name.len());
        let width = names.max().unwrap_or(0);
        for field in &self.state {
            let value = clean(field.value.as_deref().unwrap_or("(cannot be printed)"));
            let name = field.name;
            if text.fits(width + value.chars().count() + 4) {
                writeln!(text, "  {name:width$}  {value}")?;
                continue;
            }
            writeln!(text, "  {name}")?;
            for line in field.lines.as_deref().unwrap_or_default().lines() {
                writeln!(text, "    {}", clean(line))?;
            }
        }
        for change in &self.changes {
            writeln!(text)?;
            change.human(text)?;
        }
        Ok(())
    }
}

impl Change {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let event = &self.event;
        let name = styled(clean(&event.event), HEAD);
        write!(text, "{} {name}", event.version)?;
        let time = time::text(event.time);
        let columns = event.event.chars().count() + time.len() + 8;
        if text.fits(columns) {
            writeln!(text, "  {}", styled(time, QUIET))?;
        } else {
            writeln!(text)?;
            writeln!(text, "  {}", styled(time, QUIET))?;
        }
        if let Some(actor) = event.metadata.get_actor() {
            writeln!(text, "  by {}", clean(actor))?;
        }
        self.fields.iter().try_for_each(|field| field.human(text))
    }
}

impl FieldChange {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let Self { field, .. } = self;
        let after = clean(self.after.as_deref().unwrap_or("(cannot be printed)"));
        let line = match &self.before {
            None => after,
            Some(before) => format!("{} → {after}", clean(before)),
        };
        // What is longer than a line is told line by line, where only some of it changed.
        let is_short = line.chars().count() <= 60 || self.lines.is_empty();
        if is_short && text.fits(line.chars().count() + field.len() + 4) {
            return writeln!(text, "  {field}: {line}");
        }
        writeln!(text, "  {field}:")?;
        for (sign, line) in &self.lines {
            let style = if *sign == '+' { GOOD } else { BAD };
            writeln!(
                text,
                "    {}",
                styled(format!("{sign} {}", clean(line)), style)
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "they are read by `Debug`")]
    struct Line {
        item: &'static str,
        sizes: Vec<u8>,
        at: (u8, Option<u8>),
    }

    fn line(item: &'static str, size: u8) -> Line {
        Line {
            item,
            sizes: vec![size],
            at: (1, Some(size)),
        }
    }

    fn changed(before: &impl fmt::Debug, after: &impl fmt::Debug) -> Vec<String> {
        let [before, after] = [format!("{before:#?}"), format!("{after:#?}")];
        let lines = changed_lines(Some(&before), Some(&after));
        let lines = lines.iter().map(|(sign, line)| format!("{sign} {line}"));
        lines.collect()
    }

    #[test]
    fn of_a_long_list_what_is_new_is_told() {
        let new = changed(&["sit", "roll"], &["sit", "play", "roll"]);
        assert_eq!(new, ["+ \"play\","]);
        assert_eq!(changed(&[""; 0], &["sit"; 1]), ["+ \"sit\","]);
    }

    #[test]
    fn an_element_that_has_parts_is_told_in_one_line() {
        let [tea, cups] = ["tea", "cups"].map(|item| line(item, 3));
        let more = line("tea", 4);
        let [is_tea, is_more, are_cups] = [&tea, &more, &cups].map(|line| format!("{line:?},"));
        assert_eq!(changed(&[&tea], &[&tea, &cups]), [format!("+ {are_cups}")]);
        assert_eq!(changed(&[&tea, &cups], &[&cups]), [format!("- {is_tea}")]);
        assert_eq!(changed(&[&tea; 0], &[&tea]), [format!("+ {is_tea}")]);
        assert_eq!(
            changed(&[&tea, &cups], &[&more, &cups]),
            [format!("- {is_tea}"), format!("+ {is_more}")]
        );
    }

    #[test]
    fn of_a_whole_the_parts_that_changed_are_told() {
        let by_size =
            |size| std::collections::BTreeMap::from([("a", line("a", 1)), ("b", line("b", size))]);
        let maps = [by_size(1), by_size(2)];
        let [gone, new] = [format!("- {:?},", maps[0]), format!("+ {:?},", maps[1])];
        assert_eq!(changed(&[&maps[0]], &[&maps[1]]), [gone, new]);
        let told = changed(&by_size(2), &by_size(3));
        let expected = [('-', 2), ('+', 3)]
            .map(|(sign, size)| format!("{sign} \"b\": {:?},", line("b", size)));
        assert_eq!(told, expected);
        assert_eq!(
            changed(&line("a", 1), &line("b", 1)),
            ["- item: \"a\",", "+ item: \"b\","]
        );
    }

    #[test]
    fn a_changed_line_is_gone_and_new() {
        assert_eq!(changed(&1, &2), ["- 1", "+ 2"]);
        let some = changed(&None::<Line>, &Some(line("a", 1)));
        let expected = [
            "- None",
            "+ Some(",
            &format!("+ {:?},", line("a", 1)),
            "+ )",
        ];
        assert_eq!(some, expected);
    }
}
