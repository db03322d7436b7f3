//! Connections: one that writes, and as many that read as are in use at once.
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::builder::{Durability, SqliteStoreBuilder};
use crate::error::is_busy;
use crate::{OpenError, schema};

/// How many prepared statements a connection keeps: all there are, and some for filters.
const STATEMENTS: usize = 64;

/// How many idle connections are kept for readers.
const IDLE: usize = 16;

/// How long somebody waits who wants the file for a moment alone.
const MOMENT: Duration = Duration::from_millis(5);

/// Opens the connection that writes, and checks what is in the file before anything in it is changed.
pub(crate) fn writing(settings: &SqliteStoreBuilder) -> Result<Connection, OpenError> {
    let path = &settings.path;
    let failed = |source| OpenError::of(settings, source);
    check_place(settings)?;
    let mut connection = open(settings, settings.migrate).map_err(failed)?;
    let log = schema::Log {
        path,
        prefix: &settings.table_prefix,
    };
    let found = log.check(&connection, settings.migrate && !settings.read_only)?;
    if settings.read_only {
        return Ok(connection);
    }
    let mode = log_ahead(&connection, settings.busy_timeout).map_err(failed)?;
    if mode != "wal" {
        return Err(OpenError::NoWriteAheadLog {
            path: path.clone(),
            mode,
        });
    }
    may_write(&connection, settings.busy_timeout).map_err(failed)?;
    let synchronous = match settings.durability {
        Durability::Full => "FULL",
        Durability::LosesCommitsOnPowerCut => "NORMAL",
    };
    connection
        .pragma_update(None, "synchronous", synchronous)
        .map_err(failed)?;
    if found < schema::VERSION {
        log.migrate(&mut connection).map_err(failed)?;
        // Another program may have been faster, and may be newer.
        log.check(&connection, false)?;
    }
    Ok(connection)
}

/// What SQLite would only call "unable to open".
fn check_place(settings: &SqliteStoreBuilder) -> Result<(), OpenError> {
    let path = settings.path.clone();
    if path.is_dir() {
        return Err(OpenError::Folder { path });
    }
    if let Some(folder) = path.parent()
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        return Err(OpenError::NoFolder { path });
    }
    if (settings.read_only || !settings.migrate) && matches!(path.try_exists(), Ok(false)) {
        return Err(OpenError::Missing { path });
    }
    Ok(())
}

/// Asks for a write-ahead log, and says which journal the file has then. For the change SQLite needs the file for itself, and does not wait
/// for others who open it at the same time.
fn log_ahead(connection: &Connection, patience: Duration) -> rusqlite::Result<String> {
    let started = Instant::now();
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match mode {
            Err(error) if is_busy(&error) && started.elapsed() < patience => thread::sleep(MOMENT),
            mode => return mode,
        }
    }
}

/// Takes the write lock and gives it back. In a folder that may only be read SQLite opens a file without complaint, and fails at the first commit.
fn may_write(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    match connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK") {
        // Somebody else may, so this process may too once they have done.
        Err(error) if !is_busy(&error) => return Err(error),
        _ => {}
    }
    connection.busy_timeout(patience)
}

fn open(settings: &SqliteStoreBuilder, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if settings.read_only {
        flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
    } else {
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    }
    let connection = Connection::open_with_flags(&settings.path, flags)?;
    // SQLite is content with less, and would leave files beside this one that nobody may write to either.
    if !settings.read_only && connection.is_readonly("main")? {
        let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(read_only, None));
    }
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // SQLite would prepare a statement again whenever another `LIMIT` is bound to it, which took 12 µs of each read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let kibibytes = i64::try_from(settings.cache / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes)?;
    Ok(connection)
}

/// Where the file is that a store was opened with.
pub(crate) struct Place {
    path: PathBuf,
    file: Option<(u64, u64)>,
}

impl Place {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            file: file(path),
        }
    }

    /// Refuses a file that was moved, replaced or deleted: SQLite would go on with the one it has, which nobody finds again.
    pub(crate) fn check(&self) -> rusqlite::Result<()> {
        if file(&self.path) == self.file {
            return Ok(());
        }
        let moved = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY_DBMOVED);
        Err(rusqlite::Error::SqliteFailure(moved, None))
    }
}

/// What tells a file from others, whatever its name: its device and its number there.
#[cfg(unix)]
fn file(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open cannot be moved.
#[cfg(not(unix))]
fn file(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Connections that only read, taken and given back.
pub(crate) struct Readers {
    settings: SqliteStoreBuilder,
    place: Place,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(settings: SqliteStoreBuilder) -> Self {
        Self {
            place: Place::of(&settings.path),
            settings,
            idle: Mutex::default(),
        }
    }

    pub(crate) fn take(&self) -> rusqlite::Result<Reader<'_>> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                self.place.check()?;
                let connection = open(&self.settings, false)?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        Ok(Reader {
            readers: self,
            connection: Some(connection),
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads, given back when it is dropped.
pub(crate) struct Reader<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
            .as_ref()
            .expect("it is taken when this is dropped, and not before")
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut idle = self.readers.idle();
        if idle.len() < IDLE {
            idle.extend(self.connection.take());
        }
    }
}
