//! Another revision beside commits of the one before, and who takes its place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::AppendError;
use es_core::system::{AnotherRevision, InlineError};
use es_core::{BoxError, Error, Projection, Recorded};
use es_store_postgres::PostgresProjection;
use tokio::sync::{Notify, Semaphore};
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::{DogEvent, Kennel, Wall, dog, is_refused, kennel, session};

#[tokio::test]
async fn a_new_revision_is_made_of_the_whole_log_and_refuses_the_older_program() {
    let kennel = kennel().await;
    kennel
        .store
        .inline(&kennel.app, Wall::<1>::default())
        .await
        .unwrap();
    kennel.app.save(&mut dog(1, &["sit", "bow"])).await.unwrap();
    let (store, app) = kennel.another().await;
    store.inline(&app, Wall::<2>::default()).await.unwrap();
    let expected = [(2, "sit".to_owned(), 2), (3, "bow".to_owned(), 2)];
    assert_eq!(kennel.wall().await, expected);
    app.save(&mut dog(2, &["jump"])).await.unwrap();

    let refused = kennel.app.save(&mut dog(3, &["late"])).await.unwrap_err();
    let Error::Save(SaveError::Store(AppendError::Projection { source, .. })) = refused else {
        panic!("{refused:?}");
    };
    let cause = source.downcast_ref::<AnotherRevision>().unwrap();
    assert_eq!((cause.found, cause.known), (2, 1));
    let outdated = kennel.store.inline(&kennel.app, Wall::<1>::default()).await;
    assert!(
        matches!(
            outdated,
            Err(InlineError::Outdated {
                live: 2,
                known: 1,
                ..
            })
        ),
        "{outdated:?}"
    );
    assert_eq!(kennel.tricks().await, ["sit", "bow", "jump"]);
}

/// The same wall, whose handler stands still at an event until it is told to go on.
struct Gated<const REVISION: u32> {
    wall: Wall<REVISION>,
    reached: Arc<Notify>,
    /// Closed once it may go on.
    open: Arc<Semaphore>,
}

impl<const REVISION: u32> Projection for Gated<REVISION> {
    const NAME: &'static str = "wall";
    const REVISION: u32 = REVISION;
    type Events = DogEvent;
}

impl<const REVISION: u32> PostgresProjection for Gated<REVISION> {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        self.wall.create(tx).await
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if matches!(&event.event, DogEvent::TrickAdded { trick } if trick == "gate") {
            self.reached.notify_one();
            drop(self.open.acquire().await);
        }
        self.wall.handle(event, tx).await
    }
}

#[tokio::test]
async fn what_ran_inside_runs_on_where_another_cannot_take_its_place() {
    let kennel = kennel().await;
    let first = Wall::<1>::default();
    kennel.store.inline(&kennel.app, first).await.unwrap();
    let (_, other) = kennel.another().await;
    // Met under the log's lock, when the second takes the place of the first.
    other.save(&mut dog(1, &["absurd"])).await.unwrap();
    let second = Wall::<1>::default();
    second.failing.store(true, Ordering::SeqCst);
    let refused = kennel.store.inline(&kennel.app, second).await.unwrap_err();
    assert!(
        matches!(refused, InlineError::Store(AppendError::Projection { .. })),
        "{refused:?}"
    );
    kennel.app.save(&mut dog(2, &["sit"])).await.unwrap();
    assert_eq!(kennel.tricks().await, ["absurd", "sit"]);
}

/// Waits until some session of the log's stores waits for a lock.
async fn somebody_waits(kennel: &Kennel) {
    let waiting = "SELECT FROM pg_stat_activity WHERE application_name = $1 AND pg_blocking_pids(pid) <> '{}'";
    let schema = kennel.log.schema();
    let waits = async || kennel.session.query(waiting, &[&schema]).await.unwrap();
    while waits().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_where_it_runs_already_is_in_no_commits_way() {
    // Both are to handle that; the second is more than one takes at once.
    for left in [1, 1_100] {
        let kennel = kennel().await;
        let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
        let first = Gated::<1> {
            wall: Wall::default(),
            reached: Arc::clone(&reached),
            open: Arc::clone(&open),
        };
        kennel.store.inline(&kennel.app, first).await.unwrap();
        let (store, app) = kennel.another().await;
        let mut tricks: Vec<_> = (0..left).map(|number| format!("trick {number}")).collect();
        let all: Vec<_> = tricks.iter().map(String::as_str).collect();
        app.save(&mut dog(1, &all)).await.unwrap();
        let mut second = dog(2, &["gate"]);
        let committing = kennel.app.save(&mut second);
        let beginning = async {
            reached.notified().await;
            let inline = store.inline(&app, Wall::<1>::default());
            let opening = async {
                somebody_waits(&kennel).await;
                open.close();
            };
            tokio::join!(inline, opening).0
        };
        let (committed, begun) = tokio::join!(committing, beginning);
        begun.unwrap();
        committed.unwrap();
        tricks.push("gate".to_owned());
        assert_eq!(kennel.tricks().await, tricks);
    }
}

#[tokio::test]
async fn who_begins_where_nobody_ran_it_for_long_handles_all_of_that() {
    let kennel = kennel().await;
    let first = Wall::<1>::default();
    kennel.store.inline(&kennel.app, first).await.unwrap();
    let (store, app) = kennel.another().await;
    let tricks: Vec<_> = (0..2_500).map(|number| format!("trick {number}")).collect();
    let all: Vec<_> = tricks.iter().map(String::as_str).collect();
    app.save(&mut dog(1, &all)).await.unwrap();
    store.inline(&app, Wall::<1>::default()).await.unwrap();
    assert_eq!(kennel.tricks().await, tricks);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_revision_waits_for_the_commits_of_the_old_one() {
    let kennel = kennel().await;
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let old = Gated::<1> {
        wall: Wall::default(),
        reached: Arc::clone(&reached),
        open: Arc::clone(&open),
    };
    kennel.store.inline(&kennel.app, old).await.unwrap();
    let (store, app) = kennel.another().await;
    let mut first = dog(1, &["sit", "gate"]);
    let committing = kennel.app.save(&mut first);
    let beginning = async {
        // The table is written to by then, and the checkpoint is not moved.
        reached.notified().await;
        let new = store.inline(&app, Wall::<2>::default());
        let opening = async {
            somebody_waits(&kennel).await;
            open.close();
        };
        tokio::join!(new, opening).0
    };
    let (committed, begun) = tokio::join!(committing, beginning);
    committed.unwrap();
    begun.unwrap();
    app.save(&mut dog(2, &["bow"])).await.unwrap();
    let expected = [(2, "sit"), (3, "gate"), (5, "bow")];
    let expected = expected.map(|(position, trick)| (position, trick.to_owned(), 2));
    assert_eq!(kennel.wall().await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_the_old_revision_writes_nothing_into_what_the_new_one_has_made() {
    let kennel = kennel().await;
    let old = Wall::<1>::default();
    kennel.store.inline(&kennel.app, old).await.unwrap();
    kennel.app.save(&mut dog(1, &["gate"])).await.unwrap();
    let (reached, open) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let new = Gated::<2> {
        wall: Wall::default(),
        reached: Arc::clone(&reached),
        open: Arc::clone(&open),
    };
    let (store, app) = kennel.another().await;
    let beginning = store.inline(&app, new);
    let mut late = dog(2, &["late"]);
    let committing = async {
        reached.notified().await;
        let late = kennel.app.save(&mut late);
        let opening = async {
            // It saw the old revision, and waits for the table.
            somebody_waits(&kennel).await;
            open.close();
        };
        tokio::join!(late, opening).0
    };
    let (begun, committed) = tokio::join!(beginning, committing);
    begun.unwrap();
    let refused = committed.unwrap_err();
    assert!(is_refused(&refused), "{refused:?}");
    assert_eq!(kennel.wall().await, [(2, "gate".to_owned(), 2)]);
    assert_eq!(kennel.head().await, 2);
}

#[tokio::test]
async fn a_commit_that_postgres_gave_up_for_another_is_tried_again() {
    let kennel = kennel().await;
    let inline = Wall::<1>::default();
    kennel.store.inline(&kennel.app, inline).await.unwrap();
    let other = session(&kennel.log).await;
    // Postgres gives up whoever looks first once each waits for the other, and each looks once. Where that was the other, it has to be done again.
    for number in 1..=20 {
        let row = "BEGIN; SELECT FROM es_checkpoints WHERE follower = 'wall' FOR UPDATE";
        other.batch_execute(row).await.unwrap();
        let trick = format!("trick {number}");
        let mut dog = dog(number, &[&trick]);
        let saving = kennel.app.save(&mut dog);
        let meanwhile = async {
            // It has written to the table, and would move the checkpoint.
            somebody_waits(&kennel).await;
            other.batch_execute("LOCK TABLE wall; COMMIT").await
        };
        let (saved, locked) = tokio::join!(saving, meanwhile);
        saved.unwrap();
        assert_eq!(kennel.tricks().await.last(), Some(&trick));
        let Err(given_up) = locked else {
            return;
        };
        assert_eq!(given_up.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
        other.batch_execute("ROLLBACK").await.unwrap();
    }
    panic!("Postgres never gave up the commit");
}
