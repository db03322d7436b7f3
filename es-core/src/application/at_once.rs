//! What need not be waited for, mostly: the keys in memory, a log whose owner is known.
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The result of what is done at once; `None` where that would have to wait.
///
/// A transaction is open meanwhile, which on some drivers no other thread may have, and for which other writers wait on all.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}
