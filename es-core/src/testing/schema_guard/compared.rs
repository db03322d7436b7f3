//! The events of one aggregate beside what was written down of them.
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::renamed::by_stored_name;
use super::{Declared, Sample, WrittenEvent, WrittenField};
use crate::domain::{EventShape, JsonMap};
use crate::testing::stored::text;

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
pub(super) struct Findings {
    /// What must not be.
    pub(super) broken: Vec<String>,
    /// Of what nobody can say whether it is.
    pub(super) unguarded: Vec<String>,
    /// What may be accepted.
    pub(super) new: BTreeSet<String>,
}

impl Declared {
    pub(super) fn now(
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
        let told = findings.broken.len();
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
                Ok(payload) => self.add_sample(&event, shape, payload, &mut now.samples, findings),
                Err(error) => findings.broken.push(format!("a sample of {event} {error}")),
            }
        }
        // Of one that could not be read or written it is told already.
        if now.samples.is_empty() && findings.broken.len() == told {
            findings
                .unguarded
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
        let mut now = match (self.rewrite)(stored_as, sample.schema, &sample.payload) {
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
        if now != *expected && self.has_no_order(stored_as, sample.schema, &sample.payload, &now) {
            let sorted_now = sorted(&now);
            now = if sorted_now == sorted(expected) {
                expected.clone()
            } else {
                sorted_now
            };
        }
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

    /// Whether a payload is written in another order each time, as a `HashSet` is.
    fn has_no_order(&self, name: &str, schema: u32, payload: &JsonMap, written: &JsonMap) -> bool {
        // Of two values, all of these are in one order once in 2^32 times.
        (0..32).any(|_| (self.rewrite)(name, schema, payload).is_ok_and(|again| again != *written))
    }

    fn add_sample(
        &self,
        event: &str,
        shape: &EventShape,
        payload: &JsonMap,
        samples: &mut Vec<Sample>,
        findings: &mut Findings,
    ) {
        let same_form = samples
            .iter()
            .filter(|sample| sample.name.is_none() && sample.schema == shape.schema);
        let same_form: Vec<_> = same_form.map(|sample| &sample.payload).collect();
        let known = same_form.contains(&payload)
            || self.has_no_order(shape.name, shape.schema, payload, payload)
                && same_form
                    .iter()
                    .any(|known| sorted(known) == sorted(payload));
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
}

/// The same with every list in an order of ours.
fn sorted(payload: &JsonMap) -> JsonMap {
    payload
        .iter()
        .map(|(name, value)| (name.clone(), sorted_value(value)))
        .collect()
}

fn sorted_value(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(sorted(fields)),
        Value::Array(values) => {
            let mut values: Vec<_> = values.iter().map(sorted_value).collect();
            values.sort_by_cached_key(Value::to_string);
            Value::Array(values)
        }
        other => other.clone(),
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
        by_stored_name(field.name.to_owned(), written)
    });
    written.collect()
}
