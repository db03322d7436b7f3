//! The task that writes: all commits that wait go into one transaction, and each has its own outcome.
//!
//! A waiting caller may go away at any time without taking others along; what it asked for is done all the same.
//!
//! The task remembers where the log ends. As long as nobody else writes, a group is one statement, which stores it if the log still ends there, and
//! its streams are where their writers believe them: then nothing was committed since, and what the snapshot of the statement shows is what is
//! there. Otherwise it writes nothing, and the group is judged under the log's lock, commit by commit.
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use deadpool_postgres::ClientWrapper;
use es_core::persistence::{AppendError, BoxError, Commit, Committed};
use event_listener::Event;
use futures_lite::FutureExt;
use tokio::time::Instant;
use tokio_postgres::{GenericClient, Statement};
use tracing::{Instrument, debug, debug_span, warn};

use crate::commit::{self, End, Hope};
use crate::connection::{Connections, in_time};
use crate::error::{Fault, not_committed};
use crate::inline::{Inline, Inside, Session};
use crate::locked::Locked;
use crate::projection::begin;
use crate::schema::Log;
use crate::sql::Sql;

/// How many callers may wait; the next ones wait for a place.
const PLACES: usize = 1_024;

/// How many commits go into one transaction at most.
const GROUP: usize = 512;

/// How many bytes of payloads go into one transaction, unless one commit has more.
const BYTES: usize = 8 * 1024 * 1024;

/// How many bytes of payloads a commit may have: Postgres takes messages of 1 GiB.
const MESSAGE: usize = 768 * 1024 * 1024;

/// How long a group whose fate is not known waits for the server to come back.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// To whom it is told by `tracing` what is written: see `docs/tracing.md`.
const TRACED: &str = "es_store_postgres::commit";

/// Asks the task that writes.
pub(crate) struct Writer {
    jobs: Sender<Asked>,
}

/// What the task is asked for.
enum Asked {
    Commit(Job),
    /// A projection runs inside of every commit that is asked for after this.
    Inline {
        inside: Box<Inside>,
        reply: oneshot::Sender<Result<(), AppendError>>,
    },
}

struct Job {
    commit: Commit,
    reply: oneshot::Sender<Result<Committed, AppendError>>,
}

/// What the task works with.
pub(crate) struct Desk {
    pub(crate) connections: Arc<Connections>,
    pub(crate) sql: Arc<Sql>,
    pub(crate) changed: Arc<Event>,
    pub(crate) inline: Arc<Inline>,
    /// What tells this store's own notifications from those of others.
    pub(crate) handle: String,
    pub(crate) command: String,
    pub(crate) patience: Duration,
}

impl Writer {
    pub(crate) fn start(desk: Desk) -> Self {
        let (jobs, waiting) = async_channel::bounded(PLACES);
        tokio::spawn(
            Work {
                desk,
                waiting,
                pen: None,
                end: None,
                undisturbed: false,
            }
            .work(),
        );
        Self { jobs }
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<Committed, AppendError> {
        let bytes = size(&commit);
        if bytes > MESSAGE {
            let why = format!(
                "its payloads have {bytes} bytes together, and a commit takes {MESSAGE}; write it in parts"
            );
            return Err(AppendError::Failed(why.into()));
        }
        let (reply, answer) = oneshot::channel();
        let asked = Asked::Commit(Job { commit, reply });
        if self.jobs.send(asked).await.is_err() {
            return Err(AppendError::Failed(gone()));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable(gone())))
    }

    pub(crate) async fn inline(&self, inside: Inside) -> Result<(), AppendError> {
        let (reply, answer) = oneshot::channel();
        let inside = Box::new(inside);
        let asked = Asked::Inline { inside, reply };
        if self.jobs.send(asked).await.is_err() {
            return Err(AppendError::Failed(gone()));
        }
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable(gone())))
    }
}

fn gone() -> BoxError {
    "the task that writes has ended with its runtime; connect the store again".into()
}

fn size(commit: &Commit) -> usize {
    let events = commit.appends.iter().flat_map(|append| &append.events);
    events.map(|event| event.payload.len()).sum()
}

/// The task's side.
struct Work {
    desk: Desk,
    waiting: Receiver<Asked>,
    pen: Option<Pen>,
    /// Where the log ends, as far as this task knows.
    end: Option<End>,
    /// Nobody else moved it, when it was last looked at.
    undisturbed: bool,
}

/// The connection that writes, and what is prepared on it.
struct Pen {
    client: ClientWrapper,
    append: Statement,
    append_one: Statement,
    locked: Locked,
    /// Present once a projection runs inside of commits.
    session: Option<Session>,
}

impl Pen {
    async fn new(client: ClientWrapper, sql: &Sql) -> Result<Self, Fault> {
        Ok(Self {
            append: client.prepare(&sql.append).await?,
            append_one: client.prepare(&sql.append_one).await?,
            locked: Locked::prepare(&*client, sql).await?,
            session: None,
            client,
        })
    }

    async fn write(&self, hope: &Hope<'_>, handle: &str) -> Result<bool, Fault> {
        let append = match hope.is_one {
            true => &self.append_one,
            false => &self.append,
        };
        hope.write(&*self.client, append, handle).await
    }
}

/// What projections inside of commits work with on a connection, from their first on.
async fn session<'a>(
    kept: &'a mut Option<Session>,
    client: &impl GenericClient,
    desk: &Desk,
) -> Result<&'a Session, Fault> {
    let session = match kept.take() {
        Some(session) => session,
        None => Session::of_the_store(client, &desk.sql, desk.patience).await?,
    };
    Ok(kept.insert(session))
}

impl Work {
    /// Works until the last store is dropped, and everything that was accepted is written.
    async fn work(mut self) {
        let mut left_over = None;
        loop {
            let first = match left_over.take() {
                Some(asked) => asked,
                None => match self.waiting.recv().await {
                    Ok(asked) => asked,
                    Err(_) => return,
                },
            };
            let first = match first {
                Asked::Commit(job) => job,
                Asked::Inline { inside, reply } => {
                    let done = AssertUnwindSafe(self.put(*inside)).catch_unwind().await;
                    // After a panic its reply is dropped, too.
                    if let Ok(done) = done {
                        drop(reply.send(done.map_err(not_committed)));
                    }
                    continue;
                }
            };
            let mut bytes = size(&first.commit);
            let mut group = vec![first];
            while group.len() < GROUP
                && bytes < BYTES
                && let Ok(asked) = self.waiting.try_recv()
            {
                let Asked::Commit(job) = asked else {
                    left_over = Some(asked);
                    break;
                };
                bytes += size(&job.commit);
                if bytes > BYTES {
                    left_over = Some(Asked::Commit(job));
                    break;
                }
                group.push(job);
            }
            let written = AssertUnwindSafe(self.write(group)).catch_unwind().await;
            // Whoever was in it is told, by the reply that was dropped, that its fate is not known.
            if written.is_err() {
                self.forget();
            }
        }
    }

    /// Writes a group and answers everybody in it. A commit that Postgres cannot store fails alone: halves of the group are written without the
    /// other until it is found.
    async fn write(&mut self, group: Vec<Job>) {
        let mut parts = vec![group];
        let mut given_up = 0;
        while let Some(mut part) = parts.pop() {
            // What is parked is looked at once for each transaction.
            let mut parking = (0..part.len()).filter(|place| commit::parks(&part[*place].commit));
            if let Some(second) = parking.nth(1) {
                parts.push(part.split_off(second));
            }
            let span = debug_span!(target: TRACED, "commit_group", jobs = part.len());
            let fault = match self.store(&part, false).instrument(span).await {
                Ok(answers) => {
                    answer(part, answers);
                    continue;
                }
                Err(fault) => fault,
            };
            if fault.is_lost() {
                self.settle(part, fault).await;
            } else if matches!(fault, Fault::Again(_)) && given_up < ATTEMPTS {
                given_up += 1;
                parts.push(part);
            } else if fault.is_of_one() && part.len() > 1 {
                parts.push(part.split_off(part.len() / 2));
                parts.push(part);
            } else if let Fault::Inside(_) = fault {
                // Of one: the error is its own.
                answer(part, vec![Err(not_committed(fault))]);
            } else {
                warned(&fault, "not committed");
                fail(part, || not_committed(fault.clone()));
            }
        }
    }

    /// Has a projection run inside of every commit from here on; where that fails, what ran before does still.
    async fn put(&mut self, mut inside: Inside) -> Result<(), Fault> {
        let mut pen = match self.pen.take() {
            Some(pen) if !pen.client.is_closed() => pen,
            _ => self.connect().await?,
        };
        let Pen {
            client,
            locked,
            session: kept,
            ..
        } = &mut pen;
        let patience = self.desk.patience;
        let session = in_time(patience, session(kept, &**client, &self.desk)).await?;
        let transaction = in_time(patience, begin(client)).await?;
        in_time(patience, locked.lock(&*transaction)).await?;
        inside.catch_up(&transaction, session).await?;
        let follower = inside.follower().clone();
        let before = self.desk.inline.put(inside).await;
        let committed = in_time(patience, async { Ok(transaction.commit().await?) });
        if let Err(fault) = committed.await {
            match before {
                Some(before) => drop(self.desk.inline.put(before).await),
                None => self.desk.inline.remove(&follower).await,
            }
            return Err(fault);
        }
        self.pen = Some(pen);
        Ok(())
    }

    /// Finds out what became of a group whose connection was lost: on a new one, under the log's lock, where each commit is looked up by its id
    /// before anything is written. What the lost one had not done by then it cannot do any more: the log ends elsewhere.
    async fn settle(&mut self, mut part: Vec<Job>, mut fault: Fault) {
        warned(&fault, "connection lost, finding out what is committed");
        let deadline = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(5);
        loop {
            match self.connect().await {
                Ok(pen) => {
                    self.pen = Some(pen);
                    break;
                }
                // It may be starting again.
                Err(Fault::Connect(_)) if Instant::now() + pause < deadline => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => {
                    if error.is_lost() {
                        fault = error;
                    }
                    return fail(part, || AppendError::Unavailable(fault.explained()));
                }
            }
        }
        // What has no events has no id in the log either.
        let unknown = part
            .extract_if(.., |job| !has_events(&job.commit))
            .collect();
        fail(unknown, || AppendError::Unavailable(fault.explained()));
        if part.is_empty() {
            return;
        }
        let span = debug_span!(target: TRACED, "settle_group", jobs = part.len());
        match self.store(&part, true).instrument(span).await {
            Ok(answers) => answer(part, answers),
            Err(fault) => fail(part, || AppendError::Unavailable(fault.explained())),
        }
    }

    /// Drops the connection, and what is known of the log.
    fn forget(&mut self) {
        self.pen = None;
        self.end = None;
        self.undisturbed = false;
    }

    /// A new connection to a log that is as it has to be.
    async fn connect(&mut self) -> Result<Pen, Fault> {
        self.forget();
        let Desk {
            connections,
            sql,
            command,
            ..
        } = &self.desk;
        let log = Log {
            location: &sql.location,
            command,
        };
        let mut attempts = connections.most();
        loop {
            let pen = async {
                let client = connections.writer().await?;
                log.check(&*client).await?;
                Pen::new(client, sql).await
            };
            match in_time(self.desk.patience, pen).await {
                // The pool may have several that are dead.
                Err(Fault::Silent) if attempts > 0 => attempts -= 1,
                Err(fault @ Fault::Postgres(_)) if fault.is_lost() && attempts > 0 => attempts -= 1,
                pen => return pen,
            }
        }
    }

    /// Writes a group in one transaction, or nothing of it.
    async fn store(
        &mut self,
        part: &[Job],
        in_doubt: bool,
    ) -> Result<Vec<Result<Committed, AppendError>>, Fault> {
        let commits: Vec<_> = part.iter().map(|job| &job.commit).collect();
        let metadata = commit::metadata(&commits)?;
        let mut pen = match self.pen.take() {
            Some(pen) if !pen.client.is_closed() => pen,
            Some(_) => {
                warn!(target: TRACED, "connection lost, connecting again");
                self.connect().await?
            }
            None => self.connect().await?,
        };
        if !self.desk.inline.is_empty() {
            let stored = self.inside(&mut pen, &commits, &metadata).await;
            if let (Err(_), Some(session)) = (&stored, &pen.session) {
                // What is prepared may be what is wrong.
                session.forget();
            }
            return self.kept(pen, stored).await;
        }
        let stored = in_time(self.desk.patience, async {
            if self.undisturbed
                && !in_doubt
                && let Some(end) = self.end
                && let Some(hope) = Hope::new(end, &commits, &metadata)
                && pen.write(&hope, &self.desk.handle).await?
            {
                self.end = Some(hope.end);
                let committed = hope.committed.into_iter().map(Ok);
                return Ok((committed.collect(), true));
            }
            self.judged(&pen, &commits, &metadata).await
        });
        let stored = stored.await;
        self.kept(pen, stored).await
    }

    /// Keeps the connection for the next group, where it is good for that.
    async fn kept(
        &mut self,
        pen: Pen,
        stored: Result<(Vec<Result<Committed, AppendError>>, bool), Fault>,
    ) -> Result<Vec<Result<Committed, AppendError>>, Fault> {
        match stored {
            Ok((answers, changed)) => {
                self.pen = Some(pen);
                let refused = answers.iter().filter(|answer| answer.is_err()).count();
                debug!(target: TRACED, refused, "committed");
                if changed {
                    self.desk.changed.notify(usize::MAX);
                }
                Ok(answers)
            }
            Err(fault) => {
                self.end = None;
                self.undisturbed = false;
                // An open transaction is rolled back with its connection, or by hand.
                let rollback = async { Ok(pen.client.batch_execute("ROLLBACK").await?) };
                if !fault.is_lost() && in_time(self.desk.patience, rollback).await.is_ok() {
                    self.pen = Some(pen);
                }
                Err(fault)
            }
        }
    }

    /// Writes what of a group can be stored, under the log's lock.
    async fn judged(
        &mut self,
        pen: &Pen,
        commits: &[&Commit],
        metadata: &[Option<String>],
    ) -> Result<(Vec<Result<Committed, AppendError>>, bool), Fault> {
        let client = &*pen.client;
        let begin = async {
            let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
            Ok::<_, Fault>(client.batch_execute(begin).await?)
        };
        let known = pen.locked.read(client, &self.desk.sql, commits);
        let ((), known) = tokio::try_join!(biased; begin, known)?;
        self.undisturbed = self.end.is_none_or(|end| end == known.end);
        let verdict = commit::judge(known, commits, metadata);
        pen.locked.park(client, &self.desk.sql, &verdict).await?;
        let write = pen.locked.write(client, &verdict, &self.desk.handle);
        let commit = async { Ok(client.batch_execute("COMMIT").await?) };
        tokio::try_join!(biased; write, commit)?;
        self.end = Some(verdict.end);
        Ok((verdict.answers, verdict.changed))
    }

    /// The same, together with what the projections inside of the commits make of it: all of the group, or nothing.
    async fn inside(
        &mut self,
        pen: &mut Pen,
        commits: &[&Commit],
        metadata: &[Option<String>],
    ) -> Result<(Vec<Result<Committed, AppendError>>, bool), Fault> {
        let desk = &self.desk;
        let (sql, patience) = (&*desk.sql, desk.patience);
        let Pen {
            client,
            locked,
            session: kept,
            ..
        } = pen;
        let session = in_time(patience, session(kept, &**client, desk)).await?;
        let transaction = in_time(patience, begin(client)).await?;
        let verdict = in_time(patience, async {
            let known = locked.read(&*transaction, sql, commits).await?;
            let verdict = commit::judge(known, commits, metadata);
            locked.park(&*transaction, sql, &verdict).await?;
            let write = locked.write(&*transaction, &verdict, &desk.handle);
            write.await?;
            Ok(verdict)
        });
        let verdict = verdict.await?;
        if verdict.rows.count() > 0 {
            desk.inline.handle(&transaction, session).await?;
        }
        in_time(patience, async { Ok(transaction.commit().await?) }).await?;
        self.end = Some(verdict.end);
        Ok((verdict.answers, verdict.changed))
    }
}

/// How often a group is tried that Postgres gave up for the sake of another.
const ATTEMPTS: u32 = 3;

fn warned(fault: &Fault, what: &str) {
    let error = fault.explained();
    warn!(target: TRACED, error = &*error as &(dyn std::error::Error + 'static), "{what}");
}

fn has_events(commit: &Commit) -> bool {
    commit
        .appends
        .iter()
        .any(|append| !append.events.is_empty())
}

/// Nobody may be waiting any more.
fn answer(part: Vec<Job>, answers: Vec<Result<Committed, AppendError>>) {
    for (job, answer) in part.into_iter().zip(answers) {
        drop(job.reply.send(answer));
    }
}

fn fail(part: Vec<Job>, why: impl Fn() -> AppendError) {
    for job in part {
        drop(job.reply.send(Err(why())));
    }
}
