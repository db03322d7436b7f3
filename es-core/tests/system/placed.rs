//! Followers that a person puts somewhere.
use std::time::Duration;

use es_core::persistence::{CheckpointStore, FollowerId, LeaseRequest};
use es_core::system::{FollowError, FollowerHandle, State, StopReason};
use es_core::{Error, ErrorKind, Position, ProcessManager, System};
use pollster::block_on;

use crate::school::{Certificate, Certificates, Wall, application, dog, train, trained};

/// How many tricks the certificate of the first dog has.
async fn counted(office: &es_core::Application) -> Option<u32> {
    let certificate = office
        .find::<Certificate>(dog(1))
        .await
        .expect("it can be read");
    certificate.map(|certificate| certificate.tricks)
}

async fn place(follower: &FollowerHandle, to: u64) -> Result<Position, Error> {
    follower
        .place(Position::from(to), "ann", "as it has to be")
        .await
}

#[test]
fn a_process_manager_that_begins_today_handles_nothing_of_before() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &["sit", "bow"]).await;
        let system = System::new("school").follow(&school, Certificates.onto(&office));
        let certificates = system.follower("certificates");
        assert_eq!(place(&certificates, 3).await.unwrap(), Position::START);
        system.settle().await.unwrap();
        assert_eq!(counted(&office).await, None);

        train(&school, 1, "beg").await;
        system.settle().await.unwrap();
        assert_eq!(counted(&office).await, Some(1));
        let placed = certificates.placed().await.unwrap();
        let told: Vec<_> = placed
            .iter()
            .map(|one| (one.from.get(), one.to.get(), &*one.by, &*one.reason))
            .collect();
        assert_eq!(told, [(0, 3, "ann", "as it has to be")]);

        // Back, what is between comes again.
        assert_eq!(place(&certificates, 2).await.unwrap(), Position::from(4));
        system.settle().await.unwrap();
        assert_eq!(counted(&office).await, Some(3));
        assert_eq!(place(&certificates, 0).await.unwrap(), Position::from(4));
        system.settle().await.unwrap();
        assert_eq!(counted(&office).await, Some(6), "to the start, too");
    });
}

#[test]
fn a_process_manager_goes_on_in_a_log_that_was_restored() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &["sit", "bow"]).await;
        let follow = |app| System::new("school").follow(app, Certificates.onto(&office));
        follow(&school).settle().await.unwrap();

        let (_, restored) = application("school");
        trained(&restored, 1, &["sit"]).await;
        let system = follow(&restored);
        system.settle().await.unwrap_err();
        let certificates = system.follower("certificates");
        let status = certificates.status().await.unwrap();
        assert!(
            matches!(status.state, State::Stopped(StopReason::LogRestored { .. })),
            "{status:?}"
        );
        place(&certificates, 2).await.unwrap();
        train(&restored, 1, "beg").await;
        system.settle().await.unwrap();
        assert_eq!(counted(&office).await, Some(3));
        assert_eq!(certificates.status().await.unwrap().stopped, None);
    });
}

#[test]
fn what_cannot_stand_there_stays_where_it_is() {
    block_on(async {
        let (store, school) = application("school");
        let (shelf, office) = application("office");
        trained(&school, 1, &["sit"]).await;
        let system = System::new("school")
            .follow(&school, store.project(Wall::default()))
            .follow(&school, Certificates.onto(&office));
        let (wall, certificates) = (system.follower("wall"), system.follower("certificates"));
        let follow_error = |refused: Result<Position, Error>| match refused {
            Err(Error::Follow(error)) => *error.downcast::<FollowError>().unwrap(),
            other => panic!("{other:?}"),
        };
        let projection = follow_error(place(&wall, 1).await);
        assert!(
            matches!(projection, FollowError::NotPlaced { .. }),
            "{projection:?}"
        );
        let beyond = follow_error(place(&certificates, 3).await);
        assert!(
            matches!(beyond, FollowError::BeyondTheLog { head, .. } if head == Position::from(2)),
            "{beyond:?}"
        );
        let running = system.start();
        let seen = certificates.wait_for(Position::from(2), Duration::from_secs(20));
        seen.await.unwrap();
        let driven = place(&certificates, 1).await.unwrap_err();
        assert_eq!(driven.kind(), ErrorKind::Busy);
        running.stop().await.unwrap();

        let elsewhere = LeaseRequest {
            follower: FollowerId::new(Certificates::NAME, "school"),
            holder: "another".to_owned(),
            length: Duration::from_secs(60),
            epoch: None,
            stopped: None,
        };
        shelf.lease(elsewhere).await.unwrap();
        let held = place(&certificates, 1).await.unwrap_err();
        assert_eq!(held.kind(), ErrorKind::Busy);
        assert!(certificates.placed().await.unwrap().is_empty());
    });
}

#[test]
fn who_puts_a_follower_somewhere_says_so_and_why() {
    block_on(async {
        let (_, school) = application("school");
        let (_, office) = application("office");
        trained(&school, 1, &["sit"]).await;
        let system = System::new("school").follow(&school, Certificates.onto(&office));
        let certificates = system.follower("certificates");
        for (by, reason, expected) in [
            ("", "as it has to be", "`by` is empty; say who decides"),
            (
                "ann",
                " ",
                "`reason` is empty; say why, for those who ask later",
            ),
            ("", "", "`by` is empty; say who decides"),
        ] {
            let unsaid = certificates.place(Position::from(1), by, reason).await;
            let unsaid = unsaid.unwrap_err();
            assert_eq!(
                (unsaid.kind(), &*unsaid.to_string()),
                (ErrorKind::Misuse, expected)
            );
        }
        assert_eq!(certificates.placed().await.unwrap(), []);
    });
}
