//! Given events in an application, for what reads it.
use std::time::{Duration, UNIX_EPOCH};

use es_core::testing::{VirtualClock, events_in};
use es_core::{Application, Metadata, Position, System, Version};
use es_store_memory::MemoryStore;
use pollster::block_on;

use crate::school::{Dog, DogEvent, Wall, application, dog, trained};

fn learned(trick: &str) -> DogEvent {
    DogEvent::TrickAdded {
        trick: trick.to_owned(),
    }
}

#[test]
fn a_projection_is_given_events_that_no_command_recorded() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let given = events_in(&app)
            .given::<Dog>(dog(1), [learned("sit"), learned("roll over")])
            .given::<Dog>(dog(2), [learned("play dead")])
            .save();
        assert_eq!(given.await.unwrap(), Some(Position::from(3)));
        system.settle().await.unwrap();
        let wall = store.view::<Wall>().unwrap();
        assert_eq!(wall.tricks[&dog(1)], ["sit", "roll over"]);
        assert_eq!(wall.tricks[&dog(2)], ["play dead"]);
    });
}

#[test]
fn they_stand_behind_what_there_is_and_make_aggregates_with_it() {
    block_on(async {
        let (_, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let given = events_in(&app)
            .given::<Dog>(dog(1), [learned("roll over")])
            .given::<Dog>(dog(1), [])
            .given::<Dog>(dog(1), [learned("play dead")])
            .save();
        assert_eq!(given.await.unwrap(), Some(Position::from(4)));
        let found = app.get_at::<Dog>(dog(1), Version::from(4)).await.unwrap();
        assert_eq!(found.tricks, ["sit", "roll over", "play dead"]);
        assert_eq!(events_in(&app).save().await.unwrap(), None);
    });
}

#[test]
fn who_why_and_when_are_said() {
    block_on(async {
        let clock = VirtualClock::at(UNIX_EPOCH + Duration::from_secs(100));
        let app = Application::builder(MemoryStore::new())
            .clock(clock)
            .build();
        events_in(&app)
            .given::<Dog>(dog(1), [DogEvent::Registered { id: dog(1) }])
            .with(Metadata::new().actor("ann"))
            .given::<Dog>(dog(1), [learned("sit")])
            .save()
            .await
            .unwrap();
        let stored = app.log().read(Position::START, 10).await.unwrap();
        let who: Vec<_> = stored
            .iter()
            .map(|event| event.metadata.get_actor())
            .collect();
        assert_eq!(who, [None, Some("ann")]);
        for event in &stored {
            assert_eq!(event.time, UNIX_EPOCH + Duration::from_secs(100));
        }
    });
}
