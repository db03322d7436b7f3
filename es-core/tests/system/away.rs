//! What an event is handled with cannot be reached: that says nothing about the event.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use es_core::persistence::{
    AppendError, BoxFuture, Commit, Committed, EventStore, ReadError, Record, Recorded, Slice,
};
use es_core::system::{FollowError, OnFailure, State};
use es_core::testing::{Intercept, Intercepted};
use es_core::{
    Application, BoxError, Error, ErrorKind, Follower, ProcessManager, StreamId, System, UnitOfWork,
};
use es_store_memory::MemoryStore;
use pollster::block_on;
use uuid::Uuid;

use crate::chains::certified;
use crate::school::{Certificates, Dog, DogEvent, Members, application, dog, trained};

/// Where nothing is read while it is away, and nothing is written while it is shut.
#[derive(Clone, Default)]
struct Away {
    store: MemoryStore,
    is_away: Arc<AtomicBool>,
    is_shut: Arc<AtomicBool>,
}

impl Intercept for Away {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        if self.is_away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable("it starts anew".into())) });
        }
        self.store.read_stream(stream, slice)
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        if self.is_shut.load(Ordering::SeqCst) {
            return Box::pin(async { Err(AppendError::Unavailable("it starts anew".into())) });
        }
        self.store.commit(commit)
    }

    fn owner<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<String, ReadError>> {
        if self.is_away.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable("it starts anew".into())) });
        }
        self.store.owner(name)
    }
}

/// Neither stopped, nor set aside, nor counted.
async fn waits(system: &System, name: &str) {
    for _ in 0..3 {
        let error = system.settle().await.expect_err("it is away");
        let Error::Follow(error) = error else {
            panic!("{error:?}");
        };
        assert!(
            matches!(error.downcast_ref(), Some(FollowError::Away { .. })),
            "{error:?}"
        );
        let status = system.follower(name).status().await.expect("it is there");
        assert!(matches!(status.state, State::Waiting { .. }), "{status}");
        assert_eq!((status.parked, status.events_behind() > 0), (0, true));
    }
}

#[test]
fn a_store_that_a_handler_cannot_reach_is_waited_for() {
    block_on(async {
        let (store, school) = application("school");
        let away = Away::default();
        let office = Application::builder(Intercepted(away.clone()));
        let office = office.name("office").build();
        for (number, policy) in [(1, OnFailure::stop()), (2, OnFailure::park())] {
            let follower = Certificates.onto(&office).on_failure(policy.retries(0));
            let system = System::new("school")
                .follow(&school, follower)
                .follow(&school, store.project(Members::default()));
            trained(&school, number, &["sit"]).await;
            away.is_away.store(true, Ordering::SeqCst);
            waits(&system, "certificates").await;
            let others = system.follower("members").status().await.unwrap();
            assert_eq!(others.events_behind(), 0, "others go on");
            away.is_away.store(false, Ordering::SeqCst);
            system.settle().await.unwrap();
            assert_eq!(certified(&office, number).await, 1);
        }
    });
}

/// Answers each event by one of a third application, which is saved apart.
struct Letters {
    post: Application,
    updates: bool,
}

impl ProcessManager for Letters {
    const NAME: &'static str = "letters";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let id = Uuid::from_u128(u128::from(event.position.get()));
        let post = &self.post;
        let send = async || match self.updates {
            true => {
                let sent = post
                    .update(dog(1), |dog: &mut Dog| dog.add_trick("write"))
                    .await;
                sent.map(|_| ()).map_err(BoxError::from)
            }
            false => {
                let sent = post.save(&mut Dog::register(id)).await;
                sent.map(|_| ()).map_err(BoxError::from)
            }
        };
        work.outside("send a letter", send).await?;
        Ok(())
    }
}

#[test]
fn a_store_that_a_handler_cannot_save_to_is_waited_for() {
    block_on(async {
        for updates in [true, false] {
            let (_, school) = application("school");
            let (_, office) = application("office");
            let away = Away::default();
            let post = Application::builder(Intercepted(away.clone()));
            let post = post.name("post").build();
            trained(&post, 1, &["sit"]).await;
            let letters = Letters { post, updates };
            let follower = letters.onto(&office);
            let follower = follower.on_failure(OnFailure::park().retries(0));
            let system = System::new("school").follow(&school, follower);
            trained(&school, 2, &["sit"]).await;
            away.is_shut.store(true, Ordering::SeqCst);
            waits(&system, "letters").await;
            away.is_shut.store(false, Ordering::SeqCst);
            system.settle().await.unwrap();
        }
    });
}

#[test]
fn a_log_that_cannot_be_asked_whose_it_is_is_waited_for() {
    block_on(async {
        let away = Away::default();
        let school = Application::builder(Intercepted(away.clone()));
        let school = school.name("school").build();
        let (_, office) = application("office");
        let system = System::new("school").follow(&school, Certificates.onto(&office));
        away.is_away.store(true, Ordering::SeqCst);
        let error = system.settle().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        away.is_away.store(false, Ordering::SeqCst);
        trained(&school, 1, &["sit"]).await;
        system.settle().await.unwrap();
        assert_eq!(certified(&office, 1).await, 1);
    });
}

#[cfg(feature = "aes")]
mod keys {
    use es_core::persistence::{Key, KeyError, KeyId, KeyProvider};

    use super::*;
    use crate::school::{Wall, stream, tricks};

    /// Keeps the key elsewhere.
    #[derive(Clone)]
    struct Vault {
        key: Key,
        is_away: Arc<AtomicBool>,
    }

    impl KeyProvider for Vault {
        fn current<'a>(
            &'a self,
            stream: &'a StreamId,
        ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
            let id = KeyId::from(1);
            Box::pin(async move { Ok(Some((id, self.key(stream, id).await?))) })
        }

        fn key<'a>(&'a self, _: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
            Box::pin(async move {
                match self.is_away.load(Ordering::SeqCst) {
                    true => Err(KeyError::Unavailable("it starts anew".into())),
                    false => Ok(self.key.clone()),
                }
            })
        }
    }

    #[test]
    fn keys_that_cannot_be_reached_are_waited_for() {
        block_on(async {
            let store = MemoryStore::new();
            let vault = Vault {
                key: Key::generate().unwrap(),
                is_away: Arc::default(),
            };
            let school = Application::builder(store.clone()).keys(vault.clone());
            let school = school.name("school").build();
            let wall = Wall::default();
            wall.faults.failing.store(true, Ordering::SeqCst);
            let follower = store.project(wall.clone());
            let follower = follower.on_failure(OnFailure::park().retries(0));
            let system = System::new("school").follow(&school, follower);
            trained(&school, 1, &["sit"]).await;
            vault.is_away.store(true, Ordering::SeqCst);
            waits(&system, "wall").await;
            vault.is_away.store(false, Ordering::SeqCst);
            trained(&school, 2, &["impossible"]).await;
            system.settle().await.unwrap();
            assert_eq!(tricks(&store, 1), ["sit"]);

            // So it is for what was set aside, which is tried again.
            wall.faults.failing.store(false, Ordering::SeqCst);
            let handle = system.follower("wall");
            let before = handle.parked().await.unwrap();
            vault.is_away.store(true, Ordering::SeqCst);
            handle.retry(&stream(2)).await.unwrap();
            system.settle().await.unwrap_err();
            let after = handle.parked().await.unwrap();
            assert_eq!(after[0].attempts, before[0].attempts);
            vault.is_away.store(false, Ordering::SeqCst);
            system.settle().await.unwrap();
            assert_eq!(tricks(&store, 2), ["impossible"]);
            assert_eq!(handle.parked().await.unwrap(), []);
        });
    }
}
