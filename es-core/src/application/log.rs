//! Everything that happened in an application, in the order in which it became visible.
use std::fmt;
use std::future::Future;

use super::{Repository, Result};
use crate::domain::Position;
use crate::persistence::{Filter, ReadError, Record, Span};

/// The events of an application in position order, for readers elsewhere: positions are 1, 2, 3 … with no holes, and a reader that has
/// seen one has seen everything before it.
///
/// ```
/// # use es_core::{Application, Position};
/// # use es_store_memory::MemoryStore;
/// # async fn follow(app: Application) -> es_core::Result<()> {
/// let mut after = Position::START;
/// loop {
///     let page = app.log().read(after, 100).await?;
///     let Some(newest) = page.last() else { break };
///     after = newest.position;
/// }
/// # Ok(())
/// # }
/// ```
pub struct NotificationLog {
    repository: Repository,
}

impl NotificationLog {
    pub(super) fn new(repository: Repository) -> Self {
        Self { repository }
    }

    /// Reads at most `limit` records, the first of them right after `after`.
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn read(
        &self,
        after: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Record>>> + Send + use<> {
        let repository = self.repository.clone();
        async move {
            Ok(repository
                .read_log(Span::after(after).limit(limit), &Filter::everything())
                .await?
                .records)
        }
    }
}

impl fmt::Debug for NotificationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationLog").finish_non_exhaustive()
    }
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store could not be read.
    #[error("cannot read the log")]
    Store(#[from] ReadError),
}
