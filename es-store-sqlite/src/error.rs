//! Why a file cannot be opened, and what SQLite's errors mean to a reader or a writer.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use es_core::persistence::{BoxError, KeepError, ReadError};
use rusqlite::ErrorCode;

use crate::builder::Settings;

/// Why a store could not be opened. The file is what it was.
///
/// Its `Debug`, which is what a `main` that returns it prints, tells the error with its causes; `{:#?}` shows what is in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The tables are not there, or of an older version, and the store was told not to migrate by itself.
    #[error("{}; call `SqliteStore::builder(path).migrate(true).open()` once", unmigrated(path, *found, *needed))]
    Unmigrated {
        /// The file.
        path: PathBuf,
        /// The version that is there; 0 where there is none.
        found: u32,
        /// The version that is needed.
        needed: u32,
    },
    /// The tables were made by a newer program.
    #[error(
        "the tables in `{path}` have version {found}, and this program knows {known}; use a newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that is there.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// A part of the log is missing.
    #[error(
        "`{path}` has tables of this log, but `{table}` is missing or empty; restore it from a backup"
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// What is missing: a table, or the index of one.
        table: String,
    },
    /// The name of a table that the log needs is taken.
    #[error(
        "`{path}` has `{name}` already, which is no table of this log; choose another table prefix"
    )]
    Occupied {
        /// The file.
        path: PathBuf,
        /// The name, as it is in the file.
        name: String,
    },
    /// What was given is a URI of SQLite's, which would be taken for the name of a file.
    #[error(
        "`{path}` is a URI, and this takes a path; open a connection by it, and hand that to `SqliteStore::builder_on`"
    )]
    Uri {
        /// What was given.
        path: PathBuf,
    },
    /// A database in memory was to be read alone, or not to be migrated.
    #[error(
        "`:memory:` is empty at each opening, and nobody else sees what is in it, so there is nothing to read or to migrate; name a file, or open it \
         to be written, without `migrate(false)`"
    )]
    InMemory,
    /// The table prefix is not a name.
    #[error(
        "`{prefix}` cannot begin the names of tables; use at most 32 letters, digits and underscores, a letter first"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The file system does not support what makes commits durable and readers undisturbed.
    #[error(
        "`{path}` cannot have a write-ahead log, its journal stays `{mode}`; put it on a local disk, or, to keep it in memory, open \
         `:memory:`"
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that SQLite chose.
        mode: String,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes")]
    Thread(#[source] std::io::Error),
    /// There is no such file, and none was to be made.
    #[error(
        "there is no file `{path}`; correct the path, or call `SqliteStore::builder(path).open()` once to make it"
    )]
    Missing {
        /// Where the file was to be.
        path: PathBuf,
    },
    /// The file would be in a folder that does not exist.
    #[error("`{path}` is in a folder that does not exist; correct the path, or make the folder")]
    NoFolder {
        /// Where the file was to be.
        path: PathBuf,
    },
    /// The path leads to a folder.
    #[error("`{path}` is a folder; name a file in it")]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The file is none of SQLite's, or is damaged.
    #[error(
        "`{path}` is no SQLite file, or is damaged; name another file, or restore it from a backup"
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file, or its folder, may not be written to.
    #[error(
        "this process may not write to `{path}`; give it the right to read and write the file and its folder, or open it to be read alone, by \
         `read_only(true)`, or by `immutable(true)` where nobody writes; in URLs of es-store by `?mode=ro` and `?immutable=1`"
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for the file or what is beside it, or it is as large as it may become.
    #[error("there is no room for `{path}`, or for what SQLite keeps beside it; make room")]
    Full {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Another process has the file for itself.
    #[error(
        "another process has locked `{path}` for longer than the busy time-out; find it, or allow more time"
    )]
    Locked {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The connection that was handed in has a transaction open.
    #[error(
        "the connection to `{path}` has a transaction open; commit it or roll it back before the store has the connection"
    )]
    InTransaction {
        /// The file; empty where the database has none.
        path: PathBuf,
    },
    /// The connection that was handed in may not write.
    #[error(
        "the connection to `{path}` was opened or set to read alone; open one that may write, or build the store with `read_only(true)`"
    )]
    ConnectionReads {
        /// The file; empty where the database has none.
        path: PathBuf,
    },
    /// The connection that was handed in has another file than its path leads to, or takes no locks: a second connection can write at the same
    /// time.
    #[error(
        "the connection to `{path}` does not lock what is there: the file was moved, replaced or deleted, or the connection was opened without \
         locks; open it again"
    )]
    Unlocked {
        /// Where the file was when the connection was opened.
        path: PathBuf,
    },
    /// SQLite could not open the file for another reason.
    #[error("cannot open `{path}`; see whether this process may read and write it and its folder")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

fn unmigrated(path: &Path, found: u32, needed: u32) -> String {
    let is_nowhere = path.as_os_str().is_empty();
    let path = path.display();
    match found {
        0 if is_nowhere => "there are no tables of this log yet".to_owned(),
        0 => format!("there are no tables of this log in `{path}` yet"),
        found => {
            format!("the tables in `{path}` have version {found}, and this program needs {needed}")
        }
    }
}

es_core::__debug_with_causes!(OpenError {
    Unmigrated { path, found, needed },
    Newer { path, found, known },
    Incomplete { path, table },
    Occupied { path, name },
    Uri { path },
    InMemory,
    Prefix { prefix },
    NoWriteAheadLog { path, mode },
    Thread(source),
    Missing { path },
    NoFolder { path },
    Folder { path },
    NotADatabase { path, source },
    ReadOnly { path },
    Full { path, source },
    Locked { path, source },
    InTransaction { path },
    ConnectionReads { path },
    Unlocked { path },
    Sqlite { path, source },
});

impl From<OpenError> for es_core::Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error.into())
    }
}

impl OpenError {
    /// What SQLite's error means to somebody who opens a file with these settings.
    pub(crate) fn of(settings: &Settings, source: rusqlite::Error) -> Self {
        let path = &settings.path;
        let may_not_write = source.sqlite_error_code() == Some(ErrorCode::CannotOpen)
            && !settings.read_only
            && !matches!(path.try_exists(), Ok(true));
        if may_not_write {
            return Self::ReadOnly { path: path.clone() };
        }
        Self::of_file(path, source)
    }

    /// What SQLite's error means of a file that is there.
    pub(crate) fn of_file(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::NotADatabase { path, source }
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            _ if is_full(&source) => Self::Full { path, source },
            _ if is_busy(&source) => Self::Locked { path, source },
            _ => Self::Sqlite { path, source },
        }
    }
}

/// Whether somebody else was in the way, who may be gone soon.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// Whether there is no room: SQLite says something else where it lacks room for the index of the write-ahead log.
fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull
            || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

/// Whether what SQLite said, where an error comes of that, may pass by itself.
pub(crate) fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref() {
            return is_busy(error) || is_full(error);
        }
        cause = error.source();
    }
    false
}

pub(crate) fn unreadable(error: rusqlite::Error) -> ReadError {
    let is_damaged = is_unlike_a_log(&error)
        || matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        );
    let why = explained(&Arc::new(error));
    match is_damaged {
        true => ReadError::Damaged(why),
        false => ReadError::Unavailable(why),
    }
}

pub(crate) fn not_kept(error: BoxError) -> KeepError {
    KeepError::Unavailable(error)
}

/// Whether a foreign key refers to nothing at the end of a transaction: no table of the log has any.
pub(crate) fn is_of_a_foreign_key(error: &rusqlite::Error) -> bool {
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}

/// Whether SQLite has something against the statement, in view of what there is in the file: it fails like that until somebody changes it.
pub(crate) fn is_of_what_is_there(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.extended_code == rusqlite::ffi::SQLITE_ERROR
            || error.code == ErrorCode::ConstraintViolation
    })
}

/// Why a read model cannot be put in its place, with the way out.
pub(crate) fn of_a_read_model(error: rusqlite::Error) -> BoxError {
    let source = Arc::new(error);
    if is_of_a_foreign_key(&source) {
        return explained(&source);
    }
    Explained {
        way_out: "something of yours is in the way of the read model, as by the name of one of its tables; drop or rename it, or give the table another \
                  name in `create`",
        source,
    }
    .into()
}

/// SQLite's error with the way out; shared by all whom it befell.
pub(crate) fn explained(error: &Arc<rusqlite::Error>) -> BoxError {
    let way_out = match error.sqlite_error_code() {
        None if is_unlike_a_log(error) => DAMAGED,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the write lock for longer than the busy time-out; find it, or allow more time"
        }
        _ if error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_READONLY_DBMOVED) =>
        {
            "the file was moved, replaced or deleted; put it back, or open the store again"
        }
        _ if is_of_a_foreign_key(error) => {
            "a foreign key refers to a row that is not there at the end of the transaction; write that row too, and let no key refer to a read model from outside of it"
        }
        _ if is_full(error) => "the disk is full, or the file as large as it may become; make room",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file may only be read; give this process the right to write to it and to its folder"
        }
        Some(
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation,
        ) => DAMAGED,
        _ => return Arc::clone(error).into(),
    };
    Explained {
        way_out,
        source: Arc::clone(error),
    }
    .into()
}

const DAMAGED: &str = "the file is damaged, or was edited by hand; restore it from a backup";

/// Whether a column has what no store writes into it.
fn is_unlike_a_log(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, QueryReturnedNoRows,
        Utf8Error,
    };
    matches!(
        error,
        FromSqlConversionFailure(..)
            | IntegralValueOutOfRange(..)
            | InvalidColumnType(..)
            | QueryReturnedNoRows
            | Utf8Error(..)
    )
}

#[derive(Debug, thiserror::Error)]
#[error("{way_out}")]
struct Explained {
    way_out: &'static str,
    source: Arc<rusqlite::Error>,
}
