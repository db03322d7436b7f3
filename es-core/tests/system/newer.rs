//! Events of a newer program, while the older one still runs: they are no failure of their handler.
use std::sync::atomic::Ordering;

use es_core::application::LoadError;
use es_core::persistence::{CodecError, DecodeError};
use es_core::system::{OnFailure, State, StopReason};
use es_core::{
    Aggregate, Application, BoxError, Follower, Position, ProcessManager, Projection, Recorded,
    Root, System, UnitOfWork, events,
};
use es_store_memory::MemoryProjection;
use pollster::block_on;
use uuid::Uuid;

use crate::school::{Certificates, Wall, application, stream, trained, tricks};

/// As the newer program has it.
#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered", id = *id)]
    fn register(id: Uuid) -> Self {
        let _ = id;
        Self { root: Root::new() }
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: &str) {
        let _ = trick;
    }

    #[event("Groomed")]
    fn groom(&mut self) {}
}

#[derive(Debug, Clone, Default)]
struct Groomed(u32);

impl Projection for Groomed {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Groomed {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        if let DogEvent::Groomed {} = event.event {
            self.0 += 1;
        }
        Ok(())
    }
}

mod office {
    use es_core::{Aggregate, Root, events};
    use uuid::Uuid;

    /// As the newer program has it.
    #[derive(Aggregate)]
    #[aggregate("Certificate")]
    pub(super) struct Certificate {
        root: Root<Self>,
    }

    #[events]
    impl Certificate {
        #[event("Opened", id = *dog)]
        pub(super) fn open(dog: Uuid) -> Self {
            let _ = dog;
            Self { root: Root::new() }
        }

        #[event("Revoked")]
        pub(super) fn revoke(&mut self) {}
    }
}

/// Stopped at a position, with nothing set aside.
async fn meets(system: &System, follower: &str, at: u64) -> String {
    system.settle().await.expect_err("it does not go on");
    let status = system.follower(follower).status().await;
    let status = status.expect("it is there");
    let State::Stopped(reason @ StopReason::NotKnown { position, .. }) = &status.state else {
        panic!("{status}");
    };
    assert_eq!(*position, Position::from(at));
    reason.to_string()
}

#[test]
fn an_aggregate_that_is_not_known_yet_is_left_to_the_program_that_knows_it() {
    block_on(async {
        let (_, school) = application("school");
        let (store, office) = application("office");
        trained(&school, 1, &["sit"]).await;
        let mut revoked = office::Certificate::open(Uuid::from_u128(1));
        revoked.revoke();
        let later = Application::builder(store).name("office").build();
        later.save(&mut revoked).await.unwrap();

        let follower = Certificates.onto(&office);
        let older = System::new("older").follow(&school, follower.on_failure(OnFailure::park()));
        let said = meets(&older, "certificates", 2).await;
        assert!(said.contains("unknown event `Revoked`"), "{said}");
        let status = older.follower("certificates").status().await.unwrap();
        assert_eq!((status.position, status.parked), (Position::from(1), 0));
    });
}

#[test]
fn what_waits_behind_a_failure_and_is_not_known_yet_does_not_fail() {
    block_on(async {
        let (store, app) = application("school");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let follower = store.project(wall.clone());
        let follower = follower.on_failure(OnFailure::park().retries(0));
        let older = System::new("older").follow(&app, follower);
        trained(&app, 2, &["impossible"]).await;
        older.settle().await.unwrap();
        let later = Application::builder(store.clone()).name("school").build();
        let mut dog: Dog = later.get(Uuid::from_u128(2)).await.unwrap();
        dog.groom();
        later.save(&mut dog).await.unwrap();
        older.settle().await.unwrap();

        wall.faults.failing.store(false, Ordering::SeqCst);
        let handle = older.follower("wall");
        handle.retry(&stream(2)).await.unwrap();
        meets(&older, "wall", 3).await;
        let parked = handle.parked().await.unwrap();
        assert_eq!(parked.len(), 1);
        assert_eq!(
            (parked[0].position, &parked[0].failure),
            (Position::from(3), &None)
        );

        let newer = System::new("newer").follow(&later, store.project(Groomed::default()));
        newer.settle().await.unwrap();
        assert_eq!(newer.follower("wall").parked().await.unwrap(), []);
    });
}

#[test]
fn an_event_that_is_not_known_yet_is_left_to_the_program_that_knows_it() {
    block_on(async {
        let (store, app) = application("school");
        let follower = store.project(Wall::default());
        let older = System::new("older").follow(&app, follower.on_failure(OnFailure::park()));
        trained(&app, 1, &["sit"]).await;
        let mut dog = Dog::register(Uuid::from_u128(2));
        dog.groom();
        let later = Application::builder(store.clone()).name("school").build();
        later.save(&mut dog).await.unwrap();
        trained(&app, 3, &["bow"]).await;
        let said = meets(&older, "wall", 4).await;
        let status = older.follower("wall").status().await.unwrap();
        assert!(said.contains("unknown event `Groomed`"), "{said}");
        assert_eq!((status.position, status.parked), (Position::from(3), 0));
        assert_eq!(tricks(&store, 1), ["sit"]);

        let newer = System::new("newer").follow(&later, store.project(Groomed::default()));
        newer.settle().await.unwrap();
        assert_eq!(store.view::<Groomed>().unwrap().0, 1);
        let status = newer.follower("wall").status().await.unwrap();
        assert_eq!(status.events_behind(), 0);
    });
}

/// Makes what is of a newer revision than the program's.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewerWall;

impl Projection for NewerWall {
    const NAME: &'static str = "wall";
    const REVISION: u32 = 2;
    type Events = DogEvent;
}

impl MemoryProjection for NewerWall {
    fn handle(&mut self, _: Recorded<DogEvent>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Has the name of a read model.
struct Namesake;

impl ProcessManager for Namesake {
    const NAME: &'static str = "wall";
    type Events = DogEvent;

    async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn what_readers_see_of_newer_code_is_told_with_the_ways_out() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let newer = System::new("newer").follow(&app, store.project(NewerWall));
        newer.settle().await.unwrap();
        let stopped = async |system: System| {
            system.settle().await.expect_err("it does not go on");
            let status = system.follower("wall").status().await;
            match status.expect("it is there").state {
                State::Stopped(reason) => reason.to_string(),
                state => panic!("{state}"),
            }
        };
        let older = System::new("older").follow(&app, store.project(Wall::default()));
        assert_eq!(
            stopped(older).await,
            "what it makes is of revision 2 already, and this program makes revision 1; use the newer program, or give this one a `REVISION` above 2, \
             which makes it anew"
        );
        let inline = store.inline(&app, Wall::default()).await.unwrap_err();
        assert!(
            inline.to_string().ends_with(
                "; use the newer program, or give this one a `REVISION` above 2, which makes it anew"
            ),
            "{inline}"
        );
        let namesake = System::new("namesake").follow(&app, Namesake.onto(&app));
        assert_eq!(
            stopped(namesake).await,
            "its name belongs to a read model, of revision 2, and it makes none; take another `NAME`"
        );
    });
}

/// Needs what only a program has that was built with more features.
#[derive(Clone)]
struct Plainly;

impl Projection for Plainly {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Plainly {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        let source = CodecError::NotBuiltIn { feature: "zstd" };
        Err(Box::new(LoadError::from(DecodeError::Codec {
            stream: event.stream,
            version: event.version,
            event: "Registered".to_owned(),
            source,
        })))
    }
}

#[test]
fn what_takes_a_feature_that_this_program_lacks_is_left_to_the_program_that_has_it() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let follower = store.project(Plainly).on_failure(OnFailure::park());
        let older = System::new("older").follow(&app, follower);
        let said = meets(&older, "wall", 1).await;
        assert!(said.contains("the feature `zstd`"), "{said}");
        let status = older.follower("wall").status().await.unwrap();
        assert_eq!((status.position, status.parked), (Position::START, 0));
    });
}

#[cfg(feature = "aes")]
mod keys {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use es_core::persistence::{
        Append, BoxFuture, Commit, CommitId, EncodedEvent, EventStore, Filter, Key, KeyError,
        KeyId, KeyProvider, Keys, Span,
    };
    use es_core::{ErrorKind, StreamId, Version};
    use es_store_memory::MemoryStore;

    use super::*;
    use crate::school::{Certificate, dog, train};

    fn over(store: &MemoryStore, name: &str, keys: &Keys) -> Application {
        let app = Application::builder(store.clone()).keys(keys.clone());
        app.name(name).build()
    }

    /// Those of a process that was not told of the rotation, and those of the one that began it.
    fn rotated() -> (Keys, Keys) {
        let drawn = || Key::generate().expect("there is randomness");
        let (first, second) = (drawn(), drawn());
        let newer = Keys::new(2, second).and(1, first.clone());
        let newer = newer.expect("they are two");
        (Keys::new(1, first), newer)
    }

    #[test]
    fn an_event_under_a_key_that_was_not_given_is_left_to_the_program_that_has_it() {
        block_on(async {
            let store = MemoryStore::new();
            let (old, new) = rotated();
            let (before, later) = (over(&store, "school", &old), over(&store, "school", &new));
            let follower = store.project(Wall::default());
            let older =
                System::new("older").follow(&before, follower.on_failure(OnFailure::park()));
            trained(&before, 1, &["sit"]).await;
            trained(&later, 2, &["bow"]).await;
            let said = meets(&older, "wall", 3).await;
            for part in [
                "at position 3",
                &stream(2).to_string(),
                "at version 1",
                "`Registered`",
                "there is no key 2; give the program the key",
            ] {
                assert!(said.contains(part), "{said}");
            }
            let status = older.follower("wall").status().await.unwrap();
            assert_eq!((status.position, status.parked), (Position::from(2), 0));

            let newer = System::new("newer").follow(&later, store.project(Wall::default()));
            newer.settle().await.unwrap();
            assert_eq!(tricks(&store, 2), ["bow"]);
        });
    }

    #[test]
    fn a_process_manager_without_the_keys_of_what_it_writes_to_leaves_that_to_the_program_that_has_them()
     {
        block_on(async {
            let store = MemoryStore::new();
            let (old, new) = rotated();
            let later = over(&store, "office", &new);
            later.save(&mut Certificate::open(dog(1))).await.unwrap();
            // The first finds the certificate, the second none, and may not write one beside it.
            for number in [1, 2] {
                let (_, school) = application("school");
                trained(&school, number, &["sit"]).await;
                let before = over(&store, "office", &old);
                let follower = Certificates.onto(&before).named(format!("of {number}"));
                let follower = follower.on_failure(OnFailure::park());
                let older = System::new("older").follow(&school, follower);
                let said = meets(&older, &format!("of {number}"), 2).await;
                assert!(said.contains("there is no key 2"), "{said}");
            }
        });
    }

    /// Keys that others draw, of which this program hears late.
    #[derive(Clone)]
    struct Late {
        keys: Keys,
        deaf_for: Arc<AtomicUsize>,
    }

    impl KeyProvider for Late {
        fn current<'a>(
            &'a self,
            stream: &'a StreamId,
        ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
            self.keys.current(stream)
        }

        fn key<'a>(
            &'a self,
            stream: &'a StreamId,
            id: KeyId,
        ) -> BoxFuture<'a, Result<Key, KeyError>> {
            let deaf = |left: usize| left.checked_sub(1);
            if self
                .deaf_for
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, deaf)
                .is_ok()
            {
                return Box::pin(async move { Err(KeyError::Unknown { id }) });
            }
            self.keys.key(stream, id)
        }
    }

    #[test]
    fn a_key_that_comes_late_is_waited_for_as_long_as_an_event_is_tried() {
        block_on(async {
            let store = MemoryStore::new();
            let (_, keys) = rotated();
            trained(&over(&store, "school", &keys), 1, &["sit"]).await;
            let deaf_for = Arc::new(AtomicUsize::new(3));
            let late = Application::builder(store.clone()).keys(Late { keys, deaf_for });
            let late = late.name("school").build();
            let system = System::new("late").follow(&late, store.project(Wall::default()));
            system.settle().await.unwrap();
            assert_eq!(tricks(&store, 1), ["sit"]);
        });
    }

    #[test]
    fn what_a_key_that_is_gone_had_encrypted_is_passed_over() {
        block_on(async {
            let store = MemoryStore::new();
            let (old, _) = rotated();
            trained(&over(&store, "school", &old), 1, &["sit"]).await;
            let drawn = Key::generate().expect("there is randomness");
            let rest = Keys::new(2, drawn).destroyed(1).expect("they are two");
            let after = over(&store, "school", &rest);
            trained(&after, 2, &["bow"]).await;
            let system = System::new("after").follow(&after, store.project(Wall::default()));
            system.settle().await.unwrap();
            assert_eq!(tricks(&store, 2), ["bow"]);
            assert!(tricks(&store, 1).is_empty());
            let erased = after.get::<crate::school::Dog>(dog(1)).await.err();
            assert_eq!(erased.map(|error| error.kind()), Some(ErrorKind::Erased));
        });
    }

    /// Writes an event of one dog into the stream of another, where it cannot be opened.
    async fn misplaced(store: &MemoryStore, number: u128) {
        let first = Filter::everything();
        let page = store.read_log(Span::all().limit(1), &first).await;
        let record = page.expect("it can be read").records.remove(0);
        let event = EncodedEvent {
            name: record.event,
            schema: record.schema,
            payload: record.payload,
        };
        let commit = Commit {
            id: CommitId::draw(),
            time: record.time,
            metadata: record.metadata,
            appends: vec![Append {
                stream: stream(number),
                expected: Version::NEW,
                events: vec![event],
            }],
            checkpoint: None,
        };
        store.commit(commit).await.expect("it is new");
    }

    #[test]
    fn what_stands_around_an_event_that_cannot_be_opened_is_handled_or_waits() {
        block_on(async {
            let store = MemoryStore::new();
            let (keys, _) = rotated();
            let app = over(&store, "school", &keys);
            let wall = Wall::default();
            let faults = wall.faults.clone();
            faults.failing.store(true, Ordering::SeqCst);
            let follower = store.project(wall).on_failure(OnFailure::park().retries(0));
            let system = System::new("school").follow(&app, follower);
            trained(&app, 1, &["sit"]).await;
            misplaced(&store, 2).await;
            trained(&app, 3, &["bow"]).await;
            trained(&app, 4, &["impossible"]).await;
            system.settle().await.unwrap();
            assert_eq!(
                (tricks(&store, 1), tricks(&store, 3)),
                (vec!["sit".into()], vec!["bow".into()])
            );

            train(&app, 1, "beg").await;
            misplaced(&store, 5).await;
            train(&app, 4, "spin").await;
            train(&app, 3, "roll").await;
            system.settle().await.unwrap();
            assert_eq!(
                (tricks(&store, 1), tricks(&store, 3)),
                (
                    vec!["sit".into(), "beg".into()],
                    vec!["bow".into(), "roll".into()]
                )
            );
            let parked = system.follower("wall").parked().await.unwrap();
            let waiting = parked
                .iter()
                .map(|parked| (parked.stream.id, parked.failure.is_some()));
            let expected = [(2, true), (4, true), (5, true), (4, false)];
            let expected = expected.map(|(number, fails)| (dog(number), fails));
            assert_eq!(waiting.collect::<Vec<_>>(), expected);
        });
    }

    /// Has no key for what is written.
    struct Keyless(Keys);

    impl KeyProvider for Keyless {
        fn current<'a>(
            &'a self,
            _: &'a StreamId,
        ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
            let id = KeyId::from(2);
            Box::pin(async move { Err(KeyError::Unknown { id }) })
        }

        fn key<'a>(
            &'a self,
            stream: &'a StreamId,
            id: KeyId,
        ) -> BoxFuture<'a, Result<Key, KeyError>> {
            self.0.key(stream, id)
        }
    }

    #[test]
    fn what_would_be_written_under_a_key_that_was_not_given_is_left_to_the_program_that_has_it() {
        block_on(async {
            let (_, school) = application("school");
            trained(&school, 1, &["sit"]).await;
            let (old, _) = rotated();
            let office = Application::builder(MemoryStore::new()).name("office");
            let office = office.keys(Keyless(old)).build();
            let follower = Certificates.onto(&office).on_failure(OnFailure::park());
            let system = System::new("school").follow(&school, follower);
            let said = meets(&system, "certificates", 2).await;
            assert!(said.contains("there is no key 2"), "{said}");
            let status = system.follower("certificates").status().await.unwrap();
            assert_eq!((status.position, status.parked), (Position::from(1), 0));
        });
    }
}

#[test]
fn who_was_overtaken_by_a_newer_program_stops_well() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let older = System::new("older").follow(&app, store.project(Wall::default()));
        older.settle().await.unwrap();
        let newer = System::new("newer").follow(&app, store.project(NewerWall));
        newer.settle().await.unwrap();
        let running = older.start();
        let stopped = running.failed().await;
        let why = std::error::Error::source(&stopped).map(ToString::to_string);
        assert!(why.is_some_and(|why| why.contains("of revision 2 already")));
        running.stop().await.unwrap();

        let namesake = System::new("namesake").follow(&app, Namesake.onto(&app));
        let running = namesake.start();
        running.failed().await;
        running.stop().await.unwrap_err();
    });
}
