//! The test kit of process managers: what it finds, and what it does not let pass.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

use es_core::testing::{Reacting, VirtualClock, reacting};
use es_core::{
    Application, BoxError, ErrorKind, Metadata, Position, ProcessManager, Recorded, UnitOfWork,
};

use es_store_memory::MemoryStore;

use crate::school::{
    Certificate, CertificateEvent, Certificates, Dog, DogEvent, Trainer, TrainerEvent, application,
    dog,
};

fn school() -> Application {
    application("school").1
}

fn office() -> Application {
    application("office").1
}

/// Of a school whose mails are written there, too.
fn mails(mails: Mails) -> Reacting<Mails> {
    let school = school();
    reacting(&school, mails.onto(&school))
}

fn registered() -> DogEvent {
    DogEvent::Registered { id: dog(1) }
}

fn learned(trick: &str) -> DogEvent {
    DogEvent::TrickAdded {
        trick: trick.to_owned(),
    }
}

fn opened() -> CertificateEvent {
    CertificateEvent::Opened { dog: dog(1) }
}

/// Asks the dog itself, mails what it can do, and gives up on a dog that can do too much.
#[derive(Clone, Default)]
struct Mails {
    sent: Arc<AtomicU32>,
}

impl ProcessManager for Mails {
    const NAME: &'static str = "mails";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        let tricks = work.get::<Dog>(event.stream.id).await?.tricks;
        if tricks.len() as u64 != event.version.get() - 1 {
            return Err("the dog is not as it was then".into());
        }
        if tricks.len() > 2 {
            work.save(Certificate::open(event.stream.id));
            return Err("nobody reads so long a mail".into());
        }
        let who = event.metadata.get_actor().unwrap_or("nobody").to_owned();
        for trick in tricks {
            let mail = async || Ok::<_, BoxError>(self.sent.fetch_add(1, Ordering::SeqCst));
            let number = work.outside(format!("{who} mails {trick}"), mail).await?;
            assert!(number.is_some(), "it is done, and answers");
        }
        Ok(())
    }
}

#[tokio::test]
async fn it_goes_on_where_events_before_left_off_and_leaves_the_application_as_it_is() {
    let office = office();
    let mut certificates = reacting(&school(), Certificates.onto(&office));
    certificates
        .when::<Dog>(dog(1), registered())
        .await
        .then_nothing_else();
    certificates
        .when::<Dog>(dog(1), learned("sit"))
        .await
        .then::<Certificate>(dog(1), [opened(), CertificateEvent::Counted {}])
        .then_nothing_else();
    certificates
        .when::<Dog>(dog(1), learned("fetch"))
        .await
        .then::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .then::<Certificate>(dog(2), [])
        .then_nothing_else();
    assert_eq!(
        office.log().read(Position::START, 1).await.unwrap().len(),
        0
    );

    reacting(&school(), Certificates.onto(&office))
        .given::<Certificate>(dog(1), [opened()])
        .given::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .when::<Dog>(dog(1), learned("roll over"))
        .await
        .then::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .then_nothing_else();
}

#[tokio::test]
async fn what_it_follows_can_be_asked_for_and_what_is_outside_is_done() {
    let mailing = Mails::default();
    let sent = Arc::clone(&mailing.sent);
    mails(mailing)
        .given::<Dog>(dog(1), [registered(), learned("sit")])
        .with(Metadata::new().actor("ann"))
        .when::<Dog>(dog(1), learned("sit"))
        .await
        .then_outside("ann mails sit")
        .then_outside("ann mails sit")
        .then_nothing_else();
    assert_eq!(sent.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn of_what_failed_nothing_is_kept() {
    let mut mails =
        mails(Mails::default()).given::<Dog>(dog(1), [registered(), learned("a"), learned("b")]);
    let failure = mails.when::<Dog>(dog(1), learned("c")).await.failed();
    assert_eq!(failure.to_string(), "nobody reads so long a mail");

    let unknown = mails.when::<Dog>(dog(2), learned("sit")).await.failed();
    let unknown = unknown.downcast::<es_core::Error>().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::Unreadable);
}

#[tokio::test]
#[should_panic(expected = "what `certificates` saved of Certificate/")]
async fn other_events_than_expected_are_told() {
    let reacted = reacting(&school(), Certificates.onto(&office()))
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted
        .then::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .then_nothing_else();
}

#[tokio::test]
#[should_panic(
    expected = "`certificates` did what was not expected\n  it saved Certificate/00000000-0000-0000-0000-000000000001: Opened, Counted"
)]
async fn what_was_not_expected_is_told() {
    let reacted = reacting(&school(), Certificates.onto(&office()))
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted.then_nothing_else();
}

#[tokio::test]
#[should_panic(
    expected = "`mails` did not \"ann mails sit\" outside\n  it did outside: nobody mails sit, 1x"
)]
async fn what_is_done_otherwise_outside_is_told() {
    let reacted = mails(Mails::default())
        .given::<Dog>(dog(1), [registered()])
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted.then_outside("ann mails sit").then_nothing_else();
}

#[tokio::test]
#[should_panic(
    expected = "`mails` failed: `TrickAdded` of `Dog/00000000-0000-0000-0000-000000000001` at version 1 does not create it"
)]
async fn who_expects_nothing_is_told_of_a_failure() {
    let reacted = mails(Mails::default())
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted.then_nothing_else();
}

#[tokio::test]
#[should_panic(expected = "`certificates` did not fail, and did nothing")]
async fn who_expects_a_failure_is_told_that_there_was_none() {
    let reacted = reacting(&school(), Certificates.onto(&office()))
        .when::<Dog>(dog(1), registered())
        .await;
    let _: BoxError = reacted.failed();
}

#[tokio::test]
#[should_panic(
    expected = "`certificates` is given no `Hired` of `Trainer`: its `Events` leave it out"
)]
async fn an_event_that_it_does_not_follow_is_refused() {
    let reacted = reacting(&school(), Certificates.onto(&office()))
        .when::<Trainer>(dog(1), TrainerEvent::Hired {})
        .await;
    reacted.then_nothing_else();
}

#[tokio::test]
async fn what_is_followed_elsewhere_is_not_there_to_be_loaded() {
    let mut mails = reacting(&school(), Mails::default().onto(&office()));
    let failure = mails.when::<Dog>(dog(1), registered()).await.failed();
    let error = failure.downcast::<es_core::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_stored_already_is_there_and_what_is_given_comes_behind_it() {
    let (_, school) = application("school");
    let mut stored = Dog::register(dog(1));
    stored.add_trick("bow");
    school.save(&mut stored).await.unwrap();
    let mut kept = Certificate::open(dog(1));
    school.save(&mut kept).await.unwrap();
    let sent = Mails::default();
    reacting(&school, sent.clone().onto(&school))
        .given::<Dog>(dog(1), [])
        .when::<Dog>(dog(1), learned("sit"))
        .await
        .then_outside("nobody mails bow")
        .then_outside("nobody mails sit")
        .then_nothing_else();
    let mut both = reacting(&school, Certificates.onto(&school));
    for _ in 0..2 {
        both.when::<Dog>(dog(1), learned("sit"))
            .await
            .then::<Certificate>(dog(1), [CertificateEvent::Counted {}])
            .then_nothing_else();
    }
    assert_eq!(school.log().head().await.unwrap(), Position::from(3));
}

/// Opens a purse of its own for each dog, and one that is there already for a dog with tricks.
struct Purses;

impl ProcessManager for Purses {
    const NAME: &'static str = "purses";
    type Events = DogEvent;

    async fn react(
        &mut self,
        event: Recorded<DogEvent>,
        work: &mut UnitOfWork,
    ) -> Result<(), BoxError> {
        match event.event {
            DogEvent::Registered { .. } => work.save(Trainer::hire()),
            DogEvent::TrickAdded { .. } => work.save(Certificate::open(dog(1))),
        }
        Ok(())
    }
}

#[tokio::test]
async fn an_aggregate_whose_id_is_drawn_is_expected_by_its_type() {
    let mut purses = reacting(&school(), Purses.onto(&office()));
    let mut drawn = None;
    purses
        .when::<Dog>(dog(1), registered())
        .await
        .then_created::<Trainer, _>(|id| {
            drawn = Some(id);
            [TrainerEvent::Hired {}]
        })
        .then_nothing_else();
    assert!(drawn.is_some());
}

#[tokio::test]
async fn who_creates_what_is_there_fails_at_once_whatever_the_clock_says() {
    let store = MemoryStore::new();
    let office = Application::builder(store)
        .clock(VirtualClock::at(UNIX_EPOCH))
        .build();
    let failure = reacting(&school(), Purses.onto(&office))
        .given::<Certificate>(dog(1), [opened()])
        .when::<Dog>(dog(1), learned("sit"))
        .await
        .failed();
    let error = failure.downcast::<es_core::Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

/// Panics at any event.
struct Panicking;

impl ProcessManager for Panicking {
    const NAME: &'static str = "panicking";
    type Events = DogEvent;

    async fn react(&mut self, _: Recorded<DogEvent>, _: &mut UnitOfWork) -> Result<(), BoxError> {
        panic!("as a bug would")
    }
}

#[tokio::test]
#[should_panic(expected = "`panicking` failed: the handler panicked: as a bug would")]
async fn who_expects_a_failure_is_told_of_a_panic() {
    let reacted = reacting(&school(), Panicking.onto(&office()))
        .when::<Dog>(dog(1), registered())
        .await;
    let _: BoxError = reacted.failed();
}
