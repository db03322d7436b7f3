//! The memory store keeps the laws of a store.
use bytes::Bytes;
use es_core::testing::laws::Harness;
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;

/// Larger than any other payload of the laws.
const PAYLOAD_LIMIT: usize = 1_000_000;

struct MemoryHarness(MemoryStore);

impl Harness for MemoryHarness {
    type Store = MemoryStore;

    fn fresh() -> BoxFuture<'static, Self> {
        Box::pin(async { Self(MemoryStore::new().payload_limit(PAYLOAD_LIMIT)) })
    }

    fn open(&self) -> BoxFuture<'_, MemoryStore> {
        Box::pin(async { self.0.clone() })
    }

    fn refused_payload(&self) -> Option<Bytes> {
        Some(Bytes::from(vec![b' '; PAYLOAD_LIMIT + 1]))
    }
}

es_core::store_laws!(MemoryHarness);
