//! Every await point of every future: dropped there, nothing is lost, doubled or held.
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// Polls a future at most so often; gives its result where it came to its end.
fn poll_times<T>(times: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(done) = future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return Some(done);
        }
    }
    None
}

/// Runs `attempt` for each number of polls, until it comes to its end with as many; says how many points there were to drop it at.
fn at_every_point(what: &str, mut attempt: impl FnMut(usize) -> bool) {
    let points = (1..1_000).find(|times| attempt(*times)).expect("it ends");
    println!("{what}: dropped at {} points", points - 1);
    assert!(points > 2, "{what} does not wait");
}

/// An application on a slow store that holds a purse of 10 with four events, and one on the same store that is quick to tell what is there.
struct Scene {
    app: Application,
    observer: Application,
    purse: Purse,
}

impl Scene {
    fn new() -> Self {
        let store = MemoryStore::new();
        let observer = Application::builder(store.clone()).cache(0).build();
        let app = Application::builder(Intercepted(Slow(store)))
            .name("bank")
            .build();
        let mut purse = Purse::open(7);
        (0..3).for_each(|_| purse.put(1));
        pollster::block_on(observer.save(&mut purse)).unwrap();
        Self {
            app,
            observer,
            purse,
        }
    }

    fn stored(&self, id: Uuid) -> Option<Purse> {
        pollster::block_on(self.observer.find(id)).unwrap()
    }
}

#[test]
fn a_save_that_is_dropped_is_stored_once_by_the_next() {
    at_every_point("save", |times| {
        let mut scene = Scene::new();
        scene.purse.put(1);
        let done = poll_times(times, scene.app.save(&mut scene.purse)).is_some();
        let pending = scene.purse.pending().len();
        assert!(pending == 1 || scene.stored(scene.purse.id()).unwrap().coins() == 11);

        scene.purse.put(5);
        pollster::block_on(scene.app.save(&mut scene.purse)).unwrap();
        assert_eq!(scene.stored(scene.purse.id()).unwrap(), scene.purse);
        assert_eq!(scene.purse.version(), Version::from(6));
        done
    });
}

#[test]
fn a_save_that_is_dropped_while_it_settles_another_is_stored_once() {
    // Later than that it is stored, and nothing is left to settle.
    for first in 1..5 {
        at_every_point("save again", |times| {
            let mut scene = Scene::new();
            let mut other = Purse::open(1);
            scene.purse.put(1);
            let both = |scene: &mut Scene, other: &mut Purse, times| {
                poll_times(times, scene.app.save((&mut scene.purse, other))).is_some()
            };
            both(&mut scene, &mut other, first);
            let done = both(&mut scene, &mut other, times);
            both(&mut scene, &mut other, 1_000);
            assert!(scene.purse.pending().is_empty() && other.pending().is_empty());
            assert_eq!(scene.stored(scene.purse.id()).unwrap(), scene.purse);
            assert_eq!(scene.stored(other.id()).unwrap(), other);
            let head = pollster::block_on(scene.observer.log().head()).unwrap();
            assert_eq!(head, Position::from(6));
            done
        });
    }
}

#[test]
fn an_update_that_is_dropped_happens_once_or_not_at_all() {
    at_every_point("update", |times| {
        let scene = Scene::new();
        let id = scene.purse.id();
        let done = poll_times(
            times,
            scene.app.update(id, |purse: &mut Purse| purse.put(1)),
        )
        .is_some();
        let coins = scene.stored(id).unwrap().coins();
        assert!(coins == 11 || (coins == 10 && !done));

        pollster::block_on(scene.app.update(id, |purse: &mut Purse| purse.put(100))).unwrap();
        assert_eq!(scene.stored(id).unwrap().coins(), coins + 100);
        done
    });
}

#[test]
fn an_update_of_several_that_is_dropped_changes_all_or_none() {
    at_every_point("update_all", |times| {
        let scene = Scene::new();
        let mut other = Purse::open(0);
        pollster::block_on(scene.observer.save(&mut other)).unwrap();
        let ids = (scene.purse.id(), other.id());
        let transfer = || {
            scene
                .app
                .update_all(ids, |(from, to): (&mut Purse, &mut Purse)| {
                    from.take(2)?;
                    to.put(2);
                    Ok::<_, Empty>(())
                })
        };
        let coins = || [ids.0, ids.1].map(|id| scene.stored(id).unwrap().coins());
        let done = poll_times(times, transfer()).is_some();
        let before = coins();
        assert!(before == [8, 2] || (before == [10, 0] && !done));
        pollster::block_on(transfer()).unwrap();
        assert_eq!(coins(), [before[0] - 2, before[1] + 2]);
        done
    });
}

#[test]
fn an_update_of_what_need_not_exist_that_is_dropped_creates_it_once_or_not_at_all() {
    at_every_point("update of what is absent", |times| {
        let scene = Scene::new();
        let id = Uuid::from_u128(1);
        let put = || {
            scene.app.update(id, |purse: &mut Option<Purse>| {
                purse.get_or_insert_with(|| Purse::open_as(id, 0)).put(1);
            })
        };
        let coins = || scene.stored(id).map(|purse| purse.coins());
        let done = poll_times(times, put()).is_some();
        let before = coins();
        assert!(before == Some(1) || (before.is_none() && !done));
        pollster::block_on(put()).unwrap();
        assert_eq!(coins(), Some(before.unwrap_or(0) + 1));
        done
    });
}

/// What only reads: dropped anywhere, the next one gives the same.
fn read_at_every_point<T, F>(what: &str, read: impl Fn(&Scene) -> F)
where
    F: Future<Output = Result<T>>,
{
    at_every_point(what, |times| {
        let scene = Scene::new();
        let done = poll_times(times, read(&scene)).is_some();
        pollster::block_on(read(&scene)).unwrap();
        pollster::block_on(
            scene
                .app
                .update(scene.purse.id(), |purse: &mut Purse| purse.put(1)),
        )
        .unwrap();
        assert_eq!(scene.stored(scene.purse.id()).unwrap().coins(), 11);
        done
    });
}

#[test]
fn reading_that_is_dropped_holds_nothing() {
    let id = |scene: &Scene| scene.purse.id();
    let time = |scene: &Scene| scene.purse.modified_at().unwrap();
    let follower = || FollowerId::new("list", "bank");
    read_at_every_point("get", |scene| scene.app.get::<Purse>(id(scene)));
    read_at_every_point("find", |scene| scene.app.find::<Purse>(id(scene)));
    read_at_every_point("get_at", |scene| {
        scene.app.get_at::<Purse>(id(scene), Version::from(2))
    });
    read_at_every_point("get_as_of", |scene| {
        scene.app.get_as_of::<Purse>(id(scene), time(scene))
    });
    read_at_every_point("log().read", |scene| {
        scene.app.log().read(Position::START, 9)
    });
    read_at_every_point("log().head", |scene| scene.app.log().head());
    read_at_every_point("log().section", |scene| {
        scene.app.log().section("1,3".parse().unwrap())
    });
    read_at_every_point("outcome", |scene| scene.app.outcome(CommitId::draw()));
    read_at_every_point("snapshot", |scene| scene.app.snapshot::<Purse>(id(scene)));
    read_at_every_point("snapshot_at", |scene| {
        scene.app.snapshot_at::<Purse>(id(scene), Version::FIRST)
    });
    read_at_every_point("prune_snapshots", |scene| {
        scene.app.prune_snapshots::<Purse>(id(scene))
    });
    read_at_every_point("drop_snapshots", |scene| scene.app.drop_snapshots());
    read_at_every_point("wait_for", |scene| {
        scene.app.wait_for(follower(), None, Duration::ZERO)
    });
}

#[test]
fn a_cursor_whose_next_is_dropped_loses_nothing() {
    at_every_point("history().next", |times| {
        let scene = Scene::new();
        let mut history = scene.app.history::<Purse>(scene.purse.id());
        let first = poll_times(times, history.next());
        let mut versions: Vec<_> = first
            .iter()
            .flatten()
            .map(|event| event.as_ref().unwrap().version)
            .collect();
        while let Some(event) = pollster::block_on(history.next()) {
            versions.push(event.unwrap().version);
        }
        assert_eq!(versions, [1, 2, 3, 4].map(Version::from));
        first.is_some()
    });
    at_every_point("ids().next", |times| {
        let scene = Scene::new();
        let mut ids = scene.app.ids::<Purse>();
        let first = poll_times(times, ids.next());
        let mut found: Vec<_> = first
            .iter()
            .flatten()
            .map(|id| *id.as_ref().unwrap())
            .collect();
        while let Some(id) = pollster::block_on(ids.next()) {
            found.push(id.unwrap());
        }
        assert_eq!(found, [scene.purse.id()]);
        first.is_some()
    });
    at_every_point("subscription.next", |times| {
        let scene = Scene::new();
        let mut subscription = scene.app.log().subscribe(Position::from(1));
        let first = poll_times(times, subscription.next());
        let mut seen: Vec<_> = first
            .iter()
            .flatten()
            .map(|record| record.as_ref().unwrap().position)
            .collect();
        while seen.len() < 3 {
            let record = pollster::block_on(subscription.next()).unwrap();
            seen.push(record.unwrap().position);
        }
        assert_eq!(seen, [2, 3, 4].map(Position::from));
        first.is_some()
    });
}
