//! Faults of snapshots.
use es_core::persistence::{KeepError, ReadError, Snapshot, SnapshotStore};
use es_core::{StreamId, Version};

use crate::faults::Fault::*;
use crate::store::Broken;

impl Broken {
    pub(crate) async fn keep_snapshot_wrongly(
        &self,
        mut snapshot: Snapshot,
    ) -> Result<(), KeepError> {
        match self.fault {
            CutsSnapshotsAt64KiB => snapshot.state.truncate(65_536),
            RoundsFingerprints => snapshot.fingerprint &= u64::MAX >> 1,
            MixesCategoriesOfSnapshots => snapshot.stream.category = "Any".into(),
            KeepsTheFirstSnapshot => {
                let old = self
                    .store
                    .read_snapshot(&snapshot.stream, snapshot.version)
                    .await;
                let old = old.expect("memory can be read");
                if old.is_some_and(|old| old.version == snapshot.version) {
                    return Ok(());
                }
            }
            KeepsTheNewestSnapshotAlone => {
                self.store.drop_snapshots(Some(&snapshot.stream)).await?;
            }
            _ => {}
        }
        self.store.keep_snapshot(snapshot).await
    }

    pub(crate) async fn read_snapshot_wrongly(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Option<Snapshot>, ReadError> {
        if self.fault == MixesCategoriesOfSnapshots {
            let any = StreamId::new("Any", stream.id);
            let found = self.store.read_snapshot(&any, up_to).await?;
            return Ok(found.map(|found| Snapshot {
                stream: stream.clone(),
                ..found
            }));
        }
        let newest = match self.fault {
            FindsTheNewestSnapshotOfAll => Version::MAX,
            _ => up_to,
        };
        let mut found = self.store.read_snapshot(stream, newest).await?;
        if self.fault == FindsSnapshotsAtTheVersionAlone {
            found = found.filter(|found| found.version == up_to);
        }
        Ok(found)
    }

    pub(crate) async fn drop_snapshots_wrongly(
        &self,
        stream: Option<&StreamId>,
    ) -> Result<(), KeepError> {
        match self.fault {
            DropsNoSnapshots => Ok(()),
            DropsAllSnapshots => self.store.drop_snapshots(None).await,
            _ => self.store.drop_snapshots(stream).await,
        }
    }
}
