//! One log, one application.
use std::sync::atomic::{AtomicBool, Ordering};

use crate::persistence::{ReadError, Store};

/// Why an application does not use a store. Nothing was read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The log belongs to another application.
    #[error(
        "the log belongs to the application `{owner}`, not to `{name}`; give `{name}` a store of its own, for instance by a table prefix, or the name that \
         the log has"
    )]
    Foreign {
        /// The name of this application.
        name: String,
        /// The name of the one that the log belongs to.
        owner: String,
    },
    /// Whose log it is could not be read.
    #[error("cannot read whose log it is")]
    Store(#[from] ReadError),
}

/// The name of an application, and whether its log is known to be its own.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) name: String,
    checked: AtomicBool,
}

impl Owner {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            checked: AtomicBool::new(false),
        }
    }

    /// Checks, once, that the log belongs to this application or to nobody, in which case it does from here on.
    pub(super) async fn check(&self, store: &dyn Store) -> Result<(), OpenError> {
        if self.checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let owner = store.owner(&self.name).await?;
        if owner != self.name {
            return Err(OpenError::Foreign {
                name: self.name.clone(),
                owner,
            });
        }
        self.checked.store(true, Ordering::Relaxed);
        Ok(())
    }
}
