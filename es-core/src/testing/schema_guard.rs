//! What is stored stays readable: the shapes of all events, and samples of them as stored, in a file that is checked in.
use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::{env, fs};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stored::{rewrite, text, written_and_read};
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
/// read the old samples. What would make stored events unreadable is never accepted; the message says what to do instead.
///
/// It sees the types as they are written in the parameters, not inside them: that is what the samples are for. Give one for each form
/// that an event's data may take, also for the values that it may come to have: a narrower integer reads the samples, and not what is larger.
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
                .map_err(|error| format!("`{file}` is not the file of a schema guard: {error}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Written::new(),
            Err(error) => return Err(format!("cannot read `{file}`: {error}")),
        };
        let mut findings = Findings::default();
        let now = self.now(&written, &mut findings);
        if !findings.broken.is_empty() {
            let broken = findings.broken.join("\n- ");
            return Err(format!(
                "stored events would become unreadable:\n- {broken}\n(`{file}` keeps what was stored)"
            ));
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

/// What happened to an event since its samples were written down.
#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    None,
    /// What it reads as is another thing, and meant.
    NewSchema,
    /// It had this name, and none of the upcasters of the event that takes its place.
    TakenOver(&'a str),
}

/// What differs between the code and the file.
#[derive(Debug, Default)]
struct Findings {
    /// What must not be.
    broken: Vec<String>,
    /// What may be accepted.
    new: BTreeSet<String>,
}

impl Declared {
    fn now(
        &self,
        before: &BTreeMap<String, WrittenEvent>,
        findings: &mut Findings,
    ) -> BTreeMap<String, WrittenEvent> {
        let category = self.category;
        let is_known = |name: &String| {
            self.shapes
                .iter()
                .any(|shape| names(shape).any(|known| known == name))
        };
        for name in before.keys().filter(|name| !is_known(name)) {
            findings.broken.push(format!(
                "`{category}` has no event `{name}` any more: \
                 if it has a new name, write `was = \"{name}\"`; if it no longer happens, keep its method and mark it `retired`"
            ));
        }
        let now = self
            .shapes
            .iter()
            .map(|shape| (shape.name.to_owned(), self.event(shape, before, findings)));
        now.collect()
    }

    fn event(
        &self,
        shape: &EventShape,
        before: &BTreeMap<String, WrittenEvent>,
        findings: &mut Findings,
    ) -> WrittenEvent {
        let event = format!("`{}` of `{}`", shape.name, self.category);
        let mut now = WrittenEvent {
            creates: shape.creates,
            schema: shape.schema,
            was: shape.was.iter().map(|&name| name.to_owned()).collect(),
            fields: fields(shape),
            samples: Vec::new(),
        };
        let before: Vec<_> = names(shape)
            .filter_map(|name| Some((name, before.get(name)?)))
            .collect();
        let newest = before.iter().map(|(_, before)| before.schema).max();
        match newest {
            None => {
                findings.new.insert(format!("{event} is new"));
            }
            Some(newest) if shape.schema > newest => {
                findings.new.insert(format!(
                    "{event} has schema {} instead of {newest}",
                    shape.schema
                ));
            }
            Some(_) => {}
        }
        for (name, before) in before {
            let change = match Some(before.schema) {
                schema if schema != newest => Change::TakenOver(name),
                _ if before.schema == shape.schema => Change::None,
                _ => Change::NewSchema,
            };
            if name != shape.name {
                findings.new.insert(format!("{event} was `{name}`"));
            }
            compare_shapes(&event, shape.name, before, &now, findings);
            let carried = before.samples.iter().filter_map(|sample| {
                let stored_as = sample.name.as_deref().unwrap_or(name);
                // That a name is missing has been told.
                names(shape).find(|name| *name == stored_as)?;
                self.old_sample(&event, shape, change, stored_as, sample, findings)
            });
            now.samples.extend(carried);
        }
        for (_, sample) in self.samples.iter().filter(|(name, _)| *name == shape.name) {
            match sample {
                Ok(payload) => add_sample(&event, shape, payload, &mut now.samples, findings),
                Err(error) => findings.broken.push(format!("a sample of {event} {error}")),
            }
        }
        if now.samples.is_empty() {
            findings
                .broken
                .push(format!("{event} has no sample; give one"));
        }
        now
    }

    /// Checks that a sample from the file still reads, and writes the same.
    fn old_sample(
        &self,
        event: &str,
        shape: &EventShape,
        change: Change<'_>,
        stored_as: &str,
        sample: &Sample,
        findings: &mut Findings,
    ) -> Option<Sample> {
        let is_its_own = stored_as == shape.name;
        let mut payload = text(&sample.payload);
        if !is_its_own {
            payload += &format!(" under the name `{stored_as}`");
        }
        let now = match (self.rewrite)(stored_as, sample.schema, &sample.payload) {
            Ok(now) => now,
            Err(error) => {
                findings.broken.push(format!(
                    "{event}, stored as {payload} under schema {}, {error}; {}",
                    sample.schema,
                    way_out(shape, sample.schema)
                ));
                return None;
            }
        };
        let expected = sample.now.as_ref().unwrap_or(&sample.payload);
        if now != *expected {
            let reads_as = text(&now);
            match change {
                Change::NewSchema => {
                    let told = format!("{event}, stored as {payload}, reads as {reads_as}");
                    findings.new.insert(told);
                }
                _ if keeps_fields(expected, &now) => {
                    let told = format!("{event} has more fields than {payload}");
                    findings.new.insert(told);
                }
                _ => {
                    let way_out = match change {
                        Change::TakenOver(other) => {
                            format!("keep `{other}` as an event of its own, marked `retired`")
                        }
                        _ => way_out(shape, sample.schema),
                    };
                    findings.broken.push(format!(
                        "{event}, stored as {payload}, would read as {reads_as}; {way_out}"
                    ));
                    return None;
                }
            }
        }
        Some(Sample {
            name: (!is_its_own).then(|| stored_as.to_owned()),
            now: (now != sample.payload).then_some(now),
            ..sample.clone()
        })
    }
}

/// Whether all fields are there still with the values they had; there may be more.
fn keeps_fields(before: &JsonMap, now: &JsonMap) -> bool {
    before
        .iter()
        .all(|(name, value)| now.get(name).is_some_and(|now| keeps(value, now)))
}

fn keeps(before: &Value, now: &Value) -> bool {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => keeps_fields(before, now),
        (Value::Array(before), Value::Array(now)) => {
            before.len() == now.len()
                && before
                    .iter()
                    .zip(now)
                    .all(|(before, now)| keeps(before, now))
        }
        (before, now) => before == now,
    }
}

fn way_out(shape: &EventShape, sample: u32) -> String {
    if sample < shape.schema {
        return "mend its upcasters".to_owned();
    }
    let (name, next) = (shape.name, u64::from(shape.schema) + 1);
    format!(
        "write `schema = {next}` and an upcaster `#[upcast(\"{name}\", from = {})]`, or take the change back",
        shape.schema
    )
}

fn compare_shapes(
    event: &str,
    present: &str,
    before: &WrittenEvent,
    now: &WrittenEvent,
    findings: &mut Findings,
) {
    if now.schema < before.schema {
        findings.broken.push(format!(
            "{event} went back from schema {} to {}, but there may be stored ones of {0}; write `schema = {0}`",
            before.schema, now.schema
        ));
    }
    if now.creates != before.creates {
        let (was, is) = if now.creates {
            ("changed", "creates")
        } else {
            ("created", "changes")
        };
        findings.broken.push(format!(
            "{event} {was} the aggregate when it was stored, and {is} it now; write an event of another name"
        ));
    }
    let gone = before.was.difference(&now.was);
    for name in gone.filter(|name| *name != present) {
        findings.broken.push(format!(
            "{event} was stored as `{name}` before; write `was = \"{name}\"`"
        ));
    }
    for name in now.was.difference(&before.was) {
        findings
            .new
            .insert(format!("{event} is read under the name `{name}` too"));
    }
    for (name, field) in &now.fields {
        match before.fields.get(name) {
            None => findings
                .new
                .insert(format!("{event} has a new field `{name}: {}`", field.ty)),
            Some(before) if before != field => findings.new.insert(format!(
                "the field `{name}` of {event} is `{}` instead of `{}`",
                described(field),
                described(before)
            )),
            Some(_) => false,
        };
    }
    for name in before
        .fields
        .keys()
        .filter(|name| !now.fields.contains_key(*name))
    {
        findings
            .new
            .insert(format!("{event} has no field `{name}` any more"));
    }
}

fn described(field: &WrittenField) -> String {
    format!("{} {}", field.serde, field.ty)
        .trim_start()
        .to_owned()
}

fn add_sample(
    event: &str,
    shape: &EventShape,
    payload: &JsonMap,
    samples: &mut Vec<Sample>,
    findings: &mut Findings,
) {
    let known = samples.iter().any(|sample| {
        sample.name.is_none() && sample.schema == shape.schema && sample.payload == *payload
    });
    if !known {
        findings
            .new
            .insert(format!("{event} has a new sample {}", text(payload)));
        samples.push(Sample {
            name: None,
            schema: shape.schema,
            payload: payload.clone(),
            now: None,
        });
    }
}

/// The name of an event, then its old ones.
fn names(shape: &EventShape) -> impl Iterator<Item = &'static str> {
    std::iter::once(shape.name).chain(shape.was.iter().copied())
}

fn fields(shape: &EventShape) -> BTreeMap<String, WrittenField> {
    let written = shape.fields.iter().map(|field| {
        let written = WrittenField {
            ty: field.ty.to_owned(),
            serde: field.serde.to_owned(),
        };
        (field.name.to_owned(), written)
    });
    written.collect()
}

#[cfg(test)]
mod tests;
