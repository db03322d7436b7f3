//! The test kit of process managers: what it finds, and what it does not let pass.
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use es_core::testing::reacting;
use es_core::{
    Application, BoxError, ErrorKind, Metadata, Position, ProcessManager, Recorded, UnitOfWork,
};

use crate::school::{
    Certificate, CertificateEvent, Certificates, Dog, DogEvent, Trainer, TrainerEvent, application,
    dog,
};

fn office() -> Application {
    application("office").1
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
    let mut certificates = reacting(Certificates.onto(&office));
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

    reacting(Certificates.onto(&office))
        .given::<Certificate>(dog(1), [opened()])
        .given::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .when::<Dog>(dog(1), learned("roll over"))
        .await
        .then::<Certificate>(dog(1), [CertificateEvent::Counted {}])
        .then_nothing_else();
}

#[tokio::test]
async fn what_it_follows_can_be_asked_for_and_what_is_outside_is_done() {
    let mails = Mails::default();
    let sent = Arc::clone(&mails.sent);
    reacting(mails.onto(&office()))
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
    let mut mails = reacting(Mails::default().onto(&office()));
    let failure = mails
        .given::<Dog>(dog(1), [registered(), learned("a"), learned("b")])
        .when::<Dog>(dog(1), learned("c"))
        .await
        .failed();
    assert_eq!(failure.to_string(), "nobody reads so long a mail");

    let unknown = mails.when::<Dog>(dog(2), learned("sit")).await.failed();
    let unknown = unknown.downcast::<es_core::Error>().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::Unreadable);
}

#[tokio::test]
#[should_panic(expected = "what `certificates` saved of Certificate/")]
async fn other_events_than_expected_are_told() {
    let reacted = reacting(Certificates.onto(&office()))
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
    let reacted = reacting(Certificates.onto(&office()))
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted.then_nothing_else();
}

#[tokio::test]
#[should_panic(
    expected = "`mails` did not \"ann mails sit\" outside\n  it did outside: nobody mails sit, 1x"
)]
async fn what_is_done_otherwise_outside_is_told() {
    let reacted = reacting(Mails::default().onto(&office()))
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
    let reacted = reacting(Mails::default().onto(&office()))
        .when::<Dog>(dog(1), learned("sit"))
        .await;
    reacted.then_nothing_else();
}

#[tokio::test]
#[should_panic(expected = "`certificates` did not fail, and did nothing")]
async fn who_expects_a_failure_is_told_that_there_was_none() {
    let reacted = reacting(Certificates.onto(&office()))
        .when::<Dog>(dog(1), registered())
        .await;
    let _: BoxError = reacted.failed();
}

#[tokio::test]
#[should_panic(expected = "`certificates` does not follow `Trainer`, and so is given no `Hired`")]
async fn an_event_that_it_does_not_follow_is_refused() {
    let reacted = reacting(Certificates.onto(&office()))
        .when::<Trainer>(dog(1), TrainerEvent::Hired {})
        .await;
    reacted.then_nothing_else();
}
