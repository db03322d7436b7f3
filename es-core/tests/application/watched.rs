//! A store that notes what is read of streams.
use std::sync::{Arc, Mutex};

use es_core::persistence::Visit;

use super::*;

#[derive(Clone)]
pub(crate) struct Watched {
    store: MemoryStore,
    reads: Arc<Mutex<Vec<Read>>>,
}

/// After which version somebody read, and how many records were there at once.
pub(crate) type Read = (Version, usize);

impl Watched {
    pub(crate) fn new(store: MemoryStore) -> Self {
        Self {
            store,
            reads: Arc::default(),
        }
    }

    /// What was read since this was called last.
    pub(crate) fn reads(&self) -> Vec<Read> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }
}

impl Intercept for Watched {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, std::result::Result<Vec<Record>, ReadError>> {
        Box::pin(async move {
            let records = self.store.read_stream(stream, slice).await?;
            let read = (slice.after, records.len());
            self.reads.lock().unwrap().push(read);
            Ok(records)
        })
    }

    fn visit_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
        visit: &'a mut Visit<'_>,
    ) -> BoxFuture<'a, std::result::Result<(), ReadError>> {
        self.reads.lock().unwrap().push((slice.after, 1));
        self.store.visit_stream(stream, slice, visit)
    }
}
