//! What is told by `tracing`, as its own subscriber writes it.
//!
//! Apart from all others, and one after the other: `tracing` keeps for the whole program what anybody listens to, and who begins just as another
//! thread comes by a place for the first time may hear nothing of it.
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use es_core::system::OnFailure;
use es_core::{Application, Follower, System};
use es_store_memory::MemoryStore;
use pollster::block_on;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::school::{Dog, Wall, application, dog, train, trained};

#[allow(dead_code, reason = "others need more of it")]
#[path = "system/school.rs"]
mod school;

static ALONE: Mutex<()> = Mutex::new(());

/// What is told, at all levels, while something is done on this thread.
fn told(done: impl Future<Output = ()>) -> String {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = tempfile::NamedTempFile::new().expect("a file");
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW)
        .with_writer(Arc::new(lines.reopen().expect("the same file")))
        .with_ansi(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, || block_on(done));
    std::fs::read_to_string(&lines).expect("it is text")
}

#[track_caller]
fn assert_told(told: &str, parts: &[&str]) {
    let is_it = |line: &str| parts.iter().all(|part| line.contains(part));
    assert!(told.lines().any(is_it), "{parts:?} is not in\n{told}");
}

#[test]
fn a_save_and_a_load_tell_stream_versions_and_commit_and_no_payload() {
    let (_store, app) = application("school");
    let told = told(async {
        trained(&app, 1, &["secret"]).await;
        app.get::<Dog>(dog(1)).await.unwrap();
        app.save(&mut Dog::register(dog(1))).await.unwrap_err();
        app.get::<Dog>(dog(2)).await.unwrap_err();
    });
    let stream = format!("Dog/{}", dog(1));
    assert_told(
        &told,
        &[
            "DEBUG",
            "save{commit=",
            &stream,
            "events=2",
            "es_core::save: new",
        ],
    );
    assert_told(&told, &["save{commit=", "es_core::save: saved position=2"]);
    assert_told(
        &told,
        &[
            "load{stream=",
            &stream,
            "after=0",
            "es_core::load: loaded version=2",
        ],
    );
    assert_told(&told, &["save{commit=", "not saved", "exists already"]);
    assert!(!told.contains("secret"), "{told}");
}

#[test]
fn a_decision_that_is_taken_again_tells_why() {
    let (_store, app) = application("school");
    let told = told(async {
        trained(&app, 1, &[]).await;
        let mut first = true;
        let update = app.update(dog(1), |dog_1: &mut Dog| {
            if std::mem::take(&mut first) {
                block_on(train(&app, 1, "sit"));
            }
            dog_1.add_trick("bow");
        });
        update.await.unwrap();
    });
    assert_told(
        &told,
        &[
            "update{streams=",
            "deciding again",
            "attempts=1",
            "is at version 2, expected 1",
        ],
    );
    assert_told(&told, &["update{streams=", "}:save{", "saved position=3"]);
}

#[test]
fn payloads_are_shown_to_whoever_asks_for_them_and_before_they_are_compressed() {
    let store = MemoryStore::new();
    let builder = Application::builder(store).name("school").trace_payloads();
    #[cfg(feature = "aes")]
    let builder = builder.keys(es_core::persistence::Keys::new(
        1,
        es_core::persistence::Key::generate().unwrap(),
    ));
    let app = builder.build();
    let told = told(trained(&app, 1, &["secret"]));
    assert_told(
        &told,
        &[
            "TRACE",
            "es_core::payload: recorded",
            "version=2",
            "event=\"TrickAdded\"",
            r#"{\"trick\":\"secret\"}"#,
        ],
    );
}

#[test]
fn a_follower_tells_its_turns_its_retries_and_why_it_stopped_or_parked() {
    let (store, app) = application("school");
    let wall = Wall::default();
    wall.faults.failing.store(true, Ordering::SeqCst);
    let stopping = store
        .project(wall.clone())
        .on_failure(OnFailure::stop().retries(1));
    let system = System::new("school").follow(&app, stopping);
    let other = MemoryStore::new();
    let parking = other.project(wall).on_failure(OnFailure::park().retries(0));
    let parks = System::new("school").follow(&app, parking);
    let (mended, third) = (Wall::default(), MemoryStore::new());
    let at_once = OnFailure::stop().pauses(Duration::ZERO..=Duration::ZERO);
    let mends = third.project(mended.clone()).on_failure(at_once);
    let mends = System::new("school").follow(&app, mends);
    let told = told(async {
        trained(&app, 1, &["sit", "impossible"]).await;
        system.settle().await.unwrap_err();
        parks.settle().await.unwrap();
        mended.faults.failing.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            mends.step().await.unwrap();
        }
        mended.faults.failing.store(false, Ordering::SeqCst);
        mends.settle().await.unwrap();
    });
    assert_told(
        &told,
        &[
            "DEBUG",
            "turn{follower=",
            "es_core::follower: handled events=2 position=2",
        ],
    );
    assert_told(
        &told,
        &[
            "WARN",
            "retrying",
            "position=3",
            "attempts=1",
            "no dog can do that",
        ],
    );
    assert_told(&told, &["INFO", "changed", "state=running"]);
    assert_told(&told, &["ERROR", "stopped", "reason=`TrickAdded` of"]);
    assert_told(&told, &["WARN", "parked", "position=3"]);
}
