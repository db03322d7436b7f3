//! Whoever polls a future of the store, it works on the store's runtime, as long as that is there.
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use es_core::persistence::{AppendError, BoxError};
use es_core::system::{HandleError, InlineError};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::error::Fault;

/// The runtime that a store works on.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) handle: Handle,
    ended: Arc<AtomicBool>,
    _watch: Arc<Watch>,
}

/// Ends the task that the runtime drops when it ends.
struct Watch(AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Takes note of its end.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Runtime {
    pub(crate) fn of(handle: Handle) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Ends(Arc::clone(&ended));
        let watching = handle.spawn(async move {
            let _ends = ends;
            pending::<()>().await;
        });
        Self {
            handle,
            ended,
            _watch: Arc::new(Watch(watching.abort_handle())),
        }
    }

    pub(crate) fn run<F: Future>(&self, future: F) -> OnRuntime<F> {
        OnRuntime {
            runtime: self.clone(),
            future: Box::pin(future),
        }
    }
}

/// A future whose timers and connections are those of a runtime, whoever polls it.
///
/// It fails where that has ended: timers would panic.
pub(crate) struct OnRuntime<F> {
    runtime: Runtime,
    future: Pin<Box<F>>,
}

impl<F> Future for OnRuntime<F>
where
    F: Future<Output: Answer>,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if this.runtime.ended.load(Ordering::Relaxed) {
            return Poll::Ready(F::Output::without_a_runtime());
        }
        let _entered = this.runtime.handle.enter();
        this.future.as_mut().poll(context)
    }
}

/// What can be said without a runtime, too.
pub(crate) trait Answer {
    fn without_a_runtime() -> Self;
}

/// For whoever is told in another way.
impl Answer for () {
    fn without_a_runtime() {}
}

impl<T, E: From<Gone>> Answer for Result<T, E> {
    fn without_a_runtime() -> Self {
        Err(Gone.into())
    }
}

/// The runtime of the store has ended.
#[derive(Debug, thiserror::Error)]
#[error("the tokio runtime of the store has ended; connect it again")]
pub(crate) struct Gone;

impl From<Gone> for Fault {
    fn from(gone: Gone) -> Self {
        Self::Connect(Arc::new(BoxError::from(gone)))
    }
}

/// What was sent by then may be stored.
impl From<Gone> for AppendError {
    fn from(gone: Gone) -> Self {
        Self::Unavailable(gone.into())
    }
}

impl From<Gone> for HandleError {
    fn from(gone: Gone) -> Self {
        Self::Store(gone.into())
    }
}

impl From<Gone> for InlineError {
    fn from(gone: Gone) -> Self {
        AppendError::from(gone).into()
    }
}
