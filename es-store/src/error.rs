//! Why an application is not opened.
use std::fmt;

#[cfg(feature = "aes")]
use es_core::persistence::KeysError;

use crate::Origin;

/// Why an application is not opened.
///
/// `Debug` says it with its causes, as a `main` that returns it prints it; `{:#?}` shows its parts.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The settings cannot be used. No store was opened.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The file cannot be opened.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] es_store_sqlite::OpenError),
    /// The server cannot be reached, or its tables are not up to date.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] es_store_postgres::OpenError),
    /// The log belongs to another application, or nobody can say whose it is. Nothing else was read or written.
    #[error(transparent)]
    Owner(#[from] es_core::application::OpenError),
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            let (name, part): (_, &dyn fmt::Debug) = match self {
                Self::Settings(error) => ("Settings", error),
                #[cfg(feature = "sqlite")]
                Self::Sqlite(error) => ("Sqlite", error),
                #[cfg(feature = "postgres")]
                Self::Postgres(error) => ("Postgres", error),
                Self::Owner(error) => ("Owner", error),
            };
            return f.debug_tuple(name).field(part).finish();
        }
        es_core::__private::with_causes(self, f)
    }
}

/// What stands in the way of opening an application, in one word for who only wants to know what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// What was said cannot be used, or is about another application's log: to be corrected.
    Settings,
    /// There is no store yet, or it is of an older version: to be migrated.
    Unmigrated,
    /// The store is not to be had: to be mended.
    Unreachable,
}

impl Reason {
    /// What an error means that came of opening a store or an application; `None` for one that did not.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use es_store::{Reason, Settings};
    ///
    /// let settings = Settings::new("school").store("sqlite:not/there.db").migrate(false);
    /// let error = settings.open().await.unwrap_err();
    /// assert_eq!(Reason::of(&error), Some(Reason::Unreachable));
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(es_core::Error::Open(error)) = error.downcast_ref() {
            return Self::of(&**error);
        }
        if let Some(error) = error.downcast_ref() {
            return Some(Self::of_owner(error));
        }
        #[cfg(feature = "sqlite")]
        if let Some(error) = error.downcast_ref() {
            return Some(Self::of_sqlite(error));
        }
        #[cfg(feature = "postgres")]
        if let Some(error) = error.downcast_ref() {
            return Some(Self::of_postgres(error));
        }
        Some(match error.downcast_ref()? {
            OpenError::Settings(_) => Self::Settings,
            OpenError::Owner(error) => Self::of_owner(error),
            #[cfg(feature = "sqlite")]
            OpenError::Sqlite(error) => Self::of_sqlite(error),
            #[cfg(feature = "postgres")]
            OpenError::Postgres(error) => Self::of_postgres(error),
        })
    }

    #[cfg(feature = "postgres")]
    fn of_postgres(error: &es_store_postgres::OpenError) -> Self {
        use es_store_postgres::OpenError::{
            NoRuntime, NoTls, Prefix, Schema, Unmigrated, Url, UrlOption, UrlValue,
        };
        match error {
            Unmigrated { .. } => Self::Unmigrated,
            Url
            | UrlOption { .. }
            | UrlValue { .. }
            | Schema { .. }
            | Prefix { .. }
            | NoTls
            | NoRuntime => Self::Settings,
            _ => Self::Unreachable,
        }
    }

    fn of_owner(error: &es_core::application::OpenError) -> Self {
        match error {
            es_core::application::OpenError::Foreign { .. } => Self::Settings,
            _ => Self::Unreachable,
        }
    }

    #[cfg(feature = "sqlite")]
    fn of_sqlite(error: &es_store_sqlite::OpenError) -> Self {
        use es_store_sqlite::OpenError::{InMemory, Missing, Prefix, Unmigrated};
        match error {
            Unmigrated { .. } | Missing { .. } => Self::Unmigrated,
            InMemory | Prefix { .. } => Self::Settings,
            _ => Self::Unreachable,
        }
    }
}

impl From<OpenError> for es_core::Error {
    fn from(error: OpenError) -> Self {
        match error {
            // The one that it knows.
            OpenError::Owner(error) => Self::Open(error.into()),
            error => Self::Open(error.into()),
        }
    }
}

/// Why settings cannot be used. Neither key nor password is in any of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The application's name makes no prefix that a variable can have in every shell.
    #[error(
        "the application's name `{name}` makes no prefix for variables; begin it with a letter from A to Z"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The URL of a store in the place of the application's name, which would look for another store under that name. No password is in it.
    #[error(
        "`{name}` stands where the application's name is said, and is the URL of a store; write a name there, and the URL in `ES_STORE` or by \
         `Settings::new(name).store(url)`"
    )]
    NotAName {
        /// What was given, without password.
        name: String,
    },
    /// Nothing says where the events are kept.
    #[error(
        "no store is chosen; set `{prefixed}` or `{plain}` to a URL (this build of es-store accepts {accepted})"
    )]
    Missing {
        /// The variable with the application's name in front.
        prefixed: String,
        /// The variable without.
        plain: &'static str,
        /// Which URLs this build accepts.
        accepted: String,
    },
    /// A value that means nothing.
    #[error("{origin} is `{value}`; write {accepted}")]
    Wrong {
        /// Where the value was found.
        origin: Origin,
        /// The value.
        value: String,
        /// What may be written there.
        accepted: &'static str,
    },
    /// A value of the environment that is not Unicode.
    #[error("{origin} is `{value}`, which is not Unicode; write {accepted}")]
    NotUnicode {
        /// Where the value was found.
        origin: Origin,
        /// The value, as far as it can be shown.
        value: String,
        /// What may be written there.
        accepted: &'static str,
    },
    /// A value that takes a feature which this build does not have.
    #[error(
        "{origin} is `{value}`, which takes the feature `{feature}` of es-store; build with it, or unset the variable"
    )]
    NotBuiltIn {
        /// Where the value was found.
        origin: Origin,
        /// The value.
        value: String,
        /// The feature.
        feature: &'static str,
    },
    /// Keys that cannot be read; their value is not repeated (feature `aes`).
    #[cfg(feature = "aes")]
    #[error(
        "{origin} cannot be read; write {accepted}, or unset it where nothing is to be encrypted"
    )]
    Keys {
        /// Where the value was found.
        origin: Origin,
        /// What may be written there.
        accepted: &'static str,
        /// What is wrong with it.
        source: KeysError,
    },
    /// A URL that means no store.
    #[error("{origin} is `{value}`; write a URL that this build of es-store accepts: {accepted}")]
    UnknownStore {
        /// Where the URL was found.
        origin: Origin,
        /// The URL, without password.
        value: String,
        /// Which URLs this build accepts.
        accepted: String,
    },
    /// The URL of a store that this build does not have.
    #[error(
        "{origin} is `{value}`, but this build of es-store has no {store} store; write a URL that it accepts: {accepted}"
    )]
    StoreNotBuiltIn {
        /// Where the URL was found.
        origin: Origin,
        /// The URL, without password.
        value: String,
        /// The store.
        store: &'static str,
        /// Which URLs this build accepts.
        accepted: String,
    },
    /// A name in the map that looks like one of ours and is none.
    #[error(
        "the map has `{name}`, which is no setting; write one of {known}, or the same with `{prefix}` in front"
    )]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
        /// What may stand in front of them.
        prefix: String,
    },
}

// Beyond 128 bytes clippy's `result_large_err` would tell every user to box what we return.
const _: () = assert!(size_of::<OpenError>() <= 112);
