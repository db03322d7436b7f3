//! Getting aggregates: as they are, as they were, and where stored events are not what the code declares.
use super::*;

#[tokio::test]
async fn what_does_not_exist_is_not_found() -> Result<()> {
    let (app, id) = (app(), Uuid::from_u128(9));
    assert_eq!(app.find::<Lamp>(id).await?, None);
    for error in [
        app.get::<Lamp>(id).await.unwrap_err(),
        app.get_at::<Lamp>(id, Version::FIRST).await.unwrap_err(),
        app.get_at::<Lamp>(id, Version::NEW).await.unwrap_err(),
    ] {
        let Error::Load(LoadError::NotFound { stream }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(stream, StreamId::new("Lamp", id));
    }
    assert!(app.history::<Lamp>(id).next().await.is_none());
    Ok(())
}

#[tokio::test]
async fn every_version_can_be_had_again_and_no_other() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 5).await;
    for version in 1..=5 {
        let past = app
            .get_at::<Lamp>(lamp.id(), Version::from(version))
            .await?;
        assert_eq!(
            (past.version().get(), past.is_on()),
            (version, version % 2 == 0)
        );
    }
    for version in [0, 6, u64::MAX] {
        let error = app
            .get_at::<Lamp>(lamp.id(), Version::from(version))
            .await
            .unwrap_err();
        assert!(
            matches!(&error, Error::Load(LoadError::NoSuchVersion { asked, newest, .. })
                if asked.get() == version && newest.get() == 5),
            "{error:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn an_aggregate_can_be_had_as_it_was_at_a_time() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    let created = lamp.created_at().unwrap();
    while lamp.modified_at() == Some(created) {
        lamp.switch();
        app.save(&mut lamp).await?;
    }
    let switched = lamp.modified_at().unwrap();
    let tick = Duration::from_micros(1);
    assert!(app.get_as_of::<Lamp>(lamp.id(), created).await?.version() < lamp.version());
    assert!(
        app.get_as_of::<Lamp>(lamp.id(), switched - tick)
            .await?
            .version()
            < lamp.version()
    );
    for time in [
        switched,
        switched + tick,
        switched + Duration::from_secs(1_000),
    ] {
        assert_eq!(*app.get_as_of::<Lamp>(lamp.id(), time).await?, lamp);
    }

    let early = app
        .get_as_of::<Lamp>(lamp.id(), created - tick)
        .await
        .unwrap_err();
    assert!(
        matches!(&early, Error::Load(LoadError::NotYet { stream: of, asked }) if *of == stream(&lamp) && *asked == created - tick),
        "{early:?}"
    );
    let never = app
        .get_as_of::<Lamp>(Uuid::nil(), switched)
        .await
        .unwrap_err();
    assert!(
        matches!(never, Error::Load(LoadError::NotFound { .. })),
        "{never:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_stream_longer_than_a_page_is_read_whole() -> Result<()> {
    for count in [999, 1_000, 1_001, 2_000, 2_345] {
        let app = app();
        let lamp = saved_lamp(&app, count).await;
        assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
        let mut history = app.history::<Lamp>(lamp.id());
        let mut seen = 0;
        while let Some(recorded) = history.next().await {
            seen += 1;
            assert_eq!(recorded?.version, Version::from(seen));
        }
        assert_eq!(seen, count);
        let mut rest = app
            .history::<Lamp>(lamp.id())
            .after(Version::from(count - 2));
        assert_eq!(rest.next().await.unwrap()?.version.get(), count - 1);
        assert_eq!(rest.next().await.unwrap()?.version.get(), count);
        assert!(rest.next().await.is_none());
    }
    Ok(())
}

/// A store that has lost the second event of every stream.
struct Holed(MemoryStore);

impl Intercept for Holed {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, std::result::Result<Vec<Record>, ReadError>> {
        Box::pin(async move {
            let mut records = self.0.read_stream(stream, slice).await?;
            records.retain(|record| record.version != Version::from(2));
            Ok(records)
        })
    }
}

#[tokio::test]
async fn what_comes_after_a_hole_is_not_taken_for_what_comes_next() {
    let store = MemoryStore::new();
    let lamp = saved_lamp(&Application::new(store.clone()), 3).await;
    let app = Application::new(Intercepted(Holed(store)));
    let error = app.get::<Lamp>(lamp.id()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Load(LoadError::Broken { stream: of, expected, found })
            if *of == stream(&lamp) && expected.get() == 2 && found.get() == 3),
        "{error:?}"
    );
    let mut history = app.history::<Lamp>(lamp.id());
    assert!(history.next().await.unwrap().is_ok());
    let error = history.next().await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Load(LoadError::Broken { .. })),
        "{error:?}"
    );
}

/// Writes raw records, as another program may have.
async fn stored(store: &MemoryStore, stream: &StreamId, events: &[(&str, u32, &str)]) {
    let expected = Version::from(
        store
            .read_stream(stream, Slice::all())
            .await
            .expect("readable")
            .len() as u64,
    );
    let events = events
        .iter()
        .map(|(name, schema, payload)| EncodedEvent {
            name: (*name).to_owned().into(),
            schema: *schema,
            payload: (*payload).to_owned().into(),
        })
        .collect();
    let commit = Commit {
        id: CommitId::draw(),
        metadata: Metadata::new(),
        time: std::time::SystemTime::UNIX_EPOCH,
        appends: vec![Append {
            stream: stream.clone(),
            expected,
            events,
        }],
        checkpoint: None,
    };
    store.commit(commit).await.expect("stored");
}

#[tokio::test]
async fn a_stored_event_that_cannot_be_read_is_named() {
    let deep = format!(r#"{{"room":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let cases = [
        (("Mounted", 1, deep.as_str()), "malformed"),
        (("Exploded", 1, "{}"), "unknown"),
        (("Switched", 2, "{}"), "future"),
        (("Mounted", 1, "{"), "malformed"),
        (("Mounted", 1, "{}"), "malformed"),
        (("Mounted", 1, r#"{"room":7}"#), "malformed"),
        (("Mounted", 1, r#"{"room":"a"} trailing"#), "malformed"),
        (("Mounted", 1, r#"["a"]"#), "no object"),
        (("Mounted", 1, ""), "no object"),
        (("Mounted", 1, "null"), "no object"),
    ];
    for (bad, expected) in cases {
        let store = MemoryStore::new();
        let stream = StreamId::new("Lamp", Uuid::from_u128(1));
        stored(
            &store,
            &stream,
            &[("Mounted", 1, r#"{"room":"attic"}"#), bad],
        )
        .await;
        let app = Application::new(store);
        let error = app.get::<Lamp>(stream.id).await.unwrap_err();
        let Error::Load(LoadError::Decode(error)) = error else {
            panic!("{bad:?}: {error:?}");
        };
        let (kind, at, version, event) = match &error {
            DecodeError::UnknownEvent {
                stream,
                version,
                event,
            } => ("unknown", stream, version, event),
            DecodeError::FutureSchema {
                stream,
                version,
                event,
                found: 2,
                known: 1,
            } => ("future", stream, version, event),
            DecodeError::Malformed {
                stream,
                version,
                event,
                ..
            } => ("malformed", stream, version, event),
            DecodeError::Codec {
                stream,
                version,
                event,
                ..
            } => ("no object", stream, version, event),
            other => panic!("{bad:?}: {other:?}"),
        };
        assert_eq!(
            (kind, at, version.get(), event.as_str()),
            (expected, &stream, 2, bad.0)
        );

        let mut history = app.history::<Lamp>(stream.id);
        assert!(
            history.next().await.unwrap().is_ok(),
            "the history tells what it can"
        );
        assert!(history.next().await.unwrap().is_err());
        assert!(
            history.next().await.is_none(),
            "and ends at the first error"
        );
    }
}

#[tokio::test]
async fn events_in_the_wrong_order_are_no_aggregate() {
    let (mounted, switched) = (("Mounted", 1, r#"{"room":"attic"}"#), ("Switched", 1, "{}"));
    for (events, message) in [
        (
            vec![switched, switched],
            "`Switched` of `Lamp/00000000-0000-0000-0000-000000000001` at version 1 does not create it; begin with an event that does",
        ),
        (
            vec![mounted, switched, mounted],
            "`Mounted` of `Lamp/00000000-0000-0000-0000-000000000001` at version 3 creates it, and it exists already",
        ),
    ] {
        let store = MemoryStore::new();
        let stream = StreamId::new("Lamp", Uuid::from_u128(1));
        stored(&store, &stream, &events).await;
        let error = Application::new(store)
            .get::<Lamp>(stream.id)
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Load(LoadError::Replay(_))));
        // As it is told with its causes.
        assert_eq!(format!("{error:?}"), message);
    }
    let nothing = Lamp::replay(Uuid::from_u128(1), []).unwrap_err();
    assert_eq!(
        nothing.to_string(),
        "there are no events of `Lamp/00000000-0000-0000-0000-000000000001`; begin with one that creates it"
    );
}
