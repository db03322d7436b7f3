//! What serde says of a payload that does not fit, without what is in the payload.
use serde_json::error::Category;

/// Why a payload does not fit the fields that are to be made of it: what is there, what was expected, and where.
///
/// Values are left out. They may be about people, and are perhaps encrypted where they are kept; what is said here is written to traces and beside
/// what a follower has parked. The payload itself can be looked at by who has its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

impl From<serde_json::Error> for Misfit {
    fn from(error: serde_json::Error) -> Self {
        let said = error.to_string();
        if error.classify() != Category::Data {
            return Self(said);
        }
        let place = match error.line() {
            0 => String::new(),
            line => format!(" at line {line} column {}", error.column()),
        };
        let said = said.strip_suffix(&place).unwrap_or(&said);
        Self(format!("{}{place}", without_values(said)))
    }
}

/// Of what serde and its derived types say, only the names that the code gives. What other types say can hold anything.
fn without_values(said: &str) -> String {
    if WITHOUT_VALUES.iter().any(|start| said.starts_with(start)) {
        return said.to_owned();
    }
    // The last one: what was found may have the word in it, too.
    let (found, expected) = said.split_at(said.rfind(", expected ").unwrap_or(said.len()));
    let begins = |start: &&&str| found.starts_with(**start);
    if let Some(unknown) = ["unknown variant", "unknown field"].iter().find(begins) {
        return format!("{unknown}{expected}");
    }
    for wrong in ["invalid type: ", "invalid value: "] {
        let found = found.strip_prefix(wrong).unwrap_or_default();
        if let Some(kind) = KINDS.iter().find(|kind| found.starts_with(**kind)) {
            return format!("{wrong}{kind}{expected}");
        }
    }
    "the type of a field refuses its value".to_owned()
}

/// How begins what has no values in it.
const WITHOUT_VALUES: [&str; 6] = [
    "missing field `",
    "duplicate field `",
    "invalid length ",
    "invalid utf-8 sequence ",
    "an event is an enum ",
    "data did not match any variant of untagged enum ",
];

/// Kinds of values, in serde's words.
const KINDS: [&str; 17] = [
    "boolean",
    "integer",
    "floating point",
    "character",
    "string",
    "byte array",
    "unit value",
    "Option value",
    "newtype struct",
    "sequence",
    "map",
    "enum",
    "unit variant",
    "newtype variant",
    "tuple variant",
    "struct variant",
    "null",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::de::{DeserializeOwned, Error, Unexpected};
    use serde::{Deserialize, Deserializer};
    use uuid::Uuid;

    use super::*;

    #[derive(Debug, Deserialize)]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is never made")]
    struct Card {
        number: String,
    }

    /// What is written by hand.
    #[derive(Debug)]
    struct Pin;

    impl<'de> Deserialize<'de> for Pin {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let pin = u32::deserialize(deserializer)?.to_string();
            Err(D::Error::invalid_type(Unexpected::Other(&pin), &"a pin"))
        }
    }

    fn said<T: DeserializeOwned + std::fmt::Debug>(payload: &str) -> String {
        let error = serde_json::from_str::<T>(payload).unwrap_err();
        Misfit::from(error).to_string()
    }

    #[test]
    fn what_is_expected_is_told_and_what_is_there_is_not() {
        let told = [
            (
                said::<Card>(r#"{"number": 4111}"#),
                "invalid type: integer, expected a string at line 1 column 15",
            ),
            (
                said::<u8>("4111"),
                "invalid value: integer, expected u8 at line 1 column 4",
            ),
            (
                said::<u8>(r#"", expected 4111, expected \"4111""#),
                "invalid type: string, expected u8 at line 1 column 34",
            ),
            (
                said::<bool>("null"),
                "invalid type: null, expected a boolean at line 1 column 4",
            ),
            (
                said::<Colour>(r#""4111""#),
                "unknown variant, expected `Red` or `Green` at line 1 column 6",
            ),
            (
                said::<Card>(r#"{"4111": 1}"#),
                "unknown field, expected `number` at line 1 column 7",
            ),
            (
                said::<Card>("{}"),
                "missing field `number` at line 1 column 2",
            ),
            (
                said::<[u8; 2]>("[1]"),
                "invalid length 1, expected an array of length 2 at line 1 column 3",
            ),
            (
                said::<Uuid>(r#""4111""#),
                "the type of a field refuses its value at line 1 column 6",
            ),
            (
                said::<BTreeMap<u8, u8>>(r#"{"4111": 1}"#),
                "invalid value: integer, expected u8 at line 1 column 6",
            ),
            (said::<Pin>("4111"), "the type of a field refuses its value"),
            (
                said::<u8>("41 11"),
                "trailing characters at line 1 column 4",
            ),
        ];
        for (said, expected) in told {
            assert_eq!(said, expected);
        }
    }
}
