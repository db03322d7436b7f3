//! The thread that writes: all commits that wait go into one transaction, and each has its own outcome.
//!
//! A waiting caller may go away at any time without taking others along; what it asked for is done all the same.
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, TryRecvError};
use es_core::persistence::{AppendError, BoxError, Commit, Committed};
use event_listener::Event;
use rusqlite::{Connection, DropBehavior, ErrorCode, Transaction, TransactionBehavior};
use tracing::{debug, debug_span, warn};

use crate::commit;
use crate::connection::{Pen, Place, wait_often};
use crate::error::explained;
use crate::inline::Inline;
use crate::sql::Sql;

/// Under which name the groups are traced.
const TRACED: &str = "es_store_sqlite::commit";

/// How many callers may wait; the next ones wait for a place.
const PLACES: usize = 1_024;

/// How many commits go into one transaction at most.
const GROUP: usize = 512;

/// How long the thread looks for the next commit before it sleeps: a caller who writes one after the other is back by then, and waking the
/// thread would cost a quarter of what the disk does.
const ATTENTION: Duration = Duration::from_micros(40);

/// How long a caller who commits alone looks for the answer before its task sleeps: waking it takes a third of what the disk does. Writing on the
/// caller's own thread would save no more, and keep its runtime waiting for as long as the disk, or another process, takes; this does not
/// keep it longer than reading 400 events.
const GLANCE: Duration = Duration::from_micros(250);

/// How many callers do not look after one who looked in vain: the disk may take longer, or had more to do just once.
const IN_VAIN: u32 = 8;

/// Asks the thread that writes.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    /// How many callers wait for what became of their commit.
    asking: AtomicUsize,
    /// How many of the next callers do not look for their answer.
    in_vain: AtomicU32,
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
    Alone(Alone),
}

/// Something in a transaction of its own, which it begins and ends.
type Alone = Box<dyn FnOnce(&Connection, &Sql) + Send>;

/// A single statement, which SQLite does as a whole or not at all.
type Statement = Box<dyn Fn(&Connection, &Sql) -> rusqlite::Result<()> + Send>;

impl Writer {
    pub(crate) fn start(
        pen: Pen,
        place: Place,
        sql: Arc<Sql>,
        changed: Arc<Event>,
        inline: Inline,
        patience: Duration,
    ) -> std::io::Result<Self> {
        let (jobs, waiting) = async_channel::bounded(PLACES);
        let thread = thread::Builder::new()
            .name("es-sqlite-writer".to_owned())
            .spawn(move || {
                // Without it, it waits as SQLite does.
                let _ = wait_often(&mut pen.take(), patience);
                Desk {
                    pen,
                    place,
                    sql,
                    changed,
                    inline,
                }
                .work(&waiting)
            })?;
        Ok(Self {
            jobs,
            asking: AtomicUsize::new(0),
            in_vain: AtomicU32::new(0),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, AppendError> {
        let asking = Asking::one_of(&self.asking);
        let (reply, answer) = oneshot::channel();
        if self.jobs.send(Job::Commit { commit, reply }).await.is_err() {
            return Err(AppendError::Failed(gone()));
        }
        if asking.is_alone() && !self.looked_in_vain() {
            // Whoever is about to commit too does so first, and shares a transaction.
            yield_now().await;
            if let Some(committed) = self.glance(&asking, &answer) {
                return committed;
            }
        }
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable(gone())))
    }

    fn looked_in_vain(&self) -> bool {
        let left = |in_vain: u32| in_vain.checked_sub(1);
        self.in_vain
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
            .is_ok()
    }

    /// The answer, if it comes soon and nobody else comes meanwhile.
    fn glance<T>(&self, asking: &Asking<'_>, answer: &oneshot::Receiver<T>) -> Option<T> {
        let started = Instant::now();
        while asking.is_alone() {
            match answer.try_recv() {
                Ok(answer) => return Some(answer),
                Err(oneshot::TryRecvError::Disconnected) => break,
                Err(oneshot::TryRecvError::Empty) => thread::yield_now(),
            }
            if started.elapsed() > GLANCE {
                self.in_vain.store(IN_VAIN, Ordering::Relaxed);
                break;
            }
        }
        None
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

/// One of those who wait for an answer, until it is dropped.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn one_of(all: &'a AtomicUsize) -> Self {
        all.fetch_add(1, Ordering::Relaxed);
        Self(all)
    }

    fn is_alone(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 1
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets other tasks of the runtime go first, once.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Writer {
    /// Runs something alone. Between two groups of commits at most one such job runs.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection, &Sql) -> T + Send + 'static,
    ) -> Result<T, AppendError> {
        let (reply, answer) = oneshot::channel();
        // Nobody may be waiting any more.
        let alone: Alone = Box::new(move |connection, sql| drop(reply.send(run(connection, sql))));
        if self.jobs.send(Job::Alone(alone)).await.is_err() {
            return Err(AppendError::Failed(gone()));
        }
        answer.await.map_err(|_| AppendError::Unavailable(gone()))
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
        // The thread itself may drop the last store, with a task that it wakes: it ends soon, and cannot wait for that.
        if let Some(thread) = thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic in it was told to those who waited.
            let _ = thread.join();
        }
    }
}

/// The thread's side.
struct Desk {
    pen: Pen,
    place: Place,
    sql: Arc<Sql>,
    changed: Arc<Event>,
    inline: Inline,
}

impl Desk {
    fn work(mut self, waiting: &Receiver<Job>) {
        let (mut group, mut alone) = (Vec::new(), VecDeque::new());
        let sort = |job, group: &mut Vec<Job>, alone: &mut VecDeque<Alone>| match job {
            Job::Alone(run) => alone.push_back(run),
            job => group.push(job),
        };
        loop {
            // What runs alone and is left over does not wait for a commit.
            if alone.is_empty() {
                let Some(first) = next(waiting) else { return };
                sort(first, &mut group, &mut alone);
            }
            while group.len() < GROUP
                && let Ok(job) = waiting.try_recv()
            {
                sort(job, &mut group, &mut alone);
            }
            self.write_group(&mut group);
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

    fn write_group(&mut self, group: &mut Vec<Job>) {
        if !group.is_empty() {
            // A panic takes its transaction back, and whoever is in the group still is told, by the reply that is dropped here, that its fate is
            // not known.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.write(group)));
            group.clear();
        }
    }

    /// Writes a group and answers everybody in it. A job that SQLite cannot do fails alone: the others are written without it.
    fn write(&mut self, group: &mut Vec<Job>) {
        loop {
            let _span = debug_span!(target: TRACED, "commit_group", jobs = group.len()).entered();
            let mut done = Vec::with_capacity(group.len());
            let failure = match self.transaction(group, &mut done) {
                Ok(changed) => {
                    debug!(target: TRACED, refused = done.iter().filter(|done| done.is_refused()).count(), "committed");
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
            warn!(
                target: TRACED,
                error = &*failure.error as &(dyn std::error::Error + 'static),
                outcome_known = !failure.unknown,
                "not committed"
            );
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
        execute(connection, "COMMIT").map_err(Failure::during_commit)?;
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

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::task::{Context, Wake, Waker};

    use es_core::persistence::{CommitId, Metadata};
    use es_core::testing::block_on;
    use futures_core::future::BoxFuture;
    use tempfile::TempDir;

    use super::*;
    use crate::builder::Settings;
    use crate::connection;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(10);

    fn writer() -> (TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings::new(folder.path().join("log.db"));
        let pen = connection::writing(&settings).unwrap();
        let sql = Arc::new(Sql::new(&settings.table_prefix));
        let writer = Writer::start(
            pen,
            Place::of(&settings.path),
            sql,
            Arc::new(Event::new()),
            Inline::default(),
            settings.busy_timeout,
        )
        .unwrap();
        (folder, writer)
    }

    fn commit(size: usize) -> Commit {
        let stream = es_core::StreamId::new("Lamp", CommitId::draw().into());
        Commit {
            id: CommitId::draw(),
            time: std::time::SystemTime::now(),
            metadata: Metadata::new(),
            appends: vec![es_core::persistence::Append {
                stream,
                expected: es_core::Version::NEW,
                events: vec![es_core::persistence::EncodedEvent {
                    name: "Switched".into(),
                    schema: 1,
                    payload: vec![b' '; size].into(),
                }],
            }],
            checkpoint: None,
        }
    }

    fn poll<T>(future: impl Future<Output = T>) {
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(future).poll(&mut context).is_pending());
    }

    #[test]
    fn a_panic_of_the_writer_is_told_to_all_who_wait_and_the_store_goes_on() {
        let (_folder, writer) = writer();
        let writer = Arc::new(writer);
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let (told, answers) = mpsc::channel();
        let ask = |answer: Result<(), String>| told.send(answer).unwrap();
        thread::scope(|scope| {
            // While this one runs, more are waiting than one group takes.
            scope.spawn(|| {
                ask(block_on(writer.run(move |_, _| {
                    let _ = wait.lock().unwrap().recv();
                    panic!("as a fault of SQLite would, or of ours");
                }))
                .map_err(|e| e.to_string()));
            });
            thread::sleep(Duration::from_millis(50));
            for _ in 0..8 {
                scope.spawn(|| {
                    ask(block_on(writer.commit(commit(1)))
                        .map(|_| ())
                        .map_err(|e| e.to_string()))
                });
            }
            thread::sleep(Duration::from_millis(50));
            go.send(()).unwrap();
            let answers: Vec<_> = (0..9)
                .map(|_| answers.recv_timeout(PATIENCE).unwrap())
                .collect();
            assert!(answers.iter().any(Result::is_err));
        });
        block_on(writer.commit(commit(1))).unwrap();
    }

    #[test]
    fn a_full_file_takes_commits_again_once_there_is_room() {
        let (_folder, writer) = writer();
        let pages = |count: u32| {
            block_on(writer.run(move |connection, _| {
                connection.query_row(&format!("PRAGMA max_page_count = {count}"), [], |_| Ok(()))
            }))
            .unwrap();
        };
        pages(1);
        let full = block_on(writer.commit(commit(100_000))).unwrap_err();
        assert!(
            matches!(&full, AppendError::Failed(why) if why.to_string().starts_with("the disk is full")),
            "{full:?}"
        );
        pages(10_000);
        block_on(writer.commit(commit(100_000))).unwrap();
    }

    /// As a task that its executor left behind: the waker is all that holds it, and it holds the store.
    struct Task {
        future: Mutex<Option<BoxFuture<'static, ()>>>,
        _last: Last,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    /// Says whether the thread panics that drops it.
    struct Last(mpsc::Sender<bool>);

    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(thread::panicking());
        }
    }

    #[test]
    fn the_last_store_may_be_dropped_by_the_thread_that_writes() {
        let (folder, writer) = writer();
        let (dropped, is_dropped) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let future = async move {
            let run = writer.run(move |_, _| {
                let _ = wait.lock().unwrap().recv();
                Ok(())
            });
            let _ = run.await;
        };
        let task = Arc::new(Task {
            future: Mutex::new(Some(Box::pin(future))),
            _last: Last(dropped),
        });
        let waker = Waker::from(Arc::clone(&task));
        let mut future = task.future.lock().unwrap();
        let polled = future
            .as_mut()
            .unwrap()
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        drop(future);
        drop(waker);
        drop(task);
        go.send(()).unwrap();
        assert_eq!(is_dropped.recv_timeout(PATIENCE), Ok(false));
        drop(folder);
    }

    #[test]
    fn what_was_asked_for_is_done_though_nobody_waits() {
        let (_folder, writer) = writer();
        let sent = commit(1);
        poll(writer.commit(sent.clone()));
        block_on(writer.commit(sent)).unwrap();
    }
}
