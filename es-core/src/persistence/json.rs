//! Records as JSON, for whoever reads a log elsewhere.
//!
//! ```text
//! {"position":1,"time":"2024-03-04T09:00:00.000000Z","commit":"…","category":"Dog","id":"…","version":1,"event":"Registered","schema":1,"payload":{"name":"Fido"}}
//! ```
//!
//! A payload is written as it is stored: as JSON where it is JSON in one line, and in base64 (`"stored"`) where it is compressed or encrypted. So
//! what is encrypted stays so, and what is read from the text is the same to the byte.
use std::borrow::Cow;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{CommitId, Metadata, Record};
use crate::domain::{Position, StreamId, Version};

#[derive(Serialize, Deserialize)]
#[serde(rename = "Record", deny_unknown_fields)]
struct Form<'a> {
    position: Position,
    time: Cow<'a, str>,
    commit: CommitId,
    category: Cow<'a, str>,
    id: Uuid,
    version: Version,
    event: Cow<'a, str>,
    schema: u32,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<Cow<'a, RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
}

/// By `serde_json` alone: others cannot take a payload as it is.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let payload = as_json(&self.payload);
        let form = Form {
            position: self.position,
            time: text(self.time).into(),
            commit: self.commit,
            category: Cow::Borrowed(&self.stream.category),
            id: self.stream.id,
            version: self.version,
            event: Cow::Borrowed(&self.event),
            schema: self.schema,
            metadata: self.metadata.clone(),
            stored: payload.is_none().then(|| STANDARD.encode(&self.payload)),
            payload: payload.map(Cow::Borrowed),
        };
        form.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = Form::deserialize(deserializer)?;
        form.into_record().map_err(de::Error::custom)
    }
}

impl Form<'_> {
    fn into_record(self) -> Result<Record, &'static str> {
        let payload = match (self.payload, self.stored) {
            (Some(json), None) => Bytes::copy_from_slice(json.get().as_bytes()),
            (None, Some(stored)) => STANDARD
                .decode(stored)
                .map_err(|_| "`stored` is not base64")?
                .into(),
            _ => return Err("it has not one of `payload` and `stored`"),
        };
        if self.version == Version::NEW {
            return Err("its version is 0, and versions begin with 1");
        }
        Ok(Record {
            stream: StreamId::new(self.category.into_owned(), self.id),
            version: self.version,
            position: self.position,
            event: self.event.into_owned().into(),
            schema: self.schema,
            payload,
            time: parse(&self.time).ok_or("`time` is none of RFC 3339")?,
            commit: self.commit,
            metadata: self.metadata,
        })
    }
}

/// The payload, where it comes back to the byte from a line of JSON.
fn as_json(payload: &[u8]) -> Option<&RawValue> {
    let is_in_one_line = !payload.contains(&b'\n') && !payload.contains(&b'\r');
    if !payload.starts_with(b"{") || !payload.ends_with(b"}") || !is_in_one_line {
        return None;
    }
    serde_json::from_slice(payload).ok()
}

/// `2024-03-04T09:00:00.000001Z`, always to the microsecond, so that texts are in the order of times; beyond the year 9999, microseconds since 1970.
fn text(time: SystemTime) -> String {
    let (since, sign) = match time.duration_since(UNIX_EPOCH) {
        Ok(since) => (since, 1),
        Err(before) => (before.duration(), -1),
    };
    let microseconds = i64::try_from(since.as_micros()).unwrap_or(i64::MAX) * sign;
    match Timestamp::from_microsecond(microseconds) {
        Ok(timestamp) => format!("{timestamp:.6}"),
        Err(_) => microseconds.to_string(),
    }
}

/// Reads what [`text`] writes.
fn parse(written: &str) -> Option<SystemTime> {
    let Ok(microseconds) = i64::from_str(written) else {
        return Timestamp::from_str(written).ok().map(Into::into);
    };
    let distance = Duration::from_micros(microseconds.unsigned_abs());
    if microseconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(payload: Vec<u8>, microseconds: i64, metadata: Metadata) -> Record {
        Record {
            stream: StreamId::new("Dog", Uuid::from_u128(1)),
            version: Version::FIRST,
            position: Position::from(7),
            event: "Registered".into(),
            schema: 1,
            payload: payload.into(),
            time: parse(&microseconds.to_string()).expect("it is in the range of a clock"),
            commit: CommitId::from(Uuid::from_u128(2)),
            metadata,
        }
    }

    fn payloads() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<Vec<u8>>(),
            "\\{\"name\": ?\"[^\"\\\\\\p{C}]*\", ?\"n\":[1-9][0-9]{0,30}\\.?0?\\}"
                .prop_map(String::into_bytes),
        ]
    }

    proptest! {
        #[test]
        fn a_record_comes_back_to_the_byte(
            payload in payloads(),
            microseconds in -62_135_596_800_000_000..i64::MAX / 4,
            actor in proptest::option::of(".*"),
        ) {
            let metadata = actor.map_or_else(Metadata::new, |actor| Metadata::new().actor(actor));
            let record = record(payload, microseconds, metadata);
            let text = serde_json::to_string(&record)?;
            prop_assert!(!text.contains('\n'), "a record is a line");
            prop_assert_eq!(&serde_json::from_str::<Record>(&text)?, &record);
            prop_assert_eq!(&serde_json::from_reader::<_, Record>(text.as_bytes())?, &record);
        }
    }

    #[test]
    fn a_payload_is_json_where_it_is_and_base64_where_it_is_not() {
        let json = |payload: &[u8]| {
            serde_json::to_value(record(payload.to_vec(), 0, Metadata::new())).expect("it is JSON")
        };
        assert_eq!(json(br#"{"name":"Fido"}"#)["payload"]["name"], "Fido");
        assert_eq!(json(&[0, 1, 2])["stored"], "AAEC");
        assert_eq!(json(&[0, 1, 2])["time"], "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn what_is_no_record_says_why() {
        let whole =
            serde_json::to_value(record(b"{}".to_vec(), 0, Metadata::new())).expect("it is JSON");
        for (field, value, why) in [
            ("version", 0.into(), "versions begin with 1"),
            ("stored", "AAEC".into(), "has not one of"),
            ("time", "yesterday".into(), "none of RFC 3339"),
            ("colour", "red".into(), "unknown field"),
        ] {
            let mut other = whole.clone();
            other[field] = value;
            let error = serde_json::from_value::<Record>(other).expect_err(field);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
