//! A connection that somebody opened: what it must be, and what the store makes of it.
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use crate::builder::Settings;
use crate::connection::{self, Pen, Readers};
use crate::error::is_busy;
use crate::{OpenError, schema};

/// Reads, and nothing more.
const LOOK: &str = "SELECT count(*) FROM sqlite_schema";

/// Makes a connection the one that writes, and says what readers read with; `settings` learn where the file is.
pub(crate) fn accept(
    connection: Connection,
    settings: &mut Settings,
) -> Result<(Pen, Readers), OpenError> {
    settings.path = file(&connection).map_err(|source| OpenError::of(settings, source))?;
    let settings = &*settings;
    let failed = |source| OpenError::of(settings, source);
    let path = || settings.path.clone();
    if !connection.is_autocommit() {
        return Err(OpenError::InTransaction { path: path() });
    }
    if !settings.read_only && may_only_read(&connection).map_err(failed)? {
        return Err(OpenError::ConnectionReads { path: path() });
    }
    if let Some(name) = in_front_of_the_log(&connection, &settings.table_prefix).map_err(failed)? {
        return Err(OpenError::Occupied { path: path(), name });
    }
    if settings.path.as_os_str().is_empty() {
        connection::set_up(&connection, settings).map_err(failed)?;
        let pen = Pen::new(connection::made_ready(connection, settings, in_memory)?);
        return Ok((pen.clone(), Readers::OneForAll(pen)));
    }
    connection::check_place(settings)?;
    if matches!(settings.path.try_exists(), Ok(false)) {
        return Err(OpenError::Unlocked { path: path() });
    }
    connection::set_up(&connection, settings).map_err(failed)?;
    // Readers could not open the file of a connection that has it for itself. It lets go after it has read.
    connection
        .query_row("PRAGMA locking_mode = NORMAL", [], |_| Ok(()))
        .and_then(|()| connection.query_row(LOOK, [], |_| Ok(())))
        .map_err(failed)?;
    if !settings.read_only && !locks(&connection, settings).map_err(failed)? {
        return Err(OpenError::Unlocked { path: path() });
    }
    let connection = connection::made_ready(connection, settings, connection::log_ahead)?;
    let readers = Readers::of_their_own(settings.clone());
    Ok((Pen::new(connection), readers))
}

/// The file of a connection; an empty path where it has none.
fn file(connection: &Connection) -> rusqlite::Result<PathBuf> {
    let main = "SELECT file FROM pragma_database_list WHERE seq = 0";
    connection.query_row(main, [], |row| match row.get_ref(0)? {
        ValueRef::Null => Ok(PathBuf::new()),
        name => Ok(path(name.as_bytes()?)),
    })
}

#[cfg(unix)]
fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(name).into()
}

#[cfg(not(unix))]
fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

fn may_only_read(connection: &Connection) -> rusqlite::Result<bool> {
    let set: bool = connection.query_row("PRAGMA query_only", [], |row| row.get(0))?;
    Ok(set || connection.is_readonly(rusqlite::MAIN_DB)?)
}

/// A temporary table that statements of the log would find instead of the log's own, or a temporary trigger on one of these.
fn in_front_of_the_log(connection: &Connection, prefix: &str) -> rusqlite::Result<Option<String>> {
    for (_, part) in schema::PARTS {
        let name = format!("{prefix}{part}");
        let found = connection
            .query_row(
                "SELECT name FROM sqlite_temp_schema WHERE ?1 COLLATE NOCASE IN (name, tbl_name)",
                [name],
                |row| row.get(0),
            )
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Asks for the journal of a database without a file, which cannot have a write-ahead log: without any journal nothing could be taken back.
fn in_memory(connection: &Connection, _: Duration) -> rusqlite::Result<Option<String>> {
    let mode: String =
        connection.query_row("PRAGMA journal_mode = MEMORY", [], |row| row.get(0))?;
    Ok(Some(mode).filter(|mode| mode != "memory"))
}

/// Whether a second connection to the path cannot write while this one does, and reads when it does not.
fn locks(connection: &Connection, settings: &Settings) -> rusqlite::Result<bool> {
    let second = connection::open(settings, false)?;
    second.busy_timeout(Duration::ZERO)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let both = second.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
    connection.execute_batch("ROLLBACK")?;
    match both {
        Ok(()) => return Ok(false),
        Err(error) if is_busy(&error) => {}
        Err(error) => return Err(error),
    }
    second.busy_timeout(settings.busy_timeout)?;
    second.query_row(LOOK, [], |_| Ok(true))
}
