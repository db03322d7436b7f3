//! What asks the task that writes, and waits for its answer.
//!
//! A waiting caller may go away at any time without taking others along; what it asked for is done all the same.
//!
//! Two ways lead to the log. Where many write, the task writes for all of them, in groups ([`work`]). Where one writes alone, the hops to the task
//! and back would cost it a fifth of its speed, so it has the [`hand`] lent and writes itself. That is one statement, which stores the commit or
//! nothing; whatever else comes of it is left to the task, behind what was asked for meanwhile.
mod hand;
mod work;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use es_core::persistence::{AppendError, BoxError, Commit, Committed};
use event_listener::Event;
use futures_lite::FutureExt;
use futures_util::future::FusedFuture;
use tracing::{Instrument, debug_span};

use self::hand::{Place, Writing};
use self::work::Work;
use crate::connection::Connections;
use crate::error::Fault;
use crate::inline::{Inline, Inside};
use crate::sql::Sql;
use crate::store::Runtime;

/// How many callers may wait; the next ones wait for a place.
const PLACES: usize = 1_024;

/// How many bytes of payloads a commit may have: Postgres takes messages of 1 GiB.
const MESSAGE: usize = 768 * 1024 * 1024;

/// To whom it is told by `tracing` what is written: see `docs/tracing.md`.
pub(crate) const TRACED: &str = "es_store_postgres::commit";

/// Asks the task that writes.
pub(crate) struct Writer {
    jobs: Sender<Asked>,
    desk: Arc<Desk>,
    place: Arc<Place>,
    runtime: Runtime,
}

/// What the task is asked for.
enum Asked {
    Commit(Job),
    /// What its caller could not write alone.
    Failed(Job, Fault),
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

/// What whoever writes works with.
pub(crate) struct Desk {
    pub(crate) connections: Arc<Connections>,
    pub(crate) sql: Arc<Sql>,
    pub(crate) changed: Arc<Event>,
    pub(crate) inline: Arc<Inline>,
    /// What tells this store's own notifications from those of others.
    pub(crate) handle: String,
    pub(crate) command: String,
    pub(crate) patience: Duration,
    /// How long a transaction may stand still under the log's lock.
    pub(crate) standstill: Duration,
}

impl Writer {
    pub(crate) fn start(desk: Desk, runtime: &Runtime) -> Self {
        let (jobs, waiting) = async_channel::bounded(PLACES);
        let (desk, place) = (Arc::new(desk), Arc::new(Place::default()));
        let handle = &runtime.handle;
        handle.spawn(Work::new(Arc::clone(&desk), waiting, Arc::clone(&place)).work());
        Self {
            jobs,
            desk,
            place,
            runtime: runtime.clone(),
        }
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
        match self.alone(Job { commit, reply }) {
            Ok(mut alone) => {
                if let Some(writing) = &mut alone.writing {
                    writing.await;
                }
            }
            Err(job) => {
                if self.jobs.send(Asked::Commit(job)).await.is_err() {
                    return Err(AppendError::Failed(gone()));
                }
            }
        }
        answer
            .await
            .unwrap_or_else(|_| Err(AppendError::Unavailable(gone())))
    }

    /// Begins to write a commit here, where nobody else writes or waits.
    #[expect(
        clippy::result_large_err,
        reason = "what is not begun is done otherwise"
    )]
    fn alone(&self, job: Job) -> Result<Alone, Job> {
        let is_simple = job.commit.checkpoint.is_none() && has_events(&job.commit);
        if !is_simple || !self.jobs.is_empty() {
            return Err(job);
        }
        let writing = self.place.lend(job, |mut hand, job| {
            let (desk, jobs) = (Arc::clone(&self.desk), self.jobs.clone());
            let place = Arc::downgrade(&self.place);
            let writing = async move {
                let written = async {
                    // Not of the caller's: as every group.
                    let span = debug_span!(target: TRACED, parent: None, "commit_group", jobs = 1);
                    let written = hand.write_one(&desk, &job.commit);
                    written.instrument(span).await
                };
                let written = AssertUnwindSafe(written).catch_unwind().await;
                // Whoever is answered finds it free.
                if let Some(place) = place.upgrade() {
                    place.give_back(hand);
                }
                let asked = match written {
                    Ok(Ok(Some(committed))) => return drop(job.reply.send(Ok(committed))),
                    Ok(Ok(None)) => Asked::Commit(job),
                    Ok(Err(fault)) => Asked::Failed(job, fault),
                    // That its fate is not known is told by the reply that is dropped here.
                    Err(_) => return,
                };
                // Without waiting for a place: the task may be waiting for this, and makes no room before.
                tokio::spawn(async move { drop(jobs.send(asked).await) });
            };
            self.runtime.run(writing)
        })?;
        Ok(Alone {
            writing: Some(writing),
            runtime: self.runtime.clone(),
        })
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

/// A commit that its caller writes; one who goes away leaves it to the runtime.
struct Alone {
    /// Until it is dropped.
    writing: Option<Writing>,
    runtime: Runtime,
}

impl Drop for Alone {
    fn drop(&mut self) {
        // Itself and no clone: it may be dropped by what it wakes, and must not end there.
        if let Some(writing) = self.writing.take()
            && !writing.is_terminated()
        {
            self.runtime.handle.spawn(writing);
        }
    }
}

fn has_events(commit: &Commit) -> bool {
    let mut appends = commit.appends.iter();
    appends.any(|append| !append.events.is_empty())
}

/// Whether anything is stored by it: without events and checkpoint it only looks at versions.
fn writes(commit: &Commit) -> bool {
    has_events(commit) || commit.checkpoint.is_some()
}

fn gone() -> BoxError {
    "the task that writes has ended with its runtime; connect the store again".into()
}

fn size(commit: &Commit) -> usize {
    let events = commit.appends.iter().flat_map(|append| &append.events);
    events.map(|event| event.payload.len()).sum()
}
