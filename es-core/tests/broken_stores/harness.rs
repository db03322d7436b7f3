//! Logs of broken stores, which can be reopened and disconnected.
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use es_core::persistence::EventStore;
use es_core::system::InlineError;
use es_core::testing::Intercepted;
use es_core::testing::laws::{Harness, Journal, Noted};
use es_core::{Application, Follower};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use tokio::runtime::Runtime;

use crate::BrokenStore;
use crate::faults::Fault;
use crate::followers::{Pages, Wrong, noted};
use crate::store::{Handle, World};

thread_local! {
    /// The fault of the logs that are made on this thread.
    static FAULT: Cell<Fault> = const { Cell::new(Fault::Nothing) };
}

/// Tries something on stores with a fault.
pub(crate) fn with_fault(fault: Fault, law: fn()) {
    FAULT.set(fault);
    law();
}

const PAYLOAD_LIMIT: usize = 1_000_000;

pub(crate) struct Broken {
    fault: Fault,
    store: MemoryStore,
    world: Arc<World>,
    opened: AtomicBool,
}

impl Broken {
    async fn handle(&self, handle: Handle) -> BrokenStore {
        let head = self.store.head().await.expect("memory can be read");
        Intercepted(crate::store::Broken {
            fault: self.fault,
            store: self.store.clone(),
            world: Arc::clone(&self.world),
            handle,
            seen_when_opened: head,
        })
    }
}

impl Harness for Broken {
    type Store = BrokenStore;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async {
            Self {
                fault: FAULT.get(),
                store: MemoryStore::new().payload_limit(PAYLOAD_LIMIT),
                world: Arc::default(),
                opened: AtomicBool::new(false),
            }
        })
    }

    fn open(&self) -> BoxFuture<'_, BrokenStore> {
        let handle = match self.opened.swap(true, Ordering::SeqCst) {
            false => Handle::First,
            true => Handle::Another,
        };
        Box::pin(self.handle(handle))
    }

    fn reopen(&mut self) -> Option<BoxFuture<'_, BrokenStore>> {
        if self.fault == Fault::ForgetsOnReopen {
            self.store = MemoryStore::new().payload_limit(PAYLOAD_LIMIT);
        }
        Some(Box::pin(self.handle(Handle::Reopened)))
    }

    fn disconnect<'a>(&'a self, _: &'a BrokenStore) -> Option<BoxFuture<'a, ()>> {
        self.world.cut.store(true, Ordering::SeqCst);
        self.world.log_cut.store(true, Ordering::SeqCst);
        Some(Box::pin(async {}))
    }

    /// A hundred stores are tried.
    fn runs_of_chaos() -> u64 {
        4
    }

    /// As a store needs it that uses tokio.
    fn block_on<F: Future>(future: F) -> F::Output {
        static RUNTIME: LazyLock<Runtime> =
            LazyLock::new(|| Runtime::new().expect("there is a runtime"));
        RUNTIME.block_on(future)
    }

    fn follow(&self, _: &BrokenStore, journal: Journal) -> Option<Box<dyn Follower>> {
        let store = pollster::block_on(self.handle(Handle::Another));
        let wrong = Wrong::new(self.fault, &self.store, store, journal.clone());
        Some(journal.follower(wrong))
    }

    fn inline<'a>(
        &'a self,
        _: &'a BrokenStore,
        app: &'a Application,
        journal: Journal,
    ) -> Option<BoxFuture<'a, Result<(), InlineError>>> {
        Some(Box::pin(async move {
            let (fault, store, world) = (self.fault, &self.store, &self.world);
            let inlined = match journal.revision {
                2 => {
                    let pages = Pages::<2>::inside(fault, journal, store, world).await;
                    store.inline(app, pages).await
                }
                _ => {
                    let pages = Pages::<1>::inside(fault, journal, store, world).await;
                    store.inline(app, pages).await
                }
            };
            match inlined {
                Err(InlineError::Parked { .. })
                    if self.fault == Fault::RunsInsideBesideWhatIsSetAside =>
                {
                    Ok(())
                }
                inlined => inlined,
            }
        }))
    }

    fn end_inline<'a>(
        &'a self,
        _: &'a BrokenStore,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(self.store.end_inline::<Pages<1>>(app)))
    }

    fn noted<'a>(&'a self, _: &'a BrokenStore, tag: Option<&'a str>) -> BoxFuture<'a, Vec<Noted>> {
        Box::pin(async move { noted(&self.store, &self.world, tag) })
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }
}
