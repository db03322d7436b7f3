//! Who may do what with a read model, kept for what takes its place: owners, and what they granted.
use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, Transaction};

use crate::error::Fault;
use crate::records::column;
use crate::sql::{Sql, quoted};

/// The rights on relations, by their schemas and names.
#[derive(Default)]
pub(crate) struct Rights {
    of: BTreeMap<(String, String), Right>,
}

struct Right {
    is_sequence: bool,
    owner: String,
    grants: Vec<Grant>,
    /// What keeps rows from those who may read: row level security, and what was said of a view.
    guards: Vec<String>,
}

/// What the owner, or somebody for the owner, granted.
struct Grant {
    /// One column, or all.
    column: Option<String>,
    privilege: String,
    /// A role, or everybody.
    to: Option<String>,
    may_grant: bool,
}

/// Where nothing was granted or revoked, the owner has all rights.
const SEEN: &str = "SELECT n.nspname::text, c.relname::text, c.relkind = 'S', pg_catalog.pg_get_userbyid(c.relowner)::text, \
         g.attname::text, g.privilege_type, r.rolname::text, g.is_grantable, g.grantee = 0, \
         ARRAY(SELECT 'row security' WHERE c.relrowsecurity) || CASE WHEN c.relkind = 'v' THEN coalesce(c.reloptions, '{}') ELSE '{}' END \
     FROM unnest($1::text[]) AS w (name) \
     JOIN pg_catalog.pg_class AS c \
         ON c.oid = to_regclass(CASE WHEN w.name LIKE '%.%' THEN w.name ELSE quote_ident($2) || '.' || w.name END) \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     LEFT JOIN LATERAL ( \
         SELECT NULL::name AS attname, e.* FROM pg_catalog.aclexplode(coalesce(c.relacl, \
             pg_catalog.acldefault((CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::\"char\", c.relowner))) AS e \
         UNION ALL \
         SELECT a.attname, e.* FROM pg_catalog.pg_attribute AS a, pg_catalog.aclexplode(a.attacl) AS e \
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
     ) AS g ON true \
     LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = g.grantee \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";

/// A sequence that belongs to a column has the owner of its table. Tables come first.
const THERE: &str = "SELECT c.relkind = 'S', pg_catalog.pg_get_userbyid(c.relowner)::text, \
         ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
         pg_catalog.pg_has_role(w.owner::name, 'USAGE') AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
             WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0), \
         n.nspname::text, c.relname::text, \
         ARRAY(SELECT 'row security' WHERE c.relrowsecurity) || CASE WHEN c.relkind = 'v' THEN coalesce(c.reloptions, '{}') ELSE '{}' END \
     FROM unnest($1::text[], $2::text[], $3::text[]) AS w (schema, name, owner) \
     JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema \
     JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name \
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
     ORDER BY c.relkind = 'S'";

impl Rights {
    /// The rights on those of these names that are there.
    pub(crate) async fn on(
        transaction: &Transaction<'_>,
        sql: &Sql,
        names: &BTreeSet<String>,
    ) -> Result<Self, Fault> {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let rows = transaction
            .query(SEEN, &[&names, &sql.location.schema])
            .await?;
        let mut rights = Self::default();
        for row in &rows {
            let right = rights.of.entry((column(row, 0)?, column(row, 1)?));
            let right = right.or_insert(Right {
                is_sequence: column(row, 2)?,
                owner: column(row, 3)?,
                grants: Vec::new(),
                guards: column(row, 9)?,
            });
            right.grants.extend(Grant::of(row)?);
        }
        Ok(rights)
    }

    /// Gives the same rights on what has these names now, beside those that there are: to the same owner, where this user may do that.
    pub(crate) async fn give(&self, transaction: &Transaction<'_>) -> Result<(), Fault> {
        if self.of.is_empty() {
            return Ok(());
        }
        let (mut schemas, mut names, mut owners) = (Vec::new(), Vec::new(), Vec::new());
        for ((schema, name), right) in &self.of {
            schemas.push(schema);
            names.push(name);
            owners.push(&right.owner);
        }
        let rows = transaction
            .query(THERE, &[&schemas, &names, &owners])
            .await?;
        for row in &rows {
            let there = There {
                is_sequence: column(row, 0)?,
                owner: column(row, 1)?,
                columns: column(row, 2)?,
                may_be_given: column(row, 3)?,
                schema: column(row, 4)?,
                name: column(row, 5)?,
                guards: column(row, 6)?,
            };
            let place = (there.schema.clone(), there.name.clone());
            match self.of.get(&place) {
                Some(right) if right.fits(&there) => {
                    right.give(transaction, &there).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What has taken the place.
struct There {
    is_sequence: bool,
    owner: String,
    columns: Vec<String>,
    /// Whoever does this has the rights of the one who owned what was there, and so keeps them.
    may_be_given: bool,
    schema: String,
    name: String,
    guards: Vec<String>,
}

impl Right {
    /// Whether nobody would see more by these rights than before.
    fn fits(&self, there: &There) -> bool {
        self.is_sequence == there.is_sequence
            && self.guards.iter().all(|guard| there.guards.contains(guard))
    }

    async fn give(&self, transaction: &Transaction<'_>, there: &There) -> Result<(), Fault> {
        let is_owner = self.owner == there.owner;
        if !is_owner && there.may_be_given {
            let given = format!(
                "SAVEPOINT es_rights; ALTER {} OWNER TO {}; {}RELEASE SAVEPOINT es_rights",
                there.named(),
                quoted(&self.owner),
                self.granted(there, true),
            );
            match transaction.batch_execute(&given).await {
                // The owner could not make a table there, or a constraint that is deferred has rows of it to look at still.
                Err(error)
                    if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
                        || error.code() == Some(&SqlState::OBJECT_IN_USE) => {}
                given => return Ok(given?),
            }
            let back = "ROLLBACK TO SAVEPOINT es_rights; RELEASE SAVEPOINT es_rights";
            transaction.batch_execute(back).await?;
        }
        let granted = self.granted(there, is_owner);
        if granted.is_empty() {
            return Ok(());
        }
        Ok(transaction.batch_execute(&granted).await?)
    }

    /// The statements that grant it; to its owner where that is another now.
    fn granted(&self, there: &There, is_owner: bool) -> String {
        let mut statements = String::new();
        for grant in &self.grants {
            let is_lost = |column: &String| !there.columns.contains(column);
            let is_own = is_owner && grant.to.as_ref() == Some(&self.owner);
            if !is_own && !grant.column.as_ref().is_some_and(is_lost) {
                statements.push_str(&grant.statement(there));
            }
        }
        statements
    }
}

impl There {
    /// Every relation but a sequence is called a table here.
    fn named(&self) -> String {
        let word = if self.is_sequence {
            "SEQUENCE"
        } else {
            "TABLE"
        };
        format!("{word} {}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl Grant {
    /// Nothing where nothing is granted, or to a role that is gone.
    fn of(row: &Row) -> Result<Option<Self>, Fault> {
        let to: Option<String> = column(row, 6)?;
        let to_all = column::<Option<bool>>(row, 8)?.unwrap_or_default();
        let privilege: Option<String> = column(row, 5)?;
        let Some(privilege) = privilege.filter(|_| to.is_some() || to_all) else {
            return Ok(None);
        };
        Ok(Some(Self {
            column: column(row, 4)?,
            privilege,
            to,
            may_grant: column::<Option<bool>>(row, 7)?.unwrap_or_default(),
        }))
    }

    fn statement(&self, there: &There) -> String {
        let Self { privilege, .. } = self;
        let column = self.column.as_ref().map(|column| quoted(column));
        let column = column.map_or_else(String::new, |column| format!(" ({column})"));
        let to = self.to.as_ref().map(|role| quoted(role));
        let to = to.unwrap_or_else(|| "PUBLIC".to_owned());
        let option = if self.may_grant {
            " WITH GRANT OPTION"
        } else {
            ""
        };
        let named = there.named();
        format!("GRANT {privilege}{column} ON {named} TO {to}{option}; ")
    }
}
