//! Why a log cannot be opened, and what Postgres's errors mean to a reader or a writer.
use std::sync::Arc;

use es_core::persistence::{AppendError, BoxError, KeepError, ReadError};
use tokio_postgres::error::SqlState;

use crate::records::Full;
use crate::says::Says;

/// Why a log could not be opened, or is not what this program needs. Nothing was changed.
///
/// Its `Debug`, which is what a `main` that returns it prints, tells the error with its causes; `{:#?}` shows what is in it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL means no server. It is not repeated, since a password may be in it.
    #[error(
        "the URL of the Postgres server cannot be read; write postgres://USER:PASSWORD@HOST/DATABASE"
    )]
    Url,
    /// The URL has an option that is not known here.
    #[error(
        "what the URL of the Postgres server says by `{option}` is not known here; `sslmode` is `disable`, `prefer`, `require` or `verify-full`, and \
         certificates are checked by those that the system trusts, or those in the file that `SSL_CERT_FILE` names"
    )]
    UrlOption {
        /// Its name.
        option: &'static str,
    },
    /// What the URL says by an option of the store's own is not understood.
    #[error(
        "what the URL of the Postgres server says by `{option}` is not understood; write {accepted}"
    )]
    UrlValue {
        /// Its name.
        option: &'static str,
        /// What can stand behind it.
        accepted: &'static str,
    },
    /// The name of the schema cannot be one.
    #[error(
        "`{schema}` cannot be the name of a schema; use 1 to 63 bytes without NUL, not beginning with `pg_`"
    )]
    Schema {
        /// The name.
        schema: String,
    },
    /// The table prefix is not a name.
    #[error(
        "`{prefix}` cannot begin the names of tables; use at most 32 letters, digits and underscores, a letter first"
    )]
    Prefix {
        /// The prefix.
        prefix: String,
    },
    /// The URL asks for an encrypted connection, and this build has none.
    #[error(
        "the URL asks for an encrypted connection (`sslmode=require`); build es-store-postgres with its feature `rustls`"
    )]
    NoTls,
    /// The certificates that the system trusts cannot be read.
    #[error(
        "cannot read the certificates that the system trusts; install them (ca-certificates), or write `sslmode=disable` where the network is safe"
    )]
    Certificates(#[source] BoxError),
    /// The store was connected outside of a tokio runtime.
    #[error("the store needs a tokio runtime, with its I/O and time enabled; connect it in one")]
    NoRuntime,
    /// The tables are not there, or of an older version.
    #[error("{}; run {command}", unmigrated(log, *found, *needed))]
    Unmigrated {
        /// The schema and the prefix of the tables.
        log: String,
        /// The version that is there; 0 where there is none.
        found: u32,
        /// The version that is needed.
        needed: u32,
        /// What brings them up to date.
        command: String,
    },
    /// The tables were made by a newer program.
    #[error(
        "the tables of `{log}` have version {found}, and this program knows {known}; use a newer one"
    )]
    Newer {
        /// The schema and the prefix of the tables.
        log: String,
        /// The version that is there.
        found: u32,
        /// The newest version that is known.
        known: u32,
    },
    /// A part of the log is missing.
    #[error(
        "there are tables of this log, but `{part}` is missing or empty; restore it from a backup"
    )]
    Incomplete {
        /// What is missing: a table, or the index of one.
        part: String,
    },
    /// A name that the log needs is taken.
    #[error(
        "there is a `{name}` already, which is no part of this log; choose another table prefix or schema"
    )]
    Occupied {
        /// The name.
        name: String,
    },
    /// The database cannot keep every text.
    #[error(
        "the database keeps texts as {encoding}, which does not have every letter; create it with ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// Its encoding.
        encoding: String,
    },
    /// The server cannot be reached, or does not let this user do it.
    #[error("cannot open the log")]
    Postgres(#[source] BoxError),
}

fn unmigrated(log: &str, found: u32, needed: u32) -> String {
    match found {
        0 => format!("there are no tables of `{log}` yet"),
        found => {
            format!("the tables of `{log}` have version {found}, and this program needs {needed}")
        }
    }
}

es_core::__debug_with_causes!(OpenError {
    Url,
    UrlOption { option },
    UrlValue { option, accepted },
    Schema { schema },
    Prefix { prefix },
    NoTls,
    Certificates(source),
    NoRuntime,
    Unmigrated { log, found, needed, command },
    Newer { log, found, known },
    Incomplete { part },
    Occupied { name },
    Encoding { encoding },
    Postgres(source),
});

impl From<OpenError> for es_core::Error {
    fn from(error: OpenError) -> Self {
        Self::Open(error.into())
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        Self::Postgres(fault.explained())
    }
}

/// What went wrong between this program and the database; shared by all whom it befell.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Postgres, or the line to it.
    Postgres(Arc<tokio_postgres::Error>),
    /// A column has what no store writes into it.
    Unlike(Arc<UnlikeALog>),
    /// A number has no place in a column, or a commit none in a statement.
    Commit(Arc<BoxError>),
    /// The tables are not as they have to be.
    Open(Arc<OpenError>),
    /// No connection can be had.
    Connect(Arc<BoxError>),
    /// No answer came in time.
    Silent,
    /// A projection inside of the commit refused it: nothing is stored.
    Inside(Arc<AppendError>),
    /// What one met is no fault of the commit's, and nothing is stored: the line broke, or Postgres gave the transaction up for the sake of another.
    Again(Arc<BoxError>),
    /// One ended the transaction itself.
    Ended,
}

/// What stands in a column is not what the store wrote.
#[derive(Debug, thiserror::Error)]
#[error("column {place} is not as the store wrote it")]
pub(crate) struct UnlikeALog {
    place: usize,
    source: BoxError,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(Arc::new(error))
    }
}

impl From<Full> for Fault {
    fn from(full: Full) -> Self {
        Self::Commit(Arc::new(full.into()))
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        Self::Open(Arc::new(error))
    }
}

impl Fault {
    pub(crate) fn unlike(place: usize, source: impl Into<BoxError>) -> Self {
        Self::Unlike(Arc::new(UnlikeALog {
            place,
            source: source.into(),
        }))
    }

    pub(crate) fn connect(why: impl Into<BoxError>) -> Self {
        Self::Connect(Arc::new(why.into()))
    }

    /// Why there is no connection. Only a text says that it is for want of encryption.
    pub(crate) fn connecting(error: tokio_postgres::Error) -> Self {
        if error.to_string() != "error performing TLS handshake" {
            return Self::connect(error);
        }
        Self::connect(Explained {
            way_out: "no encrypted connection can be had; the server needs `ssl = on`, and a certificate with the name in the URL whose signer the \
                      system trusts, or the file that `SSL_CERT_FILE` names; `sslmode=disable` does without, where the network is safe",
            source: Arc::new(error),
        })
    }

    fn says(&self) -> Option<Says> {
        match self {
            Self::Postgres(error) => Some(Says::of(error)),
            _ => None,
        }
    }

    fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Postgres(error) => error.code(),
            _ => None,
        }
    }

    /// Whether the connection is lost: what was asked may have been done or not.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Silent | Self::Ended => true,
            fault => fault.says() == Some(Says::Lost),
        }
    }

    /// Whether another attempt may succeed at once.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Again(_) => true,
            fault => fault.says().is_some_and(Says::is_passing),
        }
    }

    /// Whether somebody else was faster, so that looking again tells more.
    pub(crate) fn is_race(&self) -> bool {
        matches!(
            self.code(),
            Some(&(SqlState::UNIQUE_VIOLATION | SqlState::T_R_SERIALIZATION_FAILURE))
        )
    }

    /// Whether an earlier statement of the transaction failed, whose error somebody did not pass on.
    pub(crate) fn is_of_the_transaction(&self) -> bool {
        self.says() == Some(Says::OfTheTransaction)
    }

    /// Whether other commits may well succeed where this one failed: what is said of the server is said of all.
    pub(crate) fn is_of_one(&self) -> bool {
        match self {
            Self::Unlike(_) | Self::Commit(_) | Self::Inside(_) => true,
            fault => fault.says().is_some_and(Says::is_of_one),
        }
    }

    /// Whether it says something of what there is in the database, and not of the moment: it fails like that until somebody changes it.
    pub(crate) fn is_lasting(&self) -> bool {
        self.says().is_some_and(Says::is_lasting)
    }

    /// The error with the way out, where a read model was to be made or put in its place.
    pub(crate) fn of_a_read_model(&self) -> BoxError {
        let Self::Postgres(error) = self else {
            return self.explained();
        };
        let way_out = match error.code() {
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                "this user may not do that to the tables of the read model, or of the log; grant it the rights, make it a member of the role that owns \
                 them, or run `sync-followers` or `rebuild` as their owner"
            }
            Some(&(SqlState::DUPLICATE_TABLE | SqlState::DUPLICATE_OBJECT)) => {
                "something of yours has the name of a table of the read model; drop or rename it, or give the table another name in `create`"
            }
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
                "a statement of `create` failed, and it went on; pass its error on, or set a savepoint before it"
            }
            _ => return self.explained(),
        };
        Explained {
            way_out,
            source: Arc::clone(error),
        }
        .into()
    }

    /// What is told of a `COMMIT` that is refused: the log itself has no constraint that is looked at so late.
    pub(crate) fn of_your_rows(self) -> BoxError {
        match self {
            Self::Postgres(ref source) if self.is_of_one() => Explained {
                way_out: "a constraint of your tables that is looked at last (deferred) refuses it; write what it allows",
                source: Arc::clone(source),
            }
            .into(),
            fault => fault.explained(),
        }
    }

    /// The error with the way out.
    pub(crate) fn explained(&self) -> BoxError {
        let error = match self {
            Self::Postgres(error) => error,
            Self::Unlike(source) => {
                return Explained {
                    way_out: DAMAGED,
                    source: Arc::clone(source),
                }
                .into();
            }
            Self::Commit(error) | Self::Connect(error) | Self::Again(error) => {
                return Shared(Arc::clone(error)).into();
            }
            Self::Open(error) => return Arc::clone(error).into(),
            Self::Ended => {
                return "a projection inside of the commit ended its transaction; leave that to the store".into();
            }
            Self::Inside(error) => return Arc::clone(error).into(),
            Self::Silent => return "no answer came within the statement time-out".into(),
        };
        let way_out = match error.code() {
            Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                "somebody holds the log, or a table of a read model, for longer than the lock time-out: by a transaction after `append_in`, by a lock of \
                 its tables, or by reading a table that is to be replaced (`pg_locks` tells who); end that sooner, or allow more time"
            }
            Some(&SqlState::QUERY_CANCELED) => {
                "it took longer than the statement time-out; allow more time"
            }
            Some(&SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT) => {
                "its transaction stood still for longer than half of the lock time-out, or what it sent came too slowly; allow more time"
            }
            Some(&SqlState::DISK_FULL) => "the server's disk is full; make room",
            Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => TAKES_NO_WRITES,
            Some(&SqlState::FEATURE_NOT_SUPPORTED) if is_of_a_standby(error) => TAKES_NO_WRITES,
            Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                "this user may not do it; grant the right on the schema and its tables"
            }
            Some(&(SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN)) => {
                "a table of the log is gone or another; migrate, or restore it from a backup"
            }
            Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) => {
                "something of yours, such as a view, needs a table of the read model; make it in `create` with a name of `Tables::table`, or drop it"
            }
            Some(&SqlState::UNTRANSLATABLE_CHARACTER) => {
                "a name has a letter that the encoding of this database has not; create the database with the encoding UTF8"
            }
            Some(&(SqlState::UNIQUE_VIOLATION | SqlState::NUMERIC_VALUE_OUT_OF_RANGE)) => DAMAGED,
            // Behind such a proxy one finds what another has prepared under the same name, or nothing.
            Some(&(SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT)) => {
                "prepared statements get lost on the way; behind a proxy that pools transactions, let it keep them (PgBouncer from 1.21: `max_prepared_statements`)"
            }
            _ => return Arc::clone(error).into(),
        };
        Explained {
            way_out,
            source: Arc::clone(error),
        }
        .into()
    }
}

/// A standby has no code of its own for a transaction that is begun to write.
fn is_of_a_standby(error: &tokio_postgres::Error) -> bool {
    let routine = error.as_db_error().and_then(|error| error.routine());
    routine == Some("call_bool_check_hook")
}

const TAKES_NO_WRITES: &str = "the server takes no writes: connect to the primary";

const DAMAGED: &str = "the log is damaged, or was edited by hand; restore it from a backup";

pub(crate) fn unreadable(fault: &Fault) -> ReadError {
    match fault {
        Fault::Unlike(_) => ReadError::Damaged(fault.explained()),
        fault => ReadError::Unavailable(fault.explained()),
    }
}

pub(crate) fn not_kept(fault: &Fault) -> KeepError {
    KeepError::Unavailable(fault.explained())
}

/// What a fault means to who sent a commit.
pub(crate) fn not_committed(fault: Fault) -> AppendError {
    if fault.is_lost() {
        return AppendError::Unavailable(fault.explained());
    }
    match fault {
        Fault::Inside(refused) => match Arc::try_unwrap(refused) {
            Ok(refused) => refused,
            Err(shared) => AppendError::Failed(shared.into()),
        },
        fault => AppendError::Failed(fault.explained()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{way_out}")]
struct Explained<E: std::error::Error + 'static> {
    way_out: &'static str,
    source: Arc<E>,
}

/// An error that several share.
#[derive(Debug)]
struct Shared(Arc<BoxError>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
