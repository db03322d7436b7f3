//! The thread that writes: all commits that wait go into one transaction, and each has its own outcome.
//!
//! A waiting caller may go away at any time without taking others along; what it asked for is done all the same.
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, TryRecvError};
use es_core::persistence::{AppendError, BoxError, Commit, Committed};
use event_listener::Event;
use rusqlite::{Connection, ErrorCode};

use crate::commit;
use crate::error::explained;
use crate::sql::Sql;

/// How many callers may wait; the next ones wait for a place.
const PLACES: usize = 1_024;

/// How many commits go into one transaction at most.
const GROUP: usize = 512;

/// How long the thread looks for the next commit before it sleeps: a caller who writes one after the other is back by then, and waking the
/// thread would cost a quarter of what the disk does.
const ATTENTION: Duration = Duration::from_micros(40);

/// Asks the thread that writes.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Job {
    Commit {
        commit: Commit,
        reply: oneshot::Sender<Result<Committed, AppendError>>,
    },
    Statement {
        run: Statement,
        reply: oneshot::Sender<Result<(), BoxError>>,
    },
}

/// A single statement, which SQLite does as a whole or not at all.
type Statement = Box<dyn Fn(&Connection, &Sql) -> rusqlite::Result<()> + Send>;

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        sql: Arc<Sql>,
        changed: Arc<Event>,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = async_channel::bounded(PLACES);
        let thread = thread::Builder::new()
            .name("es-sqlite-writer".to_owned())
            .spawn(move || {
                Desk {
                    connection,
                    sql,
                    changed,
                }
                .work(&waiting)
            })?;
        Ok(Self {
            jobs,
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, AppendError> {
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Commit { commit, reply }).await.is_err() {
            return Err(AppendError::Failed(gone()));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable(gone())))
    }

    pub(crate) async fn run(
        &self,
        run: impl Fn(&Connection, &Sql) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), BoxError> {
        let (reply, answer) = oneshot::channel();
        let run = Box::new(run);
        if self.jobs.send(Job::Statement { run, reply }).await.is_err() {
            return Err(gone());
        }
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> BoxError {
    "the thread that writes has ended; open the store again".into()
}

/// What was accepted is written before the store is closed.
impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.close();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // A panic in it was told to those who waited.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Desk {
    connection: Connection,
    sql: Arc<Sql>,
    changed: Arc<Event>,
}

impl Desk {
    fn work(mut self, waiting: &Receiver<Job>) {
        let mut group = Vec::new();
        while let Some(first) = next(waiting) {
            group.push(first);
            while group.len() < GROUP
                && let Ok(job) = waiting.try_recv()
            {
                group.push(job);
            }
            // Whoever waits for an answer that never comes is told that its fate is not known.
            let written = panic::catch_unwind(AssertUnwindSafe(|| self.write(&mut group)));
            group.clear();
            if written.is_err() {
                waiting.close();
                return;
            }
        }
    }

    /// Writes a group and answers everybody in it. A job that SQLite cannot do fails alone: the others are written without it.
    fn write(&mut self, group: &mut Vec<Job>) {
        loop {
            let mut done = Vec::with_capacity(group.len());
            let failure = match self.transaction(group, &mut done) {
                Ok(changed) => {
                    if changed {
                        self.changed.notify(usize::MAX);
                    }
                    group
                        .drain(..)
                        .zip(done)
                        .for_each(|(job, done)| job.answer(done));
                    return;
                }
                Err(failure) => failure,
            };
            match failure.job {
                Some(place) if failure.is_of_one() => group.remove(place).fail(&failure),
                _ => {
                    group.drain(..).for_each(|job| job.fail(&failure));
                    return;
                }
            }
        }
    }

    /// Does all jobs in one transaction, and says whether anything was changed.
    fn transaction(&self, group: &[Job], done: &mut Vec<Done>) -> Result<bool, Failure> {
        let (connection, sql) = (&self.connection, &*self.sql);
        execute(connection, sql.begin_writing).map_err(Failure::before)?;
        let written = self.jobs(group, done);
        let committed = written.and_then(|changed| {
            execute(connection, "COMMIT").map_err(Failure::during_commit)?;
            Ok(changed)
        });
        if committed.is_err() {
            self.roll_back();
        }
        committed
    }

    fn jobs(&self, group: &[Job], done: &mut Vec<Done>) -> Result<bool, Failure> {
        let (connection, sql) = (&self.connection, &*self.sql);
        let mut end = commit::end(connection, sql).map_err(Failure::before)?;
        let head = end.head;
        let mut changed = false;
        for (place, job) in group.iter().enumerate() {
            let result = match job {
                Job::Commit { commit, .. } => {
                    commit::apply(connection, sql, &mut end, commit).map(Done::Commit)
                }
                Job::Statement { run, .. } => run(connection, sql).map(|()| Done::Statement),
            };
            let result = result.map_err(|error| Failure::of_job(place, error))?;
            changed |= matches!(result, Done::Commit(Ok(_)));
            done.push(result);
        }
        if end.head != head {
            commit::move_end(connection, sql, &end).map_err(Failure::before)?;
        }
        Ok(changed)
    }

    /// Ends a transaction that failed, where SQLite did not do so by itself.
    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // What cannot be rolled back now is rolled back when the connection is next used or closed.
            let _ = self.connection.execute_batch("ROLLBACK");
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

impl Job {
    /// Nobody may be waiting any more.
    fn answer(self, done: Done) {
        match (self, done) {
            (Self::Commit { reply, .. }, Done::Commit(committed)) => drop(reply.send(committed)),
            (Self::Statement { reply, .. }, _) => drop(reply.send(Ok(()))),
            // Its sender is told by the reply that is dropped here.
            (Self::Commit { .. }, Done::Statement) => {}
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

    fn during_commit(error: rusqlite::Error) -> Self {
        let known = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::ReadOnly)
        );
        Self {
            unknown: !known,
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
fn next(waiting: &Receiver<Job>) -> Option<Job> {
    let mut since = None;
    loop {
        match waiting.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Closed) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if since.get_or_insert_with(Instant::now).elapsed() > ATTENTION {
            return waiting.recv_blocking().ok();
        }
        thread::yield_now();
    }
}
