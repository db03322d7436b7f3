//! Where settings come from, and which of several values counts.
use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use crate::SettingsError;
use crate::redacted::redacted;
use crate::stores::is_url;
use crate::variable::{ALL, Variable};

/// Where a value was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// In code.
    Code {
        /// The method of [`Settings`](crate::Settings).
        method: &'static str,
    },
    /// In the map.
    Map {
        /// The variable as it is called there.
        variable: String,
    },
    /// In the environment.
    Environment {
        /// The variable as it is called there.
        variable: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { method } => write!(f, "the {method} given"),
            Self::Map { variable } => write!(f, "`{variable}` in the map"),
            Self::Environment { variable } => write!(f, "`{variable}` in the environment"),
        }
    }
}

/// A value, without space around it.
pub(crate) struct Found {
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

impl Found {
    pub(crate) fn new(origin: Origin, text: &str) -> Self {
        Self {
            origin,
            text: text.trim().to_owned(),
        }
    }

    /// The value, as far as it may be shown.
    pub(crate) fn shown(&self, variable: &Variable) -> String {
        shown(variable, &self.text)
    }
}

fn shown(variable: &Variable, text: &str) -> String {
    if variable.secret {
        "***".to_owned()
    } else {
        redacted(text)
    }
}

/// What stands in front of a variable for one application alone: its name in upper snake case, and `_`.
#[derive(Debug, Clone)]
pub(crate) struct Prefix(String);

impl Prefix {
    pub(crate) fn of(name: &str) -> Result<Self, SettingsError> {
        if is_url(name) {
            return Err(SettingsError::NotAName {
                name: redacted(name),
            });
        }
        let mut prefix = String::new();
        let mut before = ' ';
        for letter in name.chars() {
            let begins_word = letter.is_ascii_uppercase()
                && (before.is_ascii_lowercase() || before.is_ascii_digit());
            if begins_word || !letter.is_ascii_alphanumeric() {
                prefix.push('_');
            }
            if letter.is_ascii_alphanumeric() {
                prefix.push(letter.to_ascii_uppercase());
            }
            before = letter;
        }
        let words = prefix.split('_').filter(|word| !word.is_empty());
        let prefix: String = words.flat_map(|word| [word, "_"]).collect();
        if prefix.starts_with(|first: char| first.is_ascii_alphabetic()) {
            Ok(Self(prefix))
        } else {
            Err(SettingsError::Name {
                name: name.to_owned(),
            })
        }
    }

    /// The variable with the prefix in front.
    pub(crate) fn with(&self, variable: &Variable) -> String {
        format!("{}{}", self.0, variable.name)
    }

    /// The names of a variable, that which counts more first.
    fn names(&self, variable: &Variable) -> [String; 2] {
        [self.with(variable), variable.name.to_owned()]
    }
}

type Lookup = Arc<dyn Fn(&str) -> Option<OsString> + Send + Sync>;

/// What is read unless code says something.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) map: BTreeMap<String, String>,
    pub(crate) environment: Lookup,
}

impl Sources {
    /// The environment of the process, and no map.
    pub(crate) fn process() -> Self {
        Self {
            map: BTreeMap::new(),
            environment: Arc::new(|name| env::var_os(name)),
        }
    }

    /// The value of a variable that counts.
    pub(crate) fn find(
        &self,
        prefix: &Prefix,
        variable: &Variable,
    ) -> Result<Option<Found>, SettingsError> {
        let says_something = |found: &Found| !found.text.is_empty() || variable.secret;
        for name in prefix.names(variable) {
            if let Some(text) = self.map.get(&name) {
                let found = Found::new(Origin::Map { variable: name }, text);
                if says_something(&found) {
                    return Ok(Some(found));
                }
            }
        }
        for name in prefix.names(variable) {
            if let Some(value) = (self.environment)(&name) {
                let origin = Origin::Environment { variable: name };
                let found = match value.into_string() {
                    Ok(text) => Found::new(origin, &text),
                    Err(value) => {
                        return Err(SettingsError::NotUnicode {
                            origin,
                            value: shown(variable, &value.to_string_lossy()),
                            accepted: variable.accepted,
                        });
                    }
                };
                if says_something(&found) {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Refuses names in the map that look like ours and are none: they are mistyped.
    pub(crate) fn refuse_unknown(&self, prefix: &Prefix) -> Result<(), SettingsError> {
        let ours = format!("{}ES_", prefix.0);
        let unknown = self.map.keys().find(|name| {
            let upper = name.to_ascii_uppercase();
            let looks_like_ours = upper.starts_with("ES_") || upper.starts_with(&ours);
            let is_ours = ALL
                .iter()
                .any(|variable| prefix.names(variable).contains(name));
            looks_like_ours && !is_ours
        });
        match unknown {
            None => Ok(()),
            Some(name) => Err(SettingsError::Unknown {
                name: name.clone(),
                known: ALL
                    .map(|variable| format!("`{}`", variable.name))
                    .join(", "),
                prefix: prefix.0.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_the_name_in_upper_snake_case() {
        let prefixes = [
            ("school", "SCHOOL_"),
            ("dog-school", "DOG_SCHOOL_"),
            ("DogSchool", "DOG_SCHOOL_"),
            ("DOG_SCHOOL", "DOG_SCHOOL_"),
            ("dog school, 2nd", "DOG_SCHOOL_2ND_"),
            ("v2School", "V2_SCHOOL_"),
            ("-dog--school-", "DOG_SCHOOL_"),
            ("Hundeübung", "HUNDE_BUNG_"),
        ];
        for (name, expected) in prefixes {
            assert_eq!(Prefix::of(name).unwrap().0, expected);
        }
    }

    #[test]
    fn a_name_without_a_letter_to_begin_with_makes_no_prefix() {
        for name in ["", " ", "2nd", "_2", "狗"] {
            assert!(Prefix::of(name).is_err(), "{name}");
        }
    }
}
