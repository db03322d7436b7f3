//! What an application promises, over the memory store.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

mod cache;
mod cancellation;
mod codecs;
mod ids;
mod keys;
mod kinds;
mod lamp;
mod load;
mod log;
mod once;
mod owner;
mod purse;
mod save;
mod sections;
mod slow;
mod snapshots;
mod subscriptions;
mod types;
mod update;
mod update_absent;
mod update_all;
mod wait;
mod watched;

use std::future::Future;
use std::time::{Duration, SystemTime};

use es_core::application::{
    LoadError, LogError, OpenError, Retry, Save, SaveError, SnapshotError, SnapshotPolicy,
    WaitError,
};
use es_core::persistence::{
    Advance, Append, AppendError, Commit, CommitId, Committed, DecodeError, EncodedEvent,
    EventStore, Filter, FollowerId, LogPage, Metadata, ReadError, Record, Slice, Snapshot,
    SnapshotStore, Span,
};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{
    Aggregate, Application, Error, Position, Result, Root, StreamId, UpdateError, Version, events,
};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use uuid::Uuid;

use crate::lamp::{Burnt, Lamp, LampEvent};
use crate::purse::{Empty, Purse};
use crate::slow::Slow;

fn app() -> Application {
    Application::new(MemoryStore::new())
}

/// An application that yields before whatever its store does, so that tasks meet; with or without a cache.
fn slow_app(cached: bool) -> Application {
    Application::builder(Intercepted(Slow(MemoryStore::new())))
        .cache(if cached { 100 } else { 0 })
        .snapshots(if cached {
            SnapshotPolicy::AsDeclared
        } else {
            SnapshotPolicy::Off
        })
        .build()
}

fn stream(lamp: &Lamp) -> StreamId {
    StreamId::new("Lamp", lamp.id())
}

/// A lamp with `count` events, saved.
async fn saved_lamp(app: &Application, count: u64) -> Lamp {
    let mut lamp = Lamp::mount("kitchen");
    for _ in 1..count {
        lamp.switch();
    }
    app.save(&mut lamp).await.expect("the lamp is saved");
    lamp
}

#[tokio::test]
async fn one_stored_name_is_one_type() -> Result<()> {
    mod other {
        use es_core::{Aggregate, Root, events};

        #[derive(Aggregate, Debug)]
        #[aggregate("Lamp")]
        pub(super) struct Lantern {
            root: Root<Self>,
        }

        #[events]
        impl Lantern {
            #[event("Lit")]
            pub(super) fn light() -> Self {
                Self { root: Root::new() }
            }
        }
    }
    use other::Lantern;

    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let clone = app.clone();
    let mut history = clone.history::<Lantern>(lamp.id());
    let errors = [
        app.save(&mut Lantern::light())
            .await
            .map(|_| ())
            .unwrap_err(),
        app.get::<Lantern>(lamp.id()).await.map(|_| ()).unwrap_err(),
        clone
            .find::<Lantern>(lamp.id())
            .await
            .map(|_| ())
            .unwrap_err(),
        history.next().await.unwrap().map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        let (Error::Save(SaveError::CategoryTaken(taken))
        | Error::Load(LoadError::CategoryTaken(taken))) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(taken.category, "Lamp");
        assert!(
            taken.first.ends_with("lamp::Lamp") && taken.second.ends_with("Lantern"),
            "{taken}"
        );
    }
    Ok(())
}

#[test]
fn an_application_and_its_futures_can_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn task<F: Future + Send + 'static>(_: F) {}
    fn sendable<F: Future + Send>(_: F) {}

    let (app, id) = (app(), Uuid::nil());
    anywhere(&app);
    task(app.get::<Lamp>(id));
    task(app.find::<Lamp>(id));
    task(app.log().read(Position::START, 1));
    task(app.get_at::<Lamp>(id, Version::FIRST));
    task(app.get_as_of::<Lamp>(id, std::time::UNIX_EPOCH));
    task(app.update(id, Lamp::switch));
    task(app.once(id).update(id, Lamp::switch));
    task(
        app.once(id)
            .update_all(vec![id], |lamps: &mut [Lamp]| lamps[0].switch()),
    );
    task(
        app.update_all((id, id), |(one, two): (&mut Lamp, &mut Lamp)| {
            one.switch();
            two.switch();
        }),
    );
    task(app.snapshot::<Purse>(id));
    task(app.prune_snapshots::<Purse>(id));
    task(app.drop_snapshots());
    task(app.wait_for(FollowerId::new("f", "log"), None, Duration::ZERO));
    task(app.log().head());
    task(app.log().section("1,10".parse().unwrap()));
    let trick = String::new();
    sendable(app.update(id, |_: &mut Lamp| drop(trick.clone())));
    sendable(app.save(&mut Lamp::mount("hall")));
    let mut history = app.history::<Lamp>(id);
    sendable(history.next());
    let mut ids = app.ids::<Lamp>();
    sendable(ids.next());
    let mut subscription = app.log().subscribe(Position::START);
    sendable(subscription.next());
    task(async move {
        let mut lamp = Lamp::mount("hall");
        app.save(&mut lamp).await
    });
}
