//! Projections that save, which the thread that handles them would have to do.
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use es_core::system::OnFailure;
use es_core::{Application, BoxError, Follower, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, SqliteStore};
use pollster::block_on;
use rusqlite::Transaction;
use trials::projections::{Dog, DogEvent, Kennel};
use uuid::Uuid;

use crate::File;

/// Registers another dog for each.
struct Breeder(Application);

impl Projection for Breeder {
    const NAME: &'static str = "breeder";
    type Events = DogEvent;
}

impl SqliteProjection for Breeder {
    fn handle(&mut self, event: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        let id = Uuid::from_u128(event.stream.id.as_u128() + 1_000);
        if matches!(event.event, DogEvent::Registered { .. }) && id.as_u128() < 2_000 {
            block_on(self.0.save(&mut Dog::register(id)))?;
        }
        Ok(())
    }
}

/// What is waited for in vain fails, and holds nobody up.
fn in_time<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, waiting) = mpsc::channel();
    thread::spawn(move || done.send(run()));
    waiting
        .recv_timeout(Duration::from_secs(20))
        .expect("it does not wait for itself")
}

const TOLD: &str = "a projection asks for it that keeps this store busy meanwhile; what handles an event writes into its transaction alone: save in a process manager";

#[test]
fn who_saves_by_a_projection_into_the_same_file_is_told_so() {
    in_time(|| {
        block_on(async {
            let kennel = File::new().await;
            kennel.trained(1, &[]).await;
            let breeder = kennel.store.project(Breeder(kennel.app.clone()));
            let breeder = breeder.on_failure(OnFailure::stop().retries(0));
            let system = System::new("kennel").follow(&kennel.app, breeder);
            let stopped = system.settle().await.unwrap_err();
            assert!(format!("{stopped:?}").contains(TOLD), "{stopped:?}");
            kennel.trained(2, &[]).await;
        });
    });
}

#[test]
fn who_saves_by_a_projection_inside_of_commits_is_told_so() {
    in_time(|| {
        block_on(async {
            let kennel = File::new().await;
            let breeder = Breeder(kennel.app.clone());
            kennel.store.inline(&kennel.app, breeder).await.unwrap();
            let mut dog = Dog::register(Uuid::from_u128(1));
            let refused = kennel.app.save(&mut dog).await.unwrap_err();
            assert!(format!("{refused:?}").contains(TOLD), "{refused:?}");
            assert_eq!(kennel.app.log().head().await.unwrap().get(), 0);
        });
    });
}

#[test]
fn who_saves_by_a_projection_into_another_file_may() {
    in_time(|| {
        block_on(async {
            let kennel = File::new().await;
            let other = SqliteStore::open(":memory:").await.unwrap();
            let other = Application::new(other);
            let breeder = kennel.store.project(Breeder(other.clone()));
            kennel.trained(1, &[]).await;
            let system = System::new("kennel").follow(&kennel.app, breeder);
            system.settle().await.unwrap();
            assert_eq!(other.log().head().await.unwrap().get(), 1);
        });
    });
}

#[test]
fn who_reads_by_a_projection_what_is_in_memory_alone_is_told_so() {
    in_time(|| {
        block_on(async {
            let store = SqliteStore::open(":memory:").await.unwrap();
            let app = Application::builder(store.clone()).name("kennel").build();
            let system = System::new("kennel").follow(&app, store.project(Reader(app.clone())));
            app.save(&mut Dog::register(Uuid::from_u128(1)))
                .await
                .unwrap();
            let stopped = system.settle().await.unwrap_err();
            assert!(format!("{stopped:?}").contains(TOLD), "{stopped:?}");
            assert_eq!(app.log().head().await.unwrap().get(), 1);
        });
    });
}

/// Asks where the log ends.
struct Reader(Application);

impl Projection for Reader {
    const NAME: &'static str = "reader";
    type Events = DogEvent;
}

impl SqliteProjection for Reader {
    fn handle(&mut self, _: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        block_on(self.0.log().head())?;
        Ok(())
    }
}
