//! The task that writes: all commits that wait go into one transaction, and each has its own outcome.
//!
//! It remembers where the log ends. As long as nobody else writes, a group is one statement, which stores it if the log still ends there, and
//! its streams are where their writers believe them: then nothing was committed since, and what the snapshot of the statement shows is what is
//! there. Otherwise it writes nothing, and the group is judged under the log's lock, commit by commit.
use std::borrow::Cow;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use es_core::persistence::{AppendError, Commit, Committed};
use es_store_sql::company::Company;
use futures_lite::FutureExt;
use tokio::time::Instant;
use tokio_postgres::GenericClient;
use tracing::{Instrument, debug, debug_span, warn};

use super::hand::{Hand, Pen, Place};
use super::{Asked, Desk, Job, TRACED, has_events, size, writes};
use crate::commit;
use crate::connection::{in_time, milliseconds};
use crate::error::{Fault, not_committed};
use crate::inline::{Inside, Session};
use crate::projection::own::begin;
use crate::schema::Log;

/// How many commits go into one transaction at most.
const GROUP: usize = 512;

/// How many bytes of payloads go into one transaction, unless one commit has more.
const BYTES: usize = 8 * 1024 * 1024;

/// How long a group whose fate is not known waits for the server to come back.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// How long a group waits for those who were answered before; 100 µs bring no more.
const MOMENT: Duration = Duration::from_micros(30);

/// What is sent in less is not allowed more time for it.
const QUICK: Duration = Duration::from_secs(1);

/// How often a group is tried that Postgres gave up for the sake of another.
const ATTEMPTS: u32 = 3;

/// Those who asked, and what is answered them.
type Answered = (Vec<Job>, Vec<Result<Committed, AppendError>>);

/// The task's side.
pub(super) struct Work {
    desk: Arc<Desk>,
    waiting: Receiver<Asked>,
    /// What did not fit into the last group.
    left_over: Option<Asked>,
    place: Arc<Place>,
    /// Empty while the place has it.
    hand: Box<Hand>,
    company: Company,
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
    pub(super) fn new(desk: Arc<Desk>, waiting: Receiver<Asked>, place: Arc<Place>) -> Self {
        Self {
            desk,
            waiting,
            left_over: None,
            place,
            hand: Box::default(),
            company: Company::within(MOMENT),
        }
    }

    /// Works until the last store is dropped, and everything that was accepted is written.
    pub(super) async fn work(mut self) {
        loop {
            let first = match self.left_over.take() {
                Some(asked) => asked,
                None => match self.waiting.recv().await {
                    Ok(asked) => asked,
                    Err(_) => return,
                },
            };
            self.hand = self.place.take().await;
            // Whoever was in it is told, by the reply that is dropped in a panic, that its fate is not known.
            let served = AssertUnwindSafe(self.serve(first)).catch_unwind().await;
            let last = served.unwrap_or_else(|_| {
                self.forget();
                None
            });
            self.place.give_back(mem::take(&mut self.hand));
            // Whoever is answered finds it free.
            if let Some((part, answers)) = last {
                answer(part, answers);
            }
        }
    }

    /// Does what was asked for first, and writes what else is waiting with it. Those whose answers it gives are to be answered still.
    async fn serve(&mut self, first: Asked) -> Option<Answered> {
        self.hand.alone = false;
        let first = match first {
            Asked::Commit(job) => job,
            Asked::Failed(job, fault) => {
                return self.write(vec![job], Some(fault)).await;
            }
            Asked::Inline { inside, reply } => {
                let done = self.put(*inside).await;
                drop(reply.send(done.map_err(not_committed)));
                return None;
            }
        };
        let mut bytes = size(&first.commit);
        let mut group = vec![first];
        while group.len() < GROUP && bytes < BYTES {
            let Ok(asked) = self.waiting.try_recv() else {
                if !self.company.awaits(group.len()) {
                    break;
                }
                tokio::task::yield_now().await;
                continue;
            };
            let Asked::Commit(job) = asked else {
                self.left_over = Some(asked);
                break;
            };
            bytes += size(&job.commit);
            if bytes > BYTES {
                self.left_over = Some(Asked::Commit(job));
                break;
            }
            group.push(job);
        }
        self.hand.alone = group.len() == 1 && self.desk.inline.is_empty();
        self.write(group, None).await
    }

    /// Writes a group, where that has not failed before, and answers everybody in it but those whose answers it gives. A commit that Postgres cannot
    /// store fails alone: halves of the group are written without the other until it is found.
    async fn write(&mut self, group: Vec<Job>, mut failed: Option<Fault>) -> Option<Answered> {
        let mut answered = Some(group.len());
        let mut parts = vec![group];
        let mut given_up = 0;
        let mut since = Instant::now();
        while let Some(mut part) = parts.pop() {
            // What is parked is looked at once for each transaction.
            let mut parking = (0..part.len()).filter(|place| commit::parks(&part[*place].commit));
            if let Some(second) = parking.nth(1) {
                parts.push(part.split_off(second));
            }
            let stored = match failed.take() {
                Some(fault) => Err(fault),
                None => {
                    since = Instant::now();
                    let span = debug_span!(target: TRACED, "commit_group", jobs = part.len());
                    self.store(&part, false).instrument(span).await
                }
            };
            if let Some(answered) = answered.take() {
                // Before the first one is answered, who may be back before the last one is.
                let came = self.waiting.len() + usize::from(self.left_over.is_some());
                self.company.answered(answered, came);
            }
            let fault = match stored {
                Ok(answers) if parts.is_empty() => return Some((part, answers)),
                Ok(answers) => {
                    answer(part, answers);
                    continue;
                }
                Err(fault) => fault,
            };
            if fault.is_lost() {
                self.desk.connections.lost(&fault, since);
                self.settle(part, fault).await;
            } else if fault.is_passing() && given_up < ATTEMPTS {
                given_up += 1;
                parts.push(part);
            } else if fault.is_of_one() && part.len() > 1 {
                parts.push(part.split_off(part.len() / 2));
                parts.push(part);
            } else if let Fault::Inside(_) = fault {
                // Of one: the error is its own.
                warned(&fault, "refused by a projection");
                answer(part, vec![Err(not_committed(fault))]);
            } else {
                warned(&fault, "not committed");
                fail(part, || not_committed(fault.clone()));
            }
        }
        None
    }

    /// Has a projection run inside of every commit from here on; where that fails, what ran before does still.
    async fn put(&mut self, mut inside: Inside) -> Result<(), Fault> {
        let mut pen = match self.hand.pen.take() {
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
        let follower = inside.follower().clone();
        let transaction = loop {
            let transaction = in_time(patience, begin(client)).await?;
            in_time(patience, locked.lock(&*transaction)).await?;
            if !inside.page(&transaction, session).await? {
                break transaction;
            }
            // Other processes go on.
            in_time(patience, async { Ok(transaction.commit().await?) }).await?;
        };
        let before = self.desk.inline.put(inside).await;
        let committed = in_time(patience, async { Ok(transaction.commit().await?) });
        if let Err(fault) = committed.await {
            match before {
                Some(before) => drop(self.desk.inline.put(before).await),
                None => self.desk.inline.remove(&follower).await,
            }
            return Err(fault);
        }
        self.hand.pen = Some(pen);
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
                    self.hand.pen = Some(pen);
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
                    return lost(part, &fault);
                }
            }
        }
        // A checkpoint that moves without events has no id in the log. What writes nothing is asked again.
        let unknown = part
            .extract_if(.., |job| !has_events(&job.commit) && writes(&job.commit))
            .collect();
        lost(unknown, &fault);
        if part.is_empty() {
            return;
        }
        let span = debug_span!(target: TRACED, "settle_group", jobs = part.len());
        match self.store(&part, true).instrument(span).await {
            Ok(answers) => {
                // Nobody was told of what had been committed by then.
                self.desk.changed.notify(usize::MAX);
                if let Some(pen) = &self.hand.pen {
                    pen.tell.send(&*pen.client, &self.desk.handle).await;
                }
                answer(part, answers);
            }
            Err(fault) => lost(part, &fault),
        }
    }

    /// Drops the connection, and what is known of the log.
    fn forget(&mut self) {
        *self.hand = Hand::default();
    }

    /// A new connection to a log that is as it has to be.
    async fn connect(&mut self) -> Result<Pen, Fault> {
        self.forget();
        let Desk {
            connections,
            sql,
            command,
            ..
        } = &*self.desk;
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
                // The next one is new.
                Err(Fault::Silent) if attempts > 0 => {
                    connections.give_up_idle();
                    attempts = 0;
                }
                // The pool may have several that are dead.
                Err(fault @ Fault::Postgres(_)) if fault.is_lost() && attempts > 0 => {
                    attempts -= 1;
                }
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
        let closed = |pen: &Pen| pen.client.is_closed();
        if self.hand.pen.as_ref().is_none_or(closed) {
            if self.hand.pen.is_some() {
                warn!(target: TRACED, "connection lost, connecting again");
            }
            self.hand.pen = Some(self.connect().await?);
        }
        let is_inside = !self.desk.inline.is_empty();
        if !is_inside
            && !in_doubt
            && let Some(committed) = self.hand.write(&self.desk, &commits, &metadata).await?
        {
            return Ok(committed.into_iter().map(Ok).collect());
        }
        let mut pen = match self.hand.pen.take() {
            Some(pen) => pen,
            None => self.connect().await?,
        };
        let stored = if is_inside {
            let stored = self.inside(&mut pen, &commits, &metadata).await;
            if let (Err(_), Some(session)) = (&stored, &pen.session) {
                // What is prepared may be what is wrong.
                session.forget();
            }
            stored
        } else {
            let patience = self.desk.patience;
            in_time(patience, self.judged(&pen, &commits, &metadata)).await
        };
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
                let refused = answers.iter().filter(|answer| answer.is_err()).count();
                debug!(target: TRACED, refused, "committed");
                if changed {
                    self.desk.changed.notify(usize::MAX);
                    pen.tell.send(&*pen.client, &self.desk.handle).await;
                }
                self.hand.pen = Some(pen);
                Ok(answers)
            }
            Err(fault) => {
                self.hand.end = None;
                self.hand.undisturbed = false;
                // An open transaction is rolled back with its connection, or by hand.
                let rollback = async { Ok(pen.client.batch_execute("ROLLBACK").await?) };
                if !fault.is_lost() && in_time(self.desk.patience, rollback).await.is_ok() {
                    self.hand.pen = Some(pen);
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
        let sent = sent_in(commits);
        let mut begin = Cow::Borrowed("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
        if sent > QUICK {
            begin = format!("{begin}; {}", may_stand_still(self.desk.standstill + sent)).into();
        }
        let begin = async { Ok::<_, Fault>(client.batch_execute(&begin).await?) };
        let known = pen.locked.read(client, &self.desk.sql, commits);
        let ((), known) = tokio::try_join!(biased; begin, known)?;
        self.hand.undisturbed = self.hand.end.is_none_or(|end| end == known.end);
        let verdict = commit::judge(known, commits, metadata);
        pen.locked.park(client, &self.desk.sql, &verdict).await?;
        let write = pen.locked.write(client, &verdict);
        let commit = async { Ok(client.batch_execute("COMMIT").await?) };
        tokio::try_join!(biased; write, commit)?;
        self.hand.end = Some(verdict.end);
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
        let sent = sent_in(commits);
        let verdict = in_time(patience, async {
            if sent > QUICK {
                let allowed = may_stand_still(patience + sent);
                transaction.batch_execute(&allowed).await?;
            }
            let known = locked.read(&*transaction, sql, commits).await?;
            let verdict = commit::judge(known, commits, metadata);
            locked.park(&*transaction, sql, &verdict).await?;
            let write = locked.write(&*transaction, &verdict);
            write.await?;
            Ok(verdict)
        });
        let verdict = verdict.await?;
        if verdict.rows.count() > 0 {
            desk.inline.handle(&transaction, session).await?;
        }
        let committed = in_time(patience, async { Ok(transaction.commit().await?) });
        if let Err(fault) = committed.await {
            return Err(match fault.is_of_one() {
                true => Fault::Commit(Arc::new(fault.of_your_rows())),
                false => fault,
            });
        }
        self.hand.end = Some(verdict.end);
        Ok((verdict.answers, verdict.changed))
    }
}

impl Drop for Work {
    /// A store outlives it where their runtime ends, and what is in the channel would wait for as long as the store is there. It is told by the reply
    /// that is dropped here; not that it is not stored, for it may have been sent before.
    fn drop(&mut self) {
        self.waiting.close();
        while self.waiting.try_recv().is_ok() {}
    }
}

/// To the server, a transaction stands still until all of the next statement is there, however long that takes.
fn may_stand_still(at_most: Duration) -> String {
    format!(
        "SET LOCAL idle_in_transaction_session_timeout = {}",
        milliseconds(at_most)
    )
}

/// How long the payloads take over a slow line, of a megabyte a second.
fn sent_in(commits: &[&Commit]) -> Duration {
    let bytes: usize = commits.iter().map(|commit| size(commit)).sum();
    Duration::from_micros(u64::try_from(bytes).unwrap_or(u64::MAX))
}

fn warned(fault: &Fault, what: &str) {
    let error = fault.explained();
    warn!(target: TRACED, error = &*error as &(dyn std::error::Error + 'static), "{what}");
}

/// Nobody may be waiting any more.
fn answer(part: Vec<Job>, answers: Vec<Result<Committed, AppendError>>) {
    for (job, answer) in part.into_iter().zip(answers) {
        drop(job.reply.send(answer));
    }
}

/// Says that it is not known whether they are stored; of those that write nothing it is.
fn lost(part: Vec<Job>, fault: &Fault) {
    for job in part {
        let why = match writes(&job.commit) {
            true => AppendError::Unavailable,
            false => AppendError::Failed,
        };
        drop(job.reply.send(Err(why(fault.explained()))));
    }
}

fn fail(part: Vec<Job>, why: impl Fn() -> AppendError) {
    for job in part {
        drop(job.reply.send(Err(why())));
    }
}
