//! The stores that a URL can name. A store more is an entry here, a variant of [`Location`], its arm in [`Settings::builder`], and a feature.
//!
//! [`Settings::builder`]: crate::Settings::builder
use crate::SettingsError;
use crate::sources::Found;
use crate::variable::STORE;

/// Where a store of this build is.
#[derive(Debug)]
pub(crate) enum Location {
    /// In memory: an empty one.
    #[cfg(feature = "memory")]
    Memory,
    /// In a file, or in memory by SQLite's name for that.
    #[cfg(feature = "sqlite")]
    Sqlite(std::path::PathBuf, Mode),
    /// On a server, by its URL.
    #[cfg(feature = "postgres")]
    Postgres(Url),
}

/// What may be done to a file.
#[cfg(feature = "sqlite")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Written,
    ReadOnly,
    /// By anybody.
    Immutable,
}

/// A URL with a password in it, which is not shown.
#[cfg(feature = "postgres")]
pub(crate) struct Url(pub(crate) String);

#[cfg(feature = "postgres")]
impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::redacted::redacted(&self.0))
    }
}

/// A store of this build that is open.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AnyStore {
    /// In memory (feature `memory`).
    #[cfg(feature = "memory")]
    Memory(es_store_memory::MemoryStore),
    /// In a file (feature `sqlite`).
    #[cfg(feature = "sqlite")]
    Sqlite(es_store_sqlite::SqliteStore),
    /// On a server (feature `postgres`).
    #[cfg(feature = "postgres")]
    Postgres(es_store_postgres::PostgresStore),
}

struct Known {
    name: &'static str,
    schemes: &'static [&'static str],
    /// Its URL, for people.
    url: &'static str,
    /// The feature that builds it in; absent where there is no such store yet.
    feature: Option<&'static str>,
    /// Reads what follows the colon of its URL; absent where this build does not have it.
    locate: Option<fn(&str) -> Option<Location>>,
}

static KNOWN: [Known; 3] = [
    Known {
        name: "memory",
        schemes: &["memory"],
        url: "memory:",
        feature: Some("memory"),
        #[cfg(feature = "memory")]
        locate: Some(|rest| matches!(rest, "" | "//").then_some(Location::Memory)),
        #[cfg(not(feature = "memory"))]
        locate: None,
    },
    Known {
        name: "SQLite",
        schemes: &["sqlite"],
        url: "sqlite:PATH",
        feature: Some("sqlite"),
        #[cfg(feature = "sqlite")]
        locate: Some(|rest| {
            let (rest, mode) = match rest.split_once('?') {
                None => (rest, Mode::Written),
                Some((rest, "mode=ro")) => (rest, Mode::ReadOnly),
                Some((rest, "immutable=1" | "mode=ro&immutable=1")) => (rest, Mode::Immutable),
                // Another parameter would do nothing, or become part of the file's name.
                Some(_) => return None,
            };
            // `sqlite://school.db` and `sqlite:///var/school.db` are written too.
            let path = rest.strip_prefix("//").unwrap_or(rest);
            // No user on a host, whose password a path would show.
            let host = rest
                .strip_prefix("//")
                .and_then(|rest| rest.split('/').next());
            let has_password = host
                .and_then(|host| host.split_once('@'))
                .is_some_and(|(user, _)| user.contains(':'));
            let is_path = !path.is_empty() && !has_password;
            is_path.then(|| Location::Sqlite(path.into(), mode))
        }),
        #[cfg(not(feature = "sqlite"))]
        locate: None,
    },
    Known {
        name: "Postgres",
        schemes: &["postgres", "postgresql"],
        url: "postgres://USER:PASSWORD@HOST/DATABASE",
        feature: Some("postgres"),
        #[cfg(feature = "postgres")]
        locate: Some(|rest| {
            let host = rest.strip_prefix("//")?;
            (!host.is_empty()).then(|| Location::Postgres(Url(format!("postgres:{rest}"))))
        }),
        #[cfg(not(feature = "postgres"))]
        locate: None,
    },
];

/// The store of which a text is the URL, and what follows the colon.
fn known(text: &str) -> Option<(&'static Known, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let mut known = KNOWN.iter();
    let known = known.find(|known| known.schemes.contains(&scheme.as_str()))?;
    Some((known, rest))
}

/// Whether a text begins as the URL of a store does.
pub(crate) fn is_url(text: &str) -> bool {
    known(text).is_some()
}

/// Reads the URL of a store.
pub(crate) fn locate(url: Found) -> Result<Location, SettingsError> {
    let absent = match known(&url.text) {
        Some((Known { name, locate, .. }, rest)) => match locate {
            Some(locate) => match locate(rest) {
                Some(location) => return Ok(location),
                None => None,
            },
            None => Some(*name),
        },
        None => None,
    };
    Err(match absent {
        Some(store) => SettingsError::StoreNotBuiltIn {
            value: url.shown(&STORE),
            origin: url.origin,
            store,
            accepted: accepted(),
        },
        None => SettingsError::unknown_store(url),
    })
}

impl SettingsError {
    /// A URL that means no store.
    pub(crate) fn unknown_store(url: Found) -> Self {
        Self::UnknownStore {
            value: url.shown(&STORE),
            origin: url.origin,
            accepted: accepted(),
        }
    }
}

/// Which URLs this build accepts, for people.
pub(crate) fn accepted() -> String {
    let built_in = KNOWN.iter().filter(|known| known.locate.is_some());
    let urls: Vec<_> = built_in.map(|known| format!("`{}`", known.url)).collect();
    if !urls.is_empty() {
        return urls.join(", ");
    }
    let features: Vec<_> = KNOWN
        .iter()
        .filter_map(|known| Some(format!("`{}`", known.feature?)))
        .collect();
    format!("none without a feature: {}", features.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn a_file_is_named_by_its_path() {
        use crate::Origin;

        let located = |text: &str| {
            let origin = Origin::Code { method: "store" };
            locate(Found::new(origin, text)).map(|location| match location {
                Location::Sqlite(path, _) => path,
                #[cfg(feature = "memory")]
                Location::Memory => "in memory".into(),
                #[cfg(feature = "postgres")]
                Location::Postgres(_) => "on a server".into(),
            })
        };
        for (url, path) in [
            ("sqlite:school.db", "school.db"),
            ("SQLite:a b/school.db", "a b/school.db"),
            ("sqlite://school.db", "school.db"),
            ("sqlite:/var/school.db", "/var/school.db"),
            ("sqlite:///var/school.db", "/var/school.db"),
            ("sqlite:school.db?mode=ro", "school.db"),
            ("sqlite:school.db?mode=ro&immutable=1", "school.db"),
            ("sqlite::memory:", ":memory:"),
            ("sqlite://:memory:", ":memory:"),
        ] {
            assert_eq!(located(url).unwrap(), std::path::Path::new(path));
        }
        for url in [
            "sqlite:",
            "sqlite://",
            "sqlite::memory:?cache=shared",
            "sqlite:school.db?busy_timeout=1",
            "sqlite:?mode=ro",
            "sqlite:school.db?mode=rw",
            "sqlite:school.db?mode=ro?mode=ro",
        ] {
            assert!(located(url).is_err(), "{url}");
        }
    }

    #[test]
    fn the_table_of_variables_has_every_store_that_there_is() {
        let urls: Vec<_> = KNOWN
            .iter()
            .filter(|known| known.feature.is_some())
            .map(|known| format!("`{}`", known.url))
            .collect();
        assert_eq!(STORE.accepted, urls.join(", "));
    }
}
