//! How much is read of a log in which many aggregates fail, and of what is parked.
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use es_core::persistence::{
    BoxFuture, CheckpointStore, EventStore, Filter, FollowerId, LogPage, Parked, ReadError, Span,
    Store,
};
use es_core::system::{Batch, HandleError, OnFailure, Output};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{Application, Follower, ProcessManager, Recorded, System, UnitOfWork};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{DogEvent, Wall, application, trained, tricks};

/// Counts the records and the parked events that are read.
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

    fn parked<'a>(
        &'a self,
        follower: &'a FollowerId,
    ) -> BoxFuture<'a, Result<Vec<Parked>, ReadError>> {
        Box::pin(async move {
            let parked = self.store.parked(follower).await?;
            self.read.fetch_add(parked.len(), Ordering::SeqCst);
            Ok(parked)
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

/// Fails as long as it is told to, and notes which dogs had something handled.
struct Noting {
    fails: Arc<AtomicBool>,
    handled: Arc<Mutex<Vec<u128>>>,
}

impl ProcessManager for Noting {
    const NAME: &'static str = "noting";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        _: &mut UnitOfWork,
    ) -> Result<(), es_core::BoxError> {
        let dog = event.stream.id.as_u128();
        if dog == 1 && self.fails.load(Ordering::SeqCst) {
            return Err("as a bug would".into());
        }
        self.handled.lock().expect("nobody panicked").push(dog);
        Ok(())
    }
}

#[test]
fn many_that_waited_are_handled_without_looking_each_time_and_let_others_in_between() {
    block_on(async {
        let (store, read) = (MemoryStore::new(), Arc::new(AtomicUsize::new(0)));
        let counting = Counting {
            store: store.clone(),
            read: Arc::clone(&read),
        };
        let office = Application::builder(Intercepted(counting));
        let office = office.name("office").build();
        let school = Application::builder(MemoryStore::new()).name("school");
        let school = school.clock(VirtualClock::at(UNIX_EPOCH)).build();
        let (fails, handled) = (Arc::new(AtomicBool::new(true)), Arc::default());
        let noting = Noting {
            fails: Arc::clone(&fails),
            handled: Arc::clone(&handled),
        };
        let follower = noting.onto(&office);
        let follower = follower.on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&school, follower);
        let handle = system.follower("noting");
        let catch_up = async || handle.catch_up(Duration::ZERO, &mut |_, _| {}).await;

        let tricks = ["sit"; 999];
        trained(&school, 1, &tricks).await;
        catch_up().await.unwrap();
        let parked = handle.parked().await.unwrap();
        assert_eq!(parked.len(), 1 + tricks.len());
        fails.store(false, Ordering::SeqCst);
        handle.retry(&parked[0].stream).await.unwrap();
        trained(&school, 2, &["sit"]).await;
        read.store(0, Ordering::SeqCst);
        catch_up().await.unwrap();
        assert_eq!(handle.parked().await.unwrap(), []);

        let handled = handled.lock().unwrap();
        assert_eq!(handled.len(), parked.len() + 2);
        let other = handled.iter().position(|dog| *dog == 2).unwrap();
        assert!(
            other < parked.len() / 2,
            "another dog waited for {other} events"
        );
        let read = read.load(Ordering::SeqCst);
        assert!(
            read < 20 * parked.len(),
            "{read} parked events read for {} that waited",
            parked.len()
        );
    });
}

/// Handles the first event of every second batch, and leaves the others.
struct Sips<F>(F, bool);

impl<F: Follower> Follower for Sips<F> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn filter(&self) -> Filter {
        self.0.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.0.store()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.0.prepare(output)
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.1 = !self.1;
        if !self.1 {
            return self.0.handle(batch);
        }
        let mut sip = Arc::unwrap_or_clone(batch);
        sip.records.truncate(1);
        let first = &sip.records[0];
        (sip.to, sip.stands_at) = (first.position, Some(first.commit));
        self.0.handle(Arc::new(sip))
    }
}

#[test]
fn what_is_left_of_a_batch_comes_before_what_was_read_behind_it() {
    block_on(async {
        for batch in [1, 2, 3, 5] {
            let (store, school) = application("school");
            let names: Vec<_> = (0..20).map(|number| number.to_string()).collect();
            let all: Vec<_> = names.iter().map(String::as_str).collect();
            trained(&school, 1, &all).await;
            let follower = Sips(store.project(Wall::default()), false);
            let follower = follower.batches_of(NonZeroUsize::new(batch).unwrap());
            let system = System::new("school").follow(&school, follower);
            let wall = system.follower("wall");
            wall.catch_up(Duration::ZERO, &mut |_, _| {}).await.unwrap();
            assert_eq!(tricks(&store, 1), names, "in batches of {batch}");
        }
    });
}
