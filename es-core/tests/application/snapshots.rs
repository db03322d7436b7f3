//! Snapshots: taken by policy and by hand, used where they can be, and never the truth.
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::watched::Watched;

fn with(store: &MemoryStore, policy: SnapshotPolicy) -> Application {
    Application::builder(store.clone())
        .cache(0)
        .snapshots(policy)
        .build()
}

async fn versions(store: &MemoryStore, purse: &Purse) -> Vec<u64> {
    let stream = StreamId::new("Purse", purse.id());
    let (mut versions, mut up_to) = (Vec::new(), Version::MAX);
    while let Some(snapshot) = store.read_snapshot(&stream, up_to).await.unwrap() {
        versions.push(snapshot.version.get());
        up_to = Version::from(snapshot.version.get() - 1);
    }
    versions.reverse();
    versions
}

async fn purse_of_eleven(app: &Application) -> Purse {
    let mut purse = Purse::open(1);
    for coins in 2..=11 {
        app.save(&mut purse).await.unwrap();
        purse.put(coins);
    }
    app.save(&mut purse).await.unwrap();
    purse
}

#[tokio::test]
async fn snapshots_are_taken_as_the_policy_says() {
    for (policy, expected) in [
        (SnapshotPolicy::AsDeclared, vec![5, 10]),
        (SnapshotPolicy::Every(4.try_into().unwrap()), vec![4, 8]),
        (SnapshotPolicy::ByHand, vec![]),
        (SnapshotPolicy::Off, vec![]),
    ] {
        let store = MemoryStore::new();
        let purse = purse_of_eleven(&with(&store, policy)).await;
        assert_eq!(versions(&store, &purse).await, expected, "{policy:?}");
    }
}

#[tokio::test]
async fn a_save_that_passes_a_multiple_takes_one_of_what_it_reached() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let mut purse = Purse::open(1);
    for _ in 0..12 {
        purse.put(1);
    }
    app.save(&mut purse).await?;
    assert_eq!(versions(&store, &purse).await, [13]);
    assert_eq!(app.get::<Purse>(purse.id()).await?, purse);
    Ok(())
}

/// A store whose snapshots are of no use.
struct Unused(MemoryStore);

impl Intercept for Unused {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_snapshot<'a>(
        &'a self,
        _: &'a StreamId,
        _: Version,
    ) -> BoxFuture<'a, std::result::Result<Option<Snapshot>, ReadError>> {
        panic!("a snapshot was asked for")
    }
}

#[tokio::test]
async fn where_they_are_off_those_there_are_stay_unused() -> Result<()> {
    let store = MemoryStore::new();
    let purse = purse_of_eleven(&with(&store, SnapshotPolicy::AsDeclared)).await;
    let app = Application::builder(Intercepted(Unused(store)));
    let app = app.cache(0).snapshots(SnapshotPolicy::Off).build();
    assert_eq!(app.get::<Purse>(purse.id()).await?, purse);
    Ok(())
}

#[tokio::test]
async fn one_is_taken_of_what_is_changed_beside_what_is_only_looked_at() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let mut purses = [1, 2].map(Purse::open);
    app.save(&mut purses).await?;
    let [limit, purse] = purses;
    app.update_all(
        (limit.id(), purse.id()),
        |(limit, purse): (&mut Purse, &mut Purse)| (0..4).for_each(|_| purse.put(limit.coins())),
    )
    .await?;
    assert_eq!(versions(&store, &limit).await, [0; 0]);
    assert_eq!(versions(&store, &purse).await, [5]);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_is_taken_by_hand() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::ByHand);
    let purse = purse_of_eleven(&app).await;
    assert_eq!(app.snapshot::<Purse>(purse.id()).await?, Version::from(11));
    assert_eq!(
        app.snapshot::<Purse>(purse.id()).await?,
        Version::from(11),
        "again is harmless"
    );
    assert_eq!(versions(&store, &purse).await, [11]);
    app.drop_snapshots().await?;
    assert_eq!(versions(&store, &purse).await, [0; 0]);
    assert_eq!(app.get::<Purse>(purse.id()).await?, purse);
    Ok(())
}

#[tokio::test]
async fn all_snapshots_of_an_aggregate_but_the_newest_are_dropped() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let (purse, other) = (purse_of_eleven(&app).await, purse_of_eleven(&app).await);
    assert_eq!(versions(&store, &purse).await, [5, 10]);
    let pruned = app.prune_snapshots::<Purse>(purse.id()).await?;
    assert_eq!(pruned, Version::from(11));
    assert_eq!(versions(&store, &purse).await, [11]);
    assert_eq!(versions(&store, &other).await, [5, 10]);
    assert_eq!(app.get::<Purse>(purse.id()).await?, purse);
    let past = app.get_at::<Purse>(purse.id(), Version::from(7)).await?;
    assert_eq!(past.version(), Version::from(7));
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_a_snapshot_costs_no_other() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let purse = purse_of_eleven(&app).await;
    let off = with(&store, SnapshotPolicy::Off);
    off.prune_snapshots::<Purse>(purse.id()).await.unwrap_err();
    assert_eq!(versions(&store, &purse).await, [5, 10]);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_is_taken_of_a_version_that_is_past() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::ByHand);
    let purse = purse_of_eleven(&app).await;
    let id = purse.id();
    let before = app.get_at::<Purse>(id, Version::from(6)).await?;
    for version in [4, 7, 4] {
        let version = Version::from(version);
        assert_eq!(app.snapshot_at::<Purse>(id, version).await?, version);
    }
    assert_eq!(versions(&store, &purse).await, [4, 7]);
    assert_eq!(*app.get_at::<Purse>(id, Version::from(6)).await?, *before);
    assert_eq!(app.get::<Purse>(id).await?, purse);
    for version in [0, 12] {
        let refused = app.snapshot_at::<Purse>(id, Version::from(version)).await;
        let Err(Error::Snapshot(SnapshotError::Load(LoadError::NoSuchVersion { .. }))) = refused
        else {
            panic!("{refused:?}");
        };
    }
    Ok(())
}

#[tokio::test]
async fn why_no_snapshot_was_taken_is_told() {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::Off);
    let purse = purse_of_eleven(&app).await;
    let error = app.snapshot::<Purse>(purse.id()).await.unwrap_err();
    assert!(matches!(error, Error::Snapshot(SnapshotError::Off)));
    let error = app.snapshot::<Lamp>(purse.id()).await.unwrap_err();
    assert!(matches!(
        error,
        Error::Snapshot(SnapshotError::NotDeclared { category: "Lamp" })
    ));
    let error = with(&store, SnapshotPolicy::ByHand)
        .snapshot::<Purse>(Uuid::nil())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Snapshot(SnapshotError::Load(LoadError::NotFound { .. }))
    ));
}

#[tokio::test]
async fn a_snapshot_is_used_as_it_was_kept_and_not_where_it_was_changed() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let purse = purse_of_eleven(&app).await;
    let watched = Watched::new(store.clone());
    let app = Application::builder(Intercepted(watched.clone())).cache(0);
    let app = app.build();
    let begins_after = async || {
        assert_eq!(app.get::<Purse>(purse.id()).await.unwrap(), purse);
        let reads = watched.reads();
        reads.last().expect("events were read").0.get()
    };
    assert_eq!(begins_after().await, 10);

    let stream = StreamId::new("Purse", purse.id());
    let kept = store.read_snapshot(&stream, Version::MAX).await.unwrap();
    let kept = kept.expect("it was taken");
    let text = String::from_utf8(kept.state.to_vec()).unwrap();
    let changed = |state: String| Snapshot {
        state: state.into(),
        ..kept.clone()
    };
    let of_other_code = Snapshot {
        fingerprint: kept.fingerprint ^ (1 << 40),
        ..kept.clone()
    };
    let (more, cut) = (text.replace("55", "95"), text[..text.len() - 1].to_owned());
    assert_ne!(more, text);
    for unfit in [changed(more), changed(cut), of_other_code] {
        store.keep_snapshot(unfit).await.unwrap();
        assert_eq!(begins_after().await, 0);
    }
    store.keep_snapshot(kept).await.unwrap();
    assert_eq!(begins_after().await, 10);
    Ok(())
}

#[tokio::test]
async fn a_snapshot_of_another_aggregate_is_not_used() -> Result<()> {
    let store = MemoryStore::new();
    let app = with(&store, SnapshotPolicy::AsDeclared);
    let (one, two) = (purse_of_eleven(&app).await, purse_of_eleven(&app).await);
    let stream = StreamId::new("Purse", one.id());
    let mut snapshot = store
        .read_snapshot(&stream, Version::MAX)
        .await
        .unwrap()
        .unwrap();
    snapshot.stream = StreamId::new("Purse", two.id());
    store.keep_snapshot(snapshot).await.unwrap();
    assert_eq!(app.get::<Purse>(two.id()).await?, two);
    Ok(())
}

/// A store that gives the newest snapshot, whatever was asked for.
struct Newest {
    store: MemoryStore,
    reads: AtomicU64,
}

impl Intercept for Newest {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_snapshot<'a>(
        &'a self,
        stream: &'a StreamId,
        _: Version,
    ) -> BoxFuture<'a, std::result::Result<Option<Snapshot>, ReadError>> {
        let reads = self.reads.fetch_add(1, Ordering::SeqCst);
        assert!(reads < 100, "it is asked again and again");
        self.store.read_snapshot(stream, Version::MAX)
    }
}

#[tokio::test]
async fn a_snapshot_newer_than_asked_for_keeps_nobody_busy() -> Result<()> {
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH);
    let app = Application::builder(Intercepted(Newest {
        store: MemoryStore::new(),
        reads: AtomicU64::new(0),
    }))
    .clock(clock.clone())
    .cache(0)
    .build();
    let mut purse = Purse::open(1);
    app.save(&mut purse).await?;
    clock.advance(Duration::from_secs(1));
    for coins in 2..=5 {
        purse.put(coins);
    }
    app.save(&mut purse).await?;
    let past = app
        .get_as_of::<Purse>(purse.id(), SystemTime::UNIX_EPOCH)
        .await?;
    assert_eq!((past.version(), past.coins()), (Version::FIRST, 1));
    Ok(())
}

mod unfaithful {
    use es_core::{Aggregate, Root, events};
    use serde::{Deserialize, Serialize};

    /// Its notes are in no snapshot.
    #[derive(Aggregate, Debug, PartialEq, Serialize, Deserialize)]
    #[aggregate("Diary", snapshot_every = 2)]
    pub(super) struct Diary {
        root: Root<Self>,
        #[serde(skip)]
        pub(super) notes: Vec<String>,
    }

    #[events]
    impl Diary {
        #[event("Begun")]
        pub(super) fn begin() -> Self {
            Self {
                root: Root::new(),
                notes: Vec::new(),
            }
        }

        #[event("Noted")]
        pub(super) fn note(&mut self, text: &str) {
            self.notes.push(text.to_owned());
        }
    }
}

#[tokio::test]
async fn a_state_that_does_not_come_back_is_not_kept() -> Result<()> {
    use unfaithful::Diary;
    let app = app();
    let mut diary = Diary::begin();
    diary.note("rain");
    diary.note("sun");
    app.save(&mut diary).await?;
    let again = app.get::<Diary>(diary.id()).await?;
    assert_eq!(again.notes, ["rain", "sun"]);
    let error = app.snapshot::<Diary>(diary.id()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Snapshot(SnapshotError::NotFaithful { source, .. }) if source.to_string().contains("rain")),
        "{error:?}"
    );
    Ok(())
}
