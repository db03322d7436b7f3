//! Types of aggregates known by name, logs that are checked, and commits that are copied.
use std::collections::HashMap;

use es_core::application::{AggregateType, FieldState, Story};
use es_core::persistence::Finding;

use serde::{Deserialize, Serialize};

use super::*;

/// Has a field that cannot be printed, and one with a name that is a keyword.
#[derive(Aggregate)]
#[aggregate("Safe")]
struct Safe {
    root: Root<Self>,
    secret: Secret,
    r#type: String,
}

struct Secret;

#[events]
impl Safe {
    #[event("Bought")]
    fn buy() -> Self {
        Self {
            root: Root::new(),
            secret: Secret,
            r#type: "small".to_owned(),
        }
    }
}

fn told(state: &[FieldState]) -> Vec<(&'static str, Option<&str>)> {
    let fields = state.iter();
    fields
        .map(|field| (field.name, field.value.as_deref()))
        .collect()
}

async fn all(mut story: Story) -> Vec<Result<String>> {
    let mut all = Vec::new();
    while let Some(record) = story.next().await {
        all.push(record.map(|record| format!("{} {:?}", record.event, story.state())));
    }
    all
}

#[tokio::test]
async fn a_story_tells_what_an_aggregate_was_like_after_each_event() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 3).await;
    let lamps = AggregateType::of::<Lamp>();
    let told: Vec<_> = all(lamps.story(&app, lamp.id()))
        .await
        .into_iter()
        .collect::<Result<_>>()?;
    assert_eq!(
        told,
        [
            "Mounted [room: \"kitchen\", on: false]",
            "Switched [room: \"kitchen\", on: true]",
            "Switched [room: \"kitchen\", on: false]",
        ]
    );
    let unknown = lamps.story(&app, Uuid::nil());
    assert_eq!(unknown.state(), []);
    assert!(all(unknown).await.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_story_goes_over_pages() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2_500).await;
    let mut story = AggregateType::of::<Lamp>().story(&app, lamp.id());
    let mut version = Version::NEW;
    while let Some(record) = story.next().await {
        version = version.next();
        assert_eq!(record?.version, version);
    }
    assert_eq!(version, Version::from(2_500));
    Ok(())
}

#[tokio::test]
async fn a_field_that_cannot_be_printed_is_shown_by_name() -> Result<()> {
    let app = app();
    let mut safe = Safe::buy();
    app.save(&mut safe).await?;
    assert!(matches!(safe.secret, Secret) && safe.r#type == "small");
    let mut story = AggregateType::of::<Safe>().story(&app, safe.id());
    story.next().await.unwrap()?;
    assert_eq!(
        told(&story.state()),
        [("secret", None), ("type", Some("\"small\""))]
    );
    Ok(())
}

#[tokio::test]
async fn a_story_ends_at_what_it_cannot_read() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let commit = one_event(&lamp, Version::FIRST, "Stolen", b"{}");
    app.append(commit).await?;
    let told = all(AggregateType::of::<Lamp>().story(&app, lamp.id())).await;
    assert_eq!(told.len(), 2);
    assert!(matches!(
        &told[1],
        Err(Error::Load(LoadError::Decode(DecodeError::UnknownEvent { event, .. }))) if event == "Stolen"
    ));
    Ok(())
}

#[tokio::test]
async fn a_type_checks_records_and_takes_snapshots_by_id() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    let records = app.log().read(Position::START, 10).await?;
    let lamps = AggregateType::of::<Lamp>();
    assert!(records.iter().all(|record| lamps.check(record).is_ok()));
    let purses = AggregateType::of::<Purse>();
    assert!(purses.check(&records[0]).is_err());
    assert_eq!(lamps.ids(&app, None, 10).await?, [lamp.id()]);
    assert!(lamps.ids(&app, Some(lamp.id()), 10).await?.is_empty());
    let of_stream = app.log().stream(stream(&lamp), Slice::all()).await?;
    assert_eq!(of_stream, records);
    assert!(purses.snapshot_every.is_some() && lamps.snapshot_every.is_none());
    let refused = lamps.snapshot(&app, lamp.id()).await;
    assert!(matches!(
        refused,
        Err(Error::Snapshot(SnapshotError::NotDeclared { .. }))
    ));
    Ok(())
}

fn one_event(lamp: &Lamp, expected: Version, name: &'static str, payload: &'static [u8]) -> Commit {
    Commit {
        id: CommitId::draw(),
        time: SystemTime::now(),
        metadata: Metadata::new().actor("alice"),
        appends: vec![Append {
            stream: stream(lamp),
            expected,
            events: vec![EncodedEvent {
                name: name.into(),
                schema: 1,
                payload: payload.into(),
            }],
        }],
        checkpoint: None,
    }
}

#[tokio::test]
async fn a_copied_commit_is_as_it_was_and_is_stored_once() -> Result<()> {
    let (from, to) = (app(), app());
    let lamp = saved_lamp(&from, 1).await;
    let original = one_event(&lamp, Version::FIRST, "Switched", b"{ }");
    from.append(original.clone()).await?;
    let first = from.log().read(Position::START, 1).await?.remove(0);
    for _ in 0..2 {
        let copy = Commit {
            id: first.commit,
            time: first.time,
            metadata: first.metadata.clone(),
            appends: vec![Append {
                stream: first.stream.clone(),
                expected: Version::NEW,
                events: vec![EncodedEvent {
                    name: first.event.clone(),
                    schema: first.schema,
                    payload: first.payload.clone(),
                }],
            }],
            checkpoint: None,
        };
        to.append(copy).await?;
        to.append(original.clone()).await?;
    }
    let all = |app: Application| async move { app.log().read(Position::START, 10).await };
    assert_eq!(all(from).await?, all(to).await?);
    Ok(())
}

/// Shows the log with something changed.
struct Edited(MemoryStore, fn(&mut Vec<Record>));

impl Intercept for Edited {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(async move {
            let mut page = self.0.read_log(span, filter).await?;
            (self.1)(&mut page.records);
            Ok(page)
        })
    }
}

#[tokio::test]
async fn a_log_that_nobody_touched_verifies_and_an_edited_one_does_not() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    let lamp = saved_lamp(&app, 4).await;
    saved_lamp(&app, 2).await;
    let found = app.verify().await?;
    assert_eq!((found.events, found.findings), (6, Vec::new()));

    let broken = || Finding::Stream {
        stream: stream(&lamp),
    };
    let hole = Finding::Hole {
        after: Position::from(2),
        next: 4,
    };
    let (head, last) = (Position::from(6), Position::from(5));
    type Edit = fn(&mut Vec<Record>);
    let edits: [(Edit, Vec<Finding>); 4] = [
        (|records| drop(records.remove(2)), vec![hole, broken()]),
        (
            |records| drop(records.pop()),
            vec![Finding::Head { head, last }],
        ),
        (
            |records| records[1].version = Version::from(9),
            vec![broken()],
        ),
        (
            |records| records[3].time = SystemTime::UNIX_EPOCH,
            vec![Finding::Time {
                position: Position::from(4),
            }],
        ),
    ];
    for (edit, expected) in edits {
        let app = Application::new(Intercepted(Edited(store.clone(), edit)));
        let found = app.verify().await?.findings;
        assert_eq!(found, expected);
        assert!(found.iter().all(|finding| !finding.to_string().is_empty()));
    }
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    #[serde(default)]
    amount: u64,
    #[serde(alias = "unit")]
    of: String,
}

#[derive(Aggregate, Debug)]
#[aggregate("Sheet")]
struct Sheet {
    root: Root<Self>,
}

#[events]
impl Sheet {
    #[event("Written", was = "Noted")]
    fn write(
        items: Vec<Item>,
        factor: f64,
        by: Option<String>,
        seen: HashMap<String, bool>,
    ) -> Self {
        Self { root: Root::new() }
    }
}

#[test]
fn what_is_stored_and_left_out_by_reading_it_is_named() {
    let ty = AggregateType::of::<Sheet>();
    let check = |name: &'static str, payload: &str| {
        let record = Record {
            stream: StreamId::new("Sheet", Uuid::nil()),
            version: Version::FIRST,
            position: Position::FIRST,
            event: name.into(),
            schema: 1,
            payload: payload.to_owned().into(),
            time: SystemTime::UNIX_EPOCH,
            commit: CommitId::draw(),
            metadata: Metadata::new(),
        };
        ty.check(&record).expect("it can be read")
    };
    for (payload, expected) in [
        (
            r#"{"items": [{"amount": 250, "of": "mg"}], "factor": 1.5, "by": "ann", "seen": {"bob": true}}"#,
            None,
        ),
        (
            r#"{"items": [{"amount": 250, "unit": "mg"}], "factor": 1, "seen": {}}"#,
            None,
        ),
        (
            r#"{"items": [{"amount": 250, "of": "mg", "note": null}], "factor": 1, "seen": {}, "old": null}"#,
            None,
        ),
        (
            r#"{"items": [{"of": "g"}, {"dose": 250, "of": "mg"}], "factor": 1, "seen": {}}"#,
            Some("items"),
        ),
        (
            r#"{"items": [], "factor": 1, "bye": "ann", "seen": {}}"#,
            Some("bye"),
        ),
    ] {
        for name in ["Written", "Noted"] {
            assert_eq!(check(name, payload).as_deref(), expected, "{payload}");
        }
    }
}
