//! What an application goes by, from code, a map, and the environment.
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;

use es_core::Application;
use es_core::application::{ApplicationBuilder, OpenError as OwnerError, SnapshotPolicy};
use es_core::persistence::{Compression, Store};

use crate::program::{Heard, heard};
use crate::sources::{Found, Origin, Prefix, Sources};
#[cfg(feature = "sqlite")]
use crate::stores::Mode;
use crate::stores::{self, AnyStore, Location};
use crate::values::{self, Keys, Unusable};
use crate::variable::{CACHE, CIPHER_KEYS, COMPRESSION, SNAPSHOTS, STORE, Variable};
use crate::{OpenError, SettingsError};

/// What an application goes by: code beats the map, and the map beats the environment.
///
/// The documentation of the [crate](crate#variables) has the variables. They are read when the application is opened.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), es_store::OpenError> {
/// use es_core::application::Retry;
/// use es_store::Settings;
/// use es_store_memory::MemoryStore;
///
/// // What has no variable is said to the builder of the application; a store may be opened by hand, too.
/// let app = Settings::new("school")
///     .cache(10_000)
///     .builder_over(MemoryStore::new())
///     .await?
///     .retry(Retry::attempts(5))
///     .build();
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "`open` makes the application"]
pub struct Settings {
    name: String,
    store: Option<String>,
    /// Where it is noted that the store was asked for.
    heard: Heard,
    migrate: Option<bool>,
    choices: Choices,
    sources: Sources,
}

/// What there is to choose beside the store; nothing where the application's own default holds.
#[derive(Clone, Default)]
struct Choices {
    compression: Option<Compression>,
    keys: Option<Keys>,
    snapshots: Option<SnapshotPolicy>,
    cache: Option<usize>,
}

impl Settings {
    /// The settings of the application of this name, from the environment until something else is said.
    ///
    /// The log is claimed under the name, which is also what may stand in front of the variables: `SCHOOL_ES_STORE`. The URL of the store is said by
    /// [`store`](Self::store), or by the variable: where one stands for the name, opening is refused.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            store: None,
            heard: Heard::default(),
            migrate: None,
            choices: Choices::default(),
            sources: Sources::process(),
        }
    }

    /// Adds a map, or more to it, that beats the environment; the later of two values of one name counts.
    ///
    /// Names that do not begin with `ES_`, or with the application's name and `ES_`, are ignored.
    pub fn map<N: Into<String>, V: Into<String>>(
        mut self,
        values: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let values = values.into_iter();
        let values = values.map(|(name, value)| (name.into(), value.into()));
        self.sources.map.extend(values);
        self
    }

    /// Looks here for what is otherwise looked up in the environment of the process; `|_| None` is an empty one.
    ///
    /// So a test does not depend on where it runs.
    pub fn environment(
        mut self,
        lookup: impl Fn(&str) -> Option<OsString> + Send + Sync + 'static,
    ) -> Self {
        self.sources.environment = Arc::new(lookup);
        self
    }

    /// Keeps the events in the store of this URL.
    pub fn store(mut self, url: impl Into<String>) -> Self {
        self.store = Some(url.into());
        // What was said before is not asked for any more.
        self.heard = Heard::default();
        self
    }

    pub(crate) fn heard_by(mut self, heard: &Heard) -> Self {
        self.heard = Arc::clone(heard);
        self
    }

    /// Whether the store is made, or brought up to date, when it is opened. Unless this is set, a file is and what is reached over a network is
    /// not.
    pub fn migrate(mut self, yes: bool) -> Self {
        self.migrate = Some(yes);
        self
    }

    /// Compresses what is written from here on.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.choices.compression = Some(compression);
        self
    }

    /// Encrypts what is written from here on, and decrypts what is stored (feature `aes`). The keys of a setting are for all streams; where some are
    /// to stay in plain text, parse it as [`Keys`](es_core::persistence::Keys), and say here which, by
    /// [`except`](es_core::persistence::Keys::except).
    #[cfg(feature = "aes")]
    pub fn keys(mut self, keys: impl es_core::persistence::KeyProvider) -> Self {
        self.choices.keys = Some(Arc::new(keys));
        self
    }

    /// Says when snapshots are taken and used.
    pub fn snapshots(mut self, policy: SnapshotPolicy) -> Self {
        self.choices.snapshots = Some(policy);
        self
    }

    /// Keeps at most so many aggregates in memory, of those types that ask for it; none by 0.
    pub fn cache(mut self, aggregates: usize) -> Self {
        self.choices.cache = Some(aggregates);
        self
    }

    /// Opens the store and the application, and claims its log.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was written but what migrating writes, and the name.
    pub async fn open(self) -> Result<Application, OpenError> {
        let app = self.builder().await?.build();
        // What it cannot find out now it finds out when it is needed.
        let _ = app.claim().await;
        Ok(app)
    }

    /// Opens the store, claims its log, and goes on with the builder of the application: for a clock, or how updates are tried again.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was written but what migrating writes, and the name.
    pub async fn builder(self) -> Result<ApplicationBuilder, OpenError> {
        Ok(self.builder_and_store().await?.0)
    }

    /// As [`builder`](Self::builder), with the store itself, for projections into it.
    ///
    /// ```
    /// # #[cfg(all(feature = "memory", feature = "sqlite"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), es_core::BoxError> {
    /// # use es_core::{Aggregate, Projection, Recorded, Root, System, events};
    /// # use es_store_sqlite::SqliteProjection;
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Dog")]
    /// # struct Dog { root: Root<Self> }
    /// # #[events]
    /// # impl Dog {
    /// #     #[event("Registered")]
    /// #     fn register() -> Self { Self { root: Root::new() } }
    /// # }
    /// # struct Kennel;
    /// # impl Projection for Kennel {
    /// #     const NAME: &'static str = "kennel";
    /// #     type Events = DogEvent;
    /// # }
    /// # impl SqliteProjection for Kennel {
    /// #     fn handle(&mut self, _: Recorded<DogEvent>, _: &rusqlite::Transaction<'_>) -> Result<(), es_core::BoxError> { Ok(()) }
    /// # }
    /// # let folder = tempfile::tempdir()?;
    /// # let url = format!("sqlite:{}", folder.path().join("school.db").display());
    /// use es_store::{AnyStore, Settings};
    ///
    /// let (builder, store) = Settings::new("school").store(url).builder_and_store().await?;
    /// let app = builder.build();
    /// let system = System::new("school");
    /// // Which rows a read model has is said in the SQL of one database.
    /// let system = match store {
    ///     AnyStore::Sqlite(store) => system.follow(&app, store.project(Kennel)),
    ///     _ => return Err("the kennel is a table of SQLite; name a file in `ES_STORE`".into()),
    /// };
    /// # let _ = system;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "memory", feature = "sqlite")))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// [`OpenError`]; nothing was written but what migrating writes, and the name.
    pub async fn builder_and_store(self) -> Result<(ApplicationBuilder, AnyStore), OpenError> {
        // All of the settings first: what is wrong in one of them migrates nothing.
        self.clone().resolved()?;
        match self.open_store().await? {
            #[cfg(feature = "memory")]
            AnyStore::Memory(store) => {
                let builder = self.builder_over(store.clone()).await?;
                Ok((builder, AnyStore::Memory(store)))
            }
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite(store) => {
                let builder = self.builder_over(store.clone()).await?;
                Ok((builder, AnyStore::Sqlite(store)))
            }
            #[cfg(feature = "postgres")]
            AnyStore::Postgres(store) => {
                let builder = self.builder_over(store.clone()).await?;
                Ok((builder, AnyStore::Postgres(store)))
            }
        }
    }

    /// Opens the store alone. An application on it is made by [`builder_and_store`](Self::builder_and_store).
    ///
    /// # Errors
    /// [`OpenError`]; nothing was written but what migrating writes.
    pub async fn open_store(&self) -> Result<AnyStore, OpenError> {
        match self.location()? {
            #[cfg(feature = "memory")]
            Location::Memory => Ok(AnyStore::Memory(es_store_memory::MemoryStore::new())),
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path, mode) => {
                let store = es_store_sqlite::SqliteStore::builder(path);
                let store = store.migrate(self.migrate.unwrap_or(true));
                let store = store
                    .read_only(mode == Mode::ReadOnly)
                    .immutable(mode == Mode::Immutable);
                Ok(AnyStore::Sqlite(store.open().await?))
            }
            #[cfg(feature = "postgres")]
            Location::Postgres(url) => {
                let connected = self.connected(&url.0).await;
                let store = connected.map_err(|error| self.not_connected(error))?;
                Ok(AnyStore::Postgres(store))
            }
        }
    }

    /// As [`builder`](Self::builder), over a store that is open already; which one `ES_STORE` names is not looked at: a store of your own is opened by
    /// [`store_url`](Self::store_url).
    ///
    /// # Errors
    /// [`OpenError`]; nothing but the name was written.
    pub async fn builder_over(self, store: impl Store) -> Result<ApplicationBuilder, OpenError> {
        let (name, choices) = self.resolved()?;
        claim(&store, &name).await?;
        Ok(choices.told(Application::builder(store).name(name)))
    }

    #[cfg(feature = "postgres")]
    async fn connected(
        &self,
        url: &str,
    ) -> Result<es_store_postgres::PostgresStore, es_store_postgres::OpenError> {
        let store = es_store_postgres::PostgresStore::connect(url).await?;
        if self.migrate == Some(true) {
            store.migrate().await?;
        }
        store.check().await?;
        Ok(store)
    }

    /// A URL that means no server is said with where it was found, as every other value that means nothing; and so is one where no log opens: a
    /// program may have several.
    #[cfg(feature = "postgres")]
    fn not_connected(&self, error: es_store_postgres::OpenError) -> OpenError {
        use es_store_postgres::OpenError::{Postgres, Url};
        match (error, self.url()) {
            (Url, Ok(url)) => SettingsError::unknown_store(url).into(),
            (Postgres(source), Ok(url)) => {
                let value = url.shown(&STORE);
                let origin = url.origin;
                let unopened = Unopened {
                    origin,
                    value,
                    source,
                };
                Postgres(unopened.into()).into()
            }
            (error, _) => error.into(),
        }
    }

    /// The URL that is said of the store, for a store of your own that is opened by it. It may have a password in it.
    ///
    /// ```
    /// use es_store::Settings;
    ///
    /// let settings = Settings::new("school").store("ledger:/var/school");
    /// let url = settings.store_url()?;
    /// assert_eq!(url.strip_prefix("ledger:"), Some("/var/school")); // where `builder_over` is given the store that is there
    /// # Ok::<(), es_store::SettingsError>(())
    /// ```
    ///
    /// # Errors
    /// [`SettingsError::Missing`], and what is wrong with the names of variables.
    pub fn store_url(&self) -> Result<String, SettingsError> {
        Ok(self.url()?.text)
    }

    /// The URL of the store, and where it was found.
    fn url(&self) -> Result<Found, SettingsError> {
        let prefix = Prefix::of(&self.name)?;
        self.sources.refuse_unknown(&prefix)?;
        let found = match &self.store {
            Some(url) => {
                heard(&self.heard).insert(self.name.clone());
                Some(Found::new(Origin::Code { method: "store" }, url))
            }
            None => self.sources.find(&prefix, &STORE)?,
        };
        found.ok_or_else(|| SettingsError::Missing {
            prefixed: prefix.with(&STORE),
            plain: STORE.name,
            accepted: stores::accepted(),
        })
    }

    /// Where the store is.
    fn location(&self) -> Result<Location, SettingsError> {
        stores::locate(self.url()?)
    }

    /// The application's name, and everything but the store.
    fn resolved(self) -> Result<(String, Choices), SettingsError> {
        let prefix = Prefix::of(&self.name)?;
        let sources = &self.sources;
        sources.refuse_unknown(&prefix)?;
        let chosen = self.choices;
        let choices = Choices {
            compression: match chosen.compression {
                None => read(sources, &prefix, &COMPRESSION, values::compression)?,
                chosen => chosen,
            },
            keys: match chosen.keys {
                None => read(sources, &prefix, &CIPHER_KEYS, values::keys)?,
                chosen => chosen,
            },
            snapshots: match chosen.snapshots {
                None => read(sources, &prefix, &SNAPSHOTS, values::snapshots)?,
                chosen => chosen,
            },
            cache: match chosen.cache {
                None => read(sources, &prefix, &CACHE, values::cache)?,
                chosen => chosen,
            },
        };
        Ok((self.name, choices))
    }
}

/// Which of the stores that a program has does not open.
#[cfg(feature = "postgres")]
#[derive(Debug, thiserror::Error)]
#[error("{origin} is `{value}`, and none opens there")]
struct Unopened {
    origin: Origin,
    value: String,
    source: es_core::BoxError,
}

/// The value of a variable, where it has one.
fn read<T>(
    sources: &Sources,
    prefix: &Prefix,
    variable: &Variable,
    parse: fn(&str) -> Result<T, Unusable>,
) -> Result<Option<T>, SettingsError> {
    let Some(found) = sources.find(prefix, variable)? else {
        return Ok(None);
    };
    parse(&found.text).map(Some).map_err(|error| match error {
        Unusable::Wrong => SettingsError::Wrong {
            value: found.shown(variable),
            origin: found.origin,
            accepted: variable.accepted,
        },
        #[cfg(not(all(feature = "aes", feature = "zstd")))]
        Unusable::NotBuiltIn { feature } => SettingsError::NotBuiltIn {
            value: found.shown(variable),
            origin: found.origin,
            feature,
        },
        #[cfg(feature = "aes")]
        Unusable::Keys(source) => SettingsError::Keys {
            origin: found.origin,
            accepted: variable.accepted,
            source,
        },
    })
}

/// Asks at once whose log it is: a program on the wrong store is told so when it starts.
async fn claim(store: &impl Store, name: &str) -> Result<(), OwnerError> {
    let owner = store.owner(name).await?;
    if owner == name {
        return Ok(());
    }
    Err(OwnerError::Foreign {
        name: name.to_owned(),
        owner,
    })
}

impl Choices {
    /// The builder, told what was chosen.
    fn told(self, mut builder: ApplicationBuilder) -> ApplicationBuilder {
        if let Some(compression) = self.compression {
            builder = builder.compression(compression);
        }
        if let Some(keys) = self.keys {
            builder = with_keys(builder, keys);
        }
        if let Some(policy) = self.snapshots {
            builder = builder.snapshots(policy);
        }
        if let Some(aggregates) = self.cache {
            builder = builder.cache(aggregates);
        }
        builder
    }
}

#[cfg(feature = "aes")]
fn with_keys(builder: ApplicationBuilder, keys: Keys) -> ApplicationBuilder {
    builder.keys(keys)
}

#[cfg(not(feature = "aes"))]
fn with_keys(_: ApplicationBuilder, keys: Keys) -> ApplicationBuilder {
    match keys {}
}

/// Shows what was said in code, and the names that are in the map: its values may be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = self.store.as_deref().map(crate::redacted::redacted);
        let names: Vec<_> = self.sources.map.keys().collect();
        f.debug_struct("Settings")
            .field("name", &crate::redacted::redacted(&self.name))
            .field("store", &store)
            .field("migrate", &self.migrate)
            .field("compression", &self.choices.compression)
            .field("keys", &self.choices.keys.as_ref().map(|_| ".."))
            .field("snapshots", &self.choices.snapshots)
            .field("cache", &self.choices.cache)
            .field("map", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
