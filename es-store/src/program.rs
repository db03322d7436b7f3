//! Which store each application of a program is kept in, as its command line says it.
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    all: Option<Said>,
    each: BTreeMap<String, Said>,
    migrate: Option<bool>,
}

/// A URL that was said of a store, and whether anybody has asked for it.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) url: String,
    heard: Arc<AtomicBool>,
}

impl Said {
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            heard: Arc::default(),
        }
    }

    pub(crate) fn hear(&self) -> &str {
        self.heard.store(true, Ordering::Relaxed);
        &self.url
    }

    fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }
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
        self.all = Some(Said::new(url));
        self
    }

    /// Keeps the events of the application of this name in the store of this URL.
    #[must_use]
    pub fn store_of(mut self, application: impl Into<String>, url: impl Into<String>) -> Self {
        self.each.insert(application.into(), Said::new(url));
        self
    }

    /// Of which applications something was said that no [settings](Self::settings) have asked for, of this or of its clones, and whether of all:
    /// `None`. Such an application does not exist, or opens its store without them, whatever was said.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_store::OpenError> {
    /// # #[cfg(feature = "memory")] {
    /// let stores = es_store::Stores::new().store("memory:").store_of("ofice", "memory:");
    /// let school = stores.settings("school").open().await?;
    /// assert_eq!(stores.unheard().collect::<Vec<_>>(), [Some("ofice")]);
    /// # let _ = school;
    /// # }
    /// # Ok(())
    /// # }
    /// ```
    pub fn unheard(&self) -> impl Iterator<Item = Option<&str>> {
        let each = self.each.iter().map(|(name, said)| (Some(&**name), said));
        let all = self.all.iter().map(|said| (None, said));
        let unheard = all.chain(each).filter(|(_, said)| !said.is_heard());
        unheard.map(|(name, _)| name)
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
        let said = self.each.get(&application).or(self.all.as_ref()).cloned();
        let mut settings = Settings::new(application);
        if let Some(said) = said {
            settings = settings.said(said);
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
            .map(|(name, said)| (name, redacted(&said.url)))
            .collect();
        f.debug_struct("Stores")
            .field("all", &self.all.as_ref().map(|said| redacted(&said.url)))
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
