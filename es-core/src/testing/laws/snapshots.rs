//! Law 20: what snapshots are, and that they are only ever a shorter way.
use bytes::Bytes;
use uuid::Uuid;

use super::{Harness, append, read_log, reopened, stream, write};
use crate::domain::{StreamId, Version};
use crate::persistence::{Snapshot, SnapshotStore};

fn snapshot(stream: &StreamId, version: u64, state: impl Into<Bytes>) -> Snapshot {
    Snapshot {
        stream: stream.clone(),
        version: Version::from(version),
        fingerprint: version,
        state: state.into(),
    }
}

async fn keep(store: &impl SnapshotStore, snapshot: Snapshot) {
    let kept = store.keep_snapshot(snapshot).await;
    kept.expect("the snapshot is kept");
}

async fn newest(store: &impl SnapshotStore, stream: &StreamId, up_to: u64) -> Option<Snapshot> {
    let found = store.read_snapshot(stream, Version::from(up_to)).await;
    found.expect("snapshots can be read")
}

/// Law 20.
pub async fn the_newest_snapshot_at_or_below_a_version_is_found(harness: impl Harness) {
    let store = harness.open().await;
    assert_eq!(newest(&store, &stream(1), u64::MAX).await, None);
    for version in [4, 10, 2, 7] {
        keep(&store, snapshot(&stream(1), version, version.to_string())).await;
    }
    let other = StreamId::new("Cat", stream(1).id);
    keep(&store, snapshot(&other, 5, "of a cat")).await;
    keep(&store, snapshot(&stream(2), 6, "of another dog")).await;
    for (up_to, found) in [
        (0, None),
        (1, None),
        (2, Some(2)),
        (3, Some(2)),
        (4, Some(4)),
        (6, Some(4)),
        (9, Some(7)),
        (10, Some(10)),
        (u64::MAX, Some(10)),
    ] {
        let expected = found.map(|version| snapshot(&stream(1), version, version.to_string()));
        assert_eq!(newest(&store, &stream(1), up_to).await, expected);
    }
    assert_eq!(newest(&store, &other, 4).await, None);
    assert_eq!(newest(&store, &stream(3), u64::MAX).await, None);
}

/// Law 20.
pub async fn a_snapshot_comes_back_exactly_as_it_was_kept(mut harness: impl Harness) {
    let store = harness.open().await;
    let states = [
        Bytes::new(),
        Bytes::from_iter(0..=u8::MAX),
        Bytes::from(r#"{"float":0.1,"text":"\u0000'\"🐕"}"#),
        Bytes::from("🐕 ".repeat(14_000)),
        Bytes::from_iter((0..70_000_u32).map(|place| place.to_le_bytes()[0])),
    ];
    let stream = StreamId::new("Ünïcødé \"quoted\"; DROP TABLE snapshots", Uuid::max());
    let fingerprints = [0, 1, u64::MAX, 1 << 63, (1 << 53) + 1];
    let snapshots: Vec<_> = (1..)
        .zip(states.into_iter().zip(fingerprints))
        .map(|(version, (state, fingerprint))| Snapshot {
            fingerprint,
            ..snapshot(&stream, version, state)
        })
        .collect();
    for snapshot in &snapshots {
        keep(&store, snapshot.clone()).await;
    }
    let store = reopened("law 20", &mut harness, store).await;
    for snapshot in snapshots {
        let found = newest(&store, &stream, snapshot.version.get()).await;
        assert!(found.as_ref() == Some(&snapshot), "{}", snapshot.version);
    }
}

/// Law 20.
pub async fn a_second_snapshot_at_a_version_replaces_the_first(harness: impl Harness) {
    let store = harness.open().await;
    keep(&store, snapshot(&stream(1), 2, "older")).await;
    for state in ["first", "second", "second", "third"] {
        let kept = snapshot(&stream(1), 3, state);
        keep(&store, kept.clone()).await;
        assert_eq!(newest(&store, &stream(1), 9).await, Some(kept));
    }
    let older = newest(&store, &stream(1), 2).await;
    assert_eq!(older, Some(snapshot(&stream(1), 2, "older")));
}

/// Law 20, its last clause.
pub async fn dropping_snapshots_changes_no_event(harness: impl Harness) {
    let store = harness.open().await;
    let streams = [
        stream(1),
        stream(2),
        StreamId::new("Cat", stream(1).id),
        StreamId::new("Cat", stream(3).id),
    ];
    for stream in &streams {
        write(&store, [append(stream, 0, 3)]).await;
        keep(&store, snapshot(stream, 2, "two")).await;
        keep(&store, snapshot(stream, 3, "three")).await;
    }
    let log = read_log(&store, 0, 100).await;
    let left = async || {
        let mut left = Vec::new();
        for stream in &streams {
            left.push(newest(&store, stream, 9).await.is_some());
        }
        left
    };
    let drop_snapshots = async |stream: Option<&StreamId>| {
        let dropped = store.drop_snapshots(stream).await;
        dropped.expect("snapshots can be dropped");
    };
    drop_snapshots(Some(&stream(9))).await;
    assert_eq!(left().await, [true, true, true, true]);
    drop_snapshots(Some(&streams[0])).await;
    assert_eq!(left().await, [false, true, true, true]);
    drop_snapshots(None).await;
    assert_eq!(left().await, [false, false, false, false]);
    assert_eq!(read_log(&store, 0, 100).await, log);

    keep(&store, snapshot(&streams[0], 1, "again")).await;
    assert_eq!(left().await, [true, false, false, false]);
}
