//! Events whose key was destroyed on purpose: nobody can read them, so followers pass over them.
#![cfg(feature = "aes")]
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use es_core::persistence::{BoxFuture, Key, KeyError, KeyId, KeyProvider};
use es_core::system::OnFailure;
use es_core::{Application, Follower, StreamId, System};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{Wall, dog, stream, trained, tricks};

/// One key for all, and streams whose own is destroyed.
#[derive(Clone)]
struct Destroyable(Key, Arc<Mutex<Vec<StreamId>>>);

impl KeyProvider for Destroyable {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, Result<Option<(KeyId, Key)>, KeyError>> {
        let id = KeyId::from(1);
        Box::pin(async move { Ok(Some((id, self.key(stream, id).await?))) })
    }

    fn key<'a>(&'a self, stream: &'a StreamId, _: KeyId) -> BoxFuture<'a, Result<Key, KeyError>> {
        Box::pin(async move {
            match self.1.lock().expect("nobody panics").contains(stream) {
                true => Err(KeyError::Destroyed),
                false => Ok(self.0.clone()),
            }
        })
    }
}

#[test]
fn what_was_erased_is_passed_over_and_gone_from_what_is_made_anew() {
    block_on(async {
        let store = MemoryStore::new();
        let keys = Destroyable(Key::generate().unwrap(), Arc::default());
        let app = Application::builder(store.clone())
            .name("school")
            .keys(keys.clone())
            .build();
        let wall = Wall::default();
        let failing = Arc::clone(&wall.faults.failing);
        failing.store(true, Ordering::SeqCst);
        let batches = NonZeroUsize::new(2).unwrap();
        let follower = store.project(wall).batches_of(batches);
        let follower = follower.on_failure(OnFailure::park().retries(0));
        let system = System::new("school").follow(&app, follower);
        let handle = system.follower("wall");
        for (number, trick) in [(1, "sit"), (2, "beg"), (3, "bow"), (4, "impossible")] {
            trained(&app, number, &[trick]).await;
        }
        system.settle().await.unwrap();
        assert_eq!(
            (tricks(&store, 1), tricks(&store, 3)),
            (vec!["sit".to_owned()], vec!["bow".to_owned()])
        );
        assert_eq!(handle.parked().await.unwrap().len(), 1);

        // What comes is passed over, and what was set aside, once it is tried again.
        for number in [5, 6] {
            trained(&app, number, &["sit"]).await;
        }
        keys.1.lock().unwrap().extend([2, 4, 5].map(stream));
        let dry = handle.dry_run(100).await.unwrap();
        assert_eq!((dry.events, dry.failure), (2, None));
        handle.retry(&stream(4)).await.unwrap();
        system.settle().await.unwrap();
        assert_eq!(handle.status().await.unwrap().events_behind(), 0);
        assert_eq!(handle.parked().await.unwrap(), []);
        assert_eq!(
            (tricks(&store, 5), tricks(&store, 6)),
            (vec![], vec!["sit".to_owned()])
        );
        assert_eq!(tricks(&store, 2), ["beg"], "it was made before");

        handle.rebuild().await.unwrap();
        let wall = store.view::<Wall>().unwrap();
        let dogs: Vec<_> = wall.tricks.keys().copied().collect();
        assert_eq!(dogs, [1, 3, 6].map(dog));
    });
}
