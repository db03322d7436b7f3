//! Page after page, as a stream of what is on them.
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use futures_core::future::BoxFuture;

/// What was read at once, and what comes after it.
pub(super) struct Page<T, E> {
    pub(super) items: Vec<T>,
    pub(super) then: Then<E>,
}

/// What comes after a page.
pub(super) enum Then<E> {
    /// Another page.
    More,
    Nothing,
    Failure(E),
}

/// The items of pages that are read one after the other. Dropping what waits for the next item loses none.
pub(super) struct Pages<T, E> {
    items: vec::IntoIter<T>,
    then: Then<E>,
    reading: Option<BoxFuture<'static, Page<T, E>>>,
}

/// No item is borrowed while it is here.
impl<T, E> Unpin for Pages<T, E> {}

impl<T, E> Pages<T, E> {
    pub(super) fn new() -> Self {
        Self {
            items: Vec::new().into_iter(),
            then: Then::More,
            reading: None,
        }
    }

    /// The next item, from a page that `read` reads where none is at hand. Nothing comes after a failure.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        mut read: impl FnMut() -> BoxFuture<'static, Page<T, E>>,
    ) -> Poll<Option<Result<T, E>>> {
        loop {
            if let Some(item) = self.items.next() {
                return Poll::Ready(Some(Ok(item)));
            }
            match std::mem::replace(&mut self.then, Then::Nothing) {
                Then::Nothing => return Poll::Ready(None),
                Then::Failure(error) => return Poll::Ready(Some(Err(error))),
                Then::More => self.then = Then::More,
            }
            let reading = self.reading.get_or_insert_with(&mut read);
            let page = ready!(Pin::new(reading).poll(context));
            self.reading = None;
            self.items = page.items.into_iter();
            self.then = page.then;
        }
    }
}
