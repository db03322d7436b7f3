//! A follower under a name of its own, so that it begins with the first event.
use std::sync::Arc;

use es_core::Follower;
use es_core::persistence::{BoxFuture, Filter, Store};
use es_core::system::{Batch, HandleError, Output, Settings};

pub(super) struct Named<F> {
    pub(super) name: String,
    pub(super) follower: F,
}

impl<F: Follower> Follower for Named<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&self) -> Filter {
        self.follower.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.follower.store()
    }

    fn revision(&self) -> u32 {
        self.follower.revision()
    }

    fn settings(&self) -> Settings {
        self.follower.settings()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.follower.prepare(output)
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.follower.handle(batch)
    }
}
