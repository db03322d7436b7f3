//! Projections inside the commit: they are never behind, and a commit that they cannot handle is refused.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use es_core::persistence::{Advance, AppendError, BoxError, CommitId, FollowerId, Record};
use es_core::system::{InlineError, Inlined};
use es_core::{Application, Position};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior, params};
use tracing::warn;

use crate::error::{explained, is_of_what_is_there, of_a_read_model};
use crate::names::Names;
use crate::projection::SqliteProjection;
use crate::sql::Sql;
use crate::tables::{Made, made, names, within};
use crate::writer::{TRACED, handling};
use crate::{SqliteStore, followers, reads};

/// The projections that run inside of each commit of this process.
#[derive(Clone, Default)]
pub(crate) struct Inline {
    all: Arc<Mutex<Vec<Inside>>>,
}

/// A projection that does.
struct Inside {
    inlined: Inlined,
    handle: Box<Handle>,
}

type Handle = dyn FnMut(&Record, &Transaction<'_>) -> Result<(), BoxError> + Send;

/// How many events are read at once.
const PAGE: usize = 1_000;

impl SqliteStore {
    /// Runs a projection inside of every commit of this process from here on, also of those in transactions of yours: it is never behind, and a
    /// commit that it cannot handle fails.
    ///
    /// It begins with what the log holds already, which is handled in one transaction before this returns: no other is written meanwhile, and
    /// readers see all of it or nothing. What is of another revision is dropped there, and made anew. What other processes write without it is
    /// handled by the next commit of this one.
    ///
    /// Payloads are opened by the codecs of `app`, whose log this is; the keys must answer at once
    /// ([`NotAtOnce`](es_core::system::NotAtOnce)). No follower can have its name, in no process, until
    /// [`end_inline`](SqliteStore::end_inline).
    ///
    /// It does its work at once, whoever calls it: under a command that only reads, too, a program with a raised
    /// [`REVISION`](es_core::Projection::REVISION) replaces the table, and the commits of older programs that run are refused from then on. So call
    /// it where the program that writes starts, not in the function that its management commands share, and deploy a raised revision with the older
    /// programs stopped.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, events};
    /// # use es_store_sqlite::{SqliteProjection, SqliteStore, Tables};
    /// # use es_store_sqlite::rusqlite::Transaction;
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Book")]
    /// # struct Book { root: Root<Self> }
    /// # #[events]
    /// # impl Book {
    /// #     #[event("Added")]
    /// #     fn add(title: &str) -> Self { Self { root: Root::new() } }
    /// # }
    /// # struct Titles;
    /// # impl Projection for Titles { const NAME: &'static str = "titles"; type Events = BookEvent; }
    /// # impl SqliteProjection for Titles {
    /// #     fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
    /// #         Ok(tx.execute_batch(&format!("CREATE TABLE {} (title TEXT)", tx.table("titles")))?)
    /// #     }
    /// #     fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
    /// #         let BookEvent::Added { title } = event.event;
    /// #         tx.execute("INSERT INTO titles VALUES (?1)", [title])?;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("library.db");
    /// let store = SqliteStore::open(&path).await?;
    /// let app = Application::builder(store.clone()).name("library").build();
    /// store.inline(&app, Titles).await?;
    /// app.save(&mut Book::add("Emma")).await?;
    ///
    /// let reader = es_store_sqlite::rusqlite::Connection::open(&path)?;
    /// let title: String = reader.query_row("SELECT title FROM titles", (), |row| row.get(0))?;
    /// assert_eq!(title, "Emma");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Where the store is [read alone](crate::SqliteStoreBuilder::read_only) there are no commits to run it in, and nothing is done.
    ///
    /// # Errors
    /// [`InlineError`]; it does not run, and nothing was changed.
    pub async fn inline<P: SqliteProjection>(
        &self,
        app: &Application,
        projection: P,
    ) -> Result<(), InlineError> {
        let inlined = Inlined::new::<P>(app, self).await?;
        if self.is_read_alone() {
            return Ok(());
        }
        let inline = self.shared.inline.clone();
        let clock = self.clock();
        let begun = self.alone(move |connection, sql| {
            let begun = begin(connection, sql, inlined, projection, clock.now());
            let begun = begun.map_err(|error| AppendError::Failed(explained(&Arc::new(error))))?;
            inline.put(begun?);
            Ok(())
        });
        begun.await?
    }

    /// Ends what [`inline`](SqliteStore::inline) began: no commit of this process runs it any more, and a follower may have its name and go on with
    /// what it made. Where it did not run, nothing changes.
    ///
    /// # Errors
    /// [`AppendError`]; it runs still.
    pub async fn end_inline<P: SqliteProjection>(
        &self,
        app: &Application,
    ) -> Result<(), AppendError> {
        let follower = FollowerId::new(P::NAME, app.name().unwrap_or_default().to_owned());
        let inline = self.shared.inline.clone();
        let ended = self.alone(move |connection, sql| {
            let ended = end(connection, sql, &follower);
            ended.map_err(|error| AppendError::Failed(explained(&Arc::new(error))))?;
            inline.remove(&follower);
            Ok(())
        });
        ended.await?
    }
}

/// Brings what the projection makes up to date, for commits to go on with.
fn begin<P: SqliteProjection>(
    connection: &Connection,
    sql: &Sql,
    inlined: Inlined,
    mut projection: P,
    now: std::time::SystemTime,
) -> Result<Result<Inside, InlineError>> {
    let follower = inlined.follower().clone();
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let standing = followers::standing(&transaction, sql, &follower)?.at(now);
    let parked = followers::parked(&transaction, sql, &follower)?.len();
    if let Err(refused) = inlined.may_begin(&standing, parked) {
        return Ok(Err(refused));
    }
    let before = made(&transaction, sql, &follower)?;
    let is_made = standing.revision == inlined.revision() && before.is_some();
    let before = before.unwrap_or_default();
    let mut after = before.clone();
    if !is_made {
        if let Err(error) = before.drop_tables(&transaction) {
            if !is_of_what_is_there(&error) {
                return Err(error);
            }
            let source = of_a_read_model(error);
            return Ok(Err(InlineError::Prepare { follower, source }));
        }
        let there = names(&transaction, Position::START)?;
        let (created, new) = within(Made::default(), || projection.create(&transaction));
        let created = created.map_err(|error| new.not_created(error));
        let checked = new
            .check_own(&there)
            .and(created)
            .and_then(|()| still_open(&transaction))
            .and_then(|()| new.check_anew(standing.revision != 0));
        if let Err(source) = checked {
            return Ok(Err(InlineError::Prepare { follower, source }));
        }
        after = new;
    }
    after.inline = true;
    let epoch = match before.inline {
        true => standing.epoch,
        // Who followed it once and stands still.
        false => standing.epoch.next(),
    };
    transaction.execute(
        &sql.write_inline,
        params![
            follower.name,
            follower.log,
            inlined.revision(),
            after.to_json()?,
            epoch.get().cast_signed()
        ],
    )?;
    let opener = inlined.clone();
    let mut inside = Inside {
        inlined,
        handle: Box::new(move |record, transaction| {
            let handled = within(Made::default(), || match opener.event(record)? {
                Some(event) => projection.handle(event, transaction),
                None => Ok(()),
            });
            handled.0?;
            still_open(transaction)
        }),
    };
    if let Err(refused) = inside.catch_up(&transaction, sql)? {
        return Ok(Err(refused.into()));
    }
    transaction.commit()?;
    Ok(Ok(inside))
}

fn end(connection: &Connection, sql: &Sql, follower: &FollowerId) -> Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if let Some(mut made) = made(&transaction, sql, follower)? {
        made.inline = false;
        let revision = followers::standing(&transaction, sql, follower)?.revision;
        let kept = made.to_json()?;
        let output = params![follower.name, follower.log, revision, kept];
        transaction.execute(&sql.write_output, output)?;
    }
    transaction.commit()
}

fn still_open(transaction: &Transaction<'_>) -> Result<(), BoxError> {
    if transaction.is_autocommit() {
        return Err("the handler ended the transaction; leave that to the store".into());
    }
    Ok(())
}

impl Inline {
    pub(crate) fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// Has every projection handle what was appended, in its transaction.
    pub(crate) fn handle(
        &self,
        transaction: &Transaction<'_>,
        sql: &Sql,
    ) -> Result<Result<(), AppendError>> {
        for inside in self.all().iter_mut() {
            if let Err(refused) = inside.catch_up(transaction, sql)? {
                let error: &(dyn std::error::Error + 'static) = &refused;
                warn!(target: TRACED, error, "refused by a projection");
                return Ok(Err(refused));
            }
        }
        Ok(Ok(()))
    }

    /// Adds a projection, in the place of one with its name.
    fn put(&self, inside: Inside) {
        self.remove(inside.inlined.follower());
        self.all().push(inside);
    }

    fn remove(&self, follower: &FollowerId) {
        self.all()
            .retain(|inside| inside.inlined.follower() != follower);
    }

    fn all(&self) -> MutexGuard<'_, Vec<Inside>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Handles what it has not seen, up to the last event that is in the transaction.
    fn catch_up(
        &mut self,
        transaction: &Transaction<'_>,
        sql: &Sql,
    ) -> Result<Result<(), AppendError>> {
        let names = Names::default();
        let follower = self.inlined.follower();
        let standing = followers::standing(transaction, sql, follower)?;
        if let Err(refused) = self.inlined.check_revision(standing.revision) {
            return Ok(Err(refused));
        }
        let mut position = standing.position;
        let Some((last, commit)) = last(transaction, sql)? else {
            return Ok(Ok(()));
        };
        while position < last {
            let filter = self.inlined.filter();
            let page = reads::page(transaction, sql, position, last, PAGE, filter, &names)?;
            for record in &page {
                if let Err(source) = handling(|| (self.handle)(record, transaction)) {
                    return Ok(Err(self.inlined.refused_at(record, source)));
                }
            }
            let to = match page.last() {
                Some(last) if page.len() == PAGE => last.position,
                _ => last,
            };
            let advance = Advance {
                stands_at: (to == last).then_some(commit),
                ..Advance::new(follower.clone(), position, to)
            };
            let now = std::time::SystemTime::UNIX_EPOCH;
            followers::advance(transaction, sql, &advance, now)?;
            position = to;
        }
        Ok(Ok(()))
    }
}

/// The last event that is in the transaction, whether the head of the log says so yet or not.
fn last(connection: &Connection, sql: &Sql) -> Result<Option<(Position, CommitId)>> {
    let mut statement = connection.prepare_cached(&sql.read_last)?;
    statement
        .query_row([], |row| {
            let position = crate::records::counter(row, 0)?;
            let commit: uuid::Uuid = row.get(1)?;
            Ok((position.into(), commit.into()))
        })
        .optional()
}
