//! Snapshots of aggregates: when they are taken, and which are good enough to be used.
use std::num::NonZeroU64;

use bytes::Bytes;

use super::load::Seen;
use super::{LoadError, Repository};
use crate::domain::{Aggregate, Snapshots, StreamId, Version};
use crate::persistence::{BoxError, CodecError, Codecs, KeepError, Misfit, Place, Snapshot};

/// When the application takes snapshots of those aggregates that can have any: `#[aggregate("Dog", snapshot_every = 100)]`.
///
/// ```
/// use es_core::Application;
/// use es_core::application::SnapshotPolicy;
/// use es_store_memory::MemoryStore;
///
/// let app = Application::builder(MemoryStore::new())
///     .snapshots(SnapshotPolicy::ByHand) // a scheduled job calls `app.snapshot`
///     .build();
/// # let _ = app;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotPolicy {
    /// As often as the aggregate declares: when a save reaches or passes a multiple of that many events.
    #[default]
    AsDeclared,
    /// Whenever a save reaches or passes a multiple of so many events.
    Every(NonZeroU64),
    /// Only when [`Application::snapshot`](super::Application::snapshot) is called.
    ByHand,
    /// Never, and those there are stay unused.
    Off,
}

impl SnapshotPolicy {
    /// Whether a save that made the aggregate `now` from `before` takes a snapshot.
    fn is_due(self, declared: u64, before: Version, now: Version) -> bool {
        let every = match self {
            Self::AsDeclared => declared,
            Self::Every(every) => every.get(),
            Self::ByHand | Self::Off => return false,
        };
        now.get().checked_div(every) > before.get().checked_div(every)
    }
}

/// Why no snapshot was taken, or none dropped. The aggregates are what they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The aggregate does not say that it can have any.
    #[error(
        "`{category}` cannot have snapshots; write `#[aggregate(\"{category}\", snapshot_every = 100)]`"
    )]
    NotDeclared {
        /// The aggregate's stored name.
        category: &'static str,
    },
    /// The application does not use snapshots.
    #[error(
        "the application has its snapshots off; choose `SnapshotPolicy::ByHand`, or `by-hand` in `ES_SNAPSHOTS`, to take them by hand"
    )]
    Off,
    /// The aggregate could not be got.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The state does not come back as it was.
    #[error(
        "the state of `{stream}` at version {version} does not come back from a snapshot as it was; its cause says where"
    )]
    NotFaithful {
        /// The stream.
        stream: StreamId,
        /// Its version.
        version: Version,
        /// What serde says, or what differs.
        source: BoxError,
    },
    /// The state could not be compressed or encrypted.
    #[error("cannot make a snapshot of `{stream}` ready for the store")]
    Codec {
        /// The stream.
        stream: StreamId,
        /// Why.
        source: CodecError,
    },
    /// The store could not drop them.
    #[error("cannot drop the snapshots")]
    Drop(#[source] KeepError),
    /// The store could not keep it.
    #[error("cannot keep a snapshot of `{stream}`")]
    Keep {
        /// The stream.
        stream: StreamId,
        /// Why.
        source: KeepError,
    },
}

impl Repository {
    /// Takes a snapshot of an aggregate as it is now.
    pub(super) async fn snapshot<A: Aggregate>(&self, id: A::Id) -> Result<Version, SnapshotError> {
        let snapshots = self.snapshots_of::<A>()?;
        let stream = StreamId::of::<A>(&id);
        let (aggregate, _) = self.get_seen::<A>(&stream, Seen::Now).await?;
        self.keep(self.made(&aggregate, &snapshots).await?).await
    }

    /// Takes a snapshot of an aggregate as it is now, which is the only one then.
    pub(super) async fn prune_snapshots<A: Aggregate>(
        &self,
        id: A::Id,
    ) -> Result<Version, SnapshotError> {
        let snapshots = self.snapshots_of::<A>()?;
        let stream = StreamId::of::<A>(&id);
        let (aggregate, _) = self.get_seen::<A>(&stream, Seen::Now).await?;
        // What may fail for this aggregate is done before anything is dropped.
        let snapshot = self.made(&aggregate, &snapshots).await?;
        let store = self.store().await.map_err(LoadError::from)?;
        let dropped = store.drop_snapshots(Some(&stream)).await;
        dropped.map_err(SnapshotError::Drop)?;
        self.keep(snapshot).await
    }

    /// Takes a snapshot of an aggregate as it was at a version.
    pub(super) async fn snapshot_at<A: Aggregate>(
        &self,
        id: A::Id,
        version: Version,
    ) -> Result<Version, SnapshotError> {
        let snapshots = self.snapshots_of::<A>()?;
        let past = self.get_at::<A>(id, version).await?;
        self.keep(self.made(&*past, &snapshots).await?).await
    }

    fn snapshots_of<A: Aggregate>(&self) -> Result<Snapshots<A>, SnapshotError> {
        let Some(snapshots) = A::SNAPSHOTS else {
            return Err(SnapshotError::NotDeclared {
                category: A::CATEGORY,
            });
        };
        if self.keeping().snapshots == SnapshotPolicy::Off {
            return Err(SnapshotError::Off);
        }
        Ok(snapshots)
    }

    async fn made<A: Aggregate>(
        &self,
        aggregate: &A,
        snapshots: &Snapshots<A>,
    ) -> Result<Snapshot, SnapshotError> {
        sealed(take(aggregate, snapshots)?, self.codecs()).await
    }

    async fn keep(&self, snapshot: Snapshot) -> Result<Version, SnapshotError> {
        let (stream, version) = (snapshot.stream.clone(), snapshot.version);
        let store = self.store().await.map_err(LoadError::from)?;
        match store.keep_snapshot(snapshot).await {
            Ok(()) => Ok(version),
            Err(source) => Err(SnapshotError::Keep { stream, source }),
        }
    }

    pub(super) async fn drop_snapshots(&self) -> Result<(), SnapshotError> {
        let store = self.store().await.map_err(LoadError::from)?;
        store
            .drop_snapshots(None)
            .await
            .map_err(SnapshotError::Drop)
    }
}

/// The snapshot that a save that made the aggregate from version `before` asks for.
///
/// One that does not come back as it was is none: it would be an optimisation no longer.
pub(super) fn due<A: Aggregate>(
    policy: SnapshotPolicy,
    aggregate: &A,
    before: Version,
) -> Option<Snapshot> {
    let snapshots = A::SNAPSHOTS?;
    let due = aggregate.pending().is_empty()
        && policy.is_due(snapshots.every, before, aggregate.version());
    if !due {
        return None;
    }
    take(aggregate, &snapshots).ok()
}

/// Makes a snapshot, and checks that the state comes back.
fn take<A: Aggregate>(aggregate: &A, snapshots: &Snapshots<A>) -> Result<Snapshot, SnapshotError> {
    let stream = StreamId::new(A::CATEGORY, aggregate.root().id());
    let version = aggregate.version();
    let state =
        checked_state(aggregate, snapshots).map_err(|source| SnapshotError::NotFaithful {
            stream: stream.clone(),
            version,
            source,
        })?;
    Ok(Snapshot {
        stream,
        version,
        fingerprint: fingerprint(snapshots),
        state: Bytes::from(state),
    })
}

fn checked_state<A: Aggregate>(
    aggregate: &A,
    snapshots: &Snapshots<A>,
) -> Result<Vec<u8>, BoxError> {
    let state = (snapshots.write)(aggregate)?;
    let again = (snapshots.read)(&state).map_err(Misfit::from)?;
    match aggregate.difference(&again) {
        None => Ok(state),
        Some(difference) => Err(difference.into()),
    }
}

/// The snapshot as it is stored, with a checksum of that in its fingerprint.
pub(super) async fn sealed(snapshot: Snapshot, codecs: &Codecs) -> Result<Snapshot, SnapshotError> {
    let state = match codecs.are_none() {
        true => Ok(snapshot.state.clone()),
        false => codecs.seal(place(&snapshot), snapshot.state.clone()).await,
    };
    match state {
        Ok(state) => Ok(Snapshot {
            fingerprint: snapshot.fingerprint ^ checksum(&snapshot, &state),
            state,
            ..snapshot
        }),
        Err(source) => Err(SnapshotError::Codec {
            stream: snapshot.stream,
            source,
        }),
    }
}

/// Of what is stored, by which a snapshot is known that was changed since. Events are told from what they were by the store.
fn checksum(snapshot: &Snapshot, stored: &[u8]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(snapshot.stream.category.as_bytes());
    hasher.update(snapshot.stream.id.as_bytes());
    hasher.update(&snapshot.version.get().to_le_bytes());
    hasher.update(stored);
    hasher.finalize().into()
}

fn place(snapshot: &Snapshot) -> Place<'_> {
    Place {
        stream: &snapshot.stream,
        version: snapshot.version,
        name: Place::SNAPSHOT,
    }
}

/// The aggregate that a stored snapshot is of; `None` where other code made it, where it was changed since, where it is none of that stream and
/// version, or where it cannot be opened.
pub(super) async fn restore<A: Aggregate>(snapshot: Snapshot, codecs: &Codecs) -> Option<A> {
    let snapshots = A::SNAPSHOTS?;
    let checksum = checksum(&snapshot, &snapshot.state);
    if snapshot.fingerprint != fingerprint(&snapshots) ^ checksum {
        return None;
    }
    let state = codecs.open(place(&snapshot), snapshot.state.clone()).await;
    let aggregate = (snapshots.read)(&state.ok()?).ok()?;
    let root = aggregate.root();
    (root.id() == snapshot.stream.id && root.version() == snapshot.version).then_some(aggregate)
}

/// Of the struct and of the event bodies: a change of either makes other states.
fn fingerprint<A: Aggregate>(snapshots: &Snapshots<A>) -> u64 {
    snapshots.fingerprint.rotate_left(32) ^ A::FINGERPRINT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_due_when_a_multiple_is_reached_or_passed() {
        let due = |policy: SnapshotPolicy, before: u64, now: u64| {
            policy.is_due(10, Version::from(before), Version::from(now))
        };
        let declared = SnapshotPolicy::AsDeclared;
        let every_three = SnapshotPolicy::Every(NonZeroU64::new(3).expect("three"));
        assert!(due(declared, 0, 10) && due(declared, 9, 10) && due(declared, 9, 31));
        assert!(!due(declared, 0, 9) && !due(declared, 10, 10) && !due(declared, 10, 19));
        assert!(due(every_three, 2, 3) && !due(every_three, 3, 5));
        assert!(!due(SnapshotPolicy::ByHand, 9, 10) && !due(SnapshotPolicy::Off, 9, 10));
    }
}
