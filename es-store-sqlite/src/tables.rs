//! The names of the tables that a projection writes to: those that readers see, or others beside them.
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use es_core::Position;
use es_core::persistence::{BoxError, FollowerId};
use es_core::system::{HandlerPanicked, Output};
use rusqlite::{Connection, Error, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::sql::Sql;

/// Knows the tables that a projection writes to.
pub trait Tables {
    /// The name of a table, an index, a view or a trigger: in a projection that is built beside what readers see it has an ending; else it is
    /// `name` itself.
    fn table(&self, name: &str) -> String;
}

impl Tables for Transaction<'_> {
    fn table(&self, name: &str) -> String {
        WRITES_TO.with_borrow_mut(|writes_to| match writes_to {
            Some(made) => {
                if !made.tables.contains(name) {
                    made.tables.insert(name.to_owned());
                }
                format!("{name}{}", made.ending)
            }
            None => name.to_owned(),
        })
    }
}

thread_local! {
    /// What the handler writes to that runs on this thread.
    static WRITES_TO: RefCell<Option<Made>> = const { RefCell::new(None) };
}

/// What a projection has made, as it is kept beside its checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Made {
    /// How the names of its tables ended when they were made, and those of its indexes still do.
    pub(crate) ending: String,
    /// The names of its tables, indexes, views and triggers, without the ending.
    pub(crate) tables: BTreeSet<String>,
    /// It runs inside of commits.
    #[serde(default)]
    pub(crate) inline: bool,
}

const MAKES_NO_TABLES: &str = "`create` asked for no table by `tx.table(..)`, so it cannot be made anew without what readers see; let `create` make \
     its tables, and write `tx.table(..)` wherever they are named, or give the projection another `NAME`, under which it begins anew";

impl Made {
    pub(crate) fn new(ending: &str) -> Self {
        Self {
            ending: ending.to_owned(),
            ..Self::default()
        }
    }

    /// How the names of its tables end now: of what readers see not at all, however they ended when they were made.
    pub(crate) fn ending_of(&self, output: &Output) -> String {
        match output.tag {
            Some(_) => self.ending.clone(),
            None => String::new(),
        }
    }

    /// Refuses what is made anew and has no tables for it: it would be written into those that readers see.
    ///
    /// # Errors
    /// What to write.
    pub(crate) fn check_anew(&self, is_anew: bool) -> Result<(), BoxError> {
        if is_anew && self.tables.is_empty() {
            return Err(MAKES_NO_TABLES.into());
        }
        Ok(())
    }

    /// Refuses names that were taken before `create`: what is there is somebody else's, and would be thrown away with what readers see when it is
    /// made anew. `there` are the names there were.
    ///
    /// # Errors
    /// Which, and what to do.
    pub(crate) fn check_own(&self, there: &BTreeSet<String>) -> Result<(), BoxError> {
        let mut made = self
            .tables
            .iter()
            .map(|name| format!("{name}{}", self.ending));
        if let Some(name) = made.find(|name| there.contains(&name.to_ascii_lowercase())) {
            return Err(taken(&name));
        }
        Ok(())
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::ToSqlConversionFailure(error.into()))
    }

    /// Drops the tables that readers see.
    pub(crate) fn drop_tables(&self, connection: &Connection) -> Result<(), Error> {
        self.drop_those_with(connection, "")
    }

    /// What is told of a `create` that failed.
    pub(crate) fn not_created(&self, source: BoxError) -> BoxError {
        let beside = |name| format!("`{name}{}`", self.ending);
        let tables: Vec<_> = self.tables.iter().map(beside).collect();
        let tables = match &*tables {
            [] => String::new(),
            tables => format!(" of {}", tables.join(", ")),
        };
        NotCreated { tables, source }.into()
    }

    /// Drops the tables that were made beside those that readers see.
    pub(crate) fn drop_tables_beside(&self, connection: &Connection) -> Result<(), Error> {
        self.drop_those_with(connection, &self.ending)
    }

    fn drop_those_with(&self, connection: &Connection, ending: &str) -> Result<(), Error> {
        // Until the commit: they may refer to each other.
        connection.pragma_update(None, "defer_foreign_keys", true)?;
        for name in &self.tables {
            if let Some(made) = Relation::find(connection, &format!("{name}{ending}"))? {
                made.drop(connection)?;
            }
        }
        Ok(())
    }

    /// Gives what was made beside the names that readers know.
    pub(crate) fn put_in_place(&self, connection: &Connection) -> Result<(), Error> {
        let (mut tables, mut others) = (Vec::new(), Vec::new());
        for name in &self.tables {
            match Relation::find(connection, &format!("{name}{}", self.ending))? {
                Some(table) if table.kind == "table" => tables.push((table, name)),
                Some(other) => others.push(other),
                None => {}
            }
        }
        // A view may have triggers.
        others.sort_by_key(|other| other.kind == "trigger");
        // Those have no other name than they are written with, nor have the tables in them.
        for other in others.iter().rev() {
            other.drop(connection)?;
        }
        for (table, name) in tables {
            let (built, name) = (quoted(&table.name), quoted(name));
            connection.execute_batch(&format!("ALTER TABLE {built} RENAME TO {name}"))?;
        }
        for other in others {
            let rename = |sql: String, name: &String| {
                replaced(&sql, &format!("{name}{}", self.ending), name)
            };
            let written = self.tables.iter().fold(other.written, rename);
            connection.execute_batch(&written)?;
        }
        Ok(())
    }
}

/// The names there are of tables, indexes, views and triggers, in lower case, before what begins at that position is made.
pub(crate) fn names(connection: &Connection, begins: Position) -> Result<BTreeSet<String>, Error> {
    if begins != Position::START {
        // Who goes on made its own before it was kept what is made.
        return Ok(BTreeSet::new());
    }
    let mut names = connection.prepare("SELECT lower(name) FROM sqlite_schema")?;
    let names = names.query_map((), |row| row.get(0))?;
    names.collect()
}

/// A table, a view or a trigger.
struct Relation {
    kind: String,
    name: String,
    /// As `create` wrote it.
    written: String,
}

impl Relation {
    fn find(connection: &Connection, name: &str) -> Result<Option<Self>, Error> {
        let query = "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger') AND name = ?1 COLLATE NOCASE";
        let found = connection.query_row(query, [name], |row| {
            let (kind, name, written) = row.try_into()?;
            Ok(Self {
                kind,
                name,
                written,
            })
        });
        found.optional()
    }

    fn drop(&self, connection: &Connection) -> Result<(), Error> {
        let (kind, name) = (&self.kind, quoted(&self.name));
        connection.execute_batch(&format!("DROP {kind} {name}"))
    }
}

/// A text of SQL with another name in the place of one.
fn replaced(sql: &str, name: &str, by: &str) -> String {
    let goes_on =
        |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || "_$".contains(next));
    let (mut new, mut done) = (String::new(), 0);
    for (start, found) in sql.match_indices(name) {
        let end = start + found.len();
        if !goes_on(sql[..start].chars().next_back()) && !goes_on(sql[end..].chars().next()) {
            new.push_str(&sql[done..start]);
            new.push_str(by);
            done = end;
        }
    }
    new.push_str(&sql[done..]);
    new
}

/// Runs what asks for the names of tables, and says which it asked for. A panic is an error.
pub(crate) fn within<T>(
    made: Made,
    run: impl FnOnce() -> Result<T, BoxError>,
) -> (Result<T, BoxError>, Made) {
    WRITES_TO.set(Some(made));
    let outcome = catch_unwind(AssertUnwindSafe(run));
    let made = WRITES_TO.take().unwrap_or_default();
    let outcome = outcome.unwrap_or_else(|panic| Err(HandlerPanicked::new(&*panic).into()));
    (outcome, made)
}

/// What a follower has made so far, where it has.
pub(crate) fn made(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Option<Made>, Error> {
    let kept = connection
        .query_row(
            &sql.read_output,
            params![follower.name, follower.log],
            |row| row.get::<_, Option<String>>(0),
        )
        .optional()?
        .flatten();
    match kept {
        None => Ok(None),
        Some(kept) => serde_json::from_str(&kept)
            .map(Some)
            .map_err(|error| Error::ToSqlConversionFailure(error.into())),
    }
}

/// `create` failed.
#[derive(Debug, thiserror::Error)]
#[error("`create`{tables} failed")]
struct NotCreated {
    /// Those that it had asked for by then, in words.
    tables: String,
    source: BoxError,
}

/// What to do about a name that somebody else has.
fn taken(name: &str) -> BoxError {
    format!(
        "`{name}` is there already, and it is not known that this follower made it: give the table another name, as that of the projection, or of the \
         log where it follows several; name one that the program makes itself without `tx.table(..)`, which is then not built anew; or drop it \
         where nobody needs what is there, as what was made before the follower was forgotten"
    )
    .into()
}

/// Whether a projection runs inside of commits.
pub(crate) fn runs_inside(
    connection: &Connection,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<bool, Error> {
    Ok(made(connection, sql, follower)?.is_some_and(|made| made.inline))
}

/// A name of the user's in SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
