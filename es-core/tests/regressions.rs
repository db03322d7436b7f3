//! What readers of the code found. Each failed first and was mended in the code, but for two whose finder expected what the documentation
//! said, where the documentation was changed: what a failed save leaves of a commit that was in doubt, and when a section names the next one.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "what panics in a helper fails its test")]

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use es_core::application::{Retry, SaveError, SnapshotPolicy};
use es_core::persistence::{
    AppendError, Clock, Commit, Committed, EventStore, FollowerId, Metadata, ReadError, Record,
    Slice,
};
use es_core::testing::{Intercept, Intercepted, VirtualClock};
use es_core::{
    Aggregate, Application, Error, Position, Root, StreamId, UpdateError, Version, events,
};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use pollster::block_on;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    Stuck,
    StoredAndStuck,
}

use Fate::{Answered, StoredAndStuck, Stuck};

#[derive(Clone, Default)]
struct BadLine {
    store: MemoryStore,
    fates: Arc<Mutex<VecDeque<Fate>>>,
}

impl BadLine {
    fn next(&self, fate: Fate) {
        self.fates.lock().unwrap().push_back(fate);
    }
}

impl Intercept for BadLine {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Answered);
        Box::pin(async move {
            if fate == Stuck {
                return pending().await;
            }
            let answer = self.store.commit(commit).await;
            match fate {
                StoredAndStuck => pending().await,
                _ => answer,
            }
        })
    }
}

#[derive(Aggregate, Debug, Clone, PartialEq)]
#[aggregate("Tally", cached)]
struct Tally {
    root: Root<Self>,
    marks: Vec<u64>,
}

#[events]
impl Tally {
    #[event("Begun")]
    fn begin() -> Self {
        Self {
            root: Root::new(),
            marks: Vec::new(),
        }
    }

    #[event("Marked")]
    fn mark(&mut self, number: u64) {
        self.marks.push(number);
        assert!(number < 1_000, "half changed");
    }
}

fn once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

/// Whether it ends on a thread of its own in time.
fn ends_within(limit: Duration, what: impl FnOnce() + Send + 'static) -> bool {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        what();
        let _ = done.send(());
    });
    is_done.recv_timeout(limit).is_ok()
}

#[test]
fn a_half_changed_state_does_not_get_into_the_cache() {
    let line = BadLine::default();
    let app = Application::new(Intercepted(line.clone()));
    let mut tally = Tally::begin();
    line.next(StoredAndStuck);
    assert!(once(app.save(&mut tally)).is_none());
    // The handler panics, and the web server goes on.
    catch_unwind(AssertUnwindSafe(|| tally.mark(9_999))).unwrap_err();
    let refused = block_on(app.save(&mut tally)).unwrap_err();
    assert!(matches!(refused, Error::Save(SaveError::Panicked { .. })));
    // "get it again", it says.
    let mut again = block_on(app.get::<Tally>(tally.id())).unwrap();
    assert_eq!(again.marks, [0; 0], "no such event is stored");
    again.mark(1);
    block_on(app.save(&mut again)).unwrap();
}

#[test]
fn a_commit_sent_again_says_who_made_it_at_first() {
    let line = BadLine::default();
    let app = Application::new(Intercepted(line.clone()));
    let mut tally = Tally::begin();
    line.next(Stuck);
    let alice = app.with(Metadata::new().actor("alice"));
    assert!(once(alice.save(&mut tally)).is_none());
    tally.mark(1);
    let bob = app.with(Metadata::new().actor("bob"));
    block_on(bob.save(&mut tally)).unwrap();
    let log = block_on(app.log().read(Position::START, 10)).unwrap();
    let actors: Vec<_> = log
        .iter()
        .map(|record| record.metadata.get_actor())
        .collect();
    assert_eq!(actors, [Some("alice"), Some("bob")]);
}

#[test]
fn a_save_that_settles_two_commits_says_the_position_of_the_last_event() {
    let line = BadLine::default();
    let app = Application::new(Intercepted(line.clone()));
    let (mut one, mut two) = (Tally::begin(), Tally::begin());
    line.next(StoredAndStuck);
    assert!(once(app.save(&mut one)).is_none());
    line.next(StoredAndStuck);
    assert!(once(app.save(&mut two)).is_none());
    let saved = block_on(app.save((&mut two, &mut one))).unwrap();
    assert_eq!(saved.position, Some(Position::from(2)));
}

#[test]
fn a_cache_of_any_size_can_be_asked_for() {
    let built = catch_unwind(|| {
        Application::builder(MemoryStore::new())
            .cache(usize::MAX)
            .build()
    });
    assert!(built.is_ok());
}

#[test]
fn a_subscription_on_a_hurried_clock_lets_others_run() {
    let ended = ends_within(Duration::from_secs(3), || {
        let clock = VirtualClock::at(UNIX_EPOCH).hurried();
        let app = Application::builder(MemoryStore::new())
            .clock(clock)
            .build();
        let mut subscription = app.log().subscribe(Position::START);
        assert!(once(subscription.next()).is_none());
    });
    assert!(ended, "one poll never returns");
}

#[tokio::test]
async fn waiting_on_a_hurried_clock_lets_the_follower_run() {
    let clock = VirtualClock::at(UNIX_EPOCH).hurried();
    let app = Application::builder(MemoryStore::new())
        .clock(clock)
        .build();
    let follower = FollowerId::new("f", "log");
    let mut waiting = Box::pin(app.wait_for(follower, Position::FIRST, Duration::from_secs(3600)));
    let first = futures_lite::future::poll_once(&mut waiting).await;
    assert!(
        first.is_none(),
        "an hour is over before anybody else could run: {first:?}"
    );
}

#[test]
fn a_hurried_clock_does_not_run_backwards() {
    let clock = VirtualClock::at(UNIX_EPOCH).hurried();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let clock = clock.clone();
            std::thread::spawn(move || {
                let mut newest = clock.now();
                let mut back = 0;
                for _ in 0..100_000 {
                    block_on(clock.sleep(Duration::from_micros(1)));
                    let now = clock.now();
                    back += u32::from(now < newest);
                    newest = now;
                }
                back
            })
        })
        .collect();
    let back: u32 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(back, 0);
}

#[test]
fn who_is_polled_often_is_kept_once_by_a_virtual_clock() {
    use es_core::persistence::Clock;
    struct Nothing;
    impl std::task::Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }
    let clock = VirtualClock::at(UNIX_EPOCH);
    let task = Arc::new(Nothing);
    let waker = Waker::from(Arc::clone(&task));
    let mut sleep = clock.sleep(Duration::from_secs(1));
    for _ in 0..1_000 {
        let _ = sleep.as_mut().poll(&mut Context::from_waker(&waker));
    }
    drop(sleep);
    drop(waker);
    assert_eq!(Arc::strong_count(&task), 1);
}

#[cfg(feature = "tokio")]
#[test]
fn under_paused_time_nobody_has_to_wait() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let app = Application::builder(MemoryStore::new())
        .clock(es_core::persistence::TokioClock)
        .build();
    let begin = Instant::now();
    let waited = runtime.block_on(app.wait_for(
        FollowerId::new("f", "log"),
        Position::FIRST,
        Duration::from_secs(5),
    ));
    assert!(waited.is_err());
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
}

/// Time that steps back by an hour after the first look, as a machine's does when it is set.
struct SteppedBack(AtomicU64, VirtualClock);

impl es_core::persistence::Clock for SteppedBack {
    fn now(&self) -> SystemTime {
        let hour = Duration::from_secs(3600);
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => self.1.now() + hour,
            _ => self.1.now(),
        }
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.1.sleep(duration)
    }
}

#[test]
fn a_wait_is_not_longer_because_the_machine_was_set_back() {
    let time = VirtualClock::at(UNIX_EPOCH + Duration::from_secs(1_000_000)).hurried();
    let clock = SteppedBack(AtomicU64::new(0), time.clone());
    let app = Application::builder(MemoryStore::new())
        .clock(clock)
        .build();
    let begin = time.now();
    block_on(app.wait_for(
        FollowerId::new("f", "log"),
        Position::FIRST,
        Duration::from_secs(2),
    ))
    .unwrap_err();
    let waited = time.now().duration_since(begin).unwrap();
    assert!(waited <= Duration::from_secs(3), "{waited:?}");
}

/// A store that can be set back to an older backup.
#[derive(Clone)]
struct Restored(Arc<Mutex<&'static MemoryStore>>, &'static MemoryStore);

impl Intercept for Restored {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        *self.0.lock().unwrap()
    }
}

#[test]
fn a_cached_aggregate_that_the_store_has_no_longer_is_not_given_out_for_ever() {
    let (live, backup): (&MemoryStore, &MemoryStore) = (
        Box::leak(Box::new(MemoryStore::new())),
        Box::leak(Box::new(MemoryStore::new())),
    );
    let store = Restored(Arc::new(Mutex::new(live)), backup);
    let app = Application::builder(Intercepted(store.clone()))
        .retry(Retry::attempts(5))
        .build();
    let mut tally = Tally::begin();
    block_on(app.save(&mut tally)).unwrap();
    block_on(backup_of(live, backup));
    block_on(app.update(tally.id(), |tally: &mut Tally| tally.mark(1))).unwrap();
    *store.0.lock().unwrap() = store.1;
    let updated = block_on(app.update(tally.id(), |tally: &mut Tally| tally.mark(2)));
    assert_eq!(updated.unwrap().version, Version::from(2));
}

async fn backup_of(from: &MemoryStore, to: &MemoryStore) {
    use es_core::persistence::{Append, EncodedEvent, Filter, Span};
    let page = from
        .read_log(Span::all(), &Filter::everything())
        .await
        .unwrap();
    for record in page.records {
        let event = EncodedEvent {
            name: record.event,
            schema: record.schema,
            payload: record.payload,
        };
        let append = Append {
            stream: record.stream,
            expected: Version::from(record.version.get() - 1),
            events: vec![event],
        };
        let commit = Commit {
            id: record.commit,
            time: record.time,
            metadata: record.metadata,
            appends: vec![append],
            checkpoint: None,
        };
        to.commit(commit).await.unwrap();
    }
}

/// Another application writes to both aggregates between the two reads of `update_all`.
#[derive(Clone, Default)]
struct Between(MemoryStore, Arc<Mutex<Option<(uuid::Uuid, uuid::Uuid)>>>);

impl Intercept for Between {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        Box::pin(async move {
            let read = self.0.read_stream(stream, slice).await;
            let pair = self.1.lock().unwrap().take();
            if let Some((one, two)) = pair {
                let other = Application::new(self.0.clone());
                let both = other.update_all((one, two), |(one, two): (&mut Tally, &mut Tally)| {
                    one.mark(1);
                    two.mark(1);
                });
                both.await.unwrap();
            }
            read
        })
    }
}

#[derive(Debug, PartialEq)]
struct Differ;

#[test]
fn a_refusal_over_two_aggregates_is_of_states_that_were_there_together() {
    let store = Between::default();
    let writer = Application::new(store.0.clone());
    let (mut one, mut two) = (Tally::begin(), Tally::begin());
    block_on(writer.save((&mut one, &mut two))).unwrap();
    *store.1.lock().unwrap() = Some((one.id(), two.id()));
    let app = Application::new(Intercepted(store));
    let decided = block_on(app.update_all(
        (one.id(), two.id()),
        |(one, two): (&mut Tally, &mut Tally)| {
            // They are changed together, always.
            if one.marks != two.marks {
                return Err(Differ);
            }
            one.mark(2);
            two.mark(2);
            Ok(())
        },
    ));
    assert!(!matches!(decided, Err(UpdateError::Refused(Differ))));
}

#[test]
fn the_body_of_an_event_sees_no_times_wherever_replaying_begins() {
    #[derive(Aggregate, Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[aggregate("Door", snapshot_every = 1, cached)]
    struct Door {
        root: Root<Self>,
        times: Vec<Option<SystemTime>>,
    }

    #[events]
    impl Door {
        #[event("Hung")]
        fn hang() -> Self {
            Self {
                root: Root::new(),
                times: Vec::new(),
            }
        }

        #[event("Opened")]
        fn open(&mut self) {
            self.times.extend([self.created_at(), self.modified_at()]);
        }
    }

    let store = MemoryStore::new();
    let app = |policy| Application::builder(store.clone()).snapshots(policy);
    let writer = app(SnapshotPolicy::ByHand).cache(0).build();
    let cached = app(SnapshotPolicy::Off).build();
    let mut door = Door::hang();
    block_on(writer.save(&mut door)).unwrap();
    block_on(writer.snapshot::<Door>(door.id())).unwrap();
    block_on(cached.get::<Door>(door.id())).unwrap();
    door.open();
    block_on(writer.save(&mut door)).unwrap();

    assert_eq!(door.times, [None, None]);
    let from_snapshot = block_on(writer.get::<Door>(door.id())).unwrap();
    assert_eq!(from_snapshot, door);
    let from_cache = block_on(cached.get::<Door>(door.id())).unwrap();
    assert_eq!(from_cache, door);
    for again in [from_snapshot, from_cache] {
        assert_eq!(again.created_at(), door.created_at());
        assert_eq!(again.modified_at(), door.modified_at());
    }
}

#[test]
fn an_error_of_the_decision_is_of_what_the_store_has() {
    #[derive(Aggregate, Debug, Clone)]
    #[aggregate("Ratio", cached)]
    struct Ratio {
        root: Root<Self>,
        parts: f64,
    }

    #[events]
    impl Ratio {
        #[event("Begun")]
        fn begin() -> Self {
            Self {
                root: Root::new(),
                parts: 0.0,
            }
        }

        #[event("Parted")]
        fn part(&mut self, more: f64) {
            self.parts += more;
        }

        #[event("Shared")]
        fn share(&mut self, share: f64) {
            let _ = share;
        }
    }

    let store = MemoryStore::new();
    let (one, two) = (Application::new(store.clone()), Application::new(store));
    let mut ratio = Ratio::begin();
    block_on(one.save(&mut ratio)).unwrap();
    block_on(two.update(ratio.id(), |ratio: &mut Ratio| ratio.part(2.0))).unwrap();
    // What the store has gives 0.5; only what `one` saw long ago gives infinity.
    let shared = block_on(one.update(ratio.id(), |ratio: &mut Ratio| {
        ratio.share(1.0 / ratio.parts)
    }));
    shared.unwrap();
}

#[cfg(feature = "aes")]
mod erased {
    use std::sync::atomic::AtomicBool;

    use es_core::persistence::{Key, KeyError, KeyId, KeyProvider};

    use super::*;

    struct One(Key, Arc<AtomicBool>);

    impl One {
        fn ask(&self) -> Result<Key, KeyError> {
            if self.1.load(Ordering::SeqCst) {
                return Err(KeyError::Destroyed);
            }
            Ok(self.0.clone())
        }
    }

    impl KeyProvider for One {
        fn current<'a>(
            &'a self,
            _: &'a StreamId,
        ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
            Box::pin(async { Ok(Some((KeyId::from(1), self.ask()?))) })
        }

        fn key<'a>(&'a self, _: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
            Box::pin(async { self.ask() })
        }
    }

    #[test]
    fn what_is_erased_cannot_be_got_with_or_without_a_cache() {
        for size in [0, 100] {
            let destroyed = Arc::new(AtomicBool::new(false));
            let app = Application::builder(MemoryStore::new())
                .keys(One(Key::generate().unwrap(), Arc::clone(&destroyed)))
                .cache(size)
                .build();
            let mut tally = Tally::begin();
            block_on(app.save(&mut tally)).unwrap();
            destroyed.store(true, Ordering::SeqCst);
            let got = block_on(app.get::<Tally>(tally.id()));
            assert!(got.is_err(), "with a cache of {size}: {got:?}");
        }
    }
}

#[test]
fn a_save_that_fails_has_settled_what_was_in_doubt_and_keeps_the_rest_pending() {
    let line = BadLine::default();
    let app = Application::new(Intercepted(line.clone()));
    let mut tally = Tally::begin();
    line.next(Stuck);
    assert!(once(app.save(&mut tally)).is_none());
    tally.mark(1);
    let limited = Application::new(line.store.clone().payload_limit(11)); // `Begun` fits, `Marked` does not
    block_on(limited.save(&mut tally)).unwrap_err();
    assert_eq!(tally.pending(), [TallyEvent::Marked { number: 1 }]);
    assert_eq!(block_on(line.store.head()).unwrap(), Position::FIRST);
}

#[test]
fn a_section_names_the_next_one_once_it_is_full() {
    let app = Application::new(MemoryStore::new());
    let mut tally = Tally::begin();
    tally.mark(1);
    block_on(app.save(&mut tally)).unwrap();
    let next = |id: &str| {
        let section = block_on(app.log().section(id.parse().unwrap())).unwrap();
        section.next.map(|next| next.to_string())
    };
    assert_eq!(next("1,2"), Some("3,4".to_owned()));
    assert_eq!(next("1,3"), None);
    assert!(
        "1,10001"
            .parse::<es_core::application::SectionId>()
            .is_err()
    );
    assert!("1,10000".parse::<es_core::application::SectionId>().is_ok());
}

#[test]
fn an_upcaster_that_parses_a_part_tells_none_of_its_values() {
    let parsed = serde_json::from_str::<u8>(r#""4111""#).map(|_| ());
    let error = es_core::__private::upcast("Paid", 1, parsed).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(
        source,
        "invalid type: string, expected u8 at line 1 column 6"
    );
}
