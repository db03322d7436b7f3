//! The story of one aggregate, event by event.
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::load::follows;
use super::pages::{Page, Pages, Then};
use super::repository::{FEW, PAGE};
use super::size::Size;
use super::{LoadError, Repository, Result};
use crate::domain::{Aggregate, StreamId, Version};
use crate::persistence::{Recorded, Slice, decode};

/// The events of one aggregate with version, position and time, oldest first; read page by page.
///
/// Ends after the newest event there was when its page was read, and after the first error.
/// Dropping the future of [`next`](History::next) loses no event. It is a [`Stream`] too.
///
/// ```
/// # use es_core::{Aggregate, Application, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self> }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new() } }
/// # }
/// # async fn print(app: Application, id: uuid::Uuid) -> es_core::Result<()> {
/// let mut history = app.history::<Lamp>(id);
/// while let Some(recorded) = history.next().await {
///     let recorded = recorded?;
///     println!("{}: {:?}", recorded.version, recorded.event);
/// }
/// # Ok(())
/// # }
/// ```
pub struct History<A: Aggregate> {
    repository: Repository,
    stream: StreamId,
    after: Version,
    size: Size,
    /// Of the payloads since the last page was asked for.
    bytes: usize,
    pages: Pages<Recorded<A::Event>, LoadError>,
}

impl<A: Aggregate> History<A> {
    pub(super) fn new(repository: Repository, stream: StreamId) -> Self {
        Self {
            repository,
            stream,
            after: Version::NEW,
            size: Size::new(FEW, PAGE),
            bytes: 0,
            pages: Pages::new(),
        }
    }

    /// Leaves out what was up to and including that version.
    #[must_use]
    pub fn after(self, version: Version) -> Self {
        Self {
            after: version,
            pages: Pages::new(),
            ..self
        }
    }

    /// The next event; `None` after the newest.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`](super::Error::Load).
    pub async fn next(&mut self) -> Option<Result<Recorded<A::Event>>> {
        poll_fn(|context| self.poll_recorded(context)).await
    }

    fn poll_recorded(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Recorded<A::Event>>>> {
        let read = || {
            if self.bytes > 0 {
                self.size.learn_bytes(std::mem::take(&mut self.bytes));
            }
            let limit = self.size.get();
            self.repository
                .page::<A>(self.stream.clone(), self.after, limit)
        };
        let next = ready!(self.pages.poll_next(context, read));
        Poll::Ready(next.map(|recorded| {
            let recorded = recorded?;
            self.after = recorded.version;
            self.bytes += recorded.payload.len();
            Ok(recorded)
        }))
    }
}

impl Repository {
    /// Reads and decodes a page of a stream, up to the first record that is not what it should be.
    fn page<A: Aggregate>(
        &self,
        stream: StreamId,
        after: Version,
        limit: usize,
    ) -> BoxFuture<'static, Page<Recorded<A::Event>, LoadError>> {
        let repository = self.clone();
        Box::pin(async move {
            let mut items = Vec::new();
            let read = repository.read_page::<A>(&stream, after, limit, &mut items);
            let then = match read.await {
                Ok(then) => then,
                Err(error) => Then::Failure(error),
            };
            Page { items, then }
        })
    }

    async fn read_page<A: Aggregate>(
        &self,
        stream: &StreamId,
        mut after: Version,
        limit: usize,
        items: &mut Vec<Recorded<A::Event>>,
    ) -> Result<Then<LoadError>, LoadError> {
        self.claim::<A>()?;
        let records = self
            .read(stream, Slice::all().after(after).limit(limit))
            .await?;
        let then = if records.len() < limit {
            Then::Nothing
        } else {
            Then::More
        };
        items.reserve(records.len());
        for mut record in records {
            after = follows(stream, record.version, after)?;
            self.open(&mut record).await?;
            let event = decode(&record)?;
            items.push(Recorded::new(record, event));
        }
        Ok(then)
    }
}

impl<A: Aggregate> Stream for History<A> {
    type Item = Result<Recorded<A::Event>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recorded(context)
    }
}

impl<A: Aggregate> fmt::Debug for History<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("stream", &self.stream)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
