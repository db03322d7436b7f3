//! How much is read of a log in which many aggregates fail.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use es_core::persistence::{BoxFuture, EventStore, Filter, LogPage, ReadError, Span};
use es_core::system::OnFailure;
use es_core::testing::{Intercept, Intercepted};
use es_core::{Application, Follower, ProcessManager, Recorded, System, UnitOfWork};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{DogEvent, Wall, application, trained};

/// Counts the records that are read.
struct Counting {
    store: MemoryStore,
    read: Arc<AtomicUsize>,
}

impl Intercept for Counting {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(async move {
            let page = self.store.read_log(span, filter).await?;
            self.read.fetch_add(page.records.len(), Ordering::SeqCst);
            Ok(page)
        })
    }
}

/// Fails where the wall does.
struct Failing(Arc<AtomicU64>);

impl ProcessManager for Failing {
    const NAME: &'static str = "failing";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        _: &mut UnitOfWork,
    ) -> Result<(), es_core::BoxError> {
        match event.event {
            DogEvent::TrickAdded { trick } if trick == "impossible" => {
                self.0.fetch_add(1, Ordering::SeqCst);
                Err("no dog can do that".into())
            }
            _ => Ok(()),
        }
    }
}

const DOGS: usize = 300;
/// How often an event is tried.
const ATTEMPTS: usize = 4;

#[test]
fn what_is_read_grows_with_the_events_and_the_attempts_and_not_with_their_product() {
    block_on(async {
        for (reacts, by_steps) in [(false, false), (false, true), (true, false), (true, true)] {
            let store = MemoryStore::new();
            let read = Arc::new(AtomicUsize::new(0));
            let counting = Counting {
                store: store.clone(),
                read: Arc::clone(&read),
            };
            let app = Application::builder(Intercepted(counting));
            let app = app.name("school").build();
            for number in (0_u128..).take(DOGS) {
                let fails = number % 5 == 0;
                let trick = if fails { "impossible" } else { "sit" };
                trained(&app, number, &["sit", "bow", trick, "beg", "roll", "spin"]).await;
            }
            let at_once = OnFailure::park().retries(3);
            let at_once = at_once.pauses(Duration::ZERO..=Duration::ZERO);
            let wall = Wall::default();
            wall.faults.failing.store(true, Ordering::SeqCst);
            let (_, office) = application("office");
            let (name, system) = match reacts {
                false => {
                    let follower = store.project(wall).on_failure(at_once);
                    ("wall", System::new("school").follow(&app, follower))
                }
                true => {
                    let follower = Failing(Arc::default()).onto(&office).on_failure(at_once);
                    ("failing", System::new("school").follow(&app, follower))
                }
            };
            let handle = system.follower(name);
            read.store(0, Ordering::SeqCst);
            match by_steps {
                true => system.settle().await.unwrap(),
                false => handle
                    .catch_up(Duration::ZERO, &mut |_, _| {})
                    .await
                    .unwrap(),
            }
            let read = read.load(Ordering::SeqCst);
            let failing = DOGS / 5;
            let events = DOGS * 7;
            assert_eq!(handle.parked().await.unwrap().len(), failing * 4);
            assert!(
                read < 6 * (events + failing * ATTEMPTS),
                "{name}, by steps {by_steps}: {read} records for {events} events, of which {failing} fail"
            );
        }
    });
}
