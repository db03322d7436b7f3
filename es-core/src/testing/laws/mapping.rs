//! Laws 22, 24 and 25: between events and what is stored of them.
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::apps::{app, handle, save};
use super::drawing::Draw;
use super::histories::seeds;
use super::parcels::{Contents, Parcel, ParcelEvent};
use super::{Harness, at, commit, nested, reopened};
use crate::application::{Application, Error, LoadError, LogError, Result};
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{Append, Commit, DecodeError, EncodedEvent, EventStore, Recorded};

/// Law 22.
pub async fn an_event_comes_back_from_the_store_as_it_was_recorded(mut harness: impl Harness) {
    let id = Uuid::from_u128(1);
    let mut parcel = Parcel::pack(id, "'\"\\🐕\0\u{2028}; DROP TABLE events");
    for contents in limits() {
        parcel.fill(contents);
    }
    for seed in seeds(20) {
        parcel.fill(Draw::new(seed).contents());
    }
    let mut events = parcel.pending().to_vec();
    let writer = app(&harness).await;
    save(&writer, &mut parcel).await;
    let kept = writer.snapshot::<Parcel>(id).await;
    let kept = kept.expect("a snapshot can be taken");
    // The state is one level deeper than the event, too deep for a snapshot.
    let [plain, ..] = limits();
    parcel.fill(Contents {
        value: nested(DEEPEST),
        ..plain
    });
    events.extend_from_slice(parcel.pending());
    save(&writer, &mut parcel).await;
    drop(writer);

    let store = harness.open().await;
    let store = reopened("law 22", &mut harness, store).await;
    let app = Application::new(handle(Arc::new(store)));
    let told = Told::by(&app, id).await.expect("everything can be read");
    told.assert_are(&events);
    let again = app.get::<Parcel>(id).await.expect("it can be got");
    assert_eq!(exactly(&again), exactly(&parcel));
    let from_snapshot = app.get_at::<Parcel>(id, kept).await;
    let from_snapshot = from_snapshot.expect("it can be got");
    let replayed = Parcel::replay(id, events[..events.len() - 1].to_vec());
    let replayed = replayed.expect("it can be replayed");
    assert_eq!(exactly(&*from_snapshot), exactly(&replayed));
}

/// Law 24.
pub async fn upcasters_run_in_order_however_an_event_is_read(mut harness: impl Harness) {
    let store = harness.open().await;
    let id = Uuid::from_u128(1);
    let stored = [
        ("Packed", 1, json!({"label": "a book"})),
        ("WeightTakenByHand", 1, json!({"kilos": 2})),
        ("Weighed", 1, json!({"kilos": 3})),
        ("WeightTakenByHand", 2, json!({"grams": 4_000})),
        ("Weighed", 3, json!({"grams": 5, "by": "Ann"})),
        ("Weighed", 2, json!({"grams": 6_000})),
        ("WeightTakenByHand", 3, json!({"grams": 7, "by": "Ann"})),
    ];
    for (version, (name, schema, payload)) in (1..).zip(stored) {
        store_raw(&store, id, version, (name, schema, payload)).await;
    }
    let weighed = |grams, by: &str| ParcelEvent::Weighed {
        grams,
        by: by.to_owned(),
    };
    let expected = [
        ParcelEvent::Packed {
            label: "a book".to_owned(),
        },
        weighed(1_950, "hand"),
        weighed(2_950, "hand"),
        weighed(3_950, "hand"),
        weighed(5, "Ann"),
        weighed(5_950, "hand"),
        weighed(7, "Ann"),
    ];
    let store = reopened("law 24", &mut harness, store).await;
    let app = Application::new(handle(Arc::new(store)));
    let told = Told::by(&app, id).await.expect("everything can be read");
    told.assert_are(&expected);

    let replayed = |version: usize| {
        let parcel = Parcel::replay(id, expected[..version].to_vec());
        parcel.expect("they can be replayed")
    };
    for snapshot in [false, true] {
        if snapshot {
            let taken = app.snapshot::<Parcel>(id).await;
            assert_eq!(taken.expect("it is taken").get(), 7);
        }
        for (version, time) in (1..).zip(1..=7) {
            let at_version = app.get_at::<Parcel>(id, Version::from(time)).await;
            assert_eq!(*at_version.expect("it is there"), replayed(version));
            let as_of = app.get_as_of::<Parcel>(id, at(time)).await;
            assert_eq!(*as_of.expect("it is there"), replayed(version));
        }
        let now = app.get::<Parcel>(id).await;
        assert_eq!(now.expect("it is there"), replayed(7));
    }
    let update = app.update(id, |parcel: &mut Parcel| parcel.weigh(8));
    assert_eq!(update.await.expect("it is updated").version.get(), 8);
}

/// Law 25.
pub async fn an_event_that_the_code_does_not_know_is_an_error_that_names_it(harness: impl Harness) {
    let store = Arc::new(harness.open().await);
    let app = Application::new(handle(Arc::clone(&store)));
    let known = ("Packed", 1, json!({"label": "a book"}));
    let unknown = "WeighedByAMachineThatIsNotYetInvented";
    let newer = json!({"grams": 5, "by": "Ann", "at": "the gate"});
    for (number, strange) in [
        (1, (unknown, 1, json!({"grams": 5}))),
        (2, ("Weighed", 4, newer.clone())),
        (3, ("Weighed", u32::MAX / 2, newer.clone())),
        (4, ("WeightTakenByHand", 4, newer)),
    ] {
        let id = Uuid::from_u128(number);
        store_raw(&*store, id, 1, known.clone()).await;
        store_raw(&*store, id, 2, strange.clone()).await;
        let (name, schema, _) = strange;
        let assert_named = |route: &str, error: Error| {
            let expected = match name {
                "Weighed" | "WeightTakenByHand" => Some((schema, 3)),
                _ => None,
            };
            let found = match error {
                Error::Load(LoadError::Decode(error)) | Error::Log(LogError::Decode(error)) => {
                    named(error)
                }
                other => panic!("{route}: {other:?}"),
            };
            let version = Version::from(2);
            let expected = (Parcel::stream(id), version, name.to_owned(), expected);
            assert_eq!(found, expected, "{route}");
        };
        assert_named("get", refused(app.get::<Parcel>(id).await));
        assert_named("find", refused(app.find::<Parcel>(id).await));
        let past = app.get_at::<Parcel>(id, Version::from(2)).await;
        assert_named("get_at", refused(past));
        let past = app.get_as_of::<Parcel>(id, at(1_000)).await;
        assert_named("get_as_of", refused(past));
        let told = Told::of_history(&app, id).await;
        assert_named("history", refused(told));
        let told = Told::of_log(&app, id).await;
        assert_named("log", refused(told));

        // What was before it is not lost.
        let before = app.get_at::<Parcel>(id, Version::FIRST).await;
        before.expect("the first event is known");
        let first = app.history::<Parcel>(id).next().await;
        let first = first.expect("there is one").expect("it is known");
        assert_eq!(first.version, Version::FIRST);
    }
}

fn refused<T>(answer: Result<T>) -> Error {
    match answer {
        Ok(_) => panic!("an event is not known"),
        Err(error) => error,
    }
}

/// What an error names: stream, version, event, and the schema that was found and that is known.
fn named(error: DecodeError) -> (StreamId, Version, String, Option<(u32, u32)>) {
    match error {
        DecodeError::UnknownEvent {
            stream,
            version,
            event,
        } => (stream, version, event, None),
        DecodeError::FutureSchema {
            stream,
            version,
            event,
            found,
            known,
        } => (stream, version, event, Some((found, known))),
        other => panic!("it is unknown, or too new, and not {other:?}"),
    }
}

/// Stores an event as another program may have, in a commit of its own.
async fn store_raw(
    store: &impl EventStore,
    id: Uuid,
    version: u64,
    (name, schema, payload): (&'static str, u32, Value),
) {
    let sent = Commit {
        time: at(version),
        ..commit([Append {
            stream: Parcel::stream(id),
            expected: Version::from(version - 1),
            events: vec![EncodedEvent {
                name: name.into(),
                schema,
                payload: Bytes::from(payload.to_string()),
            }],
        }])
    };
    store.commit(sent).await.expect("it is stored");
}

/// The events of one aggregate, as the two ways to read events give them.
struct Told {
    history: Vec<Recorded<ParcelEvent>>,
    log: Vec<Recorded<ParcelEvent>>,
}

impl Told {
    async fn by(app: &Application, id: Uuid) -> Result<Self> {
        Ok(Self {
            history: Self::of_history(app, id).await?,
            log: Self::of_log(app, id).await?,
        })
    }

    async fn of_history(app: &Application, id: Uuid) -> Result<Vec<Recorded<ParcelEvent>>> {
        let mut history = app.history::<Parcel>(id);
        let mut told = Vec::new();
        while let Some(recorded) = history.next().await {
            told.push(recorded?);
        }
        Ok(told)
    }

    async fn of_log(app: &Application, id: Uuid) -> Result<Vec<Recorded<ParcelEvent>>> {
        let mut told = Vec::new();
        for record in app.log().read(Position::START, usize::MAX).await? {
            if record.stream.id == id {
                told.push(app.log().decode(record).await?);
            }
        }
        Ok(told)
    }

    fn assert_are(&self, expected: &[ParcelEvent]) {
        for told in [&self.history, &self.log] {
            let events: Vec<_> = told.iter().map(|recorded| &recorded.event).collect();
            assert_eq!(exactly(&events), exactly(&expected));
            let versions = told.iter().map(|recorded| recorded.version.get());
            assert!(versions.eq(1..=expected.len() as u64));
        }
        let places = |told: &[Recorded<ParcelEvent>]| -> Vec<(Position, SystemTime)> {
            told.iter().map(|it| (it.position, it.time)).collect()
        };
        assert_eq!(places(&self.history), places(&self.log));
    }
}

/// As text, which tells floats apart bit for bit, 0.0 and -0.0 too.
fn exactly(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
}

/// How many arrays may be inside each other in the value of [`Contents`], which is two levels down itself.
const DEEPEST: usize = 125;

fn limits() -> [Contents; 4] {
    let plain = Contents {
        text: String::new(),
        letter: '\0',
        small: i64::MIN,
        large: u64::MAX,
        float: f64::MIN_POSITIVE,
        single: f32::MAX,
        bytes: (0..=u8::MAX).collect(),
        numbered: [(0, None), (u32::MAX, Some("\"".to_owned()))].into(),
        value: Value::Null,
    };
    [
        plain.clone(),
        Contents {
            text: "\0\u{1}\u{7f}\u{2028}'\"\\/{}[]🐕; DROP TABLE events; --".to_owned(),
            letter: char::MAX,
            small: i64::MAX,
            large: (1 << 53) + 1,
            float: -0.0,
            value: json!({"": {"\0\"🐕": [null, true, -0.0, 0.1, 1e300, u64::MAX, i64::MIN]}}),
            ..plain.clone()
        },
        Contents {
            text: "🐕".repeat(20_000),
            float: 5e-324,
            single: -0.0,
            ..plain.clone()
        },
        Contents {
            float: f64::MAX,
            single: 1.0e-45,
            value: json!([0.1, 0.2, 0.300_000_000_000_000_04]),
            ..plain
        },
    ]
}
