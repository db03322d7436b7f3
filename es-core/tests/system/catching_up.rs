//! One follower, caught up once, and the order in which followers are to be caught up.
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use es_core::persistence::{
    AppendError, BoxFuture, CheckpointStore, Commit, CommitId, EventStore, Filter, FollowerId,
    LeaseRequest, Metadata, Store,
};
#[cfg(feature = "aes")]
use es_core::persistence::{Key, KeyError, KeyId};
use es_core::system::{Batch, FollowError, Follower, HandleError, OnFailure, StopReason};
use es_core::testing::VirtualClock;
use es_core::{Application, Error, Position, ProcessManager, StreamId, System};
use es_store_memory::MemoryStore;
use futures_lite::future::{or, yield_now, zip};
use pollster::block_on;

use crate::chains::Prizes;
use crate::school::{Certificates, Members, Wall, application, stream, train, trained};

#[test]
fn a_follower_is_caught_up_to_the_end_there_was_and_gives_its_lease_back() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit", "roll over"]).await;
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let wall = system.follower("wall");
        let mut told = Vec::new();
        let mut tell = |position, events| told.push((position, events));
        wall.catch_up(Duration::ZERO, &mut tell).await.unwrap();
        assert_eq!(told, [(Position::from(3), 3)]);
        let status = wall.status().await.unwrap();
        assert_eq!((status.position, status.holder), (Position::from(3), None));
        // Nothing is left, and nothing is told.
        wall.catch_up(Duration::ZERO, &mut |_, _| panic!("nothing moved"))
            .await
            .unwrap();
    });
}

#[test]
fn who_writes_to_the_log_that_it_follows_has_seen_what_it_wrote() {
    block_on(async {
        let (_, school) = application("school");
        trained(&school, 1, &["sit", "roll over"]).await;
        let system = System::new("school").follow(&school, Certificates.onto(&school));
        let certificates = system.follower("certificates");
        let mut handled = 0;
        let mut count = |_, events| handled += events;
        certificates
            .catch_up(Duration::ZERO, &mut count)
            .await
            .unwrap();
        assert_eq!(handled, 3);
        let status = certificates.status().await.unwrap();
        assert_eq!((status.position, status.head), (6.into(), 6.into()));
    });
}

#[test]
fn who_cannot_be_caught_up_says_why_and_keeps_what_it_did() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit", "impossible"]).await;
        let wall = Wall::default();
        wall.faults
            .failing
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let once = OnFailure::stop().retries(0);
        let system =
            System::new("school").follow(&app, store.project(wall.clone()).on_failure(once));
        let follower = system.follower("wall");
        let catch_up = || async { follower.catch_up(Duration::ZERO, &mut |_, _| {}).await };
        let error = catch_up().await.unwrap_err();
        let Error::Follow(error) = error else {
            panic!("{error:?}");
        };
        assert!(matches!(
            error.downcast_ref(),
            Some(FollowError::Stopped { source, .. })
                if matches!(**source, StopReason::Failed { position, .. } if position == Position::from(3))
        ));
        assert_eq!(follower.status().await.unwrap().position, Position::from(2));
        // Once it is mended, it is caught up.
        wall.faults
            .failing
            .store(false, std::sync::atomic::Ordering::SeqCst);
        catch_up().await.unwrap();
        assert_eq!(follower.status().await.unwrap().position, Position::from(3));
    });
}

#[test]
fn a_lease_that_another_has_is_waited_for_as_long_as_is_said() {
    block_on(async {
        let clock = VirtualClock::at(UNIX_EPOCH);
        let store = MemoryStore::new().clock(clock.clone());
        let app = Application::builder(store.clone())
            .name("school")
            .clock(clock.clone())
            .build();
        trained(&app, 1, &["sit"]).await;
        let request = LeaseRequest {
            follower: FollowerId::new("wall", "school"),
            holder: "another".to_owned(),
            length: Duration::from_secs(5),
            epoch: None,
            stopped: None,
        };
        store.lease(request).await.unwrap();
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let wall = system.follower("wall");
        let error = wall
            .catch_up(Duration::ZERO, &mut |_, _| {})
            .await
            .unwrap_err();
        let Error::Follow(error) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error.to_string(),
            "another runs `wall` on the log of `school`, for 0.0 s so far, under a lease that ends in 5.0 s unless it is renewed; wait for its end"
        );
        let mut moved = |_, _| {};
        let caught_up = wall.catch_up(Duration::from_secs(10), &mut moved);
        let pass = async {
            for _ in 0..20 {
                futures_lite::future::yield_now().await;
                clock.advance(Duration::from_millis(500));
            }
        };
        let (caught_up, ()) = zip(caught_up, pass).await;
        caught_up.unwrap();
        assert_eq!(wall.status().await.unwrap().position, Position::from(2));
    });
}

#[test]
fn all_that_was_set_aside_and_is_to_be_tried_again_is_caught_up_with() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        let failing = Arc::clone(&wall.faults.failing);
        failing.store(true, Ordering::SeqCst);
        let follower = store.project(wall).on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, follower);
        for number in 1..=3 {
            trained(&app, number, &["impossible", "sit", "bow"]).await;
        }
        let wall = system.follower("wall");
        let mut moved = |_, _| {};
        wall.catch_up(Duration::ZERO, &mut moved).await.unwrap();
        assert_eq!(wall.status().await.unwrap().parked, 9);

        failing.store(false, Ordering::SeqCst);
        for number in 1..=3 {
            let stream = stream(number);
            wall.retry(&stream).await.unwrap();
        }
        wall.catch_up(Duration::ZERO, &mut moved).await.unwrap();
        assert_eq!(wall.status().await.unwrap().parked, 0);
    });
}

/// Never ends what it began, and counts how often it began.
struct Endless {
    store: MemoryStore,
    begun: Arc<AtomicUsize>,
}

impl Follower for Endless {
    fn name(&self) -> &str {
        "endless"
    }

    fn filter(&self) -> Filter {
        Filter::everything()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn revision(&self) -> u32 {
        1
    }

    fn handle(&mut self, _batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Box::pin(futures_lite::future::pending())
    }
}

#[test]
fn who_gives_up_catching_up_keeps_its_lease_for_the_next_call_or_gives_it_back() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let begun = Arc::new(AtomicUsize::new(0));
        let follower = || Endless {
            store: store.clone(),
            begun: Arc::clone(&begun),
        };
        let (one, another) = (System::new("one"), System::new("another"));
        let (one, another) = (
            one.follow(&app, follower()),
            another.follow(&app, follower()),
        );
        let until_begun = || {
            let before = begun.load(Ordering::SeqCst);
            let begun = &begun;
            async move {
                while begun.load(Ordering::SeqCst) == before {
                    yield_now().await;
                }
                Ok(())
            }
        };
        let given_up = async |system: &System| {
            let (endless, mut moved) = (system.follower("endless"), |_, _| {});
            let until_begun = until_begun();
            or(endless.catch_up(Duration::ZERO, &mut moved), until_begun).await
        };
        given_up(&one).await.expect("it is free");
        given_up(&one).await.expect("it is its own still");
        let held = given_up(&another).await.expect_err("it is another's");
        assert!(held.to_string().starts_with("`one`"), "{held}");
        one.follower("endless").give_back().await.expect("it is");
        given_up(&another).await.expect("it was given back");
        let nothing = one.follower("endless").give_back().await;
        nothing.expect("there is nothing to be given back");
        given_up(&one).await.expect_err("it is another's");

        // Who goes on with something else has no use for it either.
        let rebuilt = another.follower("endless");
        let until_begun = until_begun();
        let rebuilt = or(rebuilt.rebuild(), until_begun).await;
        rebuilt.expect("nobody else rebuilds it");
        given_up(&one).await.expect("it was given back");
    });
}

#[test]
fn leaders_stand_before_those_they_lead() {
    let (school_store, school) = application("school");
    let (office_store, office) = application("office");
    let names = |system: &System| -> Vec<String> {
        let followers = system.leaders_first().into_iter();
        followers
            .map(|follower| follower.name().to_owned())
            .collect()
    };
    let system = System::new("school")
        .follow(&office, office_store.project(Members::default()))
        .follow(&school, school_store.project(Wall::default()))
        .follow(&school, Certificates.onto(&office));
    assert_eq!(names(&system), ["wall", "certificates", "members"]);
    // Who follows what it writes itself leads the others, and so does a whole circle.
    let own = System::new("school")
        .follow(&school, school_store.project(Wall::default()))
        .follow(&school, Certificates.onto(&school));
    assert_eq!(names(&own), ["certificates", "wall"]);
    let circle = System::new("school")
        .follow(&school, school_store.project(Wall::default()))
        .follow(&office, Prizes.onto(&school))
        .follow(&school, Certificates.onto(&office))
        .follow(&office, office_store.project(Members::default()));
    assert_eq!(
        names(&circle),
        ["prizes", "certificates", "wall", "members"]
    );
}

#[test]
fn one_follower_is_rehearsed_alone() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        train(&app, 1, "beg").await;
        let system = System::new("school")
            .follow(&app, store.project(Wall::default()))
            .follow(&app, store.project(Members::default()));
        let rehearsed = system.follower("wall").dry_run(2).await.unwrap();
        assert_eq!((rehearsed.events, rehearsed.failure), (2, None));
        assert!(store.view::<Wall>().is_none());
        assert!(system.follower("door").dry_run(2).await.is_err());
    });
}

/// Fails once behind some events, and then does what it is told without an answer.
struct Unanswered {
    store: MemoryStore,
    calls: u32,
}

impl Follower for Unanswered {
    fn name(&self) -> &str {
        "unanswered"
    }

    fn filter(&self) -> Filter {
        Filter::everything()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            self.calls += 1;
            if self.calls == 1 {
                let source = "not now".into();
                return Err(HandleError::Event { place: 2, source });
            }
            let count = batch.records.len();
            let advance = batch.advance(0, count);
            let lost = AppendError::Checkpoint {
                follower: advance.follower.clone(),
                from: advance.from,
                to: advance.to,
                actual: advance.to,
            };
            let commit = Commit {
                id: CommitId::draw(),
                time: UNIX_EPOCH,
                metadata: Metadata::new(),
                appends: Vec::new(),
                checkpoint: Some(advance),
            };
            self.store.commit(commit).await?;
            // Sent again after its answer was lost, it is found to have been done.
            if self.calls == 2 {
                return Err(lost.into());
            }
            Ok(count)
        })
    }
}

#[test]
fn what_was_handled_before_an_event_that_failed_without_an_answer_keeps_nobody_from_going_on() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit", "bow", "beg", "jump"]).await;
        let system = System::new("school").follow(&app, Unanswered { store, calls: 0 });
        let follower = system.follower("unanswered");
        let mut moved = |_, _| {};
        follower.catch_up(Duration::ZERO, &mut moved).await.unwrap();
        assert_eq!(follower.status().await.unwrap().position, Position::from(5));
    });
}

/// A key that is not there for a moment, for one stream.
#[cfg(feature = "aes")]
struct Absent {
    keys: es_core::persistence::Keys,
    of: StreamId,
    asked: std::sync::atomic::AtomicU32,
}

#[cfg(feature = "aes")]
impl es_core::persistence::KeyProvider for Absent {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        self.keys.current(stream)
    }

    fn key<'a>(&'a self, stream: &'a StreamId, id: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        if *stream == self.of && self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            return Box::pin(async { Err(KeyError::Unavailable("the vault is away".into())) });
        }
        self.keys.key(stream, id)
    }
}

#[cfg(feature = "aes")]
#[test]
fn an_event_that_cannot_be_opened_for_a_moment_is_not_passed_over() {
    use es_core::persistence::Keys;
    let keys = Keys::new(1, Key::generate().unwrap());
    block_on(async {
        let store = MemoryStore::new();
        let app = Application::builder(store.clone())
            .name("school")
            .keys(keys.clone())
            .build();
        for number in 1..=30 {
            trained(&app, number, &[]).await;
        }
        let absent = Absent {
            keys,
            of: stream(3),
            asked: std::sync::atomic::AtomicU32::new(0),
        };
        let reading = Application::builder(store.clone())
            .name("school")
            .keys(absent)
            .build();
        let four = std::num::NonZeroUsize::new(4).unwrap();
        let at_once = OnFailure::stop()
            .retries(5)
            .pauses(Duration::ZERO..=Duration::ZERO);
        let follower = store
            .project(Members::default())
            .batches_of(four)
            .on_failure(at_once);
        let system = System::new("school").follow(&reading, follower);
        let mut moved = |_, _| {};
        let members = system.follower("members");
        members.catch_up(Duration::ZERO, &mut moved).await.unwrap();
        assert_eq!(store.view::<Members>().unwrap().dogs, 30);
    });
}
