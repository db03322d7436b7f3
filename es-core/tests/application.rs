//! What an application promises, over the memory store.
mod lamp;

use std::future::Future;
use std::time::Duration;

use es_core::application::{LoadError, SaveError};
use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, DecodeError, EncodedEvent, EventStore,
    Metadata, ReadError, Record, Slice,
};
use es_core::{
    Aggregate, Application, Error, Position, Result, Root, StreamId, UpdateError, Version, events,
};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;
use uuid::Uuid;

use crate::lamp::{Burnt, Lamp, LampEvent};

fn app() -> Application {
    Application::new(MemoryStore::new())
}

fn stream(lamp: &Lamp) -> StreamId {
    StreamId::new("Lamp", lamp.id())
}

/// A lamp with `count` events, saved.
async fn saved_lamp(app: &Application, count: u64) -> Lamp {
    let mut lamp = Lamp::mount("kitchen");
    for _ in 1..count {
        lamp.switch();
    }
    app.save(&mut lamp).await.expect("the lamp is saved");
    lamp
}

#[tokio::test]
async fn what_was_saved_is_got_again() -> Result<()> {
    let app = app();
    let mut lamp = Lamp::mount("kitchen");
    lamp.switch();
    let saved = app.save(&mut lamp).await?;
    assert_eq!(
        (saved.version, saved.position),
        (Version::from(2), Some(Position::from(2)))
    );
    assert!(lamp.pending().is_empty());
    assert_eq!(lamp.version(), Version::from(2));

    let again = app.get::<Lamp>(lamp.id()).await?;
    assert_eq!(again, lamp);
    assert_eq!(again.created_at(), lamp.created_at());
    assert_eq!(again.modified_at(), lamp.modified_at());
    assert!(again.created_at().is_some());
    Ok(())
}

#[tokio::test]
async fn saving_goes_on_where_it_ended() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    for version in 2..6 {
        lamp.switch();
        assert_eq!(app.save(&mut lamp).await?.version, Version::from(version));
    }
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}

/// A store that must not be asked.
struct Unasked;

impl EventStore for Unasked {
    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        panic!("{commit:?}")
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        panic!("{commit}")
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        _: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        panic!("{stream}")
    }

    fn read_log(&self, after: Position, _: usize) -> BoxFuture<'_, Result<Vec<Record>, ReadError>> {
        panic!("{after}")
    }
}

#[tokio::test]
async fn saving_with_nothing_pending_does_nothing() -> Result<()> {
    let mut lamp = saved_lamp(&app(), 3).await;
    let saved = Application::new(Unasked).save(&mut lamp).await?;
    assert_eq!((saved.version, saved.position), (Version::from(3), None));
    Ok(())
}

#[tokio::test]
async fn several_aggregates_are_saved_all_or_none() -> Result<()> {
    let app = app();
    let (mut one, mut two, mut three) = (Lamp::mount("a"), Lamp::mount("b"), Lamp::mount("c"));
    two.switch();
    let saved = app.save((&mut one, (&mut two, &mut three))).await?;
    assert_eq!(
        saved.version,
        (Version::from(1), (Version::from(2), Version::from(1)))
    );
    assert_eq!(saved.position, Some(Position::from(4)));

    let mut stale = app.get::<Lamp>(two.id()).await?;
    two.switch();
    app.save(&mut two).await?;
    one.switch();
    stale.switch();
    let refused = app.save(vec![&mut one, &mut stale]).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Save(SaveError::Conflict { stream: conflict, expected, actual })
            if *conflict == stream(&two) && expected.get() == 2 && actual.get() == 3),
        "{refused:?}"
    );
    assert_eq!(
        one.pending(),
        [LampEvent::Switched {}],
        "nothing pending is lost"
    );
    assert_eq!(app.get::<Lamp>(one.id()).await?.version(), Version::from(1));

    let mut lamps = [Lamp::mount("d"), Lamp::mount("e")];
    assert_eq!(app.save(&mut lamps[..]).await?.version, [Version::FIRST; 2]);
    Ok(())
}

#[tokio::test]
async fn many_aggregates_are_saved_in_every_form() -> Result<()> {
    let app = app();
    let lamps = || [Lamp::mount("a"), Lamp::mount("b")];
    let (mut one, mut two, mut three, mut four, mut five) =
        (lamps(), lamps(), lamps().to_vec(), lamps(), lamps());
    assert_eq!(app.save(&mut one).await?.version, [Version::FIRST; 2]);
    assert_eq!(app.save(&mut two[..]).await?.version, [Version::FIRST; 2]);
    assert_eq!(app.save(&mut three).await?.version, [Version::FIRST; 2]);
    assert_eq!(
        app.save(four.each_mut()).await?.version,
        [Version::FIRST; 2]
    );
    assert_eq!(
        app.save(five.iter_mut().collect::<Vec<_>>()).await?.version,
        [Version::FIRST; 2]
    );
    for lamp in one
        .iter()
        .chain(&two)
        .chain(&three)
        .chain(&four)
        .chain(&five)
    {
        assert_eq!(app.get::<Lamp>(lamp.id()).await?, *lamp);
    }
    Ok(())
}

#[tokio::test]
async fn the_times_of_an_aggregate_are_those_of_its_own_events() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    let created = lamp.created_at();
    let mut other = saved_lamp(&app, 1).await;
    while other.modified_at() == created {
        other.switch();
        app.save((&mut lamp, &mut other)).await?;
    }
    assert_eq!(
        lamp.modified_at(),
        created,
        "it took part with nothing pending"
    );

    lamp.switch();
    app.save(&mut lamp).await?;
    assert_eq!(lamp.created_at(), created);
    assert!(lamp.modified_at() > created);
    let again = app.get::<Lamp>(lamp.id()).await?;
    assert_eq!(
        (again.created_at(), again.modified_at()),
        (created, lamp.modified_at())
    );
    let since_1970 = again
        .modified_at()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(since_1970.subsec_nanos() % 1_000, 0, "whole microseconds");
    Ok(())
}

#[tokio::test]
async fn a_conflict_that_never_ends_is_given_back() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            decided += 1;
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
            lamp.switch();
        })
        .await;
    assert!(matches!(
        refused,
        Err(UpdateError::Failed(Error::Save(SaveError::Conflict { .. })))
    ));
    assert_eq!(decided, 16);
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(17), "its own events are not stored");
    Ok(())
}

#[tokio::test]
async fn the_same_aggregate_twice_in_one_save_is_refused() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    let mut copy = app.get::<Lamp>(lamp.id()).await?;
    lamp.switch();
    copy.switch();
    let refused = app.save((&mut lamp, &mut copy)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Save(SaveError::Twice { .. })),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_aggregate_that_no_event_created_cannot_be_saved() {
    #[derive(Aggregate)]
    #[aggregate("Ghost")]
    struct Ghost {
        root: Root<Self>,
    }

    #[events]
    impl Ghost {
        #[event("Appeared")]
        fn appear() -> Self {
            Self { root: Root::new() }
        }

        #[event("Haunted")]
        fn haunt(&mut self) {}
    }

    let mut ghost = Ghost { root: Root::new() };
    ghost.haunt();
    assert!(ghost.pending().is_empty());
    let refused = app().save(&mut ghost).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Save(SaveError::NotCreated { category: "Ghost" })
        ),
        "{refused:?}"
    );
    assert_eq!(
        app().save(&mut Ghost::appear()).await.unwrap().version,
        Version::FIRST
    );
}

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
async fn the_log_tells_everything_in_order() -> Result<()> {
    let app = app();
    assert_eq!(app.log().read(Position::START, 10).await?, []);
    let lamp = saved_lamp(&app, 2).await;
    let other = saved_lamp(&app, 1).await;
    app.update(lamp.id(), Lamp::switch).await?;

    let all = app.log().read(Position::START, 10).await?;
    let told: Vec<_> = all
        .iter()
        .map(|record| (record.stream.id, record.version.get(), &*record.event))
        .collect();
    let (lamp, other) = (lamp.id(), other.id());
    assert_eq!(
        told,
        [
            (lamp, 1, "Mounted"),
            (lamp, 2, "Switched"),
            (other, 1, "Mounted"),
            (lamp, 3, "Switched")
        ]
    );
    assert_eq!(app.log().read(Position::from(1), 2).await?, all[1..3]);
    assert_eq!(app.log().read(Position::from(4), 2).await?, []);
    Ok(())
}

#[tokio::test]
async fn who_and_why_are_stored_with_every_event() -> Result<()> {
    let app = app();
    let request = Uuid::from_u128(7);
    let alice = Metadata::new()
        .actor("alice")
        .correlation(request)
        .with("channel", "web");
    let for_alice = app.with(alice.clone());
    let (mut lamp, mut other) = (Lamp::mount("hall"), Lamp::mount("attic"));
    lamp.switch();
    for_alice.save((&mut lamp, &mut other)).await?;
    app.update(lamp.id(), Lamp::switch).await?;
    for_alice.update(lamp.id(), Lamp::switch).await?;

    let mut history = app.history::<Lamp>(lamp.id());
    for expected in [&alice, &alice, &Metadata::new(), &alice] {
        assert_eq!(history.next().await.unwrap()?.metadata, *expected);
    }
    let of_other = app
        .history::<Lamp>(other.id())
        .next()
        .await
        .unwrap()?
        .metadata;
    assert_eq!(of_other.get_actor(), Some("alice"));
    assert_eq!(
        (of_other.get_correlation(), of_other.get_causation()),
        (Some(request), None)
    );
    assert_eq!(
        of_other.keys().collect::<Vec<_>>(),
        [("channel", &"web".into())]
    );
    assert!(Metadata::new().is_empty() && !alice.is_empty());
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
    }
    Ok(())
}

#[tokio::test]
async fn the_history_tells_what_happened_in_order() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    let mut history = app.history::<Lamp>(lamp.id());
    let first = history.next().await.unwrap()?;
    assert_eq!(
        first.event,
        LampEvent::Mounted {
            room: "kitchen".to_owned()
        }
    );
    assert_eq!(&first.payload[..], br#"{"room":"kitchen"}"#);
    assert_eq!(
        (first.stream, Some(first.time)),
        (stream(&lamp), lamp.created_at())
    );
    let second = history.next().await.unwrap()?;
    assert_eq!(
        (second.event, second.position),
        (LampEvent::Switched {}, Position::from(2))
    );
    assert!(history.next().await.is_none());
    assert!(history.next().await.is_none(), "it stays ended");
    Ok(())
}

#[tokio::test]
async fn an_update_decides_saves_and_answers() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let updated = app.update(lamp.id(), Lamp::switch).await?;
    assert_eq!(
        (updated.version, updated.position),
        (Version::from(2), Some(Position::from(2)))
    );
    let updated = app
        .update(lamp.id(), |lamp: &mut Lamp| Ok::<_, Burnt>(lamp.is_on()))
        .await?;
    assert_eq!((updated.value, updated.position), (true, None));
    Ok(())
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_keeps_its_type() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            lamp.switch();
            Err::<(), _>(Burnt)
        })
        .await;
    assert!(matches!(refused, Err(UpdateError::Refused(Burnt))));
    assert!(
        matches!(Error::from(refused.unwrap_err()), Error::Refused(refusal) if refusal.is::<Burnt>())
    );
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}

#[tokio::test]
async fn an_update_decides_again_when_another_writer_was_faster() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    app.update(lamp.id(), |lamp: &mut Lamp| {
        decided += 1;
        if decided < 4 {
            // Another writer, between getting and saving.
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
        }
        lamp.switch();
    })
    .await?;
    assert_eq!(decided, 4);
    assert_eq!(
        app.get::<Lamp>(lamp.id()).await?.version(),
        Version::from(5)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_update_of_many_tasks_lands_once() -> Result<()> {
    const TASKS: usize = 100;
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (app, id) = (app.clone(), lamp.id());
            tokio::spawn(async move {
                loop {
                    match app.update(id, Lamp::switch).await {
                        Ok(_) => return,
                        Err(UpdateError::Failed(Error::Save(SaveError::Conflict { .. }))) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(1 + TASKS as u64));
    Ok(())
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
        (("Mounted", 1, r#"["a"]"#), "malformed"),
        (("Mounted", 1, ""), "malformed"),
        (("Mounted", 1, "null"), "malformed"),
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
            "`Switched` at version 1 does not create",
        ),
        (
            vec![mounted, switched, mounted],
            "`Mounted` at version 3 creates",
        ),
    ] {
        let store = MemoryStore::new();
        let stream = StreamId::new("Lamp", Uuid::from_u128(1));
        stored(&store, &stream, &events).await;
        let error = Application::new(store)
            .get::<Lamp>(stream.id)
            .await
            .unwrap_err();
        let Error::Load(LoadError::Replay { source, .. }) = error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains(message), "{source}");
    }
}

#[tokio::test]
async fn one_stored_name_is_one_type() -> Result<()> {
    mod other {
        use es_core::{Aggregate, Root, events};

        #[derive(Aggregate, Debug)]
        #[aggregate("Lamp")]
        pub(super) struct Lantern {
            root: Root<Self>,
        }

        #[events]
        impl Lantern {
            #[event("Lit")]
            pub(super) fn light() -> Self {
                Self { root: Root::new() }
            }
        }
    }
    use other::Lantern;

    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let clone = app.clone();
    let mut history = clone.history::<Lantern>(lamp.id());
    let errors = [
        app.save(&mut Lantern::light())
            .await
            .map(|_| ())
            .unwrap_err(),
        app.get::<Lantern>(lamp.id()).await.map(|_| ()).unwrap_err(),
        clone
            .find::<Lantern>(lamp.id())
            .await
            .map(|_| ())
            .unwrap_err(),
        history.next().await.unwrap().map(|_| ()).unwrap_err(),
    ];
    for error in errors {
        let (Error::Save(SaveError::CategoryTaken(taken))
        | Error::Load(LoadError::CategoryTaken(taken))) = error
        else {
            panic!("{error:?}");
        };
        assert_eq!(taken.category, "Lamp");
        assert!(
            taken.first.ends_with("lamp::Lamp") && taken.second.ends_with("Lantern"),
            "{taken}"
        );
    }
    Ok(())
}

#[test]
fn an_application_and_its_futures_can_go_anywhere() {
    fn anywhere<T: Clone + Send + Sync + 'static>(_: &T) {}
    fn task<F: Future + Send + 'static>(_: F) {}
    fn sendable<F: Future + Send>(_: F) {}

    let (app, id) = (app(), Uuid::nil());
    anywhere(&app);
    task(app.get::<Lamp>(id));
    task(app.find::<Lamp>(id));
    task(app.log().read(Position::START, 1));
    task(app.get_at::<Lamp>(id, Version::FIRST));
    task(app.get_as_of::<Lamp>(id, std::time::UNIX_EPOCH));
    task(app.update(id, Lamp::switch));
    let trick = String::new();
    sendable(app.update(id, |_: &mut Lamp| drop(trick.clone())));
    sendable(app.save(&mut Lamp::mount("hall")));
    let mut history = app.history::<Lamp>(id);
    sendable(history.next());
    task(async move {
        let mut lamp = Lamp::mount("hall");
        app.save(&mut lamp).await
    });
}
