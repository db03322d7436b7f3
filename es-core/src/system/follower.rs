//! Whoever reads the log of an application from its checkpoint: what a runner drives and a store implements.
use std::any::Any;
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use super::OnFailure;
use crate::application::Rehearsal;
use crate::domain::{Position, what_it_said};
use crate::persistence::{
    Advance, AppendError, BoxError, BoxFuture, CommitId, Epoch, Filter, FollowerId, Parking,
    Record, Standing, Store,
};

/// A reader of the log that keeps its checkpoint beside what it makes, in one transaction: what a store's `project` returns, and a process
/// manager's [`onto`](super::ProcessManager::onto).
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say where it writes to",
    note = "a projection follows by `store.project(..)`, a process manager by `.onto(&application)`"
)]
pub trait Follower: Send + 'static {
    /// Its name, which no other follower of the log has.
    fn name(&self) -> &str;

    /// Which events it handles.
    fn filter(&self) -> Filter;

    /// Where its checkpoint is, and its lease, and what it parks.
    fn store(&self) -> Arc<dyn Store>;

    /// Handles events in order, and stores what it makes of them together with [the checkpoint that covers them](Batch::advance). It may
    /// handle the first of them alone, and says how many it did: one at least.
    ///
    /// 1. It is refused under an older epoch, and from another place than that of its checkpoint ([`Advance::refusal`]), so also where another revision took
    ///    its place: a [swap](Self::swap) raises the epoch. A [dry run](Batch::dry) has no epoch, and is refused as well where its place is past.
    /// 2. The events are handled in order. At the first that fails, or panics, it ends with [`HandleError::Event`] and the event's place in the batch.
    /// 3. What was made, and the checkpoint by [`Batch::advance`], with what becomes parked, are stored in one transaction; in a
    ///    [dry run](Batch::dry) nothing is, and tables that are not there are made for it: there [`prepare`](Self::prepare) is not called before.
    ///
    /// # Errors
    /// [`HandleError`]; nothing of the batch is stored, nor its checkpoint.
    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>>;

    /// The revision of what it makes, from 1; 0 where that is not rebuilt.
    fn revision(&self) -> u32 {
        0
    }

    /// Whether it saves events, to the store that keeps its checkpoint: who follows those is behind it where the order counts.
    fn writes_events(&self) -> bool {
        false
    }

    /// How it is run.
    fn settings(&self) -> Settings {
        Settings::default()
    }

    /// Makes ready what it writes to, before the first batch of a lease, in one transaction:
    ///
    /// 1. It is refused under an older epoch ([`Output::fenced`]), and where the name that readers ask runs inside of commits
    ///    ([`LeaseError::Inline`](crate::persistence::LeaseError::Inline) in [`HandleError::Prepare`]).
    /// 2. Where it is to be made [anew](Output::anew), all that is kept under [`Output::follower`] is thrown away but its epoch and lease: tables,
    ///    checkpoint (it is at the start, without a commit), what is parked, and the records of what was dropped.
    /// 3. Tables that are not there are made, under the names that [`Output::table`] gives them.
    /// 4. [`Standing::revision`] of [`Output::follower`] becomes [`Output::revision`], and stays so when all is closed.
    ///
    /// # Errors
    /// [`HandleError`]; nothing was changed.
    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        let _ = output;
        Box::pin(async { Ok(()) })
    }

    /// Puts what was built under another name ([`Output::follower`]) in the place of what readers see ([`Output::live`]), in one transaction:
    ///
    /// 1. It is refused by [`Output::refusal`]: an older epoch, an older revision, or a checkpoint that is not as far.
    /// 2. Unless it is [anew](Output::anew), it is refused by [`AppendError::Parking`], with the name that it was built under and the event's position,
    ///    where an event up to the checkpoint of what readers see failed in what was built, and in what they see was handled or given up on: neither it
    ///    nor an earlier one of its stream is parked there, or it was dropped there. That may have changed until now.
    /// 3. The tables that readers see are dropped, and those that were built take their names.
    /// 4. Position, [`stands_at`](Standing::stands_at), [`revision`](Standing::revision), and what is parked become those of what was built.
    /// 5. Dropped and placed: the records of what readers saw stay, and those of what was built come to them; of an event that has one in both, the one
    ///    of what readers saw.
    /// 6. The epoch of what readers saw is raised and nobody has its lease, so that who still writes there is refused. Nobody says any more why it
    ///    [stopped](Standing::stopped).
    /// 7. Under the name that it was built under nothing is left but an epoch, which is raised as well, so that who built there before is refused.
    ///
    /// # Errors
    /// [`HandleError`]; nothing was changed.
    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        let _ = built;
        Box::pin(async { Ok(()) })
    }

    /// The same follower, which meets an event that it cannot handle in this way.
    fn on_failure(self, then: OnFailure) -> Configured<Self>
    where
        Self: Sized,
    {
        let settings = self.settings();
        Configured {
            follower: self,
            settings: Settings {
                on_failure: then,
                ..settings
            },
        }
    }

    /// The same follower, reading at most so many events at once.
    fn batches_of(self, events: NonZeroUsize) -> Configured<Self>
    where
        Self: Sized,
    {
        let settings = self.settings();
        Configured {
            follower: self,
            settings: Settings {
                batch: events,
                ..settings
            },
        }
    }

    /// The same follower, under leases of that length: when its process is killed or stands still, another takes over after it. It is renewed after
    /// a third, between two events, and while a handler awaits something: set a limit to what is awaited, since one that never ends keeps its lease. A
    /// handler that blocks its thread is to take less, with room to spare.
    ///
    /// It ends by the clock of its store: that of the server, and of a file that of the machine. Where that is set back, the lease of a process that
    /// was killed before lasts for as much longer, unless somebody [ends it](super::FollowerHandle::end_lease).
    fn leased_for(self, length: Duration) -> Configured<Self>
    where
        Self: Sized,
    {
        let settings = self.settings();
        Configured {
            follower: self,
            settings: Settings {
                lease: length,
                ..settings
            },
        }
    }
}

/// How a follower is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How many events are read at once, at most; unless this is set 1 000, or as many as suit the store. Fewer where they are large.
    pub batch: NonZeroUsize,
    /// For how long a lease is taken; 10 s unless this is set.
    pub lease: Duration,
    /// What is done about an event that cannot be handled.
    pub on_failure: OnFailure,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch: NonZeroUsize::new(1_000).unwrap_or(NonZeroUsize::MIN),
            lease: Duration::from_secs(10),
            on_failure: OnFailure::default(),
        }
    }
}

/// Events for a follower, and where its checkpoint is once they are handled.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The follower, under the name of what it builds.
    pub output: Output,
    /// Where its checkpoint is.
    pub from: Position,
    /// The events, oldest first, their payloads as JSON.
    pub records: Vec<Record>,
    /// Where its checkpoint goes once all of them are handled.
    pub to: Position,
    /// The commit of the event there.
    pub stands_at: Option<CommitId>,
    /// What becomes parked beside, and what of it is done.
    pub parking: Vec<Parking>,
    /// Present where all is done as it would be, and nothing is kept.
    pub dry: Option<Rehearsal>,
}

impl Batch {
    /// How the checkpoint moves where the first `handled` events are, of which the first `before` were covered already.
    #[must_use]
    pub fn advance(&self, before: usize, handled: usize) -> Advance {
        let from = match before
            .checked_sub(1)
            .and_then(|last| self.records.get(last))
        {
            Some(last) => last.position,
            None => self.from,
        };
        let (to, stands_at) = match handled
            .checked_sub(1)
            .and_then(|last| self.records.get(last))
        {
            Some(last) if handled < self.records.len() => (last.position, Some(last.commit)),
            _ => (self.to, self.stands_at),
        };
        let is_covered = |parking: &&Parking| {
            self.from == self.to || (parking.position() > from && parking.position() <= to)
        };
        Advance {
            follower: self.output.follower.clone(),
            from,
            to,
            stands_at,
            epoch: self.output.epoch,
            parking: self.parking.iter().filter(is_covered).cloned().collect(),
        }
    }
}

/// What a follower writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Under which name its checkpoint and its lease are: its own, or that of what is built alongside.
    pub follower: FollowerId,
    /// The name of the follower that readers ask.
    pub live: FollowerId,
    /// What tells the names of its tables from those that readers see; `None` for those.
    pub tag: Option<String>,
    /// The revision of what is made.
    pub revision: u32,
    /// The lease under which it is made.
    pub epoch: Option<Epoch>,
    /// It is to be made anew: what was made under that name before is thrown away when it is made ready. Where it takes the place of what readers
    /// see, that was made of a log that is gone, so it does not matter how far it was.
    pub anew: bool,
}

impl Output {
    /// What readers see.
    #[must_use]
    pub fn live(follower: FollowerId, revision: u32) -> Self {
        Self {
            live: follower.clone(),
            follower,
            tag: None,
            revision,
            epoch: None,
            anew: false,
        }
    }

    /// What is built alongside, under a tag.
    #[must_use]
    pub fn alongside(live: FollowerId, revision: u32, tag: impl Into<String>) -> Self {
        let tag = tag.into();
        Self {
            follower: FollowerId::new(format!("{}@{tag}", live.name), live.log.clone()),
            live,
            tag: Some(tag),
            revision,
            epoch: None,
            anew: false,
        }
    }

    /// Why a store refuses what is done under its lease, where `actual` is the newest epoch.
    #[must_use]
    pub fn fenced(&self, actual: Epoch) -> Option<AppendError> {
        let epoch = self.epoch.filter(|epoch| *epoch != actual)?;
        Some(AppendError::Fenced {
            follower: self.follower.clone(),
            epoch,
            actual,
        })
    }

    /// Why a store refuses to put it in the place of what readers see, where it keeps `built` of it and `seen` of that: an epoch that is past, an
    /// older revision, or a checkpoint that is not as far.
    #[must_use]
    pub fn refusal(&self, built: &Standing, seen: &Standing) -> Option<AppendError> {
        let is_behind = built.position < seen.position && !self.anew;
        let refused = || AppendError::Checkpoint {
            follower: self.follower.clone(),
            from: built.position,
            to: built.position,
            actual: seen.position,
        };
        let replaces = built.revision >= seen.revision && !is_behind;
        self.fenced(built.epoch)
            .or_else(|| (!replaces).then(refused))
    }

    /// The name of a table: the one that readers see, or with the tag at its end, after two underscores.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        match &self.tag {
            Some(tag) => format!("{name}__{tag}"),
            None => name.to_owned(),
        }
    }
}

/// Why a batch was not handled. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandleError {
    /// The handler failed at an event, or panicked, or the event cannot be read.
    #[error("an event cannot be handled")]
    Event {
        /// The place of the event in the batch, from 0.
        place: usize,
        /// Why.
        source: BoxError,
    },
    /// What it writes to could not be made ready, or what was built could not be put in its place, and that would end no other way before somebody
    /// changes what is in the way: the follower stops. What passes is [`Store`](HandleError::Store).
    #[error("what is written to could not be made ready")]
    Prepare(#[source] BoxError),
    /// The store refused what it made.
    #[error(transparent)]
    Store(#[from] AppendError),
}

/// What a handler that panicked said.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked: {message}")]
pub struct HandlerPanicked {
    message: String,
}

impl HandlerPanicked {
    /// From what was caught.
    #[must_use]
    pub fn new(payload: &(dyn Any + Send)) -> Self {
        Self {
            message: what_it_said(payload).to_owned(),
        }
    }
}

/// Runs a future to its end, or to its panic.
pub(super) async fn unpanicked<T>(future: impl Future<Output = T>) -> thread::Result<T> {
    let mut future = pin!(future);
    poll_fn(
        |context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
    .await
}

impl Follower for Box<dyn Follower> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn filter(&self) -> Filter {
        (**self).filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        (**self).store()
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        (**self).handle(batch)
    }

    fn revision(&self) -> u32 {
        (**self).revision()
    }

    fn writes_events(&self) -> bool {
        (**self).writes_events()
    }

    fn settings(&self) -> Settings {
        (**self).settings()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        (**self).prepare(output)
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        (**self).swap(built)
    }
}

/// A follower with settings of its own.
#[derive(Debug)]
pub struct Configured<F> {
    follower: F,
    settings: Settings,
}

impl<F: Follower> Follower for Configured<F> {
    fn name(&self) -> &str {
        self.follower.name()
    }

    fn filter(&self) -> Filter {
        self.follower.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.follower.store()
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.follower.handle(batch)
    }

    fn revision(&self) -> u32 {
        self.follower.revision()
    }

    fn writes_events(&self) -> bool {
        self.follower.writes_events()
    }

    fn settings(&self) -> Settings {
        self.settings
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.prepare(output)
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.swap(built)
    }
}
