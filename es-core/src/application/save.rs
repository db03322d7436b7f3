//! What can be saved, and how saving ends.
use std::collections::HashSet;
use std::time::SystemTime;

use super::CategoryTaken;
use super::categories::Categories;
use crate::domain::{Aggregate, Attempt, Position, StreamId, Version};
use crate::persistence::{Append, AppendError, BoxError, CommitId, EncodeError, encode};

/// What was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Saved<V = Version> {
    /// The version of the aggregate; of several, their versions in the same form.
    pub version: V,
    /// The position of the last event; `None` where nothing was pending.
    pub position: Option<Position>,
}

/// Why a save failed. Everything is pending still, and nothing was stored, except as [`Unknown`](SaveError::Unknown) says.
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
    /// A commit was sent, and whether it is stored is not known. Saving the same aggregates again finds out, and stores it once.
    #[error(
        "whether commit `{commit}` is stored is not known; save the same aggregates again, or ask for its outcome"
    )]
    Unknown {
        /// The commit.
        commit: CommitId,
        /// Why there was no answer; nothing where the commit was given up before, or where an aggregate of it is missing in this save.
        source: Option<BoxError>,
    },
    /// The store refused the commit.
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
    /// What its oldest `count` pending events append; `None` where there are none.
    fn stage(&self, categories: &Categories, count: usize) -> Result<Option<Append>, SaveError>;

    /// Whether it has pending events.
    fn is_pending(&self) -> bool;

    /// The commit of its whose outcome is not known.
    fn attempt(&self) -> Option<Attempt>;

    /// Its pending events are sent in this commit.
    fn attempted(&mut self, commit: CommitId, place: usize, members: usize);

    /// What was sent is in the store since then; `None`: it is not, and never will be.
    fn settled(&mut self, time: Option<SystemTime>);
}

impl<A: Aggregate> Unsaved for A {
    fn stage(&self, categories: &Categories, count: usize) -> Result<Option<Append>, SaveError> {
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
        let oldest = &pending[..count.min(pending.len())];
        Ok(Some(Append {
            events: encode(oldest, &stream, expected)?,
            stream,
            expected,
        }))
    }

    fn is_pending(&self) -> bool {
        !self.pending().is_empty()
    }

    fn attempt(&self) -> Option<Attempt> {
        self.root().attempt()
    }

    fn attempted(&mut self, commit: CommitId, place: usize, members: usize) {
        self.root_mut().attempted(commit.into(), place, members);
    }

    fn settled(&mut self, time: Option<SystemTime>) {
        match time {
            Some(time) => self.root_mut().committed(time),
            None => self.root_mut().refused(),
        }
    }
}

/// Encodes everything that is pending, before any I/O.
pub(super) fn stage(
    what: &mut impl Save,
    categories: &Categories,
) -> Result<Vec<Append>, SaveError> {
    let mut appends = Vec::new();
    let mut refused = None;
    what.each(
        &mut |aggregate| match aggregate.stage(categories, usize::MAX) {
            Ok(append) => appends.extend(append),
            Err(error) => refused = refused.take().or(Some(error)),
        },
    );
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

/// Notes in every aggregate with pending events that they are sent in this commit.
pub(super) fn attempted(what: &mut impl Save, commit: CommitId, members: usize) {
    let mut place = 0;
    what.each(&mut |aggregate| {
        if aggregate.is_pending() {
            aggregate.attempted(commit, place, members);
            place += 1;
        }
    });
}

/// Settles a commit in every aggregate that is in it.
pub(super) fn settled(what: &mut impl Save, commit: CommitId, time: Option<SystemTime>) {
    what.each(&mut |aggregate| {
        if aggregate
            .attempt()
            .is_some_and(|attempt| CommitId::from(attempt.commit) == commit)
        {
            aggregate.settled(time);
        }
    });
}

/// A commit whose outcome is not known, in the first aggregate that has one.
pub(super) fn in_doubt(what: &mut impl Save) -> Option<Attempt> {
    let mut found = None;
    what.each(&mut |aggregate| found = found.or(aggregate.attempt()));
    found
}

/// The commit in doubt as it was sent; `None` where not all of its aggregates are here.
pub(super) fn stage_again(
    what: &mut impl Save,
    doubt: Attempt,
    categories: &Categories,
) -> Result<Option<Vec<Append>>, SaveError> {
    let mut appends = Vec::new();
    let mut refused = None;
    what.each(&mut |aggregate| {
        let Some(attempt) = aggregate
            .attempt()
            .filter(|attempt| attempt.commit == doubt.commit)
        else {
            return;
        };
        match aggregate.stage(categories, attempt.events) {
            Ok(append) => appends.extend(append.map(|append| (attempt.place, append))),
            Err(error) => refused = refused.take().or(Some(error)),
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    appends.sort_by_key(|(place, _)| *place);
    let whole = appends.iter().map(|(place, _)| *place).eq(0..doubt.members);
    Ok(whole.then(|| appends.into_iter().map(|(_, append)| append).collect()))
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
