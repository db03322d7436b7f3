//! Whether all that is stored of an event is read.
use serde_json::Value;

use super::{DecodeError, Record, decode, json, shape};
use crate::domain::{Event, JsonMap};

/// Where in a payload something is: names of fields, and places in lists.
type Path = Vec<Step>;

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Place(usize),
}

/// The field of a payload of which something is stored that is left out by reading it: without that, the same event would be read. `None` where there is
/// no such field, and where an upcaster says what becomes of the payload.
pub(crate) fn unread<E: Event>(record: &Record) -> Result<Option<String>, DecodeError> {
    let event: E = decode(record)?;
    let Some(shape) = shape::<E>(&record.event).filter(|shape| shape.schema == record.schema)
    else {
        return Ok(None);
    };
    let mut written = Vec::new();
    if json::write_payload(&mut written, &event).is_err() || written == *record.payload {
        return Ok(None);
    }
    let object = |payload: &[u8]| serde_json::from_slice::<JsonMap>(payload).ok();
    let (Some(stored), Some(written)) = (object(&record.payload), object(&written)) else {
        return Ok(None);
    };
    let mut missing = Vec::new();
    find_missing(&stored, &written, &mut Vec::new(), &mut missing);
    let is_unread = |path: &Path| {
        let without = serde_json::to_vec(&without(&stored, path)).ok();
        let read = without.and_then(|payload| json::from_payload::<E>(shape.name, &payload).ok());
        read.is_some_and(|read| read == event)
    };
    let unread = missing.into_iter().find(is_unread);
    // What is further inside may be the key of a map, and so a part of what is said.
    Ok(unread.and_then(|path| match path.into_iter().next() {
        Some(Step::Field(name)) => Some(name),
        _ => None,
    }))
}

/// The fields that are stored and would not be written: under another name, perhaps, or not at all. What is null says nothing.
fn find_missing(stored: &JsonMap, written: &JsonMap, path: &mut Path, missing: &mut Vec<Path>) {
    for (name, value) in stored {
        path.push(Step::Field(name.clone()));
        match written.get(name) {
            None if value.is_null() => {}
            None => missing.push(path.clone()),
            Some(written) => find_missing_in(value, written, path, missing),
        }
        path.pop();
    }
}

fn find_missing_in(stored: &Value, written: &Value, path: &mut Path, missing: &mut Vec<Path>) {
    match (stored, written) {
        (Value::Object(stored), Value::Object(written)) => {
            find_missing(stored, written, path, missing);
        }
        (Value::Array(stored), Value::Array(written)) => {
            for (place, (stored, written)) in stored.iter().zip(written).enumerate() {
                path.push(Step::Place(place));
                find_missing_in(stored, written, path, missing);
                path.pop();
            }
        }
        _ => {}
    }
}

fn without(payload: &JsonMap, path: &[Step]) -> Value {
    let mut payload = Value::Object(payload.clone());
    let Some((last, way)) = path.split_last() else {
        return payload;
    };
    let inside = way.iter().try_fold(&mut payload, |value, step| match step {
        Step::Field(name) => value.get_mut(name),
        Step::Place(place) => value.get_mut(place),
    });
    if let (Some(Value::Object(fields)), Step::Field(name)) = (inside, last) {
        fields.remove(name);
    }
    payload
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> JsonMap {
        value.as_object().expect("it is an object").clone()
    }

    #[test]
    fn what_is_missing_is_found_wherever_it_is_and_taken_out() {
        let stored =
            json!({"to": "Ann", "old": null, "items": [{"of": "x"}, {"of": "y", "dose": 1}]});
        let written = json!({"to": "Ann", "items": [{"of": "x"}, {"of": "z"}], "by": 1});
        let (stored, mut missing) = (object(&stored), Vec::new());
        find_missing(&stored, &object(&written), &mut Vec::new(), &mut missing);
        let [path] = &missing[..] else {
            panic!("{missing:?}");
        };
        let expected = json!({"to": "Ann", "old": null, "items": [{"of": "x"}, {"of": "y"}]});
        assert_eq!(without(&stored, path), expected);
    }
}
