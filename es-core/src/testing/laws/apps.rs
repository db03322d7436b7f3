//! Applications for the laws that a store can break only as an application sees it.
//!
//! A store that is broken may never answer, or answer without end; so whoever waits for one waits [`within`] some time.
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use futures_lite::future;
use futures_timer::Delay;

use super::Harness;
use crate::application::{Application, Subscription};
use crate::domain::{Aggregate, Position};
use crate::persistence::{Filter, FollowerId, LogPage, ReadError, Record, Span, Store};
use crate::testing::{Intercept, Intercepted};

/// For as long a store may keep somebody waiting: longer than the second after which an application looks again by itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);

/// An application with nothing special about it, on a handle of its own.
pub(super) async fn app(harness: &impl Harness) -> Application {
    Application::new(handle(Arc::new(harness.open().await)))
}

/// A handle that the law keeps too.
pub(super) fn handle<S: Store>(store: Arc<S>) -> impl Store {
    Intercepted(Handle(store))
}

struct Handle<S>(Arc<S>);

/// What an application does in a loop gives others their turn, also where the store answers at once: else nobody could end the loop.
impl<S: Store> Intercept for Handle<S> {
    type Store = S;

    fn store(&self) -> &S {
        &self.0
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(async move {
            future::yield_now().await;
            self.0.read_log(span, filter).await
        })
    }

    fn checkpoint<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Position, ReadError>> {
        Box::pin(async move {
            future::yield_now().await;
            self.0.checkpoint(follower).await
        })
    }
}

/// What a future gives, if it does so in time.
pub(super) async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    let given_up = async {
        Delay::new(patience).await;
        None
    };
    future::or(async { Some(future.await) }, given_up).await
}

pub(super) async fn save<A: Aggregate>(app: &Application, aggregate: &mut A) {
    let saved = app.save(aggregate).await;
    saved.expect("it is saved");
}

/// What a subscription gives next.
pub(super) async fn next(subscription: &mut Subscription) -> Record {
    let next = within(PATIENCE, subscription.next()).await;
    let next = next.expect("what is in the log is given in time");
    let next = next.expect("nobody told it to end");
    next.expect("the log can be read")
}

/// What a subscription gives next, by position.
pub(super) async fn next_positions(subscription: &mut Subscription, count: u64) -> Vec<u64> {
    let mut positions = Vec::new();
    for _ in 0..count {
        positions.push(next(subscription).await.position.get());
    }
    positions
}

/// Gives a subscription the time to give something that it must not.
pub(super) async fn assert_waits(subscription: &mut Subscription) {
    let next = within(Duration::from_millis(5), subscription.next()).await;
    assert!(next.is_none(), "there is nothing to be given: {next:?}");
}
