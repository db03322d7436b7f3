//! Followers that have nothing to do: what they ask of a store, and what they take of a processor, is for each store to count.
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use es_core::persistence::{BoxFuture, Commit, CommitId, Filter, Metadata, Store};
use es_core::system::{Batch, Follower, HandleError, Running};
use es_core::{Application, System};

use super::lease::{PATIENCE, events};
use crate::block_on;

/// How many there are.
pub const FOLLOWERS: usize = 8;

/// How long they hold a lease that they do not need.
const LEASE: Duration = Duration::from_millis(600);

/// A follower that keeps its checkpoint, and does nothing else.
#[derive(Debug)]
pub struct Reader<S> {
    name: String,
    store: S,
}

impl<S: Store + Clone> Reader<S> {
    /// One of several.
    pub fn new(number: usize, store: &S) -> Self {
        Self {
            name: format!("reader {number}"),
            store: store.clone(),
        }
    }
}

impl<S: Store + Clone> Follower for Reader<S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&self) -> Filter {
        Filter::everything()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            let count = batch.records.len();
            let commit = Commit {
                id: CommitId::draw(),
                time: SystemTime::UNIX_EPOCH,
                metadata: Metadata::new(),
                appends: Vec::new(),
                checkpoint: Some(batch.advance(0, count)),
            };
            self.store.commit(commit).await?;
            Ok(count)
        })
    }
}

/// Lets [`FOLLOWERS`] follow some events to the end, until each of them has nothing to do and no lease; gives what runs them.
pub fn resting(store: &(impl Store + Clone)) -> Running {
    let app = Application::new(store.clone());
    let mut system = System::new("idle");
    for number in 0..FOLLOWERS {
        system = system.follow(&app, Reader::new(number, store).leased_for(LEASE));
    }
    let running = system.start();
    block_on(async {
        events(store, 0, 10).await;
        let head = store.head().await.expect("it can be read");
        for follower in system.followers() {
            let reached = follower.wait_for(head, PATIENCE).await;
            reached.expect("it gets there");
            while follower
                .status()
                .await
                .expect("it can be read")
                .holder
                .is_some()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    });
    running
}
