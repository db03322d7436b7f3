//! Connections: one that writes, and as many that read as are in use at once.
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::builder::{Durability, SqliteStoreBuilder};
use crate::{OpenError, schema};

/// How many prepared statements a connection keeps: all there are, and some for filters.
const STATEMENTS: usize = 64;

/// How many idle connections are kept for readers.
const IDLE: usize = 16;

/// Opens the connection that writes, and checks what is in the file.
pub(crate) fn writing(settings: &SqliteStoreBuilder) -> Result<Connection, OpenError> {
    let path = &settings.path;
    let sqlite = |source| OpenError::Sqlite {
        path: path.clone(),
        source,
    };
    let mut connection = open(settings).map_err(sqlite)?;
    if !settings.read_only {
        let mode: String = connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(sqlite)?;
        if mode != "wal" {
            return Err(OpenError::NoWriteAheadLog {
                path: path.clone(),
                mode,
            });
        }
        let synchronous = match settings.durability {
            Durability::Full => "FULL",
            Durability::LosesCommitsOnPowerCut => "NORMAL",
        };
        connection
            .pragma_update(None, "synchronous", synchronous)
            .map_err(sqlite)?;
    }
    let migrate = settings.migrate && !settings.read_only;
    schema::prepare(&mut connection, path, &settings.table_prefix, migrate)?;
    Ok(connection)
}

fn open(settings: &SqliteStoreBuilder) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if settings.read_only {
        flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
    } else {
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(&settings.path, flags)?;
    connection.busy_timeout(settings.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // SQLite would prepare a statement again whenever another `LIMIT` is bound to it, which took 12 µs of each read.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    let kibibytes = i64::try_from(settings.cache / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kibibytes)?;
    Ok(connection)
}

/// Connections that only read, taken and given back.
pub(crate) struct Readers {
    settings: SqliteStoreBuilder,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(settings: SqliteStoreBuilder) -> Self {
        Self {
            settings,
            idle: Mutex::default(),
        }
    }

    pub(crate) fn take(&self) -> rusqlite::Result<Reader<'_>> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = open(&self.settings)?;
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
