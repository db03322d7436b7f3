//! Events on their way into a transaction of the caller's own.
use std::fmt;
use std::future::Future;
use std::time::SystemTime;

use super::staging::{self, Keeping, Unchanged};
use super::{Save, SaveError};
use crate::application::{self, Repository};
use crate::persistence::{Commit, CommitId, Committed, Metadata};

/// What aggregates have pending, ready for a transaction that the caller began: made by [`Application::stage`](crate::Application::stage), taken
/// by a store's `commit_with` or `append_in`.
///
/// It borrows the aggregates. Dropped before a store took it, it leaves everything pending.
#[must_use = "nothing is stored before a store has it"]
pub struct Staged<'a> {
    commit: Commit,
    aggregates: Box<dyn Settle + 'a>,
    repository: Repository,
    /// A store has it, so its fate is not known until the store says it.
    sent: bool,
}

/// Takes note of the fate of a commit.
trait Settle: Send {
    fn settle(&mut self, commit: CommitId, stored: Option<SystemTime>, keeping: &Keeping);
}

impl<S: Save> Settle for S {
    fn settle(&mut self, commit: CommitId, stored: Option<SystemTime>, keeping: &Keeping) {
        // There is nobody to wait for a snapshot that is due now.
        drop(staging::settled(self, commit, stored, keeping));
    }
}

/// For stores.
impl Staged<'_> {
    /// What is to be written.
    #[must_use]
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The commit is on its way: dropped from here on, its aggregates do not know its fate, and the next save of them finds out.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// The commit is stored: nothing of it is pending any more.
    pub fn committed(mut self, committed: &Committed) {
        self.sent = true;
        self.settle(Some(committed.time));
    }

    /// The commit is not stored, and never will be: all of it is pending still.
    pub fn refused(mut self) {
        self.sent = false;
    }

    fn settle(&mut self, stored: Option<SystemTime>) {
        let keeping = self.repository.keeping();
        self.aggregates.settle(self.commit.id, stored, keeping);
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.sent {
            self.settle(None);
        }
    }
}

impl fmt::Debug for Staged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staged")
            .field("commit", &self.commit.id)
            .finish_non_exhaustive()
    }
}

impl Repository {
    pub(in crate::application) fn stage<'a, S: Save + 'a>(
        &self,
        metadata: &Metadata,
        mut what: S,
    ) -> Result<Staged<'a>, SaveError> {
        if let Some(commit) = staging::in_doubt(&mut what) {
            return Err(SaveError::Unknown {
                commit,
                source: None,
            });
        }
        let mut appends = self.encoded(&mut what, Unchanged::LeftOut)?;
        let store = at_once(self.store(), "the store to say whose log it is")??;
        let sealed = at_once(self.seal(store, &mut appends), "the store and the keys")??;
        let commit = self.stamp().commit(metadata.clone(), appends);
        staging::attempted(&mut what, &commit, sealed);
        Ok(Staged {
            commit,
            aggregates: Box::new(what),
            repository: self.clone(),
            sent: false,
        })
    }
}

/// The result of what is staged at once.
fn at_once<T>(future: impl Future<Output = T>, what: &'static str) -> Result<T, SaveError> {
    application::at_once(future).ok_or(SaveError::MustWait { what })
}
