use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use es_core::application::WaitError;
use es_core::persistence::{EventStore, FollowerId};
use es_core::system::{FollowError, State, StopReason};
use es_core::{BoxError, Error, Position, ProcessManager, Recorded, System, UnitOfWork};
use futures_lite::future;
use pollster::block_on;

use crate::school::{
    Certificate, Certificates, Dog, DogEvent, Members, Trainer, Wall, application, dog, train,
    trained,
};

#[test]
fn a_projection_handles_what_there_is_and_then_what_comes() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        assert!(store.view::<Wall>().is_none());
        assert!(system.step().await.unwrap().idle);

        trained(&app, 1, &["sit", "roll over"]).await;
        let stepped = system.step().await.unwrap();
        assert_eq!((stepped.events, stepped.idle), (3, false));
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "roll over"]
        );
        assert!(system.step().await.unwrap().idle);

        train(&app, 1, "play dead").await;
        system.settle().await.unwrap();
        let wall = store.view::<Wall>().unwrap();
        assert_eq!(wall.tricks[&dog(1)], ["sit", "roll over", "play dead"]);
        let status = system.follower("wall").status().await.unwrap();
        assert_eq!(status.state, State::CaughtUp);
        assert_eq!(
            (status.position, status.head),
            (Position::from(4), Position::from(4))
        );
        assert_eq!(status.revision, 1);
        assert_eq!(
            status.to_string(),
            "`wall` on the log of `school`: caught up"
        );
    });
}

#[test]
fn a_follower_goes_on_from_its_checkpoint_in_another_system() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let first = System::new("school").follow(&app, store.project(Wall::default()));
        first.settle().await.unwrap();
        drop(first);
        train(&app, 1, "play dead").await;
        let second = System::new("school").follow(&app, store.project(Wall::default()));
        assert_eq!(second.step().await.unwrap().events, 1);
        assert_eq!(
            store.view::<Wall>().unwrap().tricks[&dog(1)],
            ["sit", "play dead"]
        );
    });
}

#[test]
fn several_aggregates_are_one_set_of_events() {
    block_on(async {
        let (store, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        app.save(&mut Trainer::hire()).await.unwrap();
        let system = System::new("school")
            .application(&app, |app| app.aggregate::<Dog>().aggregate::<Trainer>())
            .follow(&app, store.project(Members::default()));
        system.settle().await.unwrap();
        let members = store.view::<Members>().unwrap();
        assert_eq!((members.dogs, members.trainers), (1, 1));
        let (_, types) = system.applications().next().unwrap();
        let categories: Vec<_> = types.iter().map(|kind| kind.category).collect();
        assert_eq!(categories, ["Dog", "Trainer"]);
        let mut story = types[0].story(&app, dog(1));
        let mut versions = Vec::new();
        while let Some(event) = story.next().await {
            versions.push(event.unwrap().version.get());
        }
        assert_eq!(versions, [1, 2]);
        let ids = types[0].ids(&app, None, 10).await.unwrap();
        assert_eq!(ids, [dog(1)]);
    });
}

#[test]
fn the_checkpoint_goes_past_what_the_filter_leaves_out_and_who_waits_for_it_is_served() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school").follow(&app, store.project(Wall::default()));
        let saved = app.save(&mut Trainer::hire()).await.unwrap();
        let wall = system.follower("wall");
        let waited = wall.wait_for(saved.position, Duration::ZERO).await;
        assert!(
            matches!(waited, Err(Error::Wait(WaitError::TimedOut { .. }))),
            "{waited:?}"
        );
        system.settle().await.unwrap();
        let reached = wall.wait_for(saved.position, Duration::ZERO).await.unwrap();
        assert_eq!(Some(reached), saved.position);
        let nothing = wall.wait_for(None, Duration::ZERO).await.unwrap();
        assert_eq!(nothing, reached);
    });
}

#[test]
fn a_follower_that_is_not_there_and_a_name_that_is_taken_are_errors_that_say_so() {
    block_on(async {
        let (store, app) = application("school");
        let system = System::new("school")
            .follow(&app, store.project(Wall::default()))
            .follow(&app, store.project(Wall::default()));
        let missing = system.follower("walls").status().await.unwrap_err();
        assert_eq!(
            missing.to_string(),
            "this system has no follower `walls`; there is `wall`"
        );
        let missing = System::new("school").follower("walls").resume();
        assert_eq!(
            missing.unwrap_err().to_string(),
            "this system has no follower `walls`; there are none"
        );
        trained(&app, 1, &["sit"]).await;
        let settled = system.settle().await.unwrap_err();
        let Error::Follow(error) = settled else {
            panic!("{settled:?}")
        };
        assert!(matches!(
            error.downcast_ref(),
            Some(FollowError::Stopped { source, .. }) if **source == StopReason::NameTaken
        ));
        assert_eq!(store.view::<Wall>().unwrap().tricks[&dog(1)], ["sit"]);
    });
}

/// Greets each dog when it has learnt its second trick, and keeps count on its certificate; opens that twice where it is told to.
struct Greeter {
    greeted: Arc<AtomicUsize>,
    careless: bool,
}

impl ProcessManager for Greeter {
    const NAME: &'static str = "greeter";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let id = event.stream.id;
        let mut certificate = match event.event {
            DogEvent::Registered { .. } => Certificate::open(id),
            DogEvent::TrickAdded { .. } if self.careless => Certificate::open(id),
            DogEvent::TrickAdded { .. } => work.get(id).await?,
        };
        certificate.count();
        if certificate.tricks == 3 {
            let greeted = Arc::clone(&self.greeted);
            let greet = || {
                greeted.fetch_add(1, Ordering::SeqCst);
                ready(Ok::<_, BoxError>("hello"))
            };
            let answer = work.outside("greet a dog", greet).await?;
            assert_eq!(answer.is_some(), self.greeted.load(Ordering::SeqCst) > 0);
        }
        work.save(certificate);
        Ok(())
    }
}

#[test]
fn a_dry_run_of_a_process_manager_finds_what_it_would_have_saved_and_names_what_it_does_outside() {
    block_on(async {
        let (_, app) = application("school");
        let (office_store, office) = application("office");
        trained(&app, 1, &["sit", "bow"]).await;
        trained(&app, 2, &["sit", "bow"]).await;
        let greeted = Arc::new(AtomicUsize::new(0));
        let greeter = |careless| Greeter {
            greeted: Arc::clone(&greeted),
            careless,
        };
        let system = System::new("school").follow(&app, greeter(false).onto(&office));
        for _ in 0..2 {
            let dry = system.follower("greeter").dry_run(100).await.unwrap();
            assert_eq!((dry.events, dry.failure), (6, None));
            let outside = BTreeMap::from([("greet a dog".to_owned(), 2)]);
            assert_eq!(dry.outside, outside);
        }
        assert_eq!(greeted.load(Ordering::SeqCst), 0);
        assert_eq!(office_store.head().await.unwrap(), Position::START);
        let careless = System::new("school").follow(&app, greeter(true).onto(&office));
        let dry = careless.follower("greeter").dry_run(100).await.unwrap();
        let exists = format!("`Certificate/{}` exists already", dog(1));
        let (position, failure) = dry.failure.unwrap();
        assert!(
            position == Position::from(2) && failure.starts_with(&exists),
            "{failure}"
        );

        system.settle().await.unwrap();
        assert_eq!(greeted.load(Ordering::SeqCst), 2);
        assert_eq!(office.get::<Certificate>(dog(1)).await.unwrap().tricks, 3);
        // What is in the store, nobody would open again either.
        let dry = system.follower("greeter").dry_run(100).await.unwrap();
        assert_eq!((dry.events, dry.outside.len()), (0, 0));
    });
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    block_on(async {
        let (store, app) = application("school");
        let (office_store, office) = application("office");
        trained(&app, 1, &["sit", "impossible", "roll over"]).await;
        let wall = Wall::default();
        wall.faults
            .failing
            .store(true, std::sync::atomic::Ordering::SeqCst);
        let system = System::new("school")
            .follow(&app, store.project(wall))
            .follow(&app, es_core::ProcessManager::onto(Certificates, &office));
        let dry = system.dry_run(100).await.unwrap();
        assert_eq!(dry.followers.len(), 2);
        assert_eq!(dry.followers[0].events, 2);
        assert_eq!(
            dry.followers[0].failure,
            Some((Position::from(3), "no dog can do that".to_owned()))
        );
        assert_eq!(
            (dry.followers[1].events, &dry.followers[1].failure),
            (4, &None)
        );
        assert!(store.view::<Wall>().is_none());
        assert_eq!(office_store.head().await.unwrap(), Position::START);
        let follower = FollowerId::new("certificates", "school");
        let checkpoint = office.checkpoint(follower).await.unwrap();
        assert_eq!(checkpoint, Position::START);
    });
}

/// Adds a trick for each trick of a dog, up to a hundred: an answer to itself.
struct Echo;

impl ProcessManager for Echo {
    const NAME: &'static str = "echo";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let mut dog = work.get::<Dog>(event.stream.id).await?;
        if dog.tricks.len() < 100 {
            dog.add_trick("again");
            work.save(dog);
        }
        Ok(())
    }
}

#[test]
fn settling_lets_others_have_their_turn() {
    block_on(async {
        let (_, app) = application("school");
        trained(&app, 1, &["sit"]).await;
        let system = System::new("school").follow(&app, Echo.onto(&app));
        let settled = async {
            system.settle().await.unwrap();
            true
        };
        let others = async {
            for _ in 0..10 {
                future::yield_now().await;
            }
            false
        };
        assert!(!future::or(settled, others).await);
        system.settle().await.unwrap();
        assert_eq!(app.get::<Dog>(dog(1)).await.unwrap().tricks.len(), 100);
    });
}
