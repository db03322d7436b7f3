//! The memory store keeps the laws of a store.
use bytes::Bytes;
use es_core::system::InlineError;
use es_core::testing::laws::{Anything, Harness, JOURNAL, Journal, Noted};
use es_core::{Application, BoxError, Follower, Projection, Recorded};
use es_store_memory::{MemoryProjection, MemoryStore};
use futures_core::future::BoxFuture;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

/// What a journal notes, in memory.
#[derive(Clone)]
struct Pages<const REVISION: u32> {
    journal: Journal,
    noted: Vec<Noted>,
}

impl<const REVISION: u32> Projection for Pages<REVISION> {
    const NAME: &'static str = JOURNAL;
    const REVISION: u32 = REVISION;
    type Events = Anything;
}

impl<const REVISION: u32> Pages<REVISION> {
    fn empty(journal: Journal) -> Self {
        Self {
            journal,
            noted: Vec::new(),
        }
    }
}

impl<const REVISION: u32> MemoryProjection for Pages<REVISION> {
    fn handle(&mut self, event: Recorded<Anything>) -> Result<(), BoxError> {
        self.noted.push(self.journal.note(&event));
        self.journal.fails(&event)
    }
}

struct MemoryHarness(MemoryStore);

impl Harness for MemoryHarness {
    type Store = MemoryStore;

    const CONNECTIONS: bool = false;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async { Self(MemoryStore::new().payload_limit(PAYLOAD_LIMIT)) })
    }

    fn open(&self) -> BoxFuture<'_, MemoryStore> {
        Box::pin(async { self.0.clone() })
    }

    fn follow(&self, store: &MemoryStore, journal: Journal) -> Option<Box<dyn Follower>> {
        let pages = Pages::<1>::empty(journal.clone());
        Some(journal.follower(store.project(pages)))
    }

    fn inline<'a>(
        &'a self,
        store: &'a MemoryStore,
        app: &'a Application,
        journal: Journal,
    ) -> Option<BoxFuture<'a, Result<(), InlineError>>> {
        Some(match journal.revision {
            2 => Box::pin(store.inline(app, Pages::<2>::empty(journal))),
            _ => Box::pin(store.inline(app, Pages::<1>::empty(journal))),
        })
    }

    fn end_inline<'a>(
        &'a self,
        store: &'a MemoryStore,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(store.end_inline::<Pages<1>>(app)))
    }

    fn noted<'a>(
        &'a self,
        store: &'a MemoryStore,
        tag: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<Noted>> {
        Box::pin(async move {
            let ends_here = |name: &str| match tag {
                Some(tag) => name.ends_with(&format!("@{tag}")),
                None => !name.contains('@'),
            };
            let first = store.views::<Pages<1>>().into_iter();
            let first = first.map(|(follower, pages)| (follower, pages.noted.clone()));
            let second = store.views::<Pages<2>>().into_iter();
            let second = second.map(|(follower, pages)| (follower, pages.noted.clone()));
            let here = first.chain(second);
            let here = here.filter(|(follower, _)| ends_here(&follower.name));
            here.flat_map(|(_, noted)| noted).collect()
        })
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }
}

es_core::store_laws!(MemoryHarness);
