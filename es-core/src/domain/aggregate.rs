//! The consistency boundary: state that only its own events change.
//!
//! Three traits, so that each half of the macros answers for itself: `#[derive(Aggregate)]` writes [`HasRoot`],
//! `#[events]` writes [`Declares`] and [`Events`]. Whoever has all three is an [`Aggregate`].
use std::fmt::Debug;
use std::time::SystemTime;

use uuid::Uuid;

use super::root::{Applying, Root};
use super::{Event, Misplaced, Replay, ReplayError, Show, Snapshots, StreamId, Version};

/// An id that names one aggregate of its type: [`Uuid`], or a newtype that converts from and to it.
///
/// Implemented for every type that is `From<Uuid> + Into<Uuid> + Clone + Debug + Send + Sync`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an aggregate",
    label = "an id converts from and to `Uuid`",
    note = "implement `From<Uuid> for {Self}` and `From<{Self}> for Uuid`, and derive `Clone` and `Debug`"
)]
pub trait AggregateId: Send + Sync + Sized + 'static {
    /// The id with this number.
    fn from_uuid(id: Uuid) -> Self;

    /// Its number.
    fn to_uuid(&self) -> Uuid;
}

#[diagnostic::do_not_recommend]
impl<T: From<Uuid> + Into<Uuid> + Clone + Debug + Send + Sync + 'static> AggregateId for T {
    fn from_uuid(id: Uuid) -> Self {
        Self::from(id)
    }

    fn to_uuid(&self) -> Uuid {
        self.clone().into()
    }
}

/// A struct with a root: what `#[derive(Aggregate)]` implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    label = "this struct has no `Root`",
    note = "write `use es_core::Aggregate;`, then `#[derive(Aggregate)]` and `#[aggregate(\"{Self}\")]` above the struct",
    note = "a generic struct that has both lacks what is asked of it: parameters that are `Send + Sync + 'static`, for `cached` that it is `Clone`, for \
            `snapshot_every` that it is `Serialize` and `Deserialize`, and the same bounds above its `#[events] impl`"
)]
pub trait HasRoot: Sized + Send + Sync + 'static {
    /// The type of its ids.
    type Id: AggregateId;

    /// The name under which its streams are stored.
    const CATEGORY: &'static str;

    /// Its root.
    fn root(&self) -> &Root<Self>;

    /// Its root, to be changed.
    fn root_mut(&mut self) -> &mut Root<Self>;

    /// How its snapshots are to be taken: `snapshot_every`, which asks for `Serialize` and `Deserialize`.
    const SNAPSHOTS: Option<Snapshots<Self>> = None;

    /// How a copy for a cache is made: `cached`, which asks for `Clone`.
    const CACHED: Option<fn(&Self) -> Self> = None;

    /// Shows the fields of its state, but not the root, to `visit`: name by name in the order of declaration, with what prints the value where
    /// its type is `Debug`. For a person who asks what an aggregate is like; see [`Events::describe`].
    fn show(&self, visit: &mut Show<'_>) {
        let _ = visit;
    }
}

/// A struct whose events are known: the first half of what `#[events]` implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no events",
    label = "nothing can happen to this aggregate",
    note = "write `use es_core::events;`, then `#[events]` above `impl {Self} {{ .. }}` and `#[event(\"…\")]` above each of its event methods"
)]
pub trait Declares {
    /// What can happen to it.
    type Event: Event;
}

/// The fold: how events become state. The second half of what `#[events]` implements.
pub trait Events: HasRoot + Declares {
    /// Changes when the body of an event does, as far as the macro sees it. See [`Snapshots::fingerprint`].
    const FINGERPRINT: u64 = 0;

    /// Makes the aggregate that a creation event tells of.
    ///
    /// # Errors
    /// [`Misplaced`] for an event that changes an aggregate instead of creating one.
    fn create(event: Self::Event) -> Result<Self, Misplaced>;

    /// Changes the state as the event tells.
    ///
    /// # Errors
    /// [`Misplaced`] for an event that creates an aggregate; the state is as it was.
    fn apply(&mut self, event: Self::Event) -> Result<(), Misplaced>;

    /// What differs between two states, as text for a person; `None` where nothing does, or where the type cannot be compared: `#[events]`
    /// compares where it is `PartialEq` and `Debug`.
    ///
    /// It stands here because the bounds of this `impl` tell what a generic type can do; those of the struct are often none.
    fn difference(&self, other: &Self) -> Option<String> {
        let _ = other;
        None
    }

    /// As [`HasRoot::show`], with what the bounds of this `impl` tell of a generic type.
    fn describe(&self, visit: &mut Show<'_>) {
        self.show(visit);
    }
}

/// Records a creation event: gives `state`, which that event made, its id, and keeps the event to be saved.
///
/// What a generated event method without `self` ends with, and what one written by hand ends with.
#[must_use]
pub fn record_creation<A: Events>(id: Uuid, event: A::Event, mut state: A) -> A {
    state.root_mut().begin(id, event);
    state
}

/// Records an event: changes the state by `apply`, then keeps the event to be saved.
///
/// What a generated event method with `&mut self` does, and what one written by hand does. While an event is being applied, another one
/// is not recorded, only applied: replaying the first will do both. Before an event has created the aggregate nothing is recorded either.
pub fn record<A: Events>(aggregate: &mut A, event: A::Event, apply: impl FnOnce(&mut A)) {
    if !aggregate.root().is_open() {
        aggregate.root_mut().detoured(event.name());
        apply(aggregate);
        return;
    }
    let applying = Applying::begin(aggregate);
    apply(&mut *applying.aggregate);
    applying.finish();
    aggregate.root_mut().push(event);
}

/// A consistency boundary with an id, rebuilt from its stream.
///
/// Implemented by `#[derive(Aggregate)]` on the struct together with `#[events]` on its methods; or by hand, by implementing
/// [`HasRoot`], [`Declares`] and [`Events`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate",
    note = "to load one, say which: `app.get::<Dog>(id)`"
)]
pub trait Aggregate: Events {
    /// Its id.
    #[must_use]
    fn id(&self) -> Self::Id {
        Self::Id::from_uuid(self.root().id())
    }

    /// The version of this state: the number of events that made it, pending ones included. In the body of an event, that one is not counted
    /// yet, neither when it is recorded nor when it is replayed.
    #[must_use]
    fn version(&self) -> Version {
        self.root().version()
    }

    /// The events that were recorded and not saved yet, oldest first.
    #[must_use]
    fn pending(&self) -> &[Self::Event] {
        self.root().pending()
    }

    /// When its first event was saved, in microseconds; `None` before that, and in the body of an event.
    #[must_use]
    fn created_at(&self) -> Option<SystemTime> {
        self.root().created_at()
    }

    /// When its newest saved event was saved, in microseconds; `None` before that, and in the body of an event, for what comes from the clock is a
    /// parameter.
    #[must_use]
    fn modified_at(&self) -> Option<SystemTime> {
        self.root().modified_at()
    }

    /// Folds events into an aggregate, without a store. Nothing is pending afterwards, as if a store had them: saved to another one, it stores none of
    /// them.
    ///
    /// # Errors
    /// [`ReplayError`] where the events are none, or not one that creates followed by others that change.
    fn replay(
        id: Self::Id,
        events: impl IntoIterator<Item = Self::Event>,
    ) -> Result<Self, ReplayError> {
        let mut replay = Replay::new(id.to_uuid());
        replay.extend(events)?;
        replay.finish().ok_or_else(|| ReplayError::NoEvents {
            stream: StreamId::of::<Self>(&id),
        })
    }
}

#[diagnostic::do_not_recommend]
impl<A: Events> Aggregate for A {}
