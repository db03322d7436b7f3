//! The snapshots, apart from the log: they are no part of a commit.
use std::collections::{BTreeMap, HashMap};

use es_core::persistence::Snapshot;
use es_core::{StreamId, Version};

#[derive(Debug, Default)]
pub(crate) struct Snapshots {
    streams: HashMap<StreamId, BTreeMap<Version, Snapshot>>,
}

impl Snapshots {
    pub(crate) fn keep(&mut self, snapshot: Snapshot) {
        let versions = self.streams.entry(snapshot.stream.clone()).or_default();
        versions.insert(snapshot.version, snapshot);
    }

    pub(crate) fn newest(&self, stream: &StreamId, up_to: Version) -> Option<Snapshot> {
        let versions = self.streams.get(stream)?;
        let (_, newest) = versions.range(..=up_to).next_back()?;
        Some(newest.clone())
    }

    pub(crate) fn forget(&mut self, stream: Option<&StreamId>) {
        match stream {
            Some(stream) => drop(self.streams.remove(stream)),
            None => self.streams.clear(),
        }
    }
}
