//! What an application can be told when it is made.
use std::sync::Arc;

use super::repository::Settings;
use super::{Application, Repository, Retry, SnapshotPolicy};
use crate::persistence::{Clock, Codecs, Compression, Metadata, Store, SystemClock};

/// Makes an [`Application`] that is not as [`Application::new`] makes it.
///
/// ```
/// use es_core::Application;
/// use es_core::application::SnapshotPolicy;
/// use es_store_memory::MemoryStore;
///
/// let app = Application::builder(MemoryStore::new())
///     .name("school")
///     .snapshots(SnapshotPolicy::Off)
///     .cache(10_000)
///     .build();
/// assert_eq!(app.name(), Some("school"));
/// ```
#[must_use = "`build` makes the application"]
pub struct ApplicationBuilder {
    settings: Settings,
}

impl ApplicationBuilder {
    pub(super) fn new(store: impl Store) -> Self {
        Self {
            settings: Settings {
                store: Arc::new(store),
                name: None,
                clock: Arc::new(SystemClock),
                codecs: Codecs::default(),
                retry: Retry::default(),
                snapshots: SnapshotPolicy::default(),
                cache: 1_000,
                trace_payloads: false,
            },
        }
    }

    /// Names the application. Its log is then its own: another name is refused when it is first used.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Compresses what is written from here on; what is stored is read whatever is chosen.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.codecs.compression = compression;
        self
    }

    /// Encrypts what is written from here on, events and snapshots, and decrypts what is stored (feature `aes`).
    ///
    /// ```
    /// use es_core::Application;
    /// use es_core::persistence::{Key, Keys};
    /// use es_store_memory::MemoryStore;
    ///
    /// let keys = Keys::new(1, Key::generate()?);
    /// let app = Application::builder(MemoryStore::new()).keys(keys).build();
    /// # let _ = app;
    /// # Ok::<(), es_core::BoxError>(())
    /// ```
    #[cfg(feature = "aes")]
    pub fn keys(mut self, keys: impl crate::persistence::KeyProvider) -> Self {
        self.settings.codecs.keys = Some(Arc::new(keys));
        self
    }

    /// Says when snapshots are taken and used; as the aggregates declare unless this is set.
    pub fn snapshots(mut self, policy: SnapshotPolicy) -> Self {
        self.settings.snapshots = policy;
        self
    }

    /// Keeps at most so many aggregates in memory, of those types that ask for it by `cached`; 1000 unless this is set, none by 0.
    pub fn cache(mut self, aggregates: usize) -> Self {
        self.settings.cache = aggregates;
        self
    }

    /// Says how often, and after which pauses, an update decides anew when another writer was faster.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// Takes the time from another clock, and waits by it: a virtual one in tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Shows the payloads of new events, as they are before they are encrypted, to whoever listens by `tracing` at the level `TRACE` to the target
    /// `es_core::payload`. Unless this is called, no payload is shown to anybody.
    pub fn trace_payloads(mut self) -> Self {
        self.settings.trace_payloads = true;
        self
    }

    /// Makes the application. The store is not asked.
    #[must_use]
    pub fn build(self) -> Application {
        Application {
            repository: Repository::with(self.settings),
            metadata: Metadata::new(),
        }
    }
}
