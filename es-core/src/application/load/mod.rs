//! What getting an aggregate can answer besides the aggregate.

mod loading;

use std::ops::Deref;
use std::time::SystemTime;

pub(super) use loading::{Seen, follows};

use super::{CategoryTaken, OpenError};
use crate::domain::{ReplayError, StreamId, Version};
use crate::persistence::{DecodeError, ReadError};

/// Why an aggregate could not be got.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The store is not this application's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// No event created it.
    #[error("`{stream}` does not exist; create it, or use `find` where it need not exist")]
    NotFound {
        /// The stream.
        stream: StreamId,
    },
    /// It has not reached that version, or the version is 0.
    #[error("`{stream}` has no version {asked}; it has 1 to {newest}")]
    NoSuchVersion {
        /// The stream.
        stream: StreamId,
        /// The version that was asked for.
        asked: Version,
        /// The newest version there is.
        newest: Version,
    },
    /// It was created after the time that was asked for.
    #[error("`{stream}` did not exist yet at that time; its history tells since when it does")]
    NotYet {
        /// The stream.
        stream: StreamId,
        /// The time that was asked for.
        asked: SystemTime,
    },
    /// The store returned another version than the next one.
    #[error("the stream `{stream}` is broken: version {found} stands where {expected} should")]
    Broken {
        /// The stream.
        stream: StreamId,
        /// The version that should have come.
        expected: Version,
        /// The version that came.
        found: Version,
    },
    /// Another type of aggregate is stored under the same name.
    #[error(transparent)]
    CategoryTaken(#[from] CategoryTaken),
    /// A stored event is not what the code declares.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The events do not begin with one that creates, or have another one later.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The ids of a category could not be read.
    #[error("cannot read the ids of `{category}`")]
    Ids {
        /// The aggregate's stored name.
        category: &'static str,
        /// Why.
        source: ReadError,
    },
    /// The store could not be read.
    #[error("cannot read `{stream}`")]
    Store {
        /// The stream.
        stream: StreamId,
        /// Why.
        source: ReadError,
    },
}

/// An aggregate as it was: it can be read, and not changed or saved.
///
/// ```compile_fail,E0596
/// # use es_core::{Aggregate, Past, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self>, on: bool }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new(), on: false } }
/// #     #[event("Switched")]
/// #     fn switch(&mut self, on: bool) { self.on = on; }
/// # }
/// fn rewrite_history(mut lamp: Past<Lamp>) {
///     lamp.switch(true);
/// }
/// ```
#[derive(Debug, PartialEq)]
pub struct Past<A>(A);

impl<A> Past<A> {
    fn new(aggregate: A) -> Self {
        Self(aggregate)
    }
}

impl<A> Deref for Past<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}
