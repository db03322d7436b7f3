//! Whether what is stored is still there in what is read of it.
use serde_json::Value;

use super::{DecodeError, Record, decode, json, shape};
use crate::domain::{Event, JsonMap};

/// Of a payload, what is not there or another value once it is read, as `items[0].dose`; `None` where all of it is there, and more at most. Where an
/// upcaster says what becomes of the payload, nothing is compared.
pub(crate) fn lost<E: Event>(record: &Record) -> Result<Option<String>, DecodeError> {
    let event: E = decode(record)?;
    let is_upcast = shape::<E>(&record.event).is_none_or(|shape| shape.schema != record.schema);
    let mut payload = Vec::new();
    if is_upcast || json::write_payload(&mut payload, &event).is_err() || payload == *record.payload
    {
        return Ok(None);
    }
    let object = |payload: &[u8]| serde_json::from_slice::<JsonMap>(payload).ok();
    let (Some(stored), Some(now)) = (object(&record.payload), object(&payload)) else {
        return Ok(None);
    };
    // A set may be written in another order each time.
    let is_kept = keeps_fields(&sorted(&stored), &sorted(&now));
    Ok(lost_field(&stored, &now).filter(|_| !is_kept))
}

/// The same with every list in an order of ours.
pub(crate) fn sorted(payload: &JsonMap) -> JsonMap {
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
pub(crate) fn keeps_fields(before: &JsonMap, now: &JsonMap) -> bool {
    lost_field(before, now).is_none()
}

/// The first field that is not there or has another value.
fn lost_field(before: &JsonMap, now: &JsonMap) -> Option<String> {
    before.iter().find_map(|(name, value)| {
        let within = match now.get(name) {
            None => Some(String::new()),
            Some(now) => lost_part(value, now),
        };
        within.map(|within| format!("{name}{within}"))
    })
}

/// Where in a value the first part is that is another.
fn lost_part(before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        (Value::Object(before), Value::Object(now)) => {
            lost_field(before, now).map(|field| format!(".{field}"))
        }
        (Value::Array(before), Value::Array(now)) if before.len() == now.len() => {
            let mut pairs = before.iter().zip(now).enumerate();
            pairs.find_map(|(place, (before, now))| {
                lost_part(before, now).map(|within| format!("[{place}]{within}"))
            })
        }
        (before, now) => (before != now).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonMap {
        match value {
            Value::Object(object) => object,
            other => panic!("{other} is no object"),
        }
    }

    #[test]
    fn what_is_lost_is_named_by_its_path_and_more_is_no_loss() {
        let stored =
            json!({"to": "Ann", "items": [{"of": "x", "dose": 250}, {"of": "y", "dose": 1}]});
        for (now, expected) in [
            (stored.clone(), None),
            (
                json!({"to": "Ann", "items": [{"of": "x", "dose": 250, "unit": null}, {"of": "y", "dose": 1}], "by": null}),
                None,
            ),
            (
                json!({"items": [{"of": "x", "dose": 250}, {"of": "y", "dose": 1}]}),
                Some("to"),
            ),
            (
                json!({"to": null, "items": [{"of": "x", "dose": 250}, {"of": "y", "dose": 1}]}),
                Some("to"),
            ),
            (
                json!({"to": "Ann", "items": [{"of": "x", "dose": 250}, {"of": "y", "amount": 0}]}),
                Some("items[1].dose"),
            ),
            (
                json!({"to": "Ann", "items": [{"of": "x", "dose": 250.0}, {"of": "y", "dose": 1}]}),
                Some("items[0].dose"),
            ),
            (
                json!({"to": "Ann", "items": [{"of": "x", "dose": 250}]}),
                Some("items"),
            ),
        ] {
            let lost = lost_field(&object(stored.clone()), &object(now.clone()));
            assert_eq!(lost.as_deref(), expected, "{now}");
        }
    }
}
