//! Followers that a system does not have, and somebody had.
use std::sync::atomic::Ordering;

use es_core::persistence::FollowerId;
use es_core::system::{OnFailure, Until};
use es_core::{Follower, Position, ProcessManager, System};
use pollster::block_on;

use crate::school::{Certificates, Wall, application, trained};

#[test]
fn who_is_no_follower_any_more_is_found_with_what_it_set_aside() {
    block_on(async {
        let (store, school) = application("school");
        let (_, office) = application("office");
        let wall = Wall::default();
        wall.faults.failing.store(true, Ordering::SeqCst);
        let wall = store.project(wall).on_failure(OnFailure::park().retries(0));
        let certificates = |name: &str| Certificates.onto(&office).named(name);
        let before = System::new("school")
            .follow(&school, wall)
            .follow(&school, certificates("certificates"));
        trained(&school, 1, &["sit", "impossible"]).await;
        before.settle().await.unwrap();
        // What one of its own builds beside is none of another's.
        let until = Until::Position(Position::from(1));
        before
            .follower("wall")
            .rebuild_until(until, "early")
            .await
            .unwrap();
        assert_eq!(before.unknown_followers().await.unwrap(), []);

        let renamed = System::new("school").follow(&school, certificates("diplomas"));
        let unknown = renamed.unknown_followers().await.unwrap();
        let told: Vec<_> = unknown
            .iter()
            .map(|one| (&one.follower, one.position.get(), one.parked))
            .collect();
        let id = |name| FollowerId::new(name, "school");
        assert_eq!(
            told,
            [
                (&id("certificates"), 3, 0),
                (&id("wall"), 3, 1),
                (&id("wall@early"), 1, 0)
            ]
        );
        assert!(unknown.iter().all(|one| one.holder.is_none()));

        // Of a log that is none of the system's it says nothing.
        let (_, other) = application("other");
        let other = System::new("other").follow(&other, certificates("diplomas"));
        assert_eq!(other.unknown_followers().await.unwrap(), []);
    });
}
