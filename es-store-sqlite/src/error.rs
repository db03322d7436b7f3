//! Why a file cannot be opened, and what SQLite's errors mean to a reader or a writer.
use std::path::PathBuf;
use std::sync::Arc;

use es_core::persistence::{BoxError, KeepError, ReadError};
use rusqlite::ErrorCode;

/// Why a store could not be opened. The file is what it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The tables are not there, or of an older version, and the store was told not to migrate by itself.
    #[error(
        "the tables in `{path}` have version {found}, and this program needs {needed}; call `SqliteStore::builder(path).migrate(true).open()` once"
    )]
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
    /// Tables of that name are there, but not as this store makes them.
    #[error(
        "`{path}` says that its tables have version {version}, but `{table}` is missing; restore it from a backup"
    )]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The version that the file says it has.
        version: u32,
        /// What is missing.
        table: String,
    },
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
        "`{path}` cannot have a write-ahead log, its journal stays `{mode}`; put it on a local disk"
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
    /// SQLite could not open the file, or it is none of SQLite's.
    #[error("cannot open `{path}`")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

impl From<OpenError> for es_core::Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error.into())
    }
}

pub(crate) fn unreadable(error: rusqlite::Error) -> ReadError {
    ReadError::Unavailable(explained(&Arc::new(error)))
}

pub(crate) fn not_kept(error: BoxError) -> KeepError {
    KeepError::Unavailable(error)
}

/// SQLite's error with the way out; shared by all whom it befell.
pub(crate) fn explained(error: &Arc<rusqlite::Error>) -> BoxError {
    let way_out = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the write lock for longer than the busy time-out; find it, or allow more time"
        }
        Some(ErrorCode::DiskFull) => {
            "the disk is full, or the file as large as it may become; make room"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file may only be read; give this process the right to write to it and to its folder"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the file is damaged; restore it from a backup"
        }
        _ => return Arc::clone(error).into(),
    };
    Explained {
        way_out,
        source: Arc::clone(error),
    }
    .into()
}

#[derive(Debug, thiserror::Error)]
#[error("{way_out}")]
struct Explained {
    way_out: &'static str,
    source: Arc<rusqlite::Error>,
}
