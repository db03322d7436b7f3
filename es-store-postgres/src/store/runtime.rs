//! Whoever polls a future of the store, it works on the store's runtime.
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future whose timers and connections are those of a runtime, whoever polls it.
pub(crate) struct OnRuntime<F> {
    runtime: Handle,
    future: Pin<Box<F>>,
}

impl<F> OnRuntime<F> {
    pub(crate) fn new(runtime: &Handle, future: F) -> Self {
        Self {
            runtime: runtime.clone(),
            future: Box::pin(future),
        }
    }
}

impl<F: Future> Future for OnRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.runtime.enter();
        this.future.as_mut().poll(context)
    }
}
