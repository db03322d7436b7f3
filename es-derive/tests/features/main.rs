//! What the macros accept, and what it does: each test is one clause.

mod asked_for;
mod attributes;
mod bodies;
mod detours;
mod evolution;
mod generics;
mod odd_types;
mod regressions;
mod typed_ids;

use std::collections::BTreeMap;
use std::fmt::Debug;

use es_core::application::{LoadError, SnapshotError};
use es_core::domain::{AggregateId, Declares, Event, Events, HasRoot};
use es_core::persistence::{
    Append, Commit, CommitId, DecodeError, EncodedEvent, EventStore, Metadata,
};
use es_core::testing::{given, when_created};
use es_core::{Aggregate, Application, Error, JsonMap, Root, StreamId, Version, events};
use es_store_memory::MemoryStore;
use pollster::block_on;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Writes raw events, as an older program did, and gets the aggregate.
fn load<A: Aggregate>(stored: &[(&str, u32, &str)]) -> es_core::Result<A> {
    let id = Uuid::from_u128(1);
    let store = MemoryStore::new();
    let events = stored.iter().map(|(name, schema, payload)| EncodedEvent {
        name: (*name).to_owned().into(),
        schema: *schema,
        payload: (*payload).to_owned().into(),
    });
    let commit = Commit {
        id: CommitId::draw(),
        metadata: Metadata::new(),
        time: std::time::SystemTime::now(),
        appends: vec![Append {
            stream: StreamId::new(A::CATEGORY, id),
            expected: Version::NEW,
            events: events.collect(),
        }],
        checkpoint: None,
    };
    block_on(store.commit(commit)).expect("stored");
    block_on(Application::new(store).get::<A>(A::Id::from_uuid(id)))
}
