//! What every aggregate has besides its own state.
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use uuid::Uuid;

use super::{Declares, Event, HasRoot, Version};

/// Id, version, times and pending events of one aggregate: the field `root: Root<Self>`.
///
/// It asks nothing of the struct that holds it, so that derives on that struct need no extra bounds.
/// It compares and prints id and version alone: two aggregates with equal state are equal, whether saved or not.
pub struct Root<A> {
    id: Uuid,
    version: Version,
    phase: Phase,
    created_at: Option<SystemTime>,
    modified_at: Option<SystemTime>,
    /// A `PendingEvents<A::Event>` whose type is named where it is used; absent until the first event is recorded.
    pending: Option<Box<dyn Pending>>,
    /// The last event that was not recorded: the body of another one called its method, or no event had created the aggregate.
    detour: Option<&'static str>,
    /// The body of an event panicked.
    panicked: bool,
    aggregate: PhantomData<fn() -> A>,
}

/// A commit that was sent and not answered yet, as one of its aggregates knows it.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub(crate) commit: Uuid,
    /// How many of the pending events are in it, the oldest.
    pub(crate) events: usize,
    /// The place of this aggregate in it.
    pub(crate) place: usize,
    /// How many aggregates are in it.
    pub(crate) members: usize,
    /// The time it was made for.
    pub(crate) time: SystemTime,
    /// What else was sent, and cannot be made again.
    pub(crate) sent: Option<Arc<dyn Any + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No event has created the aggregate: its id means nothing yet.
    Blank,
    /// Event methods record.
    Open,
    /// The body of an event is running: event methods change the state and record nothing.
    Applying,
}

impl<A> Root<A> {
    /// The root of an aggregate that is being created: write it in the body of a creation event.
    ///
    /// The event method gives it its id. A struct made outside a creation event keeps a blank root and cannot be saved.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            id: Uuid::nil(),
            version: Version::NEW,
            phase: Phase::Blank,
            created_at: None,
            modified_at: None,
            pending: None,
            detour: None,
            panicked: false,
            aggregate: PhantomData,
        }
    }

    pub(crate) fn id(&self) -> Uuid {
        self.id
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn created_at(&self) -> Option<SystemTime> {
        self.created_at
    }

    pub(crate) fn modified_at(&self) -> Option<SystemTime> {
        self.modified_at
    }

    /// Whether the body of an event panicked, so that the state may be half changed.
    pub(crate) fn is_panicked(&self) -> bool {
        self.panicked
    }

    /// Whether event methods record: an event created it, and no body of one runs.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(super) fn detoured(&mut self, event: &'static str) {
        self.detour = Some(event);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn detour(&self) -> Option<&'static str> {
        self.detour
    }

    /// Takes the place of an event in its stream after it was replayed, whatever its body left in the place of the root: one that was put
    /// there by the body does not know that events are being replayed.
    #[inline]
    pub(super) fn replayed(&mut self, id: Uuid, version: Version) {
        if self.phase != Phase::Applying {
            self.replaced(id);
        }
        self.version = version;
    }

    #[cold]
    #[inline(never)]
    fn replaced(&mut self, id: Uuid) {
        *self = Self {
            id,
            phase: Phase::Applying,
            detour: self.detour,
            ..Self::new()
        };
    }

    pub(super) fn end_replay(
        &mut self,
        created_at: Option<SystemTime>,
        modified_at: Option<SystemTime>,
    ) {
        self.phase = Phase::Open;
        self.created_at = created_at;
        self.modified_at = modified_at;
    }

    /// The commit whose outcome is not known.
    pub(crate) fn attempt(&self) -> Option<&Attempt> {
        self.pending.as_ref()?.attempt()
    }

    /// The oldest of the pending events are on their way to the store.
    pub(crate) fn attempted(&mut self, attempt: Attempt) {
        if let Some(pending) = &mut self.pending {
            pending.set_attempt(attempt);
        }
    }

    /// The events of the attempt are in the store since `time`.
    pub(crate) fn committed(&mut self, time: SystemTime) {
        if let Some(pending) = &mut self.pending
            && pending.drop_attempted()
        {
            self.created_at.get_or_insert(time);
            self.modified_at = Some(time);
        }
    }

    /// The events of the attempt are not in the store, and never will be.
    pub(crate) fn refused(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.forget_attempt();
        }
    }

    /// Event methods record nothing from here on, until [`end_replay`](Root::end_replay), and no body sees the times, which are given back.
    pub(super) fn begin_replay(&mut self) -> (Option<SystemTime>, Option<SystemTime>) {
        self.phase = Phase::Applying;
        (self.created_at.take(), self.modified_at.take())
    }
}

impl<A: Declares> Root<A> {
    /// Begins the life of an aggregate with its creation event, whatever its body did to the root.
    pub(super) fn begin(&mut self, id: Uuid, event: A::Event) {
        *self = Self {
            id,
            phase: Phase::Open,
            detour: self.detour,
            ..Self::new()
        };
        self.push(event);
    }

    pub(super) fn push(&mut self, event: A::Event) {
        self.version = self.version.next();
        let pending = self
            .pending
            .get_or_insert_with(|| Box::new(PendingEvents::<A::Event>::none()));
        (pending.as_mut() as &mut dyn Any)
            .downcast_mut::<PendingEvents<A::Event>>()
            .expect("only events of its own aggregate are put in a root")
            .events
            .push(event);
    }

    pub(crate) fn pending(&self) -> &[A::Event] {
        let Some(pending) = self.pending.as_deref() else {
            return &[];
        };
        &(pending as &dyn Any)
            .downcast_ref::<PendingEvents<A::Event>>()
            .expect("only events of its own aggregate are put in a root")
            .events
    }
}

impl<A> Default for Root<A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<A> Clone for Root<A> {
    fn clone(&self) -> Self {
        Self {
            pending: self.pending.as_ref().map(|pending| pending.boxed_clone()),
            // A copy made in the body of an event has a life of its own.
            phase: match self.phase {
                Phase::Blank => Phase::Blank,
                Phase::Open | Phase::Applying => Phase::Open,
            },
            ..*self
        }
    }
}

impl<A> PartialEq for Root<A> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.version == other.version
    }
}

impl<A> Eq for Root<A> {}

impl<A> fmt::Debug for Root<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("id", &self.id)
            .field("version", &self.version.get())
            .finish()
    }
}

/// The part of a root that is in a snapshot; nothing is pending in one.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: Uuid,
    version: u64,
    created_at: Option<SystemTime>,
    modified_at: Option<SystemTime>,
}

impl<A> Serialize for Root<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pending = self
            .pending
            .as_ref()
            .is_some_and(|pending| !pending.is_empty());
        if self.phase != Phase::Open || self.panicked || pending {
            return Err(ser::Error::custom(
                "only an aggregate that is saved has a snapshot; save it first",
            ));
        }
        let kept = Kept {
            id: self.id,
            version: self.version.get(),
            created_at: self.created_at,
            modified_at: self.modified_at,
        };
        kept.serialize(serializer)
    }
}

impl<'de, A> Deserialize<'de> for Root<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kept = Kept::deserialize(deserializer)?;
        if kept.version == 0 {
            return Err(de::Error::custom(
                "no event created this aggregate: its version is 0",
            ));
        }
        Ok(Self {
            id: kept.id,
            version: kept.version.into(),
            phase: Phase::Open,
            created_at: kept.created_at,
            modified_at: kept.modified_at,
            ..Self::new()
        })
    }
}

/// Events that were recorded and are not in the store, as far as is known.
#[derive(Clone)]
struct PendingEvents<E> {
    events: Vec<E>,
    /// The commit that was sent with the oldest of them, until its outcome is known.
    attempt: Option<Attempt>,
}

impl<E> PendingEvents<E> {
    fn none() -> Self {
        Self {
            events: Vec::new(),
            attempt: None,
        }
    }
}

/// Pending events of some type, so that `Root<A>` needs no bound on `A`.
trait Pending: Any + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn Pending>;
    fn is_empty(&self) -> bool;
    fn attempt(&self) -> Option<&Attempt>;
    fn set_attempt(&mut self, attempt: Attempt);
    fn forget_attempt(&mut self);

    /// Drops the events of the attempt, and says whether there was one.
    fn drop_attempted(&mut self) -> bool;
}

impl<E: Event> Pending for PendingEvents<E> {
    fn boxed_clone(&self) -> Box<dyn Pending> {
        Box::new(self.clone())
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    fn set_attempt(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    fn forget_attempt(&mut self) {
        self.attempt = None;
    }

    fn drop_attempted(&mut self) -> bool {
        let Some(attempt) = self.attempt.take() else {
            return false;
        };
        self.events.drain(..attempt.events.min(self.events.len()));
        true
    }
}

/// Mutes an aggregate while the body of one of its events runs, and keeps its root safe from what the body may put in its place; also when
/// the body panics.
pub(super) struct Applying<'a, A: HasRoot> {
    pub(super) aggregate: &'a mut A,
    id: Uuid,
    version: Version,
    created_at: Option<SystemTime>,
    modified_at: Option<SystemTime>,
    pending: Option<Box<dyn Pending>>,
    panicked: bool,
    /// The body came to its end.
    finished: bool,
}

impl<'a, A: HasRoot> Applying<'a, A> {
    #[inline]
    pub(super) fn begin(aggregate: &'a mut A) -> Self {
        let root = aggregate.root_mut();
        root.phase = Phase::Applying;
        Self {
            id: root.id,
            version: root.version,
            // Replaying knows the times at its end only, so no body sees them.
            created_at: root.created_at.take(),
            modified_at: root.modified_at.take(),
            pending: root.pending.take(),
            panicked: root.panicked,
            finished: false,
            aggregate,
        }
    }

    /// Says that the body came to its end; dropped without it, it panicked.
    #[inline]
    pub(super) fn finish(mut self) {
        self.finished = true;
    }

    /// The body put another root in the place of this one.
    #[cold]
    #[inline(never)]
    fn restore(&mut self) {
        let root = self.aggregate.root_mut();
        *root = Root {
            id: self.id,
            version: self.version,
            detour: root.detour,
            panicked: self.panicked,
            ..Root::new()
        };
    }
}

impl<A: HasRoot> Drop for Applying<'_, A> {
    #[inline]
    fn drop(&mut self) {
        if self.aggregate.root().phase != Phase::Applying {
            self.restore();
        }
        let root = self.aggregate.root_mut();
        root.created_at = self.created_at;
        root.modified_at = self.modified_at;
        root.pending = self.pending.take();
        root.phase = Phase::Open;
        root.panicked |= !self.finished;
    }
}
