//! What asks the thread that writes, and waits for its answer.
//!
//! A waiting caller may go away at any time without taking others along; what it asked for is done all the same.
mod desk;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use async_channel::Sender;
use es_core::persistence::{AppendError, BoxError, Commit, Committed};
use es_store_sql::company::Company;
use event_listener::Event;
use rusqlite::Connection;

use self::desk::Desk;
use crate::connection::{Pen, Place, wait_often};
use crate::inline::Inline;
use crate::sql::Sql;

/// To whom it is told by `tracing` what is written: see `docs/tracing.md`.
pub(crate) const TRACED: &str = "es_store_sqlite::commit";

/// How many callers may wait; the next ones wait for a place.
const PLACES: usize = 1_024;

/// How long a group waits for those who were answered before; with 30 µs a task is not back yet.
const MOMENT: Duration = Duration::from_micros(80);

/// How long a caller who commits alone looks for the answer before its task sleeps: waking it takes a third of what the disk does. Writing on the
/// caller's own thread would save no more, and keep its runtime waiting for as long as the disk, or another process, takes; this does not
/// keep it longer than reading 800 events. Where the disk takes 0.2 ms, 250 µs are too short for a commit (0.73 of the same by hand), 500 µs
/// are not (0.82), and 1 ms saves no more.
const GLANCE: Duration = Duration::from_micros(500);

/// How many callers do not look after one who looked in vain: the disk may take longer, or had more to do just once.
const IN_VAIN: u32 = 8;

/// Asks the thread that writes.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    /// How many callers wait for what became of their commit.
    asking: AtomicUsize,
    /// How many of the next callers do not look for their answer.
    in_vain: AtomicU32,
    writes_on: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

thread_local! {
    /// Whether this thread runs something of a projection's, which waits for what it asks.
    static HANDLING: Cell<bool> = const { Cell::new(false) };
}

/// What whoever waits for itself is told.
pub(crate) const WITHIN: &str = "a projection asks for it that keeps this store busy meanwhile; what handles an event writes into its transaction \
     alone: save in a process manager, or together with what the event comes from";

/// Runs what may call a handler of a projection, on the thread that writes.
pub(crate) fn handling<T>(run: impl FnOnce() -> T) -> T {
    /// Also where the handler panics.
    struct Until(bool);
    impl Drop for Until {
        fn drop(&mut self) {
            HANDLING.set(self.0);
        }
    }
    let _until = Until(HANDLING.replace(true));
    run()
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
                    company: Company::within(MOMENT),
                }
                .work(&waiting)
            })?;
        Ok(Self {
            jobs,
            asking: AtomicUsize::new(0),
            in_vain: AtomicU32::new(0),
            writes_on: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        })
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, AppendError> {
        if self.waits_for_itself() {
            return Err(AppendError::Failed(WITHIN.into()));
        }
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

    /// Whether a handler asks that runs on the thread that would have to do it.
    pub(crate) fn waits_for_itself(&self) -> bool {
        HANDLING.get() && self.writes_on == thread::current().id()
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
        if self.waits_for_itself() {
            return Err(WITHIN.into());
        }
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
        if self.waits_for_itself() {
            return Err(AppendError::Failed(WITHIN.into()));
        }
        let (reply, answer) = oneshot::channel();
        // Nobody may be waiting any more.
        let alone: Alone = Box::new(move |connection, sql| {
            let done = handling(|| run(connection, sql));
            drop(reply.send(done));
        });
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
