//! The memory store keeps the laws of a store.
use es_store_memory::MemoryStore;

es_core::store_laws!(MemoryStore::new());
