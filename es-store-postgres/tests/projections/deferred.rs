//! Constraints that are looked at with the commit.

use es_core::application::SaveError;
use es_core::persistence::{AppendError, EventStore};
use es_core::system::OnFailure;
use es_core::{BoxError, Error, Follower, Position, Projection, Recorded};
use es_store_postgres::{PostgresProjection, Tables};
use tokio_postgres::Transaction;
use trials::projections::{Dog, DogEvent, Kennel};
use uuid::Uuid;

use crate::Schema;
use crate::failing::stopped_at;

/// What dogs have learned, of the tricks that there are: looked at when it is committed.
struct Learned;

impl Projection for Learned {
    const NAME: &'static str = "learned";
    type Events = DogEvent;
}

impl PostgresProjection for Learned {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [tricks, learned] = ["tricks", "learned"].map(|name| tx.table(name));
        tx.batch_execute(&format!(
            "CREATE TABLE {tricks} (trick text PRIMARY KEY);
             INSERT INTO {tricks} VALUES ('sit'), ('bow');
             CREATE TABLE {learned} (trick text REFERENCES {tricks} DEFERRABLE INITIALLY DEFERRED)"
        ))
        .await?;
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        if let DogEvent::TrickAdded { trick } = event.event {
            let insert = format!("INSERT INTO {} VALUES ($1)", tx.table("learned"));
            tx.execute(&insert, &[&trick]).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_a_constraint_refuses_at_the_end_fails_at_its_event() {
    let kennel = Schema::new().await;
    let tricks = ["sit", "bow", "fly", "sit", "bow", "sit"];
    kennel.trained(1, &tricks).await;
    let follower = kennel.store.project(Learned);
    let system = kennel.followed_by(follower.on_failure(OnFailure::stop().retries(0)));
    let failure = stopped_at(&kennel, &system, "learned", 4).await;
    assert!(failure.contains("foreign key"), "{failure}");
    let learned = kennel.reader.query("SELECT FROM learned", &[]).await;
    assert_eq!(learned.unwrap().len(), 2);
}

#[tokio::test]
async fn a_commit_that_a_constraint_refuses_at_its_end_takes_nobody_along() {
    let kennel = Schema::new().await;
    kennel.store.inline(&kennel.app, Learned).await.unwrap();
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..8_u128 {
        let app = kennel.app.clone();
        saves.spawn(async move {
            let trick = if number == 5 { "fly" } else { "sit" };
            let mut dog = Dog::register(Uuid::from_u128(number));
            dog.add_trick(trick);
            match app.save(&mut dog).await {
                Ok(_) => assert_ne!(number, 5),
                Err(Error::Save(SaveError::Store(AppendError::Failed(why)))) => {
                    assert!(number == 5 && why.to_string().contains("deferred"), "{why}");
                }
                Err(other) => panic!("{other:?}"),
            }
        });
    }
    saves.join_all().await;
    let head = kennel.store.head().await.unwrap();
    let learned = kennel.reader.query("SELECT FROM learned", &[]).await;
    assert_eq!((learned.unwrap().len(), head), (7, Position::from(14)));
}
