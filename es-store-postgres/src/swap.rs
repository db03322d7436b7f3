//! What was built beside takes the place of what readers see, in one transaction.
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use es_core::Position;
use es_core::persistence::{AppendError, FollowerId};
use es_core::system::Output;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::connection::milliseconds;
use crate::error::Fault;
use crate::followers::{key, locked};
use crate::projection::own::Undone;
use crate::records::{column, ordinal, stored};
use crate::rights::Rights;
use crate::sql::{Sql, quoted};
use crate::store::Shared;
use crate::tables::{Made, whole};

/// What a follower has made so far, where it has.
pub(crate) async fn made(
    transaction: &Transaction<'_>,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<Option<Made>, Fault> {
    let [name, log] = key(follower);
    let row = transaction
        .query_opt(&sql.read_output, &[&name, &log])
        .await?;
    let kept = match &row {
        Some(row) => column::<Option<&str>>(row, 0)?,
        None => None,
    };
    let made = kept.map(serde_json::from_str).transpose();
    made.map_err(|error| Fault::unlike(0, error))
}

/// Puts what was built in the place of what readers see; all but the commit.
///
/// Tables are locked before rows of followers, as a batch locks them: else one could wait for the other.
pub(crate) async fn swap(
    transaction: &Transaction<'_>,
    shared: &Shared,
    built: &Output,
) -> Result<(), Undone> {
    let sql = &*shared.sql;
    let seen = made(transaction, sql, &built.live)
        .await?
        .unwrap_or_default();
    lock_all(transaction, shared, &seen.tables).await?;
    // In the order that all writers keep to.
    let (new, old) = if key(&built.follower) < key(&built.live) {
        let new = locked(transaction, sql, &built.follower).await?;
        (new, locked(transaction, sql, &built.live).await?)
    } else {
        let old = locked(transaction, sql, &built.live).await?;
        (locked(transaction, sql, &built.follower).await?, old)
    };
    if let Some(refused) = built.refusal(&new, &old) {
        return Err(Undone::Refused(refused));
    }
    let [name, log] = key(&built.live);
    let [from, _] = key(&built.follower);
    if !built.anew {
        // Somebody may have decided about it, or handled it, since whoever builds looked.
        let values: [&(dyn ToSql + Sync); 4] = [&name, &log, &from, &stored(old.position.get())?];
        if let Some(row) = transaction.query_opt(&sql.read_overtaken, &values).await? {
            let follower = built.follower.clone();
            let position = Position::from(ordinal(&row, 0)?);
            return Err(Undone::Refused(AppendError::Parking { follower, position }));
        }
    }
    let after = made(transaction, sql, &built.follower)
        .await?
        .unwrap_or_default();
    // A table that is not known to be the projection's is left alone, and then in the way.
    let before = match made(transaction, sql, &built.live).await? {
        Some(before) => before.tables,
        None if old.position == Position::START => BTreeSet::new(),
        // Kept before it was kept what is made.
        None => after.tables.clone(),
    };
    let rights = Rights::on(transaction, sql, &before).await?;
    drop_all(transaction, sql, &before).await?;
    for relation in relations(transaction, sql, &after.beside()).await? {
        if let Some(rename) = relation.rename(&after.ending) {
            transaction.batch_execute(&rename).await?;
        }
    }
    rights.give(transaction).await?;

    // Whoever still writes to what was there is fenced.
    let epoch = stored(old.epoch.next().get())?;
    let values: [&(dyn ToSql + Sync); 4] = [&name, &log, &from, &epoch];
    for statement in &sql.swap_parked {
        transaction.execute(statement, &values[..3]).await?;
    }
    let [forget, rename] = &sql.swap_checkpoints;
    transaction.execute(forget, &values[..2]).await?;
    transaction.execute(rename, &values).await?;
    let epoch = stored(new.epoch.next().get())?;
    let kept: [&(dyn ToSql + Sync); 3] = [&from, &log, &epoch];
    transaction.execute(&sql.keep_epoch, &kept).await?;
    transaction.execute(&sql.notify, &[&shared.handle]).await?;
    Ok(())
}

/// How long it is waited for readers at first, before those that came later are let through.
const SHORTEST: Duration = Duration::from_millis(100);

/// The same at most: the server ends a session that does nothing in a transaction for ten seconds.
const LONGEST: Duration = Duration::from_secs(2);

/// Locks those of these names that are tables or views, before the rows of followers are.
///
/// Views come first, as they do for who reads by them. A lock of a view would be one of whatever it reads, so it is put where it is.
///
/// Whoever comes to read while this waits for who reads already waits behind it, and a backup reads for hours. So it waits for a moment, lets them
/// through for twice as long, and then waits for a longer moment.
pub(crate) async fn lock_all(
    transaction: &Transaction<'_>,
    shared: &Shared,
    names: &BTreeSet<String>,
) -> Result<(), Fault> {
    let relations = relations(transaction, &shared.sql, names).await?;
    let views: String = relations.iter().filter_map(Relation::stay).collect();
    // The oldest first, as handlers write to them most often.
    let tables = relations.iter().rev().filter(|found| found.is_table());
    let tables: Vec<_> = tables.map(Relation::name).collect();
    if tables.is_empty() {
        return Ok(());
    }
    let tables = tables.join(", ");
    // All of it is a part of what the server has to answer in time.
    let longest = shared.lock_timeout.min(shared.patience / 2);
    let started = Instant::now();
    let mut moment = SHORTEST.min(longest);
    loop {
        let [moments, others] = [moment, shared.lock_timeout].map(milliseconds);
        let lock = format!(
            "SAVEPOINT es_swap; SET LOCAL lock_timeout = {moments}; {views}LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE; \
             SET LOCAL lock_timeout = {others}; RELEASE SAVEPOINT es_swap"
        );
        let Err(error) = transaction.batch_execute(&lock).await else {
            return Ok(());
        };
        let is_held = error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE);
        if !is_held || started.elapsed() + moment * 2 >= longest {
            return Err(error.into());
        }
        let give_back = "ROLLBACK TO SAVEPOINT es_swap; RELEASE SAVEPOINT es_swap";
        transaction.batch_execute(give_back).await?;
        tokio::time::sleep(moment * 2).await;
        moment = (moment * 2).min(longest / 4).min(LONGEST).max(moment);
    }
}

/// Drops those of these names that are there.
pub(crate) async fn drop_all(
    transaction: &Transaction<'_>,
    sql: &Sql,
    names: &BTreeSet<String>,
) -> Result<(), Fault> {
    for relation in relations(transaction, sql, names).await? {
        if let Some(drop) = relation.drop() {
            transaction.batch_execute(&drop).await?;
        }
    }
    Ok(())
}

/// What there was before a follower made its own.
#[derive(Default)]
pub(crate) struct There {
    /// The names of tables, indexes, views and sequences, each with its schema.
    pub(crate) names: BTreeSet<String>,
    /// Those of what other followers had made, which somebody may have dropped.
    made: BTreeSet<String>,
}

/// What there is before what begins at that position is made.
pub(crate) async fn there(
    transaction: &Transaction<'_>,
    sql: &Sql,
    follower: &FollowerId,
    begins: Position,
) -> Result<There, Fault> {
    if begins != Position::START {
        // Who goes on made its own before it was kept what is made.
        return Ok(There::default());
    }
    let made = made_by_others(transaction, sql, follower).await?;
    let rows = transaction
        .query(
            "SELECT n.nspname::text || '.' || c.relname::text FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'",
            &[],
        )
        .await?;
    let names: Result<_, _> = rows.iter().map(|row| column(row, 0)).collect();
    Ok(There {
        names: names?,
        made,
    })
}

/// The names of what others made since: `IF NOT EXISTS` waits for them, and says nothing.
pub(crate) async fn made_since(
    transaction: &Transaction<'_>,
    sql: &Sql,
    follower: &FollowerId,
    there: &There,
) -> Result<BTreeSet<String>, Fault> {
    let made = made_by_others(transaction, sql, follower).await?;
    Ok(made.difference(&there.made).cloned().collect())
}

async fn made_by_others(
    transaction: &Transaction<'_>,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<BTreeSet<String>, Fault> {
    let [name, log] = key(follower);
    let of: [&(dyn ToSql + Sync); 2] = [&name, &log];
    let rows = transaction.query(&sql.read_outputs_of_others, &of).await?;
    let mut names = BTreeSet::new();
    for row in &rows {
        let other: Made =
            serde_json::from_str(column(row, 0)?).map_err(|error| Fault::unlike(0, error))?;
        let beside = other.beside();
        names.extend(beside.iter().map(|name| whole(name, &sql.location.schema)));
    }
    Ok(names)
}

/// Whether a projection runs inside of commits.
pub(crate) async fn runs_inside(
    transaction: &Transaction<'_>,
    sql: &Sql,
    follower: &FollowerId,
) -> Result<bool, Fault> {
    let made = made(transaction, sql, follower).await?;
    Ok(made.is_some_and(|made| made.inline))
}

/// A table, an index, a view or a sequence.
struct Relation {
    schema: String,
    name: String,
    kind: String,
}

/// Those of these names that are there; views before the tables that they need.
///
/// One without a schema was made in that of the log. Where it is gone from there, what the search path finds of its name is somebody else's.
async fn relations(
    transaction: &Transaction<'_>,
    sql: &Sql,
    names: &BTreeSet<String>,
) -> Result<Vec<Relation>, Fault> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = transaction
        .query(
            "SELECT n.nspname::text, c.relname::text, c.relkind::text FROM unnest($1::text[]) AS w (name) \
             JOIN pg_catalog.pg_class AS c \
                 ON c.oid = to_regclass(CASE WHEN w.name LIKE '%.%' THEN w.name ELSE quote_ident($2) || '.' || w.name END) \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             ORDER BY c.relkind IN ('v', 'm') DESC, c.oid DESC",
            &[&names, &sql.location.schema],
        )
        .await?;
    let relations = rows.iter().map(|row| {
        Ok(Relation {
            schema: column(row, 0)?,
            name: column(row, 1)?,
            kind: column(row, 2)?,
        })
    });
    relations.collect()
}

impl Relation {
    fn name(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }

    fn is_table(&self) -> bool {
        ["r", "p"].contains(&&*self.kind)
    }

    /// What it is called in a statement.
    fn word(&self) -> Option<&'static str> {
        match &*self.kind {
            "r" | "p" => Some("TABLE"),
            "i" | "I" => Some("INDEX"),
            "v" => Some("VIEW"),
            "m" => Some("MATERIALIZED VIEW"),
            "S" => Some("SEQUENCE"),
            _ => None,
        }
    }

    /// Locks a view, and changes nothing.
    fn stay(&self) -> Option<String> {
        let word = self.word().filter(|word| word.ends_with("VIEW"))?;
        let (name, schema) = (self.name(), quoted(&self.schema));
        Some(format!(
            "ALTER {word} IF EXISTS {name} SET SCHEMA {schema}; "
        ))
    }

    /// An index goes with its table, and a sequence may.
    fn drop(&self) -> Option<String> {
        let word = self.word().filter(|word| *word != "INDEX")?;
        Some(format!("DROP {word} IF EXISTS {}", self.name()))
    }

    fn rename(&self, ending: &str) -> Option<String> {
        let name = quoted(self.name.strip_suffix(ending)?);
        Some(format!(
            "ALTER {} {} RENAME TO {name}",
            self.word()?,
            self.name()
        ))
    }
}
