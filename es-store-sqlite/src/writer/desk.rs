//! The thread that writes: what waits becomes one transaction, and each job has its own outcome.
use std::collections::VecDeque;
use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{Receiver, TryRecvError};
use es_core::persistence::{AppendError, Commit, Committed};
use es_store_sql::company::Company;
use event_listener::Event;
use rusqlite::{Connection, DropBehavior, ErrorCode, Transaction, TransactionBehavior};
use tracing::{debug, debug_span, warn};

use super::{Alone, Job, TRACED};
use crate::commit;
use crate::connection::{Pen, Place};
use crate::error::{explained, is_of_a_foreign_key};
use crate::inline::Inline;
use crate::sql::Sql;

/// How many commits go into one transaction at most.
const GROUP: usize = 512;

/// How long the thread looks for the next job before it sleeps: a caller who writes one after the other is back by then, and waking the thread
/// would cost a quarter of what the disk does.
const ATTENTION: Duration = Duration::from_micros(40);

/// How long it does so after a single job: who loads, decides and saves is back by then, alone (0.84 of the speed by hand; 0.75 without). Where
/// more are at work, they need the processor.
const ATTENTION_TO_ONE: Duration = Duration::from_micros(120);

/// The thread's side.
pub(super) struct Desk {
    pub(super) pen: Pen,
    pub(super) place: Place,
    pub(super) sql: Arc<Sql>,
    pub(super) changed: Arc<Event>,
    pub(super) inline: Inline,
    pub(super) company: Company,
}

impl Desk {
    pub(super) fn work(mut self, waiting: &Receiver<Job>) {
        let (mut group, mut alone) = (Vec::new(), VecDeque::new());
        let mut attention = ATTENTION;
        let sort = |job, group: &mut Vec<Job>, alone: &mut VecDeque<Alone>| match job {
            Job::Alone(run) => alone.push_back(run),
            job => group.push(job),
        };
        loop {
            // What runs alone and is left over does not wait for a commit.
            if alone.is_empty() {
                let Some(first) = next(waiting, attention) else {
                    return;
                };
                sort(first, &mut group, &mut alone);
            }
            while group.len() < GROUP {
                match waiting.try_recv() {
                    Ok(job) => sort(job, &mut group, &mut alone),
                    Err(_) if alone.is_empty() && self.company.awaits(group.len()) => {
                        thread::yield_now();
                    }
                    Err(_) => break,
                }
            }
            attention = match group.len() {
                1 => ATTENTION_TO_ONE,
                _ => ATTENTION,
            };
            self.write_group(&mut group, waiting);
            if let Some(run) = alone.pop_front() {
                self.run_alone(run);
            }
        }
    }

    fn run_alone(&self, run: Alone) {
        if self.place.check().is_err() {
            // Who waits is told by the reply that is dropped with it.
            return;
        }
        let connection = &*self.pen.take();
        let _transaction = Open(connection);
        let _ = panic::catch_unwind(AssertUnwindSafe(|| run(connection, &self.sql)));
    }

    fn write_group(&mut self, group: &mut Vec<Job>, waiting: &Receiver<Job>) {
        if !group.is_empty() {
            // A panic takes its transaction back, and whoever is in the group still is told, by the reply that is dropped here, that its fate is
            // not known.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.write(group, waiting)));
            group.clear();
        }
    }

    /// Writes a group and answers everybody in it. A job that SQLite cannot do fails alone: the others are written without it, or each by itself where
    /// it is not said whose job it was.
    fn write(&mut self, group: &mut Vec<Job>, waiting: &Receiver<Job>) {
        let mut answered = Some(group.len());
        let mut one_by_one = Vec::new().into_iter();
        loop {
            let _span = debug_span!(target: TRACED, "commit_group", jobs = group.len()).entered();
            let mut done = Vec::with_capacity(group.len());
            let written = self.transaction(group, &mut done);
            if let Some(answered) = answered.take() {
                // Before the first one is answered, who may be back before the last one is.
                self.company.answered(answered, waiting.len());
            }
            match written {
                Ok(changed) => {
                    debug!(target: TRACED, refused = done.iter().filter(|done| done.is_refused()).count(), "committed");
                    if changed {
                        self.changed.notify(usize::MAX);
                    }
                    group
                        .drain(..)
                        .zip(done)
                        .for_each(|(job, done)| job.answer(done));
                }
                Err(failure) => {
                    warn!(
                        target: TRACED,
                        error = &*failure.error as &(dyn std::error::Error + 'static),
                        outcome_known = !failure.unknown,
                        "not committed"
                    );
                    match failure.job {
                        Some(place) if failure.is_of_one() => group.remove(place).fail(&failure),
                        None if is_of_a_foreign_key(&failure.error) && group.len() > 1 => {
                            one_by_one = mem::take(group).into_iter();
                        }
                        _ => group.drain(..).for_each(|job| job.fail(&failure)),
                    }
                }
            }
            if group.is_empty() {
                group.extend(one_by_one.next());
            }
            if group.is_empty() {
                return;
            }
        }
    }

    /// Does all jobs in one transaction, and says whether anything was changed.
    fn transaction(&self, group: &[Job], done: &mut Vec<Done>) -> Result<bool, Failure> {
        self.place.check().map_err(Failure::before)?;
        // Held until the transaction has ended, and no longer: whoever is woken by an answer may read.
        let connection = &*self.pen.take();
        let open = Open(connection);
        let changed = if self.inline.is_empty() {
            execute(connection, self.sql.begin_writing).map_err(Failure::before)?;
            self.jobs(connection, group, done, None)?
        } else {
            let mut transaction =
                Transaction::new_unchecked(connection, TransactionBehavior::Immediate)
                    .map_err(Failure::before)?;
            // It is ended below, as the other.
            transaction.set_drop_behavior(DropBehavior::Ignore);
            self.jobs(connection, group, done, Some(&transaction))?
        };
        execute(connection, "COMMIT")
            .map_err(|error| Failure::during_commit(error, connection.is_autocommit()))?;
        drop(open);
        Ok(changed)
    }

    fn jobs(
        &self,
        connection: &Connection,
        group: &[Job],
        done: &mut Vec<Done>,
        transaction: Option<&Transaction<'_>>,
    ) -> Result<bool, Failure> {
        let sql = &*self.sql;
        let mut end = commit::end(connection, sql).map_err(Failure::before)?;
        let head = end.head;
        let mut changed = false;
        for (place, job) in group.iter().enumerate() {
            let result = match job {
                Job::Commit { commit, .. } => match transaction {
                    None => commit::apply(connection, sql, &mut end, commit),
                    Some(transaction) => self.apply_inline(transaction, &mut end, commit),
                }
                .map(Done::Commit),
                Job::Alone(_) => Ok(Done::Statement),
                Job::Statement { run, .. } => run(connection, sql).map(|()| Done::Statement),
            };
            let result = result.map_err(|error| Failure::of_job(place, error))?;
            if transaction.is_some_and(|transaction| transaction.is_autocommit()) {
                return Err(Failure::ended(place));
            }
            changed |= matches!(result, Done::Commit(Ok(_)));
            done.push(result);
        }
        if end.head != head {
            commit::move_end(connection, sql, &end).map_err(Failure::before)?;
        }
        Ok(changed)
    }
}

impl Desk {
    /// Writes a commit together with what the projections inside of it make; where they refuse it, nothing of it is in the transaction.
    fn apply_inline(
        &self,
        transaction: &Transaction<'_>,
        end: &mut commit::End,
        commit: &Commit,
    ) -> rusqlite::Result<Result<Committed, AppendError>> {
        let before = (end.head, end.time);
        execute(transaction, "SAVEPOINT es_inline")?;
        let mut written = commit::apply(transaction, &self.sql, end, commit)?;
        if end.head != before.0 {
            // Now, and not with the group: whatever a handler does, the log is whole.
            commit::move_end(transaction, &self.sql, end)?;
            if let Err(refused) = self.inline.handle(transaction, &self.sql)? {
                if transaction.is_autocommit() {
                    return Ok(Err(refused));
                }
                written = Err(refused);
                (end.head, end.time) = before;
                execute(transaction, "ROLLBACK TO es_inline")?;
            }
        }
        execute(transaction, "RELEASE es_inline")?;
        Ok(written)
    }
}

/// A transaction, which ends with this: one that failed, or in which something panicked, is taken back, where SQLite did not do so by itself.
struct Open<'c>(&'c Connection);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // What cannot be rolled back now is rolled back when the connection is next used or closed.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

fn execute(connection: &Connection, statement: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(statement)?
        .execute([])
        .map(|_| ())
}

/// What became of one job, once its group is committed.
enum Done {
    Commit(Result<Committed, AppendError>),
    Statement,
}

impl Done {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Commit(Err(_)))
    }
}

impl Job {
    /// Nobody may be waiting any more.
    fn answer(self, done: Done) {
        match (self, done) {
            (Self::Commit { reply, .. }, Done::Commit(committed)) => drop(reply.send(committed)),
            (Self::Statement { reply, .. }, _) => drop(reply.send(Ok(()))),
            // Its sender is told by the reply that is dropped here.
            (Self::Commit { .. }, Done::Statement) | (Self::Alone(_), _) => {}
        }
    }

    fn fail(self, failure: &Failure) {
        let error = explained(&failure.error);
        match self {
            Self::Commit { reply, .. } if failure.unknown => {
                drop(reply.send(Err(AppendError::Unavailable(error))));
            }
            Self::Commit { reply, .. } => drop(reply.send(Err(AppendError::Failed(error)))),
            Self::Statement { reply, .. } => drop(reply.send(Err(error))),
            Self::Alone(_) => {}
        }
    }
}

/// Why a group failed.
struct Failure {
    error: Arc<rusqlite::Error>,
    /// The place of the job that it befell.
    job: Option<usize>,
    /// The disk did not say whether it has the group.
    unknown: bool,
}

impl Failure {
    fn before(error: rusqlite::Error) -> Self {
        Self {
            error: Arc::new(error),
            job: None,
            unknown: false,
        }
    }

    fn of_job(place: usize, error: rusqlite::Error) -> Self {
        Self {
            job: Some(place),
            ..Self::before(error)
        }
    }

    /// A handler ended the transaction: what was in it is stored, or nothing is.
    fn ended(place: usize) -> Self {
        let why =
            "a projection inside of the commit ended its transaction; leave that to the store";
        Self {
            unknown: true,
            ..Self::of_job(place, rusqlite::Error::ToSqlConversionFailure(why.into()))
        }
    }

    /// A transaction that has not ended is stored by nobody.
    fn during_commit(error: rusqlite::Error, has_ended: bool) -> Self {
        let known = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::ReadOnly)
        );
        Self {
            unknown: has_ended && !known,
            ..Self::before(error)
        }
    }

    /// Whether another job may well succeed where this one failed: what is said of the disk or the file is said of all.
    fn is_of_one(&self) -> bool {
        !matches!(
            self.error.sqlite_error_code(),
            Some(
                ErrorCode::DiskFull
                    | ErrorCode::SystemIoFailure
                    | ErrorCode::ReadOnly
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::OutOfMemory
                    | ErrorCode::DatabaseBusy
                    | ErrorCode::DatabaseLocked
            )
        )
    }
}

/// The next job, waited for; `None` after the last.
fn next(waiting: &Receiver<Job>, attention: Duration) -> Option<Job> {
    let mut since = None;
    loop {
        match waiting.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Closed) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if since.get_or_insert_with(Instant::now).elapsed() > attention {
            return waiting.recv_blocking().ok();
        }
        thread::yield_now();
    }
}
