//! What the school promises.
use es_core::application::{LoadError, SaveError, SnapshotPolicy};
use es_core::persistence::{Compression, Key, Keys};
use es_core::{Aggregate, Application, Error, StreamId, Version};
use es_store::Settings;
use es_store_memory::MemoryStore;

use crate::run;
use crate::school::{Dog, DogEvent, TrainingSchool};

fn app() -> Application {
    Application::new(MemoryStore::new())
}

#[test]
fn the_example_runs_without_an_async_runtime() {
    pollster::block_on(run(app())).unwrap();
}

#[tokio::test]
async fn run_twice_it_finds_the_dogs_of_the_first_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("school.db").display().to_string();
    let keys = Keys::new(1, Key::generate().unwrap());
    let plain = || Settings::new("school").environment(|_| None);
    let production = || {
        plain()
            .compression(Compression::zstd())
            .keys(keys.clone())
            .snapshots(SnapshotPolicy::Every(2.try_into().unwrap()))
    };
    for (name, settings) in [
        ("plain", &plain as &dyn Fn() -> Settings),
        ("production", &production),
    ] {
        for _ in 0..2 {
            let app = settings()
                .store(format!("sqlite:{file}.{name}"))
                .open()
                .await
                .unwrap();
            run(app.clone()).await.unwrap();
            assert_eq!(
                app.get::<Dog>(Dog::id_for("Fido")).await.unwrap().version(),
                Version::from(3)
            );
        }
    }
}

#[tokio::test]
async fn a_run_that_was_killed_is_finished_by_the_next() {
    for learned in [&[] as &[&str], &["roll over"]] {
        let app = app();
        let school = TrainingSchool::new(app.clone());
        school.register("Fido").await.unwrap();
        for trick in learned {
            school.add_trick("Fido", trick).await.unwrap();
        }
        run(app).await.unwrap();
        let tricks = school.tricks("Fido").await.unwrap();
        assert_eq!(tricks, ["roll over", "play dead"]);
    }
}

#[tokio::test]
async fn registering_a_dog_that_exists_is_refused_as_such() {
    let school = TrainingSchool::new(app());
    school.register("Fido").await.unwrap();
    let again = school.register("Fido").await.unwrap_err();
    let fido = StreamId::new("Dog", Dog::id_for("Fido"));
    assert!(
        matches!(&again, Error::Save(SaveError::AlreadyExists { stream }) if *stream == fido),
        "{again:?}"
    );
}

#[tokio::test]
async fn a_dog_that_nobody_registered_cannot_learn() {
    let school = TrainingSchool::new(app());
    let error = school.add_trick("Rex", "sit").await.unwrap_err();
    assert!(
        matches!(error, Error::Load(LoadError::NotFound { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_dog_is_saved_in_a_task_of_its_own() {
    let app = app();
    let saved = tokio::spawn({
        let app = app.clone();
        async move {
            let mut dog = Dog::register("Fido");
            dog.add_trick("sit");
            app.save(&mut dog).await
        }
    });
    assert_eq!(saved.await.unwrap().unwrap().version, Version::from(2));
    assert_eq!(
        TrainingSchool::new(app).tricks("Fido").await.unwrap(),
        ["sit"]
    );
}

#[test]
fn what_a_dog_does_is_recorded_as_facts() {
    let mut dog = Dog::register("Fido");
    dog.add_trick("sit");
    assert_eq!(
        dog.pending(),
        [
            DogEvent::Registered {
                name: "Fido".to_owned()
            },
            DogEvent::TrickAdded {
                trick: "sit".to_owned()
            },
        ]
    );
}

#[test]
fn the_dog_takes_at_most_28_lines_of_code() {
    let source = include_str!("school.rs");
    let dog = source.find("#[derive(Aggregate").unwrap()
        ..source.find("pub struct TrainingSchool").unwrap();
    let code = source[dog].lines().filter(|line| !line.trim().is_empty());
    let imports = 2;
    assert!(imports + code.count() <= 28);
}
