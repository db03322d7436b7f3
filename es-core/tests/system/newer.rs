//! Events of a newer program, while the older one still runs: they are no failure of their handler.
use es_core::system::{OnFailure, State, StopReason};
use es_core::{
    Aggregate, Application, BoxError, Follower, Position, Projection, Recorded, Root, System,
    events,
};
use es_store_memory::MemoryProjection;
use pollster::block_on;
use uuid::Uuid;

use crate::school::{Wall, application, trained, tricks};

/// As the newer program has it.
#[derive(Aggregate)]
#[aggregate("Dog")]
struct Dog {
    root: Root<Self>,
}

#[events]
impl Dog {
    #[event("Registered", id = *id)]
    fn register(id: Uuid) -> Self {
        let _ = id;
        Self { root: Root::new() }
    }

    #[event("TrickAdded")]
    fn add_trick(&mut self, trick: &str) {
        let _ = trick;
    }

    #[event("Groomed")]
    fn groom(&mut self) {}
}

#[derive(Debug, Clone, Default)]
struct Groomed(u32);

impl Projection for Groomed {
    const NAME: &'static str = "wall";
    type Events = DogEvent;
}

impl MemoryProjection for Groomed {
    fn handle(&mut self, event: Recorded<DogEvent>) -> Result<(), BoxError> {
        if let DogEvent::Groomed {} = event.event {
            self.0 += 1;
        }
        Ok(())
    }
}

#[test]
fn an_event_that_is_not_known_yet_is_left_to_the_program_that_knows_it() {
    block_on(async {
        let (store, app) = application("school");
        let follower = store.project(Wall::default());
        let older = System::new("older").follow(&app, follower.on_failure(OnFailure::park()));
        trained(&app, 1, &["sit"]).await;
        let mut dog = Dog::register(Uuid::from_u128(2));
        dog.groom();
        let later = Application::builder(store.clone()).name("school").build();
        later.save(&mut dog).await.unwrap();
        trained(&app, 3, &["bow"]).await;
        older.settle().await.unwrap_err();

        let wall = older.follower("wall");
        let status = wall.status().await.unwrap();
        let State::Stopped(reason @ StopReason::NotKnown { position, .. }) = &status.state else {
            panic!("{status}");
        };
        assert_eq!(*position, Position::from(4));
        let said = reason.to_string();
        assert!(said.contains("unknown event `Groomed`"), "{said}");
        assert_eq!((status.position, status.parked), (Position::from(3), 0));
        assert_eq!(tricks(&store, 1), ["sit"]);

        let newer = System::new("newer").follow(&later, store.project(Groomed::default()));
        newer.settle().await.unwrap();
        assert_eq!(store.view::<Groomed>().unwrap().0, 1);
        let status = newer.follower("wall").status().await.unwrap();
        assert_eq!(status.events_behind(), 0);
    });
}
