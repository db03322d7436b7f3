//! What is cached is only a shorter way to the same.
use proptest::prelude::*;

use super::*;

/// Two applications on one log: what one writes, the other did not see.
fn two(store: &MemoryStore) -> [Application; 2] {
    [(); 2].map(|()| Application::new(store.clone()))
}

#[tokio::test]
async fn what_another_wrote_is_seen() -> Result<()> {
    let [one, two] = two(&MemoryStore::new());
    let mut purse = Purse::open(10);
    one.save(&mut purse).await?;
    let id = purse.id();
    assert_eq!(one.get::<Purse>(id).await?.coins(), 10);
    two.update(id, |purse: &mut Purse| purse.put(5)).await?;
    assert_eq!(one.get::<Purse>(id).await?.coins(), 15);
    assert_eq!(one.find::<Purse>(id).await?.unwrap().coins(), 15);
    Ok(())
}

#[tokio::test]
async fn a_refusal_on_what_is_known_is_decided_again_on_what_is_stored() -> Result<()> {
    let [one, two] = two(&MemoryStore::new());
    let mut purse = Purse::open(0);
    one.save(&mut purse).await?;
    two.update(purse.id(), |purse: &mut Purse| purse.put(5))
        .await?;
    let mut seen = Vec::new();
    one.update(purse.id(), |purse: &mut Purse| {
        seen.push(purse.coins());
        purse.take(5)
    })
    .await?;
    assert_eq!(seen, [0, 5]);

    two.update(purse.id(), |purse: &mut Purse| purse.put(1))
        .await?;
    let looked = one.update(purse.id(), |purse: &mut Purse| {
        Ok::<_, Empty>(purse.coins())
    });
    assert_eq!(
        looked.await?.value,
        1,
        "what records nothing is no commit that could be refused"
    );
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_on_what_is_known_is_decided_again_on_what_is_stored() -> Result<()> {
    let [one, two] = two(&MemoryStore::new());
    let mut purse = Purse::open(0);
    one.save(&mut purse).await?;
    two.update(purse.id(), |purse: &mut Purse| purse.put(5))
        .await?;
    let mut seen = Vec::new();
    one.update(purse.id(), |purse: &mut Purse| {
        seen.push(purse.coins());
        match purse.coins() {
            0 => *purse = Purse::open(1),
            _ => purse.put(1),
        }
    })
    .await?;
    assert_eq!(seen, [0, 5]);
    Ok(())
}

/// Counts what is read.
struct Counted(MemoryStore, std::sync::Arc<std::sync::atomic::AtomicU64>);

impl Intercept for Counted {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, std::result::Result<Vec<Record>, ReadError>> {
        self.1.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.0.read_stream(stream, slice)
    }
}

#[tokio::test]
async fn an_update_of_what_is_known_reads_nothing() -> Result<()> {
    let reads = std::sync::Arc::default();
    let store = Counted(MemoryStore::new(), std::sync::Arc::clone(&reads));
    let app = Application::new(Intercepted(store));
    let mut purse = Purse::open(0);
    app.save(&mut purse).await?;
    for _ in 0..10 {
        app.update(purse.id(), |purse: &mut Purse| purse.put(1))
            .await?;
    }
    assert_eq!(reads.load(std::sync::atomic::Ordering::SeqCst), 0);
    assert_eq!(app.get::<Purse>(purse.id()).await?.coins(), 10);
    assert_eq!(reads.load(std::sync::atomic::Ordering::SeqCst), 1);
    Ok(())
}

#[tokio::test]
async fn a_cache_is_as_large_as_it_is_told_and_takes_its_room_as_it_fills() -> Result<()> {
    let reads = std::sync::Arc::default();
    let store = Counted(MemoryStore::new(), std::sync::Arc::clone(&reads));
    let app = Application::builder(Intercepted(store)).cache(2).build();
    let mut purses = [1, 2, 3].map(Purse::open);
    app.save(&mut purses).await?;
    for purse in &purses {
        app.update(purse.id(), |purse: &mut Purse| purse.put(1))
            .await?;
    }
    assert_eq!(
        reads.load(std::sync::atomic::Ordering::SeqCst),
        3,
        "each was pushed out by the others"
    );

    let endless = Application::builder(MemoryStore::new())
        .cache(usize::MAX)
        .build();
    endless.save(&mut Purse::open(1)).await?;
    Ok(())
}

#[tokio::test]
async fn what_is_pending_is_not_cached() -> Result<()> {
    let app = app();
    let mut purse = Purse::open(1);
    app.save(&mut purse).await?;
    let mut copy = app.get::<Purse>(purse.id()).await?;
    copy.put(100);
    assert_eq!(app.get::<Purse>(purse.id()).await?.coins(), 1);
    assert!(app.get::<Purse>(purse.id()).await?.pending().is_empty());
    Ok(())
}

/// What becomes of commits whose answer is lost.
#[derive(Clone, Default)]
struct Lossy {
    store: MemoryStore,
    /// Whether the next one is stored, of those whose answer is lost.
    fates: std::sync::Arc<std::sync::Mutex<std::collections::VecDeque<bool>>>,
}

impl Intercept for Lossy {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, std::result::Result<Committed, AppendError>> {
        let fate = self.fates.lock().unwrap().pop_front();
        Box::pin(async move {
            match fate {
                None => return self.store.commit(commit).await,
                Some(true) => drop(self.store.commit(commit).await?),
                Some(false) => {}
            }
            Err(AppendError::Unavailable("the line broke".into()))
        })
    }
}

#[tokio::test]
async fn what_is_pending_beside_what_is_settled_is_not_cached() -> Result<()> {
    let lossy = Lossy::default();
    let app = Application::new(Intercepted(lossy.clone()));
    let mut purse = Purse::open(0);
    app.save(&mut purse).await?;
    lossy.fates.lock().unwrap().extend([true, false]);
    for coins in [1, 10] {
        purse.put(coins);
        let lost = app.save(&mut purse).await.unwrap_err();
        assert!(
            matches!(lost, Error::Save(SaveError::Unknown { .. })),
            "{lost:?}"
        );
    }
    assert_eq!(purse.pending().len(), 1, "the first is settled by now");
    let stored = app.get::<Purse>(purse.id()).await?;
    assert_eq!((stored.coins(), stored.pending().len()), (1, 0));
    Ok(())
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Open,
    Put {
        app: usize,
        purse: usize,
        coins: u64,
    },
    Take {
        app: usize,
        purse: usize,
        coins: u64,
    },
    Move {
        app: usize,
        from: usize,
        to: usize,
    },
    Look {
        app: usize,
        purse: usize,
    },
    DropSnapshots,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Open),
        (0..3_usize, 0..4_usize, 0..9_u64).prop_map(|(app, purse, coins)| Step::Put {
            app,
            purse,
            coins
        }),
        (0..3_usize, 0..4_usize, 0..9_u64).prop_map(|(app, purse, coins)| Step::Take {
            app,
            purse,
            coins
        }),
        (0..3_usize, 0..4_usize, 0..4_usize).prop_map(|(app, from, to)| Step::Move {
            app,
            from,
            to
        }),
        (0..3_usize, 0..4_usize).prop_map(|(app, purse)| Step::Look { app, purse }),
        Just(Step::DropSnapshots),
    ]
}

proptest! {
    /// Law 21: with and without snapshots, with and without a cache, at every version.
    #[test]
    fn with_and_without_cache_and_snapshots_aggregates_are_equal(steps in prop::collection::vec(step(), 1..60)) {
        let store = MemoryStore::new();
        let plain = Application::builder(store.clone()).cache(0).snapshots(SnapshotPolicy::Off).build();
        let apps = [
            Application::new(store.clone()),
            Application::builder(store.clone()).cache(2).snapshots(SnapshotPolicy::Every(2.try_into().unwrap())).build(),
            plain.clone(),
        ];
        let mut model: Vec<(Uuid, u64)> = Vec::new();
        pollster::block_on(async {
            for step in steps {
                match step {
                    Step::Open => {
                        let mut purse = Purse::open(5);
                        apps[0].save(&mut purse).await.unwrap();
                        model.push((purse.id(), 5));
                    }
                    _ if model.is_empty() => {}
                    Step::Put { app, purse, coins } => {
                        let place = purse % model.len();
                        apps[app].update(model[place].0, |purse: &mut Purse| purse.put(coins)).await.unwrap();
                        model[place].1 += coins;
                    }
                    Step::Take { app, purse, coins } => {
                        let place = purse % model.len();
                        let taken = apps[app].update(model[place].0, |purse: &mut Purse| purse.take(coins)).await;
                        prop_assert_eq!(taken.is_ok(), coins <= model[place].1);
                        model[place].1 -= if taken.is_ok() { coins } else { 0 };
                    }
                    Step::Move { app, from, to } => {
                        let (from, to) = (from % model.len(), to % model.len());
                        if from != to && model[from].1 > 0 {
                            let ids = (model[from].0, model[to].0);
                            apps[app].update_all(ids, |(from, to): (&mut Purse, &mut Purse)| {
                                from.take(1)?;
                                to.put(1);
                                Ok::<_, Empty>(())
                            }).await.unwrap();
                            model[from].1 -= 1;
                            model[to].1 += 1;
                        }
                    }
                    Step::Look { app, purse } => {
                        let (id, coins) = model[purse % model.len()];
                        prop_assert_eq!(apps[app].get::<Purse>(id).await.unwrap().coins(), coins);
                    }
                    Step::DropSnapshots => apps[0].drop_snapshots().await.unwrap(),
                }
            }
            for (id, coins) in model {
                let now = plain.get::<Purse>(id).await.unwrap();
                prop_assert_eq!(now.coins(), coins);
                for app in &apps {
                    let same = app.get::<Purse>(id).await.unwrap();
                    prop_assert_eq!(&same, &now);
                    prop_assert_eq!((same.created_at(), same.modified_at()), (now.created_at(), now.modified_at()));
                    for version in 1..=now.version().get() {
                        let past = plain.get_at::<Purse>(id, Version::from(version)).await.unwrap();
                        let same = app.get_at::<Purse>(id, Version::from(version)).await.unwrap();
                        prop_assert_eq!(&*same, &*past);
                        let time = past.modified_at().unwrap();
                        let as_of = app.get_as_of::<Purse>(id, time).await.unwrap();
                        prop_assert_eq!(&*as_of, &*plain.get_as_of::<Purse>(id, time).await.unwrap());
                    }
                }
            }
            Ok(())
        })?;
    }
}
