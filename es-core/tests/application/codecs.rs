//! Payloads that are compressed and encrypted, from saving to reading.
#![cfg(all(feature = "aes", feature = "zstd"))]

use std::sync::atomic::{AtomicUsize, Ordering};

use es_core::persistence::{CodecError, Compression, Key, KeyProvider, Keys};

use self::diary::Diary;
use super::*;
use crate::watched::Watched;

const SECRET: &str = "the safe behind the picture";

pub(crate) fn key() -> Key {
    Key::generate().unwrap()
}

pub(crate) fn encrypted(store: &MemoryStore, keys: impl KeyProvider) -> Application {
    Application::builder(store.clone())
        .compression(Compression::zstd())
        .keys(keys)
        .cache(0)
        .build()
}

pub(crate) async fn saved(app: &Application) -> Lamp {
    let mut lamp = Lamp::mount(SECRET);
    lamp.switch();
    app.save(&mut lamp).await.unwrap();
    lamp
}

pub(crate) fn all(store: &MemoryStore) -> Vec<Record> {
    let everything = Filter::everything();
    let page = store.read_log(Span::all(), &everything);
    pollster::block_on(page).unwrap().records
}

#[tokio::test]
async fn what_is_encrypted_anew_under_its_key_is_done_once() -> Result<()> {
    let (store, keys) = (MemoryStore::new(), Keys::new(1, key()));
    let both = [(); 2].map(|()| encrypted(&store, keys.clone()));
    let lamp = saved(&both[0]).await;
    for app in both.iter().cycle().take(4) {
        app.once(Uuid::from_u128(7))
            .update(lamp.id(), Lamp::switch)
            .await?;
    }
    assert_eq!(all(&store).len(), 3);
    Ok(())
}

/// The same log with one record changed.
fn changed(
    store: &MemoryStore,
    change: impl Fn(&mut Vec<EncodedEvent>, &mut StreamId),
) -> MemoryStore {
    let records = all(store);
    let mut stream = records[0].stream.clone();
    let mut events: Vec<_> = records
        .into_iter()
        .map(|record| EncodedEvent {
            name: record.event,
            schema: record.schema,
            payload: record.payload,
        })
        .collect();
    change(&mut events, &mut stream);
    let changed = MemoryStore::new();
    let commit = Commit {
        id: CommitId::draw(),
        time: SystemTime::UNIX_EPOCH,
        metadata: Metadata::new(),
        appends: vec![Append {
            stream,
            expected: Version::NEW,
            events,
        }],
        checkpoint: None,
    };
    pollster::block_on(changed.commit(commit)).unwrap();
    changed
}

#[tokio::test]
async fn what_is_stored_hides_what_it_says_and_is_read_again() -> Result<()> {
    let (store, key) = (MemoryStore::new(), key());
    let app = encrypted(&store, Keys::new(1, key));
    let lamp = saved(&app).await;
    for record in all(&store) {
        let hidden = record
            .payload
            .windows(4)
            .all(|four| !SECRET.as_bytes().windows(4).any(|secret| secret == four));
        assert!(hidden, "{record:?}");
    }
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    app.update(lamp.id(), Lamp::switch).await?;
    let first = app.history::<Lamp>(lamp.id()).next().await.unwrap()?;
    assert_eq!(
        first.event,
        LampEvent::Mounted {
            room: SECRET.to_owned()
        }
    );
    assert_eq!(
        first.payload[..],
        *format!("{{\"room\":\"{SECRET}\"}}").as_bytes()
    );
    let record = app.log().read(Position::START, 1).await?.remove(0);
    assert_ne!(record.payload, first.payload, "the log is as it is stored");
    assert_eq!(
        app.log().decode::<LampEvent>(record).await?.event,
        first.event
    );
    Ok(())
}

#[tokio::test]
async fn one_log_may_hold_plain_compressed_and_encrypted_events() -> Result<()> {
    let (store, one, two) = (MemoryStore::new(), key(), key());
    let apps = [
        Application::new(store.clone()),
        Application::builder(store.clone())
            .compression(Compression::zstd())
            .build(),
        encrypted(&store, Keys::new(1, one.clone())),
        encrypted(&store, Keys::new(2, two).and(1, one).unwrap()),
    ];
    let mut other = Lamp::mount(&SECRET.repeat(20));
    apps[1].save(&mut other).await?;
    assert!(
        all(&store)
            .last()
            .unwrap()
            .payload
            .starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
    );
    assert_eq!(
        apps[0].get::<Lamp>(other.id()).await?,
        other,
        "reading takes no setting"
    );

    let mut lamp = Lamp::mount(&SECRET.repeat(20));
    for app in &apps {
        app.save(&mut lamp).await?;
        lamp.switch();
    }
    apps[3].save(&mut lamp).await?;
    let beginnings: Vec<_> = all(&store)[1..]
        .iter()
        .map(|record| record.payload[0])
        .collect();
    assert_eq!(
        beginnings,
        [b'{', b'{', 0x87, 0x87, 0x87],
        "`{{}}` would not become smaller"
    );
    assert_eq!(apps[3].get::<Lamp>(lamp.id()).await?, lamp);
    assert_eq!(
        apps[1]
            .get_at::<Lamp>(lamp.id(), Version::from(2))
            .await?
            .version()
            .get(),
        2
    );

    Ok(())
}

#[tokio::test]
async fn what_was_tampered_with_is_an_error_that_names_the_record() {
    let (store, one) = (MemoryStore::new(), key());
    let keys = Keys::new(1, one.clone());
    let lamp = saved(&encrypted(&store, keys.clone())).await;
    type Change = Box<dyn Fn(&mut Vec<EncodedEvent>, &mut StreamId)>;
    let other = Uuid::from_u128(3);
    let cases: [(&str, Uuid, Change); 5] = [
        (
            "a flipped bit",
            lamp.id(),
            Box::new(|events, _| {
                let mut payload = events[0].payload.to_vec();
                payload[40] ^= 1;
                events[0].payload = payload.into();
            }),
        ),
        (
            "cut",
            lamp.id(),
            Box::new(|events, _| {
                let cut = events[0].payload.len() - 5;
                events[0].payload.truncate(cut);
            }),
        ),
        (
            "moved to another version",
            lamp.id(),
            Box::new(|events, _| events.insert(1, events[0].clone())),
        ),
        (
            "moved to another event",
            lamp.id(),
            Box::new(|events, _| events[0].name = "Switched".into()),
        ),
        (
            "moved to another stream",
            other,
            Box::new(move |_, stream| stream.id = other),
        ),
    ];
    for (what, id, change) in cases {
        let app = encrypted(&changed(&store, change), keys.clone());
        let error = app.get::<Lamp>(id).await.unwrap_err();
        let Error::Load(LoadError::Decode(DecodeError::Codec {
            stream,
            version,
            event,
            source,
        })) = error
        else {
            panic!("{what}: {error:?}");
        };
        assert_eq!(stream.id, id, "{what}");
        assert!(
            version.get() <= 2 && ["Mounted", "Switched"].contains(&&*event),
            "{what}"
        );
        assert!(
            matches!(
                source,
                CodecError::NotAuthentic { .. } | CodecError::Cut { .. }
            ),
            "{what}: {source:?}"
        );
    }

    let wrong = encrypted(&store, Keys::new(1, key()));
    let missing = encrypted(&store, Keys::new(2, one));
    let none = Application::new(store.clone());
    for app in [wrong, missing, none] {
        let id = lamp.id();
        let record = all(&store).remove(0);
        let errors = [
            app.get::<Lamp>(id).await.map(|_| ()).unwrap_err(),
            app.history::<Lamp>(id)
                .next()
                .await
                .unwrap()
                .map(|_| ())
                .unwrap_err(),
            app.log()
                .decode::<LampEvent>(record)
                .await
                .map(|_| ())
                .unwrap_err(),
        ];
        for error in errors {
            let (Error::Load(LoadError::Decode(error)) | Error::Log(LogError::Decode(error))) =
                error
            else {
                panic!("{error:?}");
            };
            assert!(
                matches!(&error, DecodeError::Codec { version, event, .. } if *version == Version::FIRST && event == "Mounted"),
                "{error:?}"
            );
        }
    }
}

mod diary {
    use es_core::{Aggregate, Root, events};

    #[derive(Aggregate)]
    #[aggregate("Diary")]
    pub(super) struct Diary {
        root: Root<Self>,
    }

    #[events]
    impl Diary {
        #[event("Begun")]
        pub(super) fn begin() -> Self {
            Self { root: Root::new() }
        }

        #[event("Noted")]
        pub(super) fn note(&mut self, text: &str) {
            let _ = text;
        }
    }
}

#[tokio::test]
async fn large_events_are_not_kept_a_thousand_at_once() -> Result<()> {
    for (words, events, at_once) in [(6_000, 110, 100), (1, 2_000, 800)] {
        let watched = Watched::new(MemoryStore::new());
        let app = Application::builder(Intercepted(watched.clone()));
        let app = app.compression(Compression::zstd());
        let app = app.cache(0).build();
        let mut diary = Diary::begin();
        for _ in 1..events {
            // What is drawn cannot be made much smaller.
            let text: String = (0..words).map(|_| Uuid::new_v4().to_string()).collect();
            diary.note(&text);
        }
        app.save(&mut diary).await?;
        watched.reads();
        app.get::<Diary>(diary.id()).await?;
        let mut history = app.history::<Diary>(diary.id());
        let mut told = 0;
        while let Some(recorded) = history.next().await {
            recorded?;
            told += 1;
        }
        assert_eq!(told, events);
        let largest = watched
            .reads()
            .into_iter()
            .map(|(_, records)| records)
            .max();
        assert_eq!(largest, Some(at_once));
    }
    Ok(())
}

#[tokio::test]
async fn a_long_stream_that_is_encrypted_is_read_whole_and_as_it_was_at_a_time() -> Result<()> {
    let begin = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let clock = VirtualClock::at(begin);
    let app = Application::builder(MemoryStore::new());
    let app = app.keys(Keys::new(1, key())).clock(clock.clone()).build();
    let mut lamp = Lamp::mount(SECRET);
    app.save(&mut lamp).await?;
    for _ in 1..250 {
        clock.advance(Duration::from_secs(1));
        lamp.switch();
        app.save(&mut lamp).await?;
    }
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    for version in [1, 2, 99, 100, 101, 249, 250] {
        let time = begin + Duration::from_secs(version - 1);
        let past = app.get_as_of::<Lamp>(lamp.id(), time).await?;
        let version = Version::from(version);
        assert_eq!(past.version(), version);
        assert_eq!(*past, *app.get_at::<Lamp>(lamp.id(), version).await?);
    }
    Ok(())
}

#[tokio::test]
async fn snapshots_are_encrypted_too() -> Result<()> {
    let (store, one) = (MemoryStore::new(), key());
    let app = encrypted(&store, Keys::new(1, one));
    let mut purse = Purse::open(5);
    (0..4).for_each(|_| purse.put(1));
    app.save(&mut purse).await?;
    let stream = StreamId::new("Purse", purse.id());
    let snapshot = store
        .read_snapshot(&stream, Version::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(!snapshot.state.starts_with(b"{"));
    assert_eq!(app.get::<Purse>(purse.id()).await?, purse);
    assert_eq!(app.snapshot::<Purse>(purse.id()).await?, Version::from(5));

    // A snapshot that was moved is not used: the events tell.
    let mut other = Purse::open(100);
    (0..4).for_each(|_| other.put(1));
    app.save(&mut other).await?;
    let moved = Snapshot {
        stream: StreamId::new("Purse", other.id()),
        ..snapshot
    };
    store.keep_snapshot(moved).await.unwrap();
    assert_eq!(app.get::<Purse>(other.id()).await?.coins(), 104);
    Ok(())
}

/// Stores the first commit and loses the answer; the log is then asked in vain whether it has it.
struct Forgetful(MemoryStore, AtomicUsize);

impl Intercept for Forgetful {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn commit(
        &self,
        commit: Commit,
    ) -> BoxFuture<'_, std::result::Result<es_core::persistence::Committed, AppendError>> {
        Box::pin(async move {
            let committed = self.0.commit(commit).await;
            if self.1.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(AppendError::Unavailable("the line broke".into()));
            }
            committed
        })
    }

    fn outcome(
        &self,
        _: CommitId,
    ) -> BoxFuture<'_, std::result::Result<Option<es_core::persistence::Committed>, ReadError>>
    {
        Box::pin(async { Ok(None) })
    }
}

#[tokio::test]
async fn an_encrypted_commit_in_doubt_is_sent_again_as_it_was() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::builder(Intercepted(Forgetful(store.clone(), AtomicUsize::new(0))))
        .keys(Keys::new(1, key()))
        .build();
    let mut lamp = Lamp::mount(SECRET);
    let error = app.save(&mut lamp).await.unwrap_err();
    assert!(
        matches!(error, Error::Save(SaveError::Unknown { .. })),
        "{error:?}"
    );
    lamp.switch();
    app.save(&mut lamp).await?;
    assert_eq!(
        all(&store).len(),
        2,
        "what was encrypted anew would be another commit under its id"
    );
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}
