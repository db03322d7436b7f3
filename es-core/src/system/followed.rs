//! One follower of a system: what it follows, where it keeps what it makes, and how it is.
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use event_listener::Event;
use futures_lite::future;

use super::follower::{Follower, Settings};
use super::state::State;
use super::watch::Watch;
use super::{StopReason, traced};
use crate::application::{Application, NotificationLog};
use crate::domain::Position;
use crate::persistence::{BoxFuture, Clock, FollowerId, Lease, Store};

pub(super) struct Followed {
    /// What it follows.
    pub(super) app: Application,
    /// What of that it handles.
    pub(super) log: NotificationLog,
    pub(super) id: FollowerId,
    pub(super) revision: u32,
    pub(super) settings: Settings,
    pub(super) store: Arc<dyn Store>,
    /// Whether what it saves there are events.
    pub(super) writes_events: bool,
    pub(super) clock: Arc<dyn Clock>,
    /// Looks at the log for all who follow it.
    pub(super) watch: Arc<Watch>,
    /// Absent while somebody drives it.
    follower: Mutex<Option<Box<dyn Follower>>>,
    state: Mutex<State>,
    failing: Mutex<Failing>,
    /// The lease of an engine that was dropped before it gave it back.
    left: Mutex<Option<Lease>>,
    /// How many events are read at once at most since one failed.
    narrowed: AtomicUsize,
    /// An event behind this one failed: what comes before it is handled first.
    before: Mutex<Option<Position>>,
    /// Where its checkpoint was seen last in this process.
    known: AtomicU64,
    /// Its state was changed, or it is to look again.
    pub(super) told: Event,
}

/// An event that fails, and how often it did.
#[derive(Debug, Default)]
pub(super) struct Failing {
    pub(super) position: Position,
    pub(super) attempts: u32,
}

impl Followed {
    pub(super) fn new(
        app: &Application,
        follower: Box<dyn Follower>,
        name_taken: bool,
        watch: Arc<Watch>,
    ) -> Self {
        let state = match name_taken {
            true => State::Stopped(StopReason::NameTaken),
            false => State::Idle,
        };
        Self {
            log: app.log().only(follower.filter()),
            id: FollowerId::new(follower.name().to_owned(), app.log_name()),
            revision: follower.revision(),
            settings: follower.settings(),
            store: follower.store(),
            writes_events: follower.writes_events(),
            clock: app.goes_by(),
            watch,
            app: app.clone(),
            follower: Mutex::new(Some(follower)),
            state: Mutex::new(state),
            failing: Mutex::default(),
            narrowed: AtomicUsize::new(usize::MAX),
            left: Mutex::default(),
            before: Mutex::default(),
            known: AtomicU64::new(0),
            told: Event::new(),
        }
    }

    /// Whether it may see what it saves.
    pub(super) fn writes_where_it_reads(&self) -> bool {
        self.writes_events && Arc::ptr_eq(&self.store, &self.app.keeps_in())
    }

    /// Takes the follower to drive it; `None` while somebody else does.
    pub(super) fn take(self: &Arc<Self>) -> Option<Driven> {
        let follower = locked(&self.follower).take()?;
        Some(Driven {
            follower: Some(follower),
            followed: Arc::clone(self),
        })
    }

    /// Whether nobody drives it.
    pub(super) fn is_free(&self) -> bool {
        locked(&self.follower).is_some()
    }

    /// Where its checkpoint was seen last in this process.
    pub(super) fn known(&self) -> Position {
        Position::from(self.known.load(Ordering::SeqCst))
    }

    pub(super) fn know(&self, position: Position) {
        self.known.store(position.get(), Ordering::SeqCst);
    }

    pub(super) fn state(&self) -> State {
        locked(&self.state).clone()
    }

    /// Whether a newer program makes what readers see.
    pub(super) fn is_outdated(&self) -> bool {
        // Who makes nothing that readers see has somebody else's name.
        matches!(
            self.state(),
            State::Stopped(StopReason::Outdated { known: 1.., .. })
        )
    }

    pub(super) fn set(&self, state: State) {
        let mut kept = locked(&self.state);
        traced::changed(&self.id, &kept, &state);
        *kept = state;
        drop(kept);
        self.told.notify(usize::MAX);
    }

    /// Whether it waits for somebody to mend something.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(&*locked(&self.state), State::Stopped(reason) if *reason != StopReason::Told)
    }

    /// Lets it begin again, unless that would be of no use.
    pub(super) fn resume(&self) {
        self.forget_failure();
        let mut state = locked(&self.state);
        // One that is run says itself what it does.
        if matches!(&*state, State::Stopped(reason) if *reason != StopReason::NameTaken) {
            *state = State::Idle;
        }
        drop(state);
        self.told.notify(usize::MAX);
    }

    pub(super) fn leave(&self, lease: Lease) {
        *locked(&self.left) = Some(lease);
    }

    pub(super) fn take_left(&self) -> Option<Lease> {
        locked(&self.left).take()
    }

    /// How often the event at a position has failed, this time included.
    pub(super) fn count_failure(&self, position: Position) -> u32 {
        locked(&self.failing).again(position)
    }

    /// How many events are read at once, where so many would be.
    pub(super) fn at_once(&self, limit: usize) -> usize {
        limit.min(self.narrowed.load(Ordering::Relaxed))
    }

    /// An event failed with so many before it on its page: what is read is to be of the order of what is handled, however many events fail, and
    /// however often.
    pub(super) fn narrow_to(&self, handled: usize) {
        self.narrowed.fetch_min(handled.max(1), Ordering::Relaxed);
    }

    /// What was read was handled: twice as many may follow.
    pub(super) fn widen(&self) {
        let narrowed = self.narrowed.load(Ordering::Relaxed);
        let twice = narrowed.saturating_mul(2);
        self.narrowed.store(twice, Ordering::Relaxed);
    }

    pub(super) fn before(&self) -> Option<Position> {
        *locked(&self.before)
    }

    pub(super) fn set_before(&self, before: Option<Position>) {
        *locked(&self.before) = before;
    }

    pub(super) fn forget_failure(&self) {
        *locked(&self.failing) = Failing::default();
    }

    /// Ends when something changed, in the log or where the follower keeps its checkpoint, after this call.
    pub(super) fn changed(&self) -> BoxFuture<'static, ()> {
        let (log, own) = (self.app.keeps_in().changed(), self.store.changed());
        Box::pin(future::or(log, own))
    }
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followed")
            .field("id", &self.id)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A follower that somebody drives, given back when this is dropped.
pub(super) struct Driven {
    pub(super) follower: Option<Box<dyn Follower>>,
    followed: Arc<Followed>,
}

impl Drop for Driven {
    fn drop(&mut self) {
        *locked(&self.followed.follower) = self.follower.take();
    }
}

/// What is kept is never left half changed, so a panic elsewhere under the lock does not spoil it.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was counted of an event that fails.
impl Failing {
    pub(super) fn again(&mut self, position: Position) -> u32 {
        if self.position != position {
            *self = Self {
                position,
                attempts: 0,
            };
        }
        self.attempts = self.attempts.saturating_add(1);
        self.attempts
    }
}
