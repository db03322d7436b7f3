//! What generated code names. It is no part of the API: it may change in any release.
pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::Into;
pub use core::fmt::Debug;
pub use core::marker::{PhantomData, Send, Sync};
pub use core::option::Option;
pub use core::result::Result;
pub use std::borrow::ToOwned;
pub use std::string::String;
pub use std::vec::Vec;

pub use serde;
pub use serde::{Deserialize, Serialize};
pub use uuid::Uuid;

pub use crate::causes::with_causes;
use crate::domain::Outcome;
pub use crate::domain::{
    AggregateId, Comparable, Declares, Described, Event, EventOf, EventShape, Events, Field,
    FieldShape, HasRoot, Hidden, JsonMap, Listed, Misplaced, Opaque, Printable, Root, Show, Shown,
    Snapshots, State, States, UpcastError, record, record_creation,
};
pub use crate::persistence::event_set::{all_categories, is_one_of, not_in_the_set};
use crate::persistence::{BoxError, Misfit};
pub use crate::persistence::{DecodeError, EventSet, Record};
// Only measurements name these.
use crate::persistence::mapper::write_state;
pub use crate::persistence::mapper::{decode, encode};

/// Implemented by every `#[events] impl`: the compiler says this name where there are two.
#[doc(hidden)]
pub trait AllEventsStandInOneImpl {}

/// The events of an `impl` that could not be read: none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Unread {}

impl Event for Unread {
    const SHAPES: &'static [EventShape] = &[];

    fn name(&self) -> &'static str {
        match *self {}
    }

    fn schema(&self) -> u32 {
        match *self {}
    }
}

/// Asks that `A` has events: the derive asserts it, so that a missing `#[events]` is told at the struct's name.
pub const fn declares_events<A: Declares>() {}

/// Says the category of a type where it is an aggregate, and nothing where it is none: that it should be one is told elsewhere, once.
#[derive(Debug)]
pub struct CategoryOf<A>(PhantomData<A>);

impl<A: HasRoot> CategoryOf<A> {
    /// Its category.
    pub const CATEGORY: &'static str = A::CATEGORY;
}

/// What is no aggregate has no category.
pub trait Uncategorized {
    /// None.
    const CATEGORY: &'static str = "";
}

impl<A> Uncategorized for CategoryOf<A> {}

/// One fingerprint of several.
#[must_use]
pub const fn fingerprint(parts: &[u64]) -> u64 {
    let mut all: u64 = 0xcbf2_9ce4_8422_2325;
    let mut rest = parts;
    while let [part, others @ ..] = rest {
        all = (all ^ *part)
            .wrapping_mul(0x0000_0100_0000_01b3)
            .rotate_left(17);
        rest = others;
    }
    all
}

/// Asks that a parameter of an event can be stored: `#[events]` asserts it at the parameter's type, by its place.
pub trait Parameter<const PLACE: usize> {
    /// The parameter's type.
    type Type: Storable + Fact;
}

/// As [`Parameter`], for one that has a stored form by `#[serde(with = ..)]`.
pub trait ParameterStoredWith<const PLACE: usize> {
    /// The parameter's type.
    type Type: Fact;
}

/// What can be written and read again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded",
    label = "this has no stored form",
    note = "derive `Serialize` and `Deserialize` for it; a type of another crate goes into a struct of yours that has them",
    note = "a type parameter has them by its bounds: `T: Serialize + DeserializeOwned`"
)]
pub trait Storable {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + serde::de::DeserializeOwned> Storable for T {}

/// What an event may carry besides being storable.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of an event",
    label = "an event can be printed, copied, compared and sent to another thread",
    note = "derive `Debug`, `Clone` and `PartialEq` for it; it is `Send` and `Sync` where all its parts are",
    note = "a type of another crate that lacks them goes into a struct of yours that has them",
    note = "a type parameter has them by its bounds: `T: Debug + Clone + PartialEq + Send + Sync + 'static`"
)]
pub trait Fact {}

#[diagnostic::do_not_recommend]
impl<T: Debug + Clone + PartialEq + Send + Sync + 'static> Fact for T {}

/// How snapshots of an aggregate are taken: `#[derive(Aggregate)]` asks at the struct's name.
#[must_use]
pub const fn snapshots<A: Snapshotted>(every: u64, fingerprint: u64) -> Snapshots<A> {
    Snapshots {
        every,
        fingerprint,
        write: A::write,
        read: A::read,
    }
}

/// What a snapshot can be taken of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as a snapshot",
    label = "`snapshot_every` keeps the whole struct",
    note = "derive `Serialize` and `Deserialize` for `{Self}`"
)]
pub trait Snapshotted: Sized {
    /// Writes the state.
    ///
    /// # Errors
    /// Where it has no JSON form.
    fn write(&self) -> serde_json::Result<Vec<u8>>;

    /// Reads it again.
    ///
    /// # Errors
    /// Where the JSON is that of something else.
    fn read(state: &[u8]) -> serde_json::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<A: Serialize + serde::de::DeserializeOwned> Snapshotted for A {
    fn write(&self) -> serde_json::Result<Vec<u8>> {
        write_state(self)
    }

    fn read(state: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(state)
    }
}

/// How a cached aggregate is copied: `#[derive(Aggregate)]` asks at the struct's name.
#[must_use]
pub const fn copies<A: Cached>() -> fn(&A) -> A {
    A::copy
}

/// What a cache can hold.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be cached",
    label = "`cached` gives out copies",
    note = "derive `Clone` for `{Self}`"
)]
pub trait Cached: Sized {
    /// A copy.
    #[must_use]
    fn copy(&self) -> Self;
}

#[diagnostic::do_not_recommend]
impl<A: Clone> Cached for A {
    fn copy(&self) -> Self {
        self.clone()
    }
}

/// What a call of a retired event asks for; nothing implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is retired: it is only replayed",
    label = "no new one can be recorded"
)]
pub trait NotRetired<'never> {}

/// What an upcaster answered, as the mapper wants it.
///
/// # Errors
/// Its refusal, with the event and the step.
pub fn upcast<O>(event: &'static str, from: u32, outcome: O) -> Result<(), UpcastError>
where
    O: Outcome<Value = ()>,
    O::Refusal: Into<BoxError>,
{
    outcome
        .into_result()
        .map_err(|refusal| UpcastError::Failed {
            event,
            from,
            source: match refusal.into().downcast::<serde_json::Error>() {
                Ok(error) => Misfit::from(*error).into(),
                Err(refusal) => refusal,
            },
        })
}
