//! The tables, by version.
use std::collections::HashMap;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::GenericClient;

use crate::OpenError;
use crate::error::Fault;
use crate::records::column;
use crate::sql::{Location, quoted};

/// The version that this program writes.
pub(crate) const VERSION: u32 = 3;

/// The steps, each from the version before it to its own.
const STEPS: [&str; VERSION as usize] = [
    include_str!("../migrations/1.sql"),
    include_str!("../migrations/2.sql"),
    include_str!("../migrations/3.sql"),
];

/// What the laws rest on, with the version that brought it, so that its absence is noticed: without its indexes a log would take a version twice.
/// `r`: a table, `i`: an index.
const PARTS: [(u32, &str, &str); 16] = [
    (1, "log", "r"),
    (1, "events", "r"),
    (1, "events_pkey", "i"),
    (1, "events_by_stream", "i"),
    (1, "events_by_commit", "i"),
    (1, "checkpoints", "r"),
    (1, "checkpoints_pkey", "i"),
    (1, "snapshots", "r"),
    (1, "snapshots_pkey", "i"),
    (2, "parked", "r"),
    (2, "parked_pkey", "i"),
    (2, "parked_by_stream", "i"),
    (2, "dropped", "r"),
    (2, "dropped_pkey", "i"),
    (3, "placed", "r"),
    (3, "placed_pkey", "i"),
];

/// What [`PostgresStore::migrate`](crate::PostgresStore::migrate) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migrated {
    /// The version that was there; 0 where there was none.
    pub from: u32,
    /// The version that is there now.
    pub to: u32,
}

/// The tables of one log.
pub(crate) struct Log<'a> {
    pub(crate) location: &'a Location,
    /// What brings them up to date, for people.
    pub(crate) command: &'a str,
}

impl Log<'_> {
    /// Refuses tables that are not as this program needs them; changes nothing.
    pub(crate) async fn check(&self, client: &impl GenericClient) -> Result<(), Fault> {
        match self.found(client).await? {
            VERSION => Ok(()),
            found => Err(Fault::from(OpenError::Unmigrated {
                log: self.to_string(),
                found,
                needed: VERSION,
                command: self.command.to_owned(),
            })),
        }
    }

    /// Brings the tables up to date: all steps in one transaction, under a lock that only one migrator has; another one finds nothing to do.
    pub(crate) async fn migrate(&self, client: &mut ClientWrapper) -> Result<Migrated, Fault> {
        let transaction = client
            .build_transaction()
            .isolation_level(tokio_postgres::IsolationLevel::ReadCommitted)
            .start()
            .await?;
        // Another migrator may take its time.
        transaction
            .batch_execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
            .await?;
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock($1)",
                &[&self.location.number()],
            )
            .await?;
        let from = self.found(&*transaction).await?;
        if from == 0 {
            let encoding = transaction.query_one("SHOW server_encoding", &[]).await?;
            let encoding: &str = column(&encoding, 0)?;
            // What the others lack would be refused in the middle of things, by names and failures.
            if !matches!(encoding, "UTF8" | "SQL_ASCII") {
                let encoding = encoding.to_owned();
                return Err(OpenError::Encoding { encoding }.into());
            }
            let schema = &self.location.schema;
            let there = transaction
                .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = $1", &[schema])
                .await?;
            // Whoever may create tables may not be allowed to create schemas, even where there is one.
            if there.is_none() {
                let create = format!("CREATE SCHEMA {}", quoted(schema));
                transaction.batch_execute(&create).await?;
            }
        }
        for step in STEPS.iter().skip(from as usize) {
            transaction
                .batch_execute(&self.location.named(step))
                .await?;
        }
        transaction.commit().await?;
        Ok(Migrated { from, to: VERSION })
    }

    /// The version of the tables, 0 where there are none.
    ///
    /// # Errors
    /// They are newer, or not as this store makes them.
    async fn found(&self, client: &impl GenericClient) -> Result<u32, Fault> {
        let names: Vec<_> = PARTS
            .iter()
            .map(|(_, part, _)| self.location.name(part))
            .collect();
        let rows = client
            .query(
                "SELECT c.relname::text, c.relkind::text FROM pg_catalog.pg_class AS c \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = ANY ($2::text[])",
                &[&self.location.schema, &names],
            )
            .await?;
        let mut kinds = HashMap::new();
        for row in &rows {
            kinds.insert(column::<String>(row, 0)?, column::<String>(row, 1)?);
        }
        let missing = |up_to: u32| {
            let mut parts = PARTS.iter().filter(|(version, ..)| *version <= up_to);
            parts.find_map(|(_, part, kind)| {
                let name = self.location.name(part);
                let is_there = kinds.get(&name).is_some_and(|found| found == kind);
                (!is_there).then_some(name)
            })
        };
        let log = self.location.name("log");
        let mut others = PARTS.iter().filter(|(version, ..)| *version == 1).skip(1);
        let others_are_there = others.all(|(_, part, kind)| {
            let found = kinds.get(&self.location.name(part));
            found.is_some_and(|found| found == kind)
        });
        match kinds.get(&log).map(String::as_str) {
            Some("r") => {}
            Some(_) => return Err(OpenError::Occupied { name: log }.into()),
            // All others of its version are there, so it was.
            None if others_are_there => {
                return Err(OpenError::Incomplete { part: log }.into());
            }
            None => {
                return match kinds.into_keys().min() {
                    None => Ok(0),
                    Some(name) => Err(OpenError::Occupied { name }.into()),
                };
            }
        }
        let statement = self
            .location
            .named("SELECT version::int8 FROM {log} WHERE id = 1");
        let found = match client.query_opt(&statement, &[]).await {
            Ok(Some(row)) => {
                u32::try_from(column::<i64>(&row, 0)?).map_err(|source| Fault::unlike(0, source))?
            }
            Ok(None) => return Err(OpenError::Incomplete { part: log }.into()),
            // A table of that name, of somebody else.
            Err(error)
                if error.code() == Some(&tokio_postgres::error::SqlState::UNDEFINED_COLUMN) =>
            {
                return Err(OpenError::Occupied { name: log }.into());
            }
            Err(error) => return Err(error.into()),
        };
        if found > VERSION {
            return Err(OpenError::Newer {
                log: self.to_string(),
                found,
                known: VERSION,
            }
            .into());
        }
        if let Some(part) = missing(found) {
            return Err(OpenError::Incomplete { part }.into());
        }
        // What has a name that a later step will need is somebody else's.
        let mut later = PARTS.iter().filter(|(version, ..)| *version > found);
        let in_the_way = later.find_map(|(_, part, _)| {
            let name = self.location.name(part);
            kinds.contains_key(&name).then_some(name)
        });
        match in_the_way {
            Some(name) => Err(OpenError::Occupied { name }.into()),
            None => Ok(found),
        }
    }
}

impl std::fmt::Display for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.location.schema, self.location.prefix)
    }
}

/// Refuses names that Postgres would not take, or would cut off so that two become one.
pub(crate) fn check_names(location: &Location) -> Result<(), OpenError> {
    let Location { schema, prefix } = location;
    if schema.is_empty() || schema.len() > 63 || schema.contains('\0') || schema.starts_with("pg_")
    {
        return Err(OpenError::Schema {
            schema: schema.clone(),
        });
    }
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let is_name = prefix.len() <= 32
        && prefix.starts_with(|first: char| first.is_ascii_alphabetic())
        && prefix.chars().all(is_word);
    if is_name {
        return Ok(());
    }
    Err(OpenError::Prefix {
        prefix: prefix.clone(),
    })
}
