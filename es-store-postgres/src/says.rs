//! What an error of Postgres is about, by which everybody judges who has to decide what comes next.
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// The line is gone: what was asked may have been done or not.
    Lost,
    /// The transaction was given up for the sake of another.
    GaveWay,
    /// Somebody else is at the same table, or makes one of that name just now: `IF NOT EXISTS` does not wait for that.
    Busy,
    /// Somebody ended the statement or uses what it needs, or this is a standby yet.
    BrokenOff,
    /// The server lacks room, memory or connections, or cannot read its files.
    OfTheServer,
    /// An earlier statement of the transaction failed, whose error somebody did not pass on.
    OfTheTransaction,
    /// Data, integrity, limits of the program, and what a trigger raises: others fare better.
    OfWhatWasAsked,
    /// It could not be put into a message.
    Unsent,
    /// What depends on it, rights and names: it is so until somebody changes it.
    OfWhatThereIs,
    /// A table, a column, a role or a statement is not there, and may be about to be restored.
    Missing,
    Another,
}

impl Says {
    pub(crate) fn of(error: &Error) -> Self {
        if is_lost(error) {
            return Self::Lost;
        }
        let Some(code) = error.code() else {
            return Self::Unsent;
        };
        let of_the_catalog = || {
            let schema = error.as_db_error().and_then(|error| error.schema());
            schema == Some("pg_catalog")
        };
        match code {
            &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE => {
                Self::GaveWay
            }
            &SqlState::LOCK_NOT_AVAILABLE => Self::Busy,
            &SqlState::UNIQUE_VIOLATION if of_the_catalog() => Self::Busy,
            &SqlState::INTERNAL_ERROR
            | &SqlState::QUERY_CANCELED
            | &SqlState::OBJECT_IN_USE
            | &SqlState::READ_ONLY_SQL_TRANSACTION => Self::BrokenOff,
            &SqlState::IN_FAILED_SQL_TRANSACTION => Self::OfTheTransaction,
            &SqlState::UNDEFINED_TABLE
            | &SqlState::UNDEFINED_COLUMN
            | &SqlState::UNDEFINED_OBJECT
            | &SqlState::DUPLICATE_PSTATEMENT => Self::Missing,
            code => match code.code().get(..2) {
                Some("53" | "58") => Self::OfTheServer,
                Some("22" | "23" | "54" | "P0") => Self::OfWhatWasAsked,
                Some("2B" | "42") => Self::OfWhatThereIs,
                _ => Self::Another,
            },
        }
    }

    /// Whether another attempt may succeed at once.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Lost | Self::GaveWay)
    }

    /// Whether it is about the line, or about who else was at work, and not about what was asked.
    pub(crate) fn is_of_the_moment(self) -> bool {
        self.is_passing() || self == Self::Busy
    }

    /// Whether the same may well succeed another time.
    pub(crate) fn is_worth_another_try(self) -> bool {
        self.is_of_the_moment() || matches!(self, Self::BrokenOff | Self::OfTheServer)
    }

    /// Whether other commits may well succeed where this one failed: what is said of the server is said of all.
    pub(crate) fn is_of_one(self) -> bool {
        matches!(self, Self::OfWhatWasAsked | Self::Unsent)
    }

    /// Whether it fails like that until somebody changes what there is in the database.
    pub(crate) fn is_lasting(self) -> bool {
        matches!(self, Self::OfWhatWasAsked | Self::OfWhatThereIs)
    }
}

fn is_lost(error: &Error) -> bool {
    use std::error::Error as _;
    if let Some(error) = error.as_db_error() {
        let code = error.code().code();
        return code.starts_with("08")
            || code.starts_with("57P")
            || matches!(
                error.parsed_severity(),
                Some(Severity::Fatal | Severity::Panic)
            );
    }
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
        || error.to_string() == "unexpected message from server"
}
