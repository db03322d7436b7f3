//! What can be saved, and how saving ends.
use std::collections::HashSet;
use std::time::SystemTime;

use super::CategoryTaken;
use super::categories::Categories;
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{Append, AppendError, EncodeError, encode};

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved<V = Version> {
    /// The version of the aggregate; of several, their versions in the same form.
    pub version: V,
    /// The position of the last event; `None` where nothing was pending.
    pub position: Option<Position>,
}

/// Why a save failed. Everything is pending still, and nothing was stored, except as [`Store`](SaveError::Store) says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// An aggregate with this id was created before.
    #[error("`{stream}` exists already; get it instead of creating it")]
    AlreadyExists {
        /// The stream.
        stream: StreamId,
    },
    /// Another writer was faster.
    #[error(
        "stream `{stream}` is at version {actual}, expected {expected}; get it again and decide again, as `update` does"
    )]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The version that the aggregate was at when it was got.
        expected: Version,
        /// The version that it has by now.
        actual: Version,
    },
    /// The aggregate was made without an event, so it has no id.
    #[error("no event created this `{category}`; make it by an event method that returns `Self`")]
    NotCreated {
        /// The aggregate's stored name.
        category: &'static str,
    },
    /// The body of one of its events panicked, so its state may be half changed.
    #[error("an event of `{stream}` panicked, so its state cannot be trusted; get it again")]
    Broken {
        /// The stream.
        stream: StreamId,
    },
    /// The decision of an update put another aggregate in the place of the one it was given.
    #[error(
        "the decision about `{stream}` put another aggregate in its place; change the one it is given"
    )]
    Replaced {
        /// The stream of the one that was given.
        stream: StreamId,
    },
    /// One aggregate was to be saved twice in one save.
    #[error("`{stream}` occurs twice in one save; change and save one copy of it")]
    Twice {
        /// The stream.
        stream: StreamId,
    },
    /// Another type of aggregate is stored under the same name.
    #[error(transparent)]
    CategoryTaken(#[from] CategoryTaken),
    /// An event has no stored form.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The store failed. Where it could not be reached, it may have stored the commit all the same.
    #[error("the store did not take the commit")]
    Store(#[source] AppendError),
}

impl From<AppendError> for SaveError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict {
                stream,
                expected: Version::NEW,
                ..
            } => Self::AlreadyExists { stream },
            AppendError::Conflict {
                stream,
                expected,
                actual,
            } => Self::Conflict {
                stream,
                expected,
                actual,
            },
            error => Self::Store(error),
        }
    }
}

/// What [`Application::save`](super::Application::save) takes: `&mut A`, and tuples, arrays and `Vec`s of what it takes; also `&mut` to a slice, an array or a `Vec` of aggregates.
///
/// Tuples have up to six members and may be nested.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be saved",
    note = "save an aggregate by `&mut dog`, several by `(&mut from, &mut to)`, or by `&mut dogs[..]`"
)]
pub trait Save: Send {
    /// Their versions, in the same form.
    type Versions: Send;

    /// Says the versions of what is to be saved.
    fn versions(&self) -> Self::Versions;

    /// Shows each aggregate to `visit`, in order.
    #[doc(hidden)]
    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved));
}

/// One aggregate whose type does not matter.
#[doc(hidden)]
pub trait Unsaved {
    /// What its pending events append; `None` where there are none.
    fn stage(&self, categories: &Categories) -> Result<Option<Append>, SaveError>;

    /// Its pending events are in the store since `time`.
    fn committed(&mut self, time: SystemTime);
}

impl<A: Aggregate> Unsaved for A {
    fn stage(&self, categories: &Categories) -> Result<Option<Append>, SaveError> {
        categories.claim::<A>()?;
        if !self.root().is_created() {
            return Err(SaveError::NotCreated {
                category: A::CATEGORY,
            });
        }
        if self.root().is_broken() {
            return Err(SaveError::Broken {
                stream: StreamId::new(A::CATEGORY, self.root().id()),
            });
        }
        let pending = self.pending();
        if pending.is_empty() {
            return Ok(None);
        }
        let stream = StreamId::new(A::CATEGORY, self.root().id());
        let expected = Version::from(self.version().get() - pending.len() as u64);
        Ok(Some(Append {
            events: encode(pending, &stream, expected)?,
            stream,
            expected,
        }))
    }

    fn committed(&mut self, time: SystemTime) {
        self.root_mut().committed(time);
    }
}

/// Encodes everything that is pending, before any I/O.
pub(super) fn stage(
    what: &mut impl Save,
    categories: &Categories,
) -> Result<Vec<Append>, SaveError> {
    let mut appends = Vec::new();
    let mut refused = None;
    what.each(&mut |aggregate| match aggregate.stage(categories) {
        Ok(append) => appends.extend(append),
        Err(error) => refused = refused.take().or(Some(error)),
    });
    if let Some(error) = refused {
        return Err(error);
    }
    let mut streams = HashSet::with_capacity(appends.len());
    if let Some(append) = appends
        .iter()
        .find(|append| !streams.insert(&append.stream))
    {
        return Err(SaveError::Twice {
            stream: append.stream.clone(),
        });
    }
    Ok(appends)
}

/// Takes the pending events off every aggregate, now that the store has them.
pub(super) fn committed(what: &mut impl Save, time: SystemTime) {
    what.each(&mut |aggregate| aggregate.committed(time));
}

impl<A: Aggregate> Save for &mut A {
    type Versions = Version;

    fn versions(&self) -> Version {
        self.version()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        visit(*self);
    }
}

impl<A: Aggregate> Save for &mut [A] {
    type Versions = Vec<Version>;

    fn versions(&self) -> Vec<Version> {
        self.iter().map(Aggregate::version).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for aggregate in self.iter_mut() {
            visit(aggregate);
        }
    }
}

impl<A: Aggregate, const N: usize> Save for &mut [A; N] {
    type Versions = [Version; N];

    fn versions(&self) -> [Version; N] {
        self.each_ref().map(Aggregate::version)
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        self.as_mut_slice().each(visit);
    }
}

impl<A: Aggregate> Save for &mut Vec<A> {
    type Versions = Vec<Version>;

    fn versions(&self) -> Vec<Version> {
        self.iter().map(Aggregate::version).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        self.as_mut_slice().each(visit);
    }
}

impl<S: Save, const N: usize> Save for [S; N] {
    type Versions = [S::Versions; N];

    fn versions(&self) -> Self::Versions {
        self.each_ref().map(Save::versions)
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for member in self {
            member.each(visit);
        }
    }
}

impl<S: Save> Save for Vec<S> {
    type Versions = Vec<S::Versions>;

    fn versions(&self) -> Self::Versions {
        self.iter().map(Save::versions).collect()
    }

    fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
        for member in self {
            member.each(visit);
        }
    }
}

macro_rules! save_tuples {
    ($(($($member:ident $place:tt),+))*) => {$(
        impl<$($member: Save),+> Save for ($($member,)+) {
            type Versions = ($($member::Versions,)+);

            fn versions(&self) -> Self::Versions {
                ($(self.$place.versions(),)+)
            }

            fn each(&mut self, visit: &mut dyn FnMut(&mut dyn Unsaved)) {
                $(self.$place.each(visit);)+
            }
        }
    )*};
}

save_tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}
