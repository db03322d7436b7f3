use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use es_core::persistence::FollowerId;
use es_core::{
    Aggregate, Application, BoxError, Metadata, Position, ProcessManager, Recorded, System,
    UnitOfWork,
};
use pollster::block_on;
use uuid::Uuid;

use crate::school::{
    Certificate, CertificateEvent, Certificates, Dog, DogEvent, SchoolEvent, Trainer, TrainerEvent,
    application, dog, train, trained,
};

pub(crate) async fn certified(office: &Application, number: u128) -> u32 {
    let certificate = office
        .find::<Certificate>(dog(number))
        .await
        .expect("it can be read");
    certificate.map_or(0, |certificate| certificate.tricks)
}

#[test]
fn events_of_one_application_bring_about_events_of_another_once() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        let system = System::new("school").follow(&school, Certificates.onto(&office));
        trained(&school, 1, &["sit", "roll over"]).await;
        trained(&school, 2, &[]).await;
        system.settle().await.unwrap();
        assert_eq!(certified(&office, 1).await, 2);
        assert_eq!(certified(&office, 2).await, 0);
        system.settle().await.unwrap();
        assert_eq!(certified(&office, 1).await, 2);
    });
}

#[test]
fn the_followed_application_may_be_the_one_that_is_written() {
    block_on(async {
        let (_, school) = application("school");
        let system = System::new("school").follow(&school, Certificates.onto(&school));
        trained(&school, 1, &["sit"]).await;
        system.settle().await.unwrap();
        train(&school, 1, "roll over").await;
        system.settle().await.unwrap();
        assert_eq!(certified(&school, 1).await, 2);
        let head = school.log().head().await.unwrap();
        let follower = FollowerId::new("certificates", "school");
        assert_eq!(school.checkpoint(follower).await.unwrap(), head);
    });
}

#[test]
fn one_process_manager_follows_several_logs_under_a_name_for_each() {
    block_on(async {
        let (_, school) = application("school");
        let (_, academy) = application("academy");
        let (_, office) = application("office");
        let system = System::new("schools")
            .follow(&school, Certificates.onto(&office))
            .follow(&academy, Certificates.onto(&office).named("of the academy"));
        trained(&school, 1, &["sit", "roll over"]).await;
        trained(&academy, 1, &["bow"]).await;
        trained(&academy, 2, &["sit"]).await;
        for _ in 0..2 {
            system.settle().await.unwrap();
            let counted = (certified(&office, 1).await, certified(&office, 2).await);
            assert_eq!(counted, (3, 1));
        }
        let follower = FollowerId::new("of the academy", "academy");
        let head = academy.log().head().await.unwrap();
        assert_eq!(office.checkpoint(follower).await.unwrap(), head);
        let status = system.follower("of the academy").status().await.unwrap();
        assert_eq!(status.events_behind(), 0);
    });
}

#[test]
fn what_an_event_brings_about_says_what_it_belongs_to_and_what_caused_it() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        let system = System::new("school").follow(&school, Certificates.onto(&office));
        let request = Uuid::from_u128(7);
        let of_a_request = school.with(Metadata::new().actor("ann").correlation(request));
        trained(&of_a_request, 1, &["sit"]).await;
        trained(&school, 2, &["sit"]).await;
        system.settle().await.unwrap();
        let causes = school.log().read(Position::START, 10).await.unwrap();
        let effects = office.log().read(Position::START, 10).await.unwrap();
        let (first, second) = (&effects[0].metadata, &effects[2].metadata);
        assert_eq!(first.get_correlation(), Some(request));
        assert_eq!(first.get_causation(), Some(causes[0].commit.into()));
        assert_eq!(second.get_correlation(), Some(causes[2].commit.into()));
        assert_eq!(second.get_causation(), Some(causes[2].commit.into()));
    });
}

/// Gives every dog a prize trick for its third one.
pub(crate) struct Prizes;

impl ProcessManager for Prizes {
    const NAME: &'static str = "prizes";
    type Events = CertificateEvent;

    async fn react(
        &mut self,
        event: Recorded<CertificateEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        // `Opened` is the first event, so the third trick is the fourth.
        if event.version.get() == 4 {
            let mut dog = work.get::<Dog>(event.stream.id).await?;
            dog.add_trick("bow");
            work.save(dog);
        }
        Ok(())
    }
}

#[test]
fn applications_may_answer_each_other_in_a_loop() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        let system = System::new("school")
            .follow(&school, Certificates.onto(&office))
            .follow(&office, Prizes.onto(&school));
        for number in 1..=20 {
            trained(&school, number, &["sit", "roll over", "play dead"]).await;
        }
        system.settle().await.unwrap();
        for number in 1..=20 {
            assert_eq!(certified(&office, number).await, 4);
            let dog = school.get::<Dog>(dog(number)).await.unwrap();
            assert_eq!(dog.version().get(), 5);
        }
    });
}

/// Saves one aggregate twice.
struct Careless;

impl ProcessManager for Careless {
    const NAME: &'static str = "careless";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        work.save(Certificate::open(event.stream.id));
        work.find::<Certificate>(event.stream.id).await?;
        Ok(())
    }
}

#[test]
fn what_was_given_to_be_saved_is_not_found_as_it_was() {
    block_on(async {
        let (_, school) = application("school");
        let system = System::new("school").follow(&school, Careless.onto(&school));
        trained(&school, 1, &[]).await;
        let error = system.settle().await.unwrap_err();
        assert!(format!("{error:?}").contains("occurs twice"), "{error:?}");
        assert_eq!(certified(&school, 1).await, 0);
    });
}

/// Certifies a dog that has no more than one trick; somebody teaches it another while it decides.
struct Hasty {
    school: Application,
    decided: Arc<AtomicU32>,
}

impl ProcessManager for Hasty {
    const NAME: &'static str = "hasty";
    type Events = SchoolEvent;

    async fn react(
        &mut self,
        event: Recorded<SchoolEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let SchoolEvent::Trainer(TrainerEvent::Hired {}) = event.event else {
            return Ok(());
        };
        let fido = work.get::<Dog>(dog(1)).await?;
        if self.decided.fetch_add(1, Ordering::SeqCst) == 0 {
            train(&self.school, 1, "bow").await;
        }
        if fido.tricks.len() < 2 {
            work.save(Certificate::open(dog(1)));
        }
        work.save(fido);
        Ok(())
    }
}

#[test]
fn what_a_reaction_rests_on_is_what_there_is_when_it_is_stored() {
    block_on(async {
        let (_, school) = application("school");
        trained(&school, 1, &["sit"]).await;
        school.save(&mut Trainer::hire()).await.unwrap();
        let decided = Arc::new(AtomicU32::new(0));
        let hasty = Hasty {
            school: school.clone(),
            decided: Arc::clone(&decided),
        };
        let system = System::new("school").follow(&school, hasty.onto(&school));
        system.settle().await.unwrap();
        assert_eq!(decided.load(Ordering::SeqCst), 2);
        assert!(school.find::<Certificate>(dog(1)).await.unwrap().is_none());
    });
}
