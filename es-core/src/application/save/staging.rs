//! From aggregates to a commit, and back to aggregates that know what became of it.
use std::collections::HashSet;
use std::time::SystemTime;

use super::{Save, SaveError};
use crate::application::categories::Categories;
use crate::domain::{Aggregate, Attempt, StreamId, Version};
use crate::persistence::{Append, CommitId, encode};

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
        if !self.root().is_open() {
            return Err(SaveError::NotCreated {
                category: A::CATEGORY,
            });
        }
        if self.root().is_panicked() {
            return Err(SaveError::Panicked {
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
pub(in crate::application) fn stage(
    what: &mut impl Save,
    categories: &Categories,
) -> Result<Vec<Append>, SaveError> {
    let mut appends = Vec::new();
    let mut refused = None;
    what.each(
        &mut |aggregate| match aggregate.stage(categories, usize::MAX) {
            Ok(append) => appends.extend(append),
            Err(error) => {
                refused.get_or_insert(error);
            }
        },
    );
    if let Some(error) = refused {
        return Err(error);
    }
    none_occurs_twice(&appends)?;
    Ok(appends)
}

fn none_occurs_twice(appends: &[Append]) -> Result<(), SaveError> {
    // Most saves are of one aggregate, and need no set.
    if appends.len() < 2 {
        return Ok(());
    }
    let mut streams = HashSet::with_capacity(appends.len());
    match appends
        .iter()
        .find(|append| !streams.insert(&append.stream))
    {
        Some(append) => Err(SaveError::Twice {
            stream: append.stream.clone(),
        }),
        None => Ok(()),
    }
}

/// Notes in every aggregate with pending events that they are sent in this commit.
pub(in crate::application) fn attempted(what: &mut impl Save, commit: CommitId, members: usize) {
    let mut place = 0;
    what.each(&mut |aggregate| {
        if aggregate.is_pending() {
            aggregate.attempted(commit, place, members);
            place += 1;
        }
    });
}

/// Settles a commit in every aggregate that is in it.
pub(in crate::application) fn settled(
    what: &mut impl Save,
    commit: CommitId,
    time: Option<SystemTime>,
) {
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
pub(in crate::application) fn in_doubt(what: &mut impl Save) -> Option<Attempt> {
    let mut found = None;
    what.each(&mut |aggregate| found = found.or(aggregate.attempt()));
    found
}

/// The commit in doubt as it was sent; `None` where not all of its aggregates are here.
pub(in crate::application) fn stage_again(
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
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    });
    if let Some(error) = refused {
        return Err(error);
    }
    appends.sort_by_key(|(place, _)| *place);
    let whole = appends.iter().map(|(place, _)| *place).eq(0..doubt.members);
    Ok(whole.then(|| appends.into_iter().map(|(_, append)| append).collect()))
}
