//! The ids of all aggregates of a type.
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::future::BoxFuture;
use uuid::Uuid;

use super::pages::{Page, Pages, Then};
use super::repository::PAGE;
use super::{LoadError, Repository, Result};
use crate::domain::{Aggregate, AggregateId};

/// The ids of all aggregates of a type, in ascending order, for scheduled jobs; read page by page.
///
/// Those that are created while it is read may be among them or not. Ends after the first error.
/// Dropping the future of [`next`](Ids::next) loses no id. It is a [`Stream`] too.
///
/// ```
/// # use es_core::{Aggregate, Application, Root, events};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Aggregate, Serialize, Deserialize)]
/// # #[aggregate("Lamp", snapshot_every = 100)]
/// # struct Lamp { root: Root<Self> }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new() } }
/// # }
/// # async fn nightly(app: Application) -> es_core::Result<()> {
/// let mut ids = app.ids::<Lamp>();
/// while let Some(id) = ids.next().await {
///     app.snapshot::<Lamp>(id?).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Ids<A: Aggregate> {
    repository: Repository,
    after: Option<Uuid>,
    pages: Pages<Uuid, LoadError>,
    aggregate: PhantomData<fn() -> A>,
}

impl<A: Aggregate> Ids<A> {
    pub(super) fn new(repository: Repository) -> Self {
        Self {
            repository,
            after: None,
            pages: Pages::new(),
            aggregate: PhantomData,
        }
    }

    /// The next id; `None` after the last.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`](super::Error::Load).
    pub async fn next(&mut self) -> Option<Result<A::Id>> {
        poll_fn(|context| self.poll_id(context)).await
    }

    fn poll_id(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<A::Id>>> {
        let read = || self.repository.page_of_ids::<A>(self.after);
        let next = ready!(self.pages.poll_next(context, read));
        Poll::Ready(next.map(|id| {
            let id = id?;
            self.after = Some(id);
            Ok(A::Id::from_uuid(id))
        }))
    }
}

impl Repository {
    fn page_of_ids<A: Aggregate>(
        &self,
        after: Option<Uuid>,
    ) -> BoxFuture<'static, Page<Uuid, LoadError>> {
        let repository = self.clone();
        Box::pin(async move {
            match repository.read_ids::<A>(after, PAGE).await {
                Ok(items) => Page {
                    then: if items.len() < PAGE {
                        Then::Nothing
                    } else {
                        Then::More
                    },
                    items,
                },
                Err(error) => Page {
                    items: Vec::new(),
                    then: Then::Failure(error),
                },
            }
        })
    }
}

impl<A: Aggregate> Stream for Ids<A> {
    type Item = Result<A::Id>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_id(context)
    }
}

impl<A: Aggregate> fmt::Debug for Ids<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids")
            .field("category", &A::CATEGORY)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}
