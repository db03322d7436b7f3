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
    /// A single statement, which SQLite does as a whole or not at all.
    Statement {
        run: Box<dyn Fn(&Connection, &Sql) -> rusqlite::Result<()> + Send>,
        reply: oneshot::Sender<Result<(), BoxError>>,
    },
}

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

    /// Writes a group and answers everybody in it.
    fn write(&mut self, group: &mut Vec<Job>) {
        let mut results = Vec::with_capacity(group.len());
        let outcome = self.transaction(group, &mut results);
        if matches!(&outcome, Ok(true)) {
            self.changed.notify(usize::MAX);
        }
        let mut results = results.into_iter();
        for job in group.drain(..) {
            let result = results.next();
            match (job, &outcome) {
                (Job::Commit { reply, .. }, Ok(_)) => {
                    let committed = match result {
                        Some(Done::Commit(committed)) => committed,
                        _ => Err(AppendError::Unavailable(gone())),
                    };
                    // Nobody may be waiting any more.
                    let _ = reply.send(committed);
                }
                (Job::Commit { reply, .. }, Err(failure)) => {
                    let _ = reply.send(Err(failure.of_commit()));
                }
                (Job::Statement { reply, .. }, Ok(_)) => {
                    let done = match result {
                        Some(Done::Statement(done)) => done,
                        _ => Err(gone()),
                    };
                    let _ = reply.send(done);
                }
                (Job::Statement { reply, .. }, Err(failure)) => {
                    let _ = reply.send(Err(failure.error()));
                }
            }
        }
    }

    /// Says whether something was committed.
    fn transaction(&mut self, group: &[Job], results: &mut Vec<Done>) -> Result<bool, Failure> {
        let (connection, sql) = (&self.connection, &*self.sql);
        let begin = || {
            connection
                .prepare_cached(sql.begin_writing)?
                .execute([])
                .map(|_| ())
        };
        begin().map_err(Failure::before)?;
        let written = (|| {
            let mut end = commit::end(connection, sql)?;
            let head = end.head;
            let mut changed = false;
            for job in group {
                results.push(match job {
                    Job::Commit { commit, .. } => {
                        let committed = commit::apply(connection, sql, &mut end, commit)?;
                        changed |= committed.is_ok();
                        Done::Commit(committed)
                    }
                    Job::Statement { run, .. } => {
                        run(connection, sql)?;
                        Done::Statement(Ok(()))
                    }
                });
            }
            if end.head != head {
                commit::move_end(connection, sql, &end)?;
            }
            Ok(changed)
        })();
        match written {
            Ok(changed) => {
                let committed = connection
                    .prepare_cached("COMMIT")
                    .and_then(|mut commit| commit.execute([]));
                match committed {
                    Ok(_) => Ok(changed),
                    Err(error) => {
                        self.roll_back();
                        Err(Failure::during_commit(error))
                    }
                }
            }
            Err(error) => {
                self.roll_back();
                Err(Failure::before(error))
            }
        }
    }

    /// Ends a transaction that failed, where SQLite did not do so by itself.
    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // What cannot be rolled back now is rolled back when the connection is next used or closed.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

/// What became of one job, if its group was committed.
enum Done {
    Commit(Result<Committed, AppendError>),
    Statement(Result<(), BoxError>),
}

/// Why a whole group failed.
struct Failure {
    error: Arc<rusqlite::Error>,
    /// The disk did not say whether it has the group.
    unknown: bool,
}

impl Failure {
    fn before(error: rusqlite::Error) -> Self {
        Self {
            error: Arc::new(error),
            unknown: false,
        }
    }

    fn during_commit(error: rusqlite::Error) -> Self {
        let known = matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DiskFull | ErrorCode::ReadOnly)
        );
        Self {
            error: Arc::new(error),
            unknown: !known,
        }
    }

    fn error(&self) -> BoxError {
        explained(&self.error)
    }

    fn of_commit(&self) -> AppendError {
        if self.unknown {
            AppendError::Unavailable(self.error())
        } else {
            AppendError::Failed(self.error())
        }
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
