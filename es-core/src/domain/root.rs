//! What every aggregate has besides its own state.
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{Event, HasRoot, Version};

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
    /// A `Vec<A::Event>` whose type is named where it is used; absent until the first event is recorded.
    pending: Option<Box<dyn Pending>>,
    /// The name of an event that was not recorded, because the body of another one, or of none, called its method.
    detour: Option<&'static str>,
    aggregate: PhantomData<fn() -> A>,
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

    /// Whether an event has created the aggregate.
    pub(crate) fn is_created(&self) -> bool {
        self.phase != Phase::Blank
    }

    pub(super) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Begins the life of an aggregate with its creation event.
    pub(super) fn open<E: Event>(&mut self, id: Uuid, event: E) {
        *self = Self {
            id,
            phase: Phase::Open,
            detour: self.detour,
            ..Self::new()
        };
        self.push(event);
    }

    pub(super) fn detoured(&mut self, event: &'static str) {
        self.detour = Some(event);
    }

    #[cfg(feature = "testing")]
    pub(crate) fn detour(&self) -> Option<&'static str> {
        self.detour
    }

    pub(super) fn push<E: Event>(&mut self, event: E) {
        self.version = self.version.next();
        let pending = self
            .pending
            .get_or_insert_with(|| Box::new(Vec::<E>::new()));
        if let Some(events) = (pending.as_mut() as &mut dyn Any).downcast_mut::<Vec<E>>() {
            events.push(event);
        }
    }

    pub(super) fn begin_replay(&mut self, id: Uuid) {
        *self = Self {
            id,
            version: Version::FIRST,
            phase: Phase::Applying,
            detour: self.detour,
            ..Self::new()
        };
    }

    pub(super) fn advance(&mut self) {
        self.version = self.version.next();
    }

    pub(super) fn end_replay(&mut self) {
        self.phase = Phase::Open;
    }

    pub(super) fn saved_at(&mut self, time: SystemTime) {
        self.created_at.get_or_insert(time);
        self.modified_at = Some(time);
    }

    /// The pending events are in the store since `time`.
    pub(crate) fn committed(&mut self, time: SystemTime) {
        if let Some(pending) = &mut self.pending {
            pending.clear();
        }
        self.saved_at(time);
    }
}

impl<A: super::Declares> Root<A> {
    pub(crate) fn pending(&self) -> &[A::Event] {
        let Some(pending) = self.pending.as_deref() else {
            return &[];
        };
        (pending as &dyn Any)
            .downcast_ref::<Vec<A::Event>>()
            .map_or(&[], Vec::as_slice)
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

/// Pending events of some type, so that `Root<A>` needs no bound on `A`.
trait Pending: Any + Send + Sync {
    fn boxed_clone(&self) -> Box<dyn Pending>;
    fn clear(&mut self);
}

impl<E: Event> Pending for Vec<E> {
    fn boxed_clone(&self) -> Box<dyn Pending> {
        Box::new(self.clone())
    }

    fn clear(&mut self) {
        Vec::clear(self);
    }
}

/// Mutes an aggregate while the body of one of its events runs; also when that body panics.
pub(super) struct Applying<'a, A: HasRoot> {
    pub(super) aggregate: &'a mut A,
}

impl<'a, A: HasRoot> Applying<'a, A> {
    pub(super) fn begin(aggregate: &'a mut A) -> Self {
        aggregate.root_mut().phase = Phase::Applying;
        Self { aggregate }
    }
}

impl<A: HasRoot> Drop for Applying<'_, A> {
    fn drop(&mut self) {
        let root = self.aggregate.root_mut();
        if root.phase == Phase::Applying {
            root.phase = Phase::Open;
        }
    }
}
