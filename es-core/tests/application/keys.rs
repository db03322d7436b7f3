//! Keys that are destroyed, out of reach, or others.
#![cfg(all(feature = "aes", feature = "zstd"))]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use es_core::persistence::{Key, KeyError, KeyId, KeyProvider, Keys};

use es_core::ErrorKind;

use super::*;
use crate::codecs::{all, encrypted, key, saved};

/// Keys of streams, each of which can be destroyed, in a vault that may be out of reach.
#[derive(Clone, Default)]
struct Destroyable(
    Arc<Mutex<Vec<Uuid>>>,
    Arc<Mutex<Option<Key>>>,
    Arc<AtomicBool>,
);

impl KeyProvider for Destroyable {
    fn current<'a>(
        &'a self,
        stream: &'a StreamId,
    ) -> BoxFuture<'a, std::result::Result<Option<(KeyId, Key)>, KeyError>> {
        let id = KeyId::from(1);
        Box::pin(async move { Ok(Some((id, self.key(stream, id).await?))) })
    }

    fn key<'a>(
        &'a self,
        stream: &'a StreamId,
        _: KeyId,
    ) -> BoxFuture<'a, std::result::Result<Key, KeyError>> {
        Box::pin(async move {
            if self.2.load(Ordering::SeqCst) {
                return Err(KeyError::Unavailable("no route".into()));
            }
            if self.0.lock().unwrap().contains(&stream.id) {
                return Err(KeyError::Destroyed);
            }
            Ok(self.1.lock().unwrap().get_or_insert_with(key).clone())
        })
    }
}

#[tokio::test]
async fn a_stream_whose_key_is_destroyed_is_erased_and_the_others_are_not() -> Result<()> {
    let (store, keys) = (MemoryStore::new(), Destroyable::default());
    let app = encrypted(&store, keys.clone());
    let (mut erased, other) = (saved(&app).await, saved(&app).await);
    let mut purse = Purse::open(5);
    (0..9).for_each(|_| purse.put(1));
    app.save(&mut purse).await?;
    keys.0.lock().unwrap().extend([erased.id(), purse.id()]);

    let error = app.get::<Lamp>(erased.id()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::Decode(DecodeError::Erased { stream, .. })) if stream.id == erased.id()),
        "{error:?}"
    );
    let error = app.get::<Purse>(purse.id()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Load(LoadError::Decode(DecodeError::Erased { .. }))
        ),
        "nor from a snapshot"
    );
    assert_eq!(error.kind(), ErrorKind::Erased);
    erased.switch();
    let error = app.save(&mut erased).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Encode(_))),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Erased);
    assert_eq!(erased.pending().len(), 1);
    assert_eq!(app.get::<Lamp>(other.id()).await?, other);
    assert_eq!(
        app.log().read(Position::START, 100).await?.len(),
        14,
        "the log goes on"
    );
    Ok(())
}

#[tokio::test]
async fn what_may_be_erased_is_not_shown_from_the_cache() -> Result<()> {
    let keys = Destroyable::default();
    let app = Application::builder(MemoryStore::new())
        .keys(keys.clone())
        .build();
    let mut lamp = saved(&app).await;
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    keys.0.lock().unwrap().push(lamp.id());
    keys.2.store(true, Ordering::SeqCst);
    let error = app.get::<Lamp>(lamp.id()).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Load(LoadError::Decode(DecodeError::Codec { .. }))
        ),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    lamp.switch();
    let error = app.save(&mut lamp).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    Ok(())
}

/// Has a key for all streams, but cannot reach that of one.
struct Cut {
    key: Key,
    away: Uuid,
    asked: Arc<AtomicUsize>,
}

impl KeyProvider for Cut {
    fn current<'a>(
        &'a self,
        _: &'a StreamId,
    ) -> BoxFuture<'a, std::result::Result<Option<(KeyId, Key)>, KeyError>> {
        Box::pin(async { Ok(Some((KeyId::from(1), self.key.clone()))) })
    }

    fn key<'a>(
        &'a self,
        stream: &'a StreamId,
        _: KeyId,
    ) -> BoxFuture<'a, std::result::Result<Key, KeyError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            match stream.id == self.away {
                true => Err(KeyError::Unavailable("no route".into())),
                false => Ok(self.key.clone()),
            }
        })
    }
}

#[tokio::test]
async fn one_key_out_of_reach_says_nothing_of_the_others() -> Result<()> {
    let (store, right) = (MemoryStore::new(), key());
    let app = encrypted(&store, Keys::new(1, right.clone()));
    let lamps = [saved(&app).await, saved(&app).await];
    for lamp in &lamps {
        let asked = Arc::default();
        let cut = |key| Cut {
            key,
            away: lamp.id(),
            asked: Arc::clone(&asked),
        };
        let error = encrypted(&store, cut(key()))
            .save(&mut Purse::open(5))
            .await
            .unwrap_err();
        assert!(
            matches!(error, Error::Save(SaveError::WrongKeys(_))),
            "{error:?}"
        );
        let app = encrypted(&store, cut(right.clone()));
        app.save(&mut Purse::open(5)).await?;
        let before = asked.load(Ordering::SeqCst);
        app.save(&mut Purse::open(5)).await?;
        assert_eq!(
            asked.load(Ordering::SeqCst),
            before,
            "they are known to fit"
        );
    }
    Ok(())
}

#[tokio::test]
async fn keys_that_cannot_be_reached_are_not_said_to_be_wrong() -> Result<()> {
    let (store, keys) = (MemoryStore::new(), Destroyable::default());
    saved(&encrypted(&store, keys.clone())).await;
    let app = encrypted(&store, keys.clone());
    keys.2.store(true, Ordering::SeqCst);
    let mut purse = Purse::open(5);
    let error = app.save(&mut purse).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Encode(_))),
        "{error:?}"
    );
    keys.2.store(false, Ordering::SeqCst);
    let right = keys.1.lock().unwrap().replace(key());
    let error = app.save(&mut purse).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::WrongKeys(_))),
        "nor that they are the right ones: {error:?}"
    );
    *keys.1.lock().unwrap() = right;
    app.save(&mut purse).await?;

    let wrong = encrypted(&store, Keys::new(1, key()));
    let error = wrong.save(&mut Purse::open(5)).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::WrongKeys(_))),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn with_other_keys_or_none_nothing_is_written_that_nobody_could_read() -> Result<()> {
    let (store, one) = (MemoryStore::new(), key());
    let right = encrypted(&store, Keys::new(1, one.clone()));
    // One that began before there were keys, and is running still.
    let before = Application::new(store.clone());
    saved(&before).await;
    saved(&right).await;
    saved(&before).await;
    let wrong = [
        encrypted(&store, Keys::new(1, key())),
        encrypted(&store, Keys::new(2, key())),
        Application::new(store.clone()),
    ];
    for app in wrong {
        let mut lamp = Lamp::mount("hall");
        let error = app.save(&mut lamp).await.unwrap_err();
        assert!(
            matches!(error, Error::Save(SaveError::WrongKeys(_))),
            "{error:?}"
        );
        assert!(app.stage(&mut lamp).is_err());
        assert_eq!(lamp.pending().len(), 1);
    }
    assert_eq!(all(&store).len(), 6);
    let both = Keys::new(2, key()).and(1, one.clone()).unwrap();
    saved(&encrypted(&store, both)).await;
    // It cannot open the newest, but those before them.
    saved(&encrypted(&store, Keys::new(1, one))).await;
    Ok(())
}

#[tokio::test]
async fn plain_events_on_top_do_not_hide_that_keys_are_others_or_that_there_are_none() -> Result<()>
{
    let (store, one) = (MemoryStore::new(), key());
    let purses = |keys: Keys| encrypted(&store, keys.except::<Purse>());
    let right = purses(Keys::new(1, one.clone()));
    saved(&right).await;
    let mut purse = Purse::open(0);
    for _ in 0..1_000 {
        purse.put(1);
    }
    right.save(&mut purse).await?;
    for app in [purses(Keys::new(1, key())), Application::new(store.clone())] {
        let error = app.save(&mut Lamp::mount("hall")).await.unwrap_err();
        assert!(
            matches!(error, Error::Save(SaveError::WrongKeys(_))),
            "{error:?}"
        );
    }
    saved(&purses(Keys::new(1, one))).await;
    Ok(())
}

#[tokio::test]
async fn what_is_left_out_of_the_keys_is_in_plain_text_and_what_was_encrypted_of_it_is_read()
-> Result<()> {
    let (store, keys) = (MemoryStore::new(), Keys::new(1, key()));
    let app = |keys| Application::builder(store.clone()).keys(keys).build();
    let mut purse = Purse::open(5);
    app(keys.clone()).save(&mut purse).await?;

    let keys = keys.except::<Purse>();
    let sparing = app(keys.clone());
    for _ in 0..9 {
        purse.put(1);
    }
    sparing.save(&mut purse).await?;
    let lamp = saved(&sparing).await;
    let is_plain: Vec<_> = all(&store)
        .iter()
        .map(|record| record.payload.starts_with(b"{"))
        .collect();
    let expected = [vec![false], vec![true; 9], vec![false; 2]].concat();
    assert_eq!(is_plain, expected);
    let snapshot = store
        .read_snapshot(&StreamId::of::<Purse>(&purse.id()), Version::MAX)
        .await
        .unwrap()
        .expect("one was due");
    assert!(snapshot.state.starts_with(b"{"), "{snapshot:?}");

    // Another application has nothing in its cache.
    let anew = app(keys);
    assert_eq!(anew.get::<Purse>(purse.id()).await?, purse);
    assert_eq!(
        anew.get_at::<Purse>(purse.id(), Version::from(1))
            .await?
            .coins(),
        5
    );
    assert_eq!(anew.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}
