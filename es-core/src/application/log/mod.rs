//! Everything that happened in an application, in the order in which it became visible.

mod section;
mod subscription;

use std::fmt;
use std::future::Future;

pub use section::{Section, SectionId, SectionIdError};
pub use subscription::{Stopper, Subscription};

use super::{OpenError, Repository, Result};
use crate::domain::{Event, Position, StreamId};
use crate::persistence::{
    DecodeError, Filter, LogPage, ReadError, Record, Recorded, Slice, Span, decode,
};

/// The events of an application in position order, for readers elsewhere: positions are 1, 2, 3 … with no holes, and a reader that has
/// seen one has seen everything before it.
///
/// Records come as they are stored; [`decode`](NotificationLog::decode) makes an event of one.
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
#[derive(Clone)]
pub struct NotificationLog {
    repository: Repository,
    filter: Filter,
}

impl NotificationLog {
    pub(super) fn new(repository: Repository) -> Self {
        Self {
            repository,
            filter: Filter::everything(),
        }
    }

    /// The same log, without what the filter does not admit. Positions stay what they are.
    ///
    /// ```
    /// # use es_core::{Application, Position};
    /// # use es_core::persistence::Filter;
    /// # async fn read(app: Application) -> es_core::Result<()> {
    /// let dogs = app.log().only(Filter::category("Dog"));
    /// let records = dogs.read(Position::START, 100).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn only(self, filter: Filter) -> Self {
        Self { filter, ..self }
    }

    /// Reads at most `limit` records, the first of them right after `after`. Who polls a filtered log takes [`page`](NotificationLog::page): a
    /// page without records says how far it was read all the same.
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn read(
        &self,
        after: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Record>>> + Send + use<> {
        let log = self.clone();
        async move {
            Ok(log
                .read_page(Span::after(after).limit(limit))
                .await?
                .records)
        }
    }

    /// The position of the newest event, whether the filter admits it or not; [`Position::START`] where there is none.
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn head(&self) -> impl Future<Output = Result<Position>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.head().await?) }
    }

    /// Reads the section of that id, which says where the next one is: for readers who fetch the log in pieces that do not change, as they do over
    /// HTTP. With the feature `json` a [`Section`] is JSON, as it is stored: where payloads are encrypted, the reader decodes them by an application
    /// that has the keys.
    ///
    /// ```
    /// # use es_core::Application;
    /// # async fn read(app: Application) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut id = Some("1,20".parse()?);
    /// while let Some(section) = id {
    ///     let section = app.log().section(section).await?;
    ///     println!("{} events", section.records.len());
    ///     id = section.next;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn section(&self, id: SectionId) -> impl Future<Output = Result<Section>> + Send + use<> {
        let log = self.clone();
        async move { Ok(section::read(&log, id).await?) }
    }

    /// Follows the log: what is there after `after`, then what comes, in order.
    #[must_use]
    pub fn subscribe(&self, after: Position) -> Subscription {
        Subscription::new(self.clone(), after)
    }

    /// Makes a record an event again.
    ///
    /// # Errors
    /// [`DecodeError`], as [`LogError::Decode`] in [`Error::Log`](super::Error::Log), where it is none that `E` declares.
    pub fn decode<E: Event>(
        &self,
        mut record: Record,
    ) -> impl Future<Output = Result<Recorded<E>>> + Send + use<E> {
        let repository = self.repository.clone();
        async move {
            repository.open(&mut record).await.map_err(LogError::from)?;
            let event = decode(&record).map_err(LogError::from)?;
            Ok(Recorded::new(record, event))
        }
    }

    /// Reads a part of one stream, as it is stored; what the filter says does not matter.
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn stream(
        &self,
        stream: StreamId,
        slice: Slice,
    ) -> impl Future<Output = Result<Vec<Record>>> + Send + use<> {
        let repository = self.repository.clone();
        async move {
            let store = repository.store().await.map_err(LogError::from)?;
            let records = store.read_stream(&stream, slice).await;
            Ok(records.map_err(LogError::from)?)
        }
    }

    /// Makes the payload of a record JSON again, where it is compressed or encrypted: for who reads without knowing the types of the events.
    ///
    /// # Errors
    /// [`DecodeError`], as [`LogError::Decode`] in [`Error::Log`](super::Error::Log), where the payload cannot be opened.
    pub fn open(&self, mut record: Record) -> impl Future<Output = Result<Record>> + Send + use<> {
        let repository = self.repository.clone();
        async move {
            repository.open(&mut record).await.map_err(LogError::from)?;
            Ok(record)
        }
    }

    /// Reads a part of the log, and says how far it was read: a reader who goes on from there reads nothing twice that the filter left out.
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`](super::Error::Log).
    pub fn page(&self, span: Span) -> impl Future<Output = Result<LogPage>> + Send + use<> {
        let log = self.clone();
        async move { Ok(log.read_page(span).await?) }
    }

    async fn read_page(&self, span: Span) -> Result<LogPage, LogError> {
        self.repository.read_log(span, &self.filter).await
    }
}

impl fmt::Debug for NotificationLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationLog")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The store is not this application's.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A stored event is not what the code declares.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The store could not be read.
    #[error("cannot read the log")]
    Store(#[from] ReadError),
}
