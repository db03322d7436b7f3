//! Projections inside the commit: they are never behind, and a commit that they cannot handle is refused.
//!
//! They run in the transaction that writes a group of commits, under the log's lock: once for the group, and where they refuse it, once more for
//! each half of it, until the commit is found that they refuse.
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use es_core::persistence::{AppendError, FollowerId};
use es_core::system::{InlineError, Inlined};
use es_core::{Application, Position};
use tokio::sync::Mutex;
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use crate::connection::in_time;
use crate::error::{Fault, not_committed};
use crate::followers::{self, key};
use crate::projection::PostgresProjection;
use crate::projection::own::{FIRST, Own, begin};
use crate::records::{column, stored, time};
use crate::rights::Rights;
use crate::sql::Sql;
use crate::store::Shared;
use crate::tables::{Made, creating};
use crate::{PostgresStore, swap};

mod inside;

pub(crate) use inside::{Inside, Session};

/// The projections that run inside of each commit of this process.
#[derive(Default)]
pub(crate) struct Inline {
    /// Held by who holds the log's lock, and by nobody who waits for that.
    all: Mutex<Vec<Inside>>,
    count: AtomicUsize,
}

impl PostgresStore {
    /// Runs a projection inside of every commit of this process from here on, also of those in transactions of yours: it is never behind, and a
    /// commit that it cannot handle fails. Its neighbours in a group of commits are not touched by that.
    ///
    /// It begins with what the log holds already, which is handled in one transaction before this returns: writers go on meanwhile, but for the last
    /// moment, and readers see all of it or nothing. Where it runs already, in this process or in another, what nobody handled since is handled under
    /// the log's lock, 1 000 events at a time: other processes go on between. What is of another revision is dropped there, and made anew; from then
    /// on commits of processes that run the older one are refused. What other processes write without it is handled by the next commit of this one.
    ///
    /// The handler runs under the log's lock, so all writers wait for it: it is quick, and waits for nobody but its own statements. It may be called
    /// again for an event whose transaction was rolled back. Payloads are opened by the codecs of `app`, whose log this is; the keys must answer at
    /// once ([`NotAtOnce`](es_core::system::NotAtOnce)). No follower can have its name, in no process, until
    /// [`end_inline`](PostgresStore::end_inline). What process managers of this process save runs it, too.
    ///
    /// It does its work at once, whoever calls it: under a command that only reads, too, a program with a raised
    /// [`REVISION`](es_core::Projection::REVISION) replaces the table, and the commits of older programs that run are refused from then on. So call
    /// it where the program that writes starts, not in the function that its management commands share, and deploy a raised revision with the older
    /// programs stopped.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, events};
    /// # use es_store_postgres::{PostgresProjection, Tables};
    /// # use tokio_postgres::Transaction;
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
    /// # impl PostgresProjection for Titles {
    /// #     async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
    /// #         Ok(tx.batch_execute(&format!("CREATE TABLE {} (title text)", tx.table("titles"))).await?)
    /// #     }
    /// #     async fn handle(&mut self, event: Recorded<BookEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
    /// #         let BookEvent::Added { title } = event.event;
    /// #         tx.execute("INSERT INTO titles VALUES ($1)", &[&title]).await?;
    /// #         Ok(())
    /// #     }
    /// # }
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let log = es_store_postgres::testing::TestLog::new().await?;
    /// # let store = log.store().await?;
    /// let app = Application::builder(store.clone()).name("library").build();
    /// store.inline(&app, Titles).await?;
    /// app.save(&mut Book::add("Emma")).await?;
    /// # let (reader, connection) = tokio_postgres::connect(log.url(), tokio_postgres::NoTls).await?;
    /// # tokio::spawn(connection);
    /// # reader.batch_execute(&format!("SET search_path = {}", log.schema())).await?;
    /// let title: String = reader.query_one("SELECT title FROM titles", &[]).await?.get(0);
    /// assert_eq!(title, "Emma");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`InlineError`]; it does not run. What it had made by then is there, and begun with the next time.
    pub async fn inline<P: PostgresProjection>(
        &self,
        app: &Application,
        projection: P,
    ) -> Result<(), InlineError> {
        let inlined = Inlined::new::<P>(app, self).await?;
        let beginning = self.on_its_runtime(async {
            let shared = &*self.shared;
            let inside = begun(shared, inlined, projection).await?;
            Ok(shared.writer.inline(inside).await?)
        });
        beginning.await
    }

    /// Ends what [`inline`](PostgresStore::inline) began: no commit of this process runs it any more, and a follower may have its name and go on with
    /// what it made. Where it did not run, nothing changes. Every process that runs it is to end it before it begins again anywhere: where one still does,
    /// both may wait for each other until Postgres gives one of them up.
    ///
    /// # Errors
    /// [`AppendError`]; it runs still.
    pub async fn end_inline<P: PostgresProjection>(
        &self,
        app: &Application,
    ) -> Result<(), AppendError> {
        let follower = FollowerId::new(P::NAME, app.name().unwrap_or_default().to_owned());
        let ending = self.on_its_runtime(async {
            let shared = &*self.shared;
            let ended = in_time(shared.patience, ended(shared, &follower)).await;
            ended.map_err(not_committed)?;
            shared.inline.remove(&follower).await;
            Ok(())
        });
        ending.await
    }
}

/// Brings what the projection makes up to date, but for what is committed meanwhile.
async fn begun<P: PostgresProjection>(
    shared: &Shared,
    inlined: Inlined,
    mut projection: P,
) -> Result<Inside, InlineError> {
    let (sql, follower) = (&*shared.sql, inlined.follower().clone());
    let failed = |fault: Fault| InlineError::Store(not_committed(fault));
    let unable = |fault: Fault| match fault.is_lasting() {
        true => InlineError::Prepare {
            follower: follower.clone(),
            source: fault.of_a_read_model(),
        },
        false => failed(fault),
    };
    let own = in_time(shared.patience, Own::connect(shared)).await;
    let mut own = own.map_err(failed)?;
    let work = Arc::clone(&own.work);
    let transaction = in_time(shared.patience, begin(&mut own.client)).await;
    let transaction = transaction.map_err(failed)?;
    let found = in_time(shared.patience, async {
        // What may be dropped is locked before the row of the follower, as a commit locks them: else one could wait for the other.
        let [name, log] = key(&follower);
        let of: [&(dyn ToSql + Sync); 2] = [&name, &log];
        let seen = transaction.query_opt(&sql.read_standing, &of).await?;
        if followers::standing_in(seen.as_ref())?.revision < inlined.revision()
            && let Some(before) = swap::made(&transaction, sql, &follower).await?
        {
            swap::lock_all(&transaction, shared, &before.tables).await?;
        }
        let standing = followers::locked(&*transaction, sql, &follower).await?;
        let now = transaction.query_one(&sql.read_now, &[]).await?;
        let before = swap::made(&transaction, sql, &follower).await?;
        let parked = transaction.query(&sql.read_parked, &of).await?;
        Ok((standing.at(time(column(&now, 0)?)), before, parked.len()))
    });
    let (standing, before, parked) = found.await.map_err(unable)?;
    inlined.may_begin(&standing, parked)?;
    let is_made = standing.revision == inlined.revision() && before.is_some();
    let before = before.unwrap_or_default();
    let mut after = before.clone();
    if !is_made {
        let there = in_time(shared.patience, async {
            let rights = Rights::on(&transaction, sql, &before.tables).await?;
            swap::drop_all(&transaction, sql, &before.tables).await?;
            let there = swap::there(&transaction, sql, &follower, Position::START).await?;
            Ok((there, rights))
        });
        let (there, rights) = there.await.map_err(unable)?;
        work.write_to(Made::default(), &transaction);
        let created = creating(&work, &transaction, projection.create(&transaction)).await;
        after = mem::take(&mut *work.made());
        let created = created.map_err(|error| after.not_created(error));
        let checked = after
            .check_own(&there.names, &sql.location.schema)
            .and(after.check())
            .and(created)
            .and_then(|()| after.check_anew(standing.revision != 0));
        if let Err(source) = checked {
            return Err(InlineError::Prepare { follower, source });
        }
        let since = swap::made_since(&transaction, sql, &follower, &there);
        let since = in_time(shared.patience, since).await.map_err(failed)?;
        if let Err(source) = after.check_own(&since, &sql.location.schema) {
            return Err(InlineError::Prepare { follower, source });
        }
        let given = in_time(shared.patience, rights.give(&transaction)).await;
        given.map_err(unable)?;
    }
    after.inline = true;
    let epoch = match before.inline {
        true => standing.epoch,
        // Who followed it once and stands still.
        false => standing.epoch.next(),
    };
    let mut inside = Inside::new(inlined, projection);
    let written = in_time(shared.patience, async {
        write_output(&transaction, sql, &inside.inlined, &after, epoch.get()).await?;
        Session::prepare(&*transaction, sql, shared.patience).await
    });
    let session = written.await.map_err(failed)?;
    // Who runs it already writes to its tables before the row of the follower, which is locked here: one would wait for the other. So what is left there
    // is handled under the log's lock, as it is by their commits.
    if !(is_made && before.inline) {
        let caught_up = inside.catch_up(&transaction, &session);
        caught_up.await.map_err(failed)?;
    }
    let committed = async { Ok(transaction.commit().await?) };
    in_time(shared.patience, committed).await.map_err(failed)?;
    Ok(inside)
}

async fn write_output(
    transaction: &Transaction<'_>,
    sql: &Sql,
    inlined: &Inlined,
    made: &Made,
    epoch: u64,
) -> Result<(), Fault> {
    let [name, log] = key(inlined.follower());
    let kept = serde_json::to_string(made).map_err(|error| Fault::unlike(0, error))?;
    let values: [&(dyn ToSql + Sync); 5] = [
        &name,
        &log,
        &i64::from(inlined.revision()),
        &kept,
        &stored(epoch)?,
    ];
    transaction.execute(&sql.write_inline, &values).await?;
    Ok(())
}

async fn ended(shared: &Shared, follower: &FollowerId) -> Result<(), Fault> {
    let sql = &*shared.sql;
    let mut client = shared.own_connection().await?;
    let transaction = begin(&mut client).await?;
    let standing = followers::locked(&*transaction, sql, follower).await?;
    if let Some(mut made) = swap::made(&transaction, sql, follower).await? {
        made.inline = false;
        let kept = serde_json::to_string(&made).map_err(|error| Fault::unlike(0, error))?;
        let [name, log] = key(follower);
        let revision = i64::from(standing.revision);
        let values: [&(dyn ToSql + Sync); 4] = [&name, &log, &revision, &kept];
        transaction.execute(&sql.write_output, &values).await?;
    }
    Ok(transaction.commit().await?)
}

impl Inline {
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Has every projection handle what was appended, in its transaction, which holds the log's lock.
    ///
    /// # Errors
    /// [`Fault::Inside`] where one refuses it.
    pub(crate) async fn handle(
        &self,
        transaction: &Transaction<'_>,
        session: &Session,
    ) -> Result<(), Fault> {
        for inside in self.all.lock().await.iter_mut() {
            inside.catch_up(transaction, session).await?;
        }
        Ok(())
    }

    /// The same in a transaction of the caller's, which finds its tables as before afterwards.
    pub(crate) async fn handle_in(
        &self,
        transaction: &Transaction<'_>,
        sql: &Sql,
        patience: Duration,
    ) -> Result<(), Fault> {
        let path = "SELECT current_setting('search_path')";
        let before = transaction.query_one(path, &[]).await?;
        let before: &str = column(&before, 0)?;
        let first = FIRST.replace("false)", "true)");
        transaction.execute(&first, &[&sql.location.schema]).await?;
        let session = Session::prepare(transaction, sql, patience).await?;
        self.handle(transaction, &session).await?;
        let back = "SELECT set_config('search_path', $1, true)";
        transaction.execute(back, &[&before]).await?;
        Ok(())
    }

    /// Adds a projection, under the log's lock, and gives the one with its name that it takes the place of.
    pub(crate) async fn put(&self, inside: Inside) -> Option<Inside> {
        let mut all = self.all.lock().await;
        let same = all
            .iter_mut()
            .find(|other| other.follower() == inside.follower());
        let before = match same {
            Some(same) => Some(mem::replace(same, inside)),
            None => {
                all.push(inside);
                None
            }
        };
        self.count.store(all.len(), Ordering::Release);
        before
    }

    pub(crate) async fn remove(&self, follower: &FollowerId) {
        let mut all = self.all.lock().await;
        all.retain(|inside| inside.follower() != follower);
        self.count.store(all.len(), Ordering::Release);
    }
}
