//! The story of one aggregate, event by event.
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::Stream;
use futures_core::future::BoxFuture;

use super::repository::{PAGE, follows};
use super::{LoadError, Repository, Result};
use crate::domain::{Aggregate, StreamId, Version};
use crate::persistence::{Record, Recorded, Slice, decode};

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
pub struct History<A> {
    repository: Repository,
    stream: StreamId,
    after: Version,
    page: vec::IntoIter<Record>,
    reading: Option<BoxFuture<'static, Result<Vec<Record>, LoadError>>>,
    /// No page comes after the one at hand.
    last: bool,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> History<A> {
    pub(super) fn new(repository: Repository, stream: StreamId) -> Self {
        Self {
            repository,
            stream,
            after: Version::NEW,
            page: Vec::new().into_iter(),
            reading: None,
            last: false,
            aggregate: PhantomData,
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
        loop {
            if let Some(record) = self.page.next() {
                let recorded = self.recorded(record);
                if recorded.is_err() {
                    self.last = true;
                    self.page = Vec::new().into_iter();
                }
                return Poll::Ready(Some(recorded.map_err(Into::into)));
            }
            if self.last {
                return Poll::Ready(None);
            }
            let page = ready!(self.read().as_mut().poll(context));
            self.reading = None;
            match page {
                Ok(records) => {
                    self.last = records.len() < PAGE;
                    self.page = records.into_iter();
                }
                Err(error) => {
                    self.last = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
            }
        }
    }

    fn recorded(&mut self, record: Record) -> Result<Recorded<A::Event>, LoadError> {
        self.after = follows(&record, self.after)?;
        let event = decode(&record)?;
        Ok(Recorded::new(record, event))
    }

    /// The page being read, begun where none is.
    fn read(&mut self) -> &mut BoxFuture<'static, Result<Vec<Record>, LoadError>> {
        self.reading.get_or_insert_with(|| {
            let repository = self.repository.clone();
            let stream = self.stream.clone();
            let slice = Slice::all().after(self.after).limit(PAGE);
            Box::pin(async move {
                repository.claim::<A>()?;
                repository.read(&stream, slice).await
            })
        })
    }
}

impl<A: Aggregate> Stream for History<A> {
    type Item = Result<Recorded<A::Event>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recorded(context)
    }
}

impl<A> fmt::Debug for History<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("stream", &self.stream)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
