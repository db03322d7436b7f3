//! What is stored stays readable: the shapes of all events, and samples of them as stored, in a file that is checked in.
mod compared;
mod renamed;

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use serde::{Deserialize, Serialize};

use self::compared::Findings;
use self::renamed::by_stored_names;
use super::stored::{rewrite, written_and_read};
use crate::domain::{Aggregate, Event, EventShape, JsonMap};

/// Set to anything but `0`, it writes down what may be accepted.
const BLESS: &str = "ES_BLESS";

/// Guards what is stored against changes of the code; `file` is relative to the package's folder.
///
/// Renaming a parameter, changing its type or removing an event makes stored events unreadable, or loses a part of them, and nothing else
/// tells. So the file keeps the shape of every event and samples of it as stored, and each time it is checked that the code still
/// reads every sample that was ever written down, and writes it again as it was.
///
/// ```no_run
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self>, on: bool }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new(), on: false } }
/// #     #[event("Switched")]
/// #     fn switch(&mut self, on: bool) { self.on = on; }
/// # }
/// # /*
/// #[test]
/// # */
/// fn stored_events_stay_readable() {
///     es_core::testing::schema_guard("tests/events.json")
///         .samples::<Lamp>([LampEvent::Mounted {}, LampEvent::Switched { on: true }])
///         .check();
/// }
/// # stored_events_stay_readable();
/// ```
///
/// Run with `ES_BLESS=1`, the check writes down what may be accepted: a new event, an added optional field, a new schema whose upcasters
/// read the old samples. What would make stored events unreadable is never accepted, nor an event without a sample; the message says what to do instead.
///
/// It sees the types as they are written in the parameters, not inside them: that is what the samples are for. What is not sampled is not guarded,
/// so give one for each form that an event's data may take: for each variant of an enum in it, for `Some` and for `None`, and for the values that it
/// may come to have, since a narrower integer reads the samples, and not what is larger. What nobody thought of is found before a deployment: by
/// the command `verify` of the new program (`es-manage`), on a copy of what is stored.
pub fn schema_guard(file: impl Into<PathBuf>) -> SchemaGuard {
    SchemaGuard {
        file: file.into(),
        aggregates: Vec::new(),
    }
}

/// See [`schema_guard`].
#[derive(Debug)]
#[must_use = "call `check`"]
pub struct SchemaGuard {
    file: PathBuf,
    aggregates: Vec<Declared>,
}

/// What the code says about one aggregate.
#[derive(Debug)]
struct Declared {
    category: &'static str,
    ty: TypeId,
    shapes: &'static [EventShape],
    samples: Vec<(&'static str, Result<JsonMap, String>)>,
    /// Reads a payload of an event and writes it again.
    rewrite: fn(&str, u32, &JsonMap) -> Result<JsonMap, String>,
}

/// The file: aggregates by category, their events by name.
type Written = BTreeMap<String, BTreeMap<String, WrittenEvent>>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct WrittenEvent {
    creates: bool,
    schema: u32,
    /// Names it was stored under before: there may be stored ones.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    was: BTreeSet<String>,
    fields: BTreeMap<String, WrittenField>,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct WrittenField {
    #[serde(rename = "type")]
    ty: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    serde: String,
}

/// A payload as it was stored once, and as the code writes it now, where that is something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    /// The name it was stored under, where that is not the event's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    schema: u32,
    payload: JsonMap,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<JsonMap>,
}

impl SchemaGuard {
    /// Adds an aggregate, with at least one sample of each of its events; called again, it adds samples.
    pub fn samples<A: Aggregate>(mut self, events: impl IntoIterator<Item = A::Event>) -> Self {
        let sample = |event: A::Event| {
            (
                event.name(),
                written_and_read(&event).map(|stored| stored.payload),
            )
        };
        let samples = events.into_iter().map(sample);
        let ty = TypeId::of::<A>();
        if let Some(known) = self.aggregates.iter_mut().find(|known| known.ty == ty) {
            known.samples.extend(samples);
            return self;
        }
        self.aggregates.push(Declared {
            category: A::CATEGORY,
            ty,
            shapes: A::Event::SHAPES,
            samples: samples.collect(),
            rewrite: rewrite::<A::Event>,
        });
        self
    }

    /// Compares with the file.
    ///
    /// # Panics
    /// Where something changed, or the file cannot be read or written; it says what to do.
    #[track_caller]
    pub fn check(self) {
        let bless = env::var_os(BLESS).is_some_and(|value| value != "0");
        if let Err(message) = self.compare(bless) {
            panic!("{message}");
        }
    }

    fn compare(&self, bless: bool) -> Result<(), String> {
        let file = self.file.display();
        let written = match fs::read(&self.file) {
            Ok(text) => serde_json::from_slice(&text)
                .map(by_stored_names)
                .map_err(|error| format!("`{file}` is not the file of a schema guard: {error}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Written::new(),
            Err(error) => return Err(format!("cannot read `{file}`: {error}")),
        };
        let mut findings = Findings::default();
        let now = self.now(&written, &mut findings);
        let mut refused = Vec::new();
        if !findings.broken.is_empty() {
            let broken = findings.broken.join("\n- ");
            refused.push(format!(
                "stored events would become unreadable:\n- {broken}\n(`{file}` keeps what was stored)"
            ));
        }
        if !findings.unguarded.is_empty() {
            let unguarded = findings.unguarded.join("\n- ");
            refused.push(format!("what has no sample is not guarded:\n- {unguarded}"));
        }
        if !refused.is_empty() {
            return Err(refused.join("\n"));
        }
        if now == written {
            return Ok(());
        }
        if !bless {
            let new = findings.new.into_iter().collect::<Vec<_>>().join("\n- ");
            if written.is_empty() {
                return Err(format!(
                    "there are no samples in `{file}` yet; run the test once with {BLESS}=1, and check the file in"
                ));
            }
            return Err(format!(
                "what is stored changed, and the samples of before still read:\n- {new}\nif that is meant, run the test with {BLESS}=1 and check `{file}` in"
            ));
        }
        let mut text = serde_json::to_string_pretty(&now).map_err(|error| error.to_string())?;
        text.push('\n');
        fs::write(&self.file, text).map_err(|error| format!("cannot write `{file}`: {error}"))
    }

    /// What the file would say now.
    fn now(&self, written: &Written, findings: &mut Findings) -> Written {
        let mut now = Written::new();
        for declared in &self.aggregates {
            let nothing = BTreeMap::new();
            let before = written.get(declared.category).unwrap_or(&nothing);
            let events = declared.now(before, findings);
            if now.insert(declared.category.to_owned(), events).is_some() {
                findings.broken.push(format!(
                    "two types of aggregates are stored as `{}`",
                    declared.category
                ));
            }
        }
        for category in written
            .keys()
            .filter(|category| !now.contains_key(*category))
        {
            findings.broken.push(format!(
                "`{category}` is gone: give its samples; streams are stored under it, so it cannot be renamed. \
                 If no store has one, take it out of the file by hand"
            ));
        }
        now
    }
}

#[cfg(test)]
mod tests;
