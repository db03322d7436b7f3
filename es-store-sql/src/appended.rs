//! Events in a transaction of the caller's own.
use std::fmt;
use std::sync::Arc;

use es_core::application::Staged;
use es_core::persistence::Committed;
use event_listener::Event;

/// Events that are in a transaction of the caller's, which is not committed yet.
#[must_use = "say `committed` after the transaction is"]
pub struct Appended<'a> {
    staged: Staged<'a>,
    committed: Committed,
    changed: Arc<Event>,
}

impl<'a> Appended<'a> {
    /// What a store returns that appended what is staged, and whose waiters are told of changes by `changed`.
    pub fn new(staged: Staged<'a>, committed: Committed, changed: Arc<Event>) -> Self {
        Self {
            staged,
            committed,
            changed,
        }
    }

    /// The transaction was committed: nothing of it is pending any more, and who waits for a change is woken.
    pub fn committed(self) -> Committed {
        self.staged.committed(&self.committed);
        self.changed.notify(usize::MAX);
        self.committed
    }
}

impl fmt::Debug for Appended<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Appended")
            .field("committed", &self.committed)
            .finish_non_exhaustive()
    }
}
