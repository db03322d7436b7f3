//! Which store each application of a program is kept in, as its command line says it.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Settings;
use crate::redacted::redacted;

/// Hands out the settings of each application of a program: from the environment, until something else was said, by a command line for example.
///
/// So one function makes a program's applications for its web server, its tests and its management commands alike:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_store::OpenError> {
/// use es_core::Application;
/// use es_store::{OpenError, Stores};
///
/// async fn school(stores: Stores) -> Result<Application, OpenError> {
///     stores.settings("school").cache(10_000).open().await
/// }
///
/// # #[cfg(feature = "memory")]
/// let app = school(Stores::new().store("memory:")).await?; // or `Stores::new()`, for what the environment says
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Stores {
    all: Option<String>,
    each: BTreeMap<String, String>,
    migrate: Option<bool>,
    heard: Heard,
}

/// The applications whose stores were asked for.
pub(crate) type Heard = Arc<Mutex<BTreeSet<String>>>;

/// A set is never left half changed, so a panic elsewhere does not spoil it.
pub(crate) fn heard(heard: &Heard) -> MutexGuard<'_, BTreeSet<String>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stores {
    /// What the environment says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the events of every application in the store of this URL, where nothing is said of the one alone.
    #[must_use]
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.all = Some(url.into());
        self
    }

    /// Keeps the events of the application of this name in the store of this URL.
    #[must_use]
    pub fn store_of(mut self, application: impl Into<String>, url: impl Into<String>) -> Self {
        self.each.insert(application.into(), url.into());
        self
    }

    /// The names of the applications of which something was said alone: one that is none of the system's was written wrongly.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.each.keys().map(String::as_str)
    }

    /// Whether something was said of the store of an application that nobody has asked for, by [`Settings`] of this or of its clones that were opened:
    /// it has its store from elsewhere, whatever was said.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_store::OpenError> {
    /// # #[cfg(feature = "memory")] {
    /// let stores = es_store::Stores::new().store("memory:");
    /// let school = stores.settings("school").open().await?;
    /// assert!(stores.is_unheard("office") && !stores.is_unheard("school"));
    /// # let _ = school;
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_unheard(&self, application: &str) -> bool {
        let is_said = self.all.is_some() || self.each.contains_key(application);
        is_said && !heard(&self.heard).contains(application)
    }

    /// Whether the stores are made, or brought up to date, when they are opened: see [`Settings::migrate`].
    #[must_use]
    pub fn migrate(mut self, yes: bool) -> Self {
        self.migrate = Some(yes);
        self
    }

    /// The settings of the application of this name.
    pub fn settings(&self, application: impl Into<String>) -> Settings {
        let application = application.into();
        let said = self.each.get(&application).or(self.all.as_ref());
        let mut settings = Settings::new(application);
        if let Some(url) = said {
            settings = settings.store(url).heard_by(&self.heard);
        }
        if let Some(yes) = self.migrate {
            settings = settings.migrate(yes);
        }
        settings
    }
}

/// Passwords are not shown.
impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: BTreeMap<_, _> = self
            .each
            .iter()
            .map(|(name, url)| (name, redacted(url)))
            .collect();
        f.debug_struct("Stores")
            .field("all", &self.all.as_deref().map(redacted))
            .field("each", &each)
            .field("migrate", &self.migrate)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_one_application_beats_what_is_said_of_all() {
        let stores = Stores::new()
            .store("memory:")
            .store_of("office", "sqlite:office.db")
            .migrate(false);
        let of = |name: &str| format!("{:?}", stores.settings(name));
        assert!(of("school").contains("memory:"), "{}", of("school"));
        assert!(
            of("office").contains("sqlite:office.db")
                && of("office").contains("migrate: Some(false)")
        );
    }

    #[test]
    fn a_password_is_not_shown() {
        let stores = Stores::new()
            .store("postgres://ann:hunter2@host/db")
            .store_of("office", "postgres://ann:hunter3@host/db");
        assert!(!format!("{stores:?}").contains("hunter"));
    }
}
