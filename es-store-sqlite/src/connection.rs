//! Connections: one that writes, and as many that read as are in use at once.
//!
//! What they are set to was chosen with one process that in turns appends an event, loads 100 and catches up 100, on a log of 200 000 in 2 000
//! streams whose ids are random, in memory (so that the disk does not matter), two cores. Microseconds of a processor for each of them, the
//! writer's looking for the next commit included, and what an append writes, checkpoints included; least of five, and ± 5 % is noise:
//!
//! | setting | append | load | catch up | KiB |
//! |---|---|---|---|---|
//! | these: `cache_size` 2 MiB, page 4 KiB, checkpoint after 1 000 pages, 64 statements kept | 67 | 67 | 58 | 22.9 |
//! | `cache_size` 16 MiB; 64 MiB | 69; 69 | 68; 65 | 59; 56 | 22.9 |
//! | `cache_size` of readers 512 KiB | 70 | 66 | 58 | 22.9 |
//! | `mmap_size` 256 MiB | 84 | 150 | 132 | 22.9 |
//! | `wal_autocheckpoint` 250; 4 000 | 66; 66 | 65; 67 | 56; 57 | 23.2; 21.8 |
//! | `page_size` 8 KiB; 16 KiB | 72; 85 | 72; 86 | 58; 58 | 41.6; 80.3 |
//! | 4 statements kept | 108 | 68 | 59 | 22.9 |
//!
//! On a log of 600 000, caches of 1, 2, 16 and 128 MiB do not differ either: the operating system has the pages that SQLite does not have. A cache
//! that a long read fills is what a process keeps of it, so it is small. Pages mapped into memory are looked up anew after each commit.
use std::cell::Cell;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::builder::{Durability, Settings};
use crate::error::is_busy;
use crate::{OpenError, schema};

/// How many prepared statements a connection keeps: all there are, and some for filters.
const STATEMENTS: usize = 64;

/// How many idle connections are kept for readers.
const IDLE: usize = 16;

/// How long somebody waits who wants the file for a moment alone.
const MOMENT: Duration = Duration::from_millis(5);

/// The connection that writes. Where its database has no file, readers take turns with the writer.
#[derive(Clone)]
pub(crate) struct Pen(Arc<Mutex<Connection>>);

impl Pen {
    pub(crate) fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(crate) fn take(&self) -> MutexGuard<'_, Connection> {
        // Whoever panicked had a transaction that was rolled back on the way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the connection that writes, and checks what is in the file before anything in it is changed.
pub(crate) fn writing(settings: &Settings) -> Result<Pen, OpenError> {
    check_place(settings)?;
    let connection =
        open(settings, settings.migrate).map_err(|source| OpenError::of(settings, source))?;
    made_ready(connection, settings, log_ahead).map(Pen::new)
}

/// Checks what is in the database, and makes it, and the connection, what the writer needs; `journal` asks for one, and says which it is if it is
/// the wrong one.
pub(crate) fn made_ready(
    mut connection: Connection,
    settings: &Settings,
    journal: fn(&Connection, Duration) -> rusqlite::Result<Option<String>>,
) -> Result<Connection, OpenError> {
    let path = &settings.path;
    let failed = |source| OpenError::of(settings, source);
    let log = schema::Log {
        path,
        prefix: &settings.table_prefix,
    };
    let found = log.check(&connection, settings.migrate && !settings.read_only)?;
    if settings.read_only {
        return Ok(connection);
    }
    if let Some(mode) = journal(&connection, settings.busy_timeout).map_err(failed)? {
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
pub(crate) fn check_place(settings: &Settings) -> Result<(), OpenError> {
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

/// Asks for a write-ahead log. For the change SQLite needs the file for itself, and does not wait for others who open it at the same time.
pub(crate) fn log_ahead(
    connection: &Connection,
    patience: Duration,
) -> rusqlite::Result<Option<String>> {
    let started = Instant::now();
    loop {
        let mode: rusqlite::Result<String> =
            connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0));
        match mode {
            Err(error) if is_busy(&error) && started.elapsed() < patience => thread::sleep(MOMENT),
            mode => return mode.map(|mode| Some(mode).filter(|mode| mode != "wal")),
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

pub(crate) fn open(settings: &Settings, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if settings.read_only {
        flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
    } else {
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE;
        flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    }
    let connection = match settings.immutable {
        true => {
            flags |= OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(immutable(&settings.path), flags)?
        }
        false => Connection::open_with_flags(&settings.path, flags)?,
    };
    // SQLite is content with less, and would leave files beside this one that nobody may write to either.
    if !settings.read_only && connection.is_readonly(rusqlite::MAIN_DB)? {
        let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(rusqlite::Error::SqliteFailure(read_only, None));
    }
    set_up(&connection, settings)?;
    Ok(connection)
}

/// The URI of a file that nobody writes.
fn immutable(path: &Path) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/');
    let path = percent_encode(path.as_os_str().as_encoded_bytes(), ESCAPED);
    format!("file:{path}?immutable=1")
}

/// Sets what every connection has.
pub(crate) fn set_up(connection: &Connection, settings: &Settings) -> rusqlite::Result<()> {
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // SQLite would prepare a statement again whenever another `LIMIT` is bound to it, which took 12 µs of each read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let kibibytes = i64::try_from(settings.cache / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes)
}

/// How often somebody who waits for the write lock looks whether it is free.
const OFTEN: Duration = Duration::from_millis(1);

thread_local! {
    /// How long this thread waits for the write lock, and since when it does.
    static WAITING: Cell<(Duration, Option<Instant>)> = const { Cell::new((Duration::ZERO, None)) };
}

/// Lets this thread, which is the only one that uses the connection from now on, wait for others who write. SQLite's own way of waiting
/// looks ten times a second, and where others write one commit after the other it hardly ever finds the lock free.
pub(crate) fn wait_often(connection: &mut Connection, patience: Duration) -> rusqlite::Result<()> {
    WAITING.set((patience, None));
    connection.busy_handler(Some(|tries| {
        let (patience, since) = WAITING.get();
        let since = since.filter(|_| tries > 0).unwrap_or_else(Instant::now);
        WAITING.set((patience, Some(since)));
        let waits = since.elapsed() < patience;
        if waits {
            thread::sleep(OFTEN);
        }
        waits
    }))
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

/// Opens a connection that only reads.
pub(crate) fn reading(settings: &Settings, place: &Place) -> rusqlite::Result<Connection> {
    place.check()?;
    let connection = open(settings, false)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// What readers read with.
pub(crate) enum Readers {
    OfTheirOwn(Box<Idle>),
    OneForAll(Pen),
}

/// Connections that only read, taken and given back.
pub(crate) struct Idle {
    settings: Settings,
    place: Place,
    opened: Instant,
    /// When somebody looks again whether the file is there, in milliseconds after it was opened.
    due: AtomicU64,
    idle: Mutex<Vec<Connection>>,
}

/// For how long a file that was there is taken to be there still by those who read: looking costs a tenth of what reading a snapshot does.
const SEEN: Duration = Duration::from_millis(100);

impl Readers {
    pub(crate) fn of_their_own(settings: Settings) -> Self {
        Self::OfTheirOwn(Box::new(Idle {
            place: Place::of(&settings.path),
            opened: Instant::now(),
            due: AtomicU64::new(0),
            settings,
            idle: Mutex::default(),
        }))
    }

    pub(crate) fn take(&self) -> rusqlite::Result<Reader<'_>> {
        match self {
            Self::OfTheirOwn(idle) => Ok(Reader::OfItsOwn {
                connection: Some(idle.take()?),
                idle,
            }),
            Self::OneForAll(pen) => Ok(Reader::InTurn(pen.take())),
        }
    }
}

impl Idle {
    /// A connection to the file that is there: an idle one would go on to read what was there before.
    fn take(&self) -> rusqlite::Result<Connection> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = self.opened.elapsed();
        if millis(now) >= self.due.load(Ordering::Relaxed) {
            self.place.check()?;
            self.due.store(millis(now + SEEN), Ordering::Relaxed);
        }
        if let Some(connection) = self.connections().pop() {
            return Ok(connection);
        }
        reading(&self.settings, &self.place)
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that reads, given back when it is dropped.
pub(crate) enum Reader<'a> {
    OfItsOwn {
        idle: &'a Idle,
        connection: Option<Connection>,
    },
    InTurn(MutexGuard<'a, Connection>),
}

impl Deref for Reader<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match self {
            Self::OfItsOwn { connection, .. } => connection
                .as_ref()
                .expect("it is taken when this is dropped, and not before"),
            Self::InTurn(connection) => connection,
        }
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Self::OfItsOwn { idle, connection } = self {
            let mut idle = idle.connections();
            if idle.len() < IDLE {
                idle.extend(connection.take());
            }
        }
    }
}
