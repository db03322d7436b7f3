//! What a store can be told when it is opened.
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use es_core::persistence::{Clock, SystemClock};
use rusqlite::Connection;

use crate::{OpenError, SqliteStore};

/// How far a commit is on its way to the disk when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// On the disk: `synchronous=FULL`.
    #[default]
    Full,
    /// With the operating system: `synchronous=NORMAL`. A crash of the process loses nothing, but a power cut loses the commits since the last
    /// checkpoint of the write-ahead log, though they were answered. The file stays sound.
    LosesCommitsOnPowerCut,
}

/// SQLite's name for a database in memory: this and no other.
const IN_MEMORY: &str = ":memory:";

/// How large a value may be, in bytes: SQLite's `SQLITE_MAX_LENGTH`.
const SQLITE_TAKES: usize = 1_000_000_000;

/// Opens a [`SqliteStore`] that is not as [`SqliteStore::open`] makes it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("school.db");
/// use std::time::Duration;
///
/// use es_store_sqlite::SqliteStore;
///
/// let store = SqliteStore::builder(path)
///     .table_prefix("school_")
///     .busy_timeout(Duration::from_secs(30))
///     .open()
///     .await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "`open` opens the store"]
pub struct SqliteStoreBuilder {
    settings: Settings,
    given: Option<Connection>,
}

/// What every connection of a store is opened with.
#[derive(Clone)]
pub(crate) struct Settings {
    /// Empty where the store is on a connection whose database has no file.
    pub(crate) path: PathBuf,
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
    pub(crate) table_prefix: String,
    pub(crate) payload_limit: usize,
    pub(crate) cache: usize,
    pub(crate) poll_interval: Duration,
    pub(crate) migrate: bool,
    pub(crate) read_only: bool,
    pub(crate) immutable: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("path", &self.path)
            .field("durability", &self.durability)
            .field("table_prefix", &self.table_prefix)
            .finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            table_prefix: "es_".to_owned(),
            payload_limit: 16 * 1024 * 1024,
            cache: 2 * 1024 * 1024,
            poll_interval: Duration::from_millis(50),
            migrate: true,
            read_only: false,
            immutable: false,
            clock: Arc::new(SystemClock),
        }
    }
}

/// SQLite counts milliseconds in an `i32`.
const LONGEST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

impl SqliteStoreBuilder {
    pub(crate) fn new(path: PathBuf, given: Option<Connection>) -> Self {
        Self {
            settings: Settings::new(path),
            given,
        }
    }

    /// How far a commit is on its way to the disk when it is answered; [`Durability::Full`] unless this is set.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// How long to wait for another process that writes, 24 days at most; 5 s unless this is set.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.settings.busy_timeout = timeout.min(LONGEST_TIMEOUT);
        self
    }

    /// How the names of the tables begin, so that several logs fit into one file; `es_` unless this is set. At most 32 letters, digits and
    /// underscores, a letter first.
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.settings.table_prefix = prefix.into();
        self
    }

    /// Refuses payloads of more than `bytes` bytes; 16 MiB unless this is set, and at most the 1 000 000 000 that SQLite takes.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        self.settings.payload_limit = bytes.min(SQLITE_TAKES);
        self
    }

    /// How many bytes of the file each connection keeps in memory; 2 MiB unless this is set. More saved nothing where the
    /// operating system has the file in memory.
    pub fn cache(mut self, bytes: usize) -> Self {
        self.settings.cache = bytes;
        self
    }

    /// How often it is looked whether another process wrote, while somebody in this one waits for a change; 50 ms unless this is set, and at
    /// least 1 ms. What this process writes is told at once.
    ///
    /// Subscriptions learn of a commit by another process half an interval after it, in the middle. A look takes 5 µs; waking for 1 200 of them a
    /// minute, and one page a second that every subscription reads by itself, take 0.1 s of a processor a minute (`cargo xtask faults`).
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.settings.poll_interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Whether missing or older tables are brought up to date when the store is opened; they are, unless this is set to `false`.
    pub fn migrate(mut self, yes: bool) -> Self {
        self.settings.migrate = yes;
        self
    }

    /// Opens a file that exists, to be read alone: commits fail. Others may write to it, so SQLite keeps what they share in files beside it, which this
    /// process must be able to write, unless others have made them.
    pub fn read_only(mut self, yes: bool) -> Self {
        self.settings.read_only = yes;
        self
    }

    /// Opens a file that exists, to be read alone, and that nobody writes: a backup on a medium or in a folder where this process may not. What somebody
    /// writes meanwhile is not seen, or makes reading fail.
    pub fn immutable(mut self, yes: bool) -> Self {
        self.settings.immutable = yes;
        self
    }

    /// Lets the leases of followers end by another clock: a virtual one in tests. All processes that share the file go by the same.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }

    /// Opens the store.
    ///
    /// # Errors
    /// [`OpenError`]; the file is what it was. A connection that was handed in is closed.
    #[expect(
        clippy::unused_async,
        reason = "as with stores that are reached over a network"
    )]
    pub async fn open(mut self) -> Result<SqliteStore, OpenError> {
        self.settings.read_only |= self.settings.immutable;
        let path = &mut self.settings.path;
        if path.to_str().is_some_and(|path| path.starts_with("file:")) {
            return Err(OpenError::Uri { path: path.clone() });
        }
        if path.as_os_str() == IN_MEMORY && self.given.is_none() {
            if self.settings.read_only || !self.settings.migrate {
                return Err(OpenError::InMemory);
            }
            let opened = Connection::open_in_memory();
            self.given = Some(opened.map_err(|source| OpenError::of_file(path, source))?);
        }
        // Readers open the file too, later, when the process may be in another folder. Where one was handed in, it knows its file.
        if self.given.is_none()
            && !path.as_os_str().is_empty()
            && let Ok(absolute) = std::path::absolute(&*path)
        {
            *path = absolute;
        }
        SqliteStore::with(self.settings, self.given)
    }
}
