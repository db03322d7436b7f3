//! Handlers that queue strangely: slowly, very much, what cannot be written, and beside another transaction.
use std::time::Duration;

use es_core::system::{OnFailure, State, StopReason};
use es_core::{BoxError, Follower, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, PostgresStore, Tables};
use tokio_postgres::{NoTls, Transaction};
use trials::projections::{DogEvent, Kennel};

use crate::Schema;

/// Does something strange at the first trick, and queues a row for each.
struct Strange {
    log: String,
    tricks: i32,
    what: What,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    /// Has the server end what stands still for a second, and takes its time for each event.
    Slow,
    /// Queues very much.
    Many,
    /// Works in a transaction of its own beside.
    Elsewhere,
    /// Draws a number, which no rollback undoes, behind what cannot be bound.
    Unwritten,
    /// Makes nothing of what went wrong in `create`.
    Careless,
}

impl Projection for Strange {
    const NAME: &'static str = "strange";
    type Events = DogEvent;
}

impl PostgresProjection for Strange {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let strange = tx.table("strange");
        let create = format!("CREATE TABLE {strange} (id serial, place int, number int)");
        tx.queue(&create, ()).await?;
        if self.what == What::Many {
            // It can be prepared once the table is there.
            let insert = format!("INSERT INTO {strange} (place, number) VALUES ($1, $2)");
            tx.queue(&insert, (0, 0)).await?;
        }
        if self.what == What::Careless {
            tx.queue("SELECT $1::text", (1_i64,)).await?;
            drop(tx.flush().await);
        }
        Ok(())
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let DogEvent::TrickAdded { trick } = event.event else {
            return Ok(());
        };
        let place = i32::try_from(event.position.get())?;
        let insert = format!(
            "INSERT INTO {} (place, number) VALUES ($1, $2)",
            tx.table("strange")
        );
        match self.what {
            What::Slow => {
                // Once: whatever is run is a sign of life.
                if place == 2 {
                    let second = "SET LOCAL idle_in_transaction_session_timeout = '2s'";
                    tx.batch_execute(second).await?;
                }
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            What::Many => {
                for number in 0..self.tricks {
                    tx.queue(&insert, (place, number)).await?;
                }
            }
            What::Elsewhere => {
                tx.queue(&insert, (place, 0)).await?;
                let (mut client, line) = tokio_postgres::connect(&self.log, NoTls).await?;
                tokio::spawn(line);
                let beside = client.transaction().await?;
                beside.flush().await?;
                let one = beside.prepared("SELECT 1").await?;
                beside.query_one(&one, &[]).await?;
                beside
                    .queue("CREATE TEMP TABLE beside (name text)", ())
                    .await?;
                beside.query("SELECT * FROM beside", &[]).await?;
            }
            What::Unwritten => {
                if trick == "absurd" {
                    tx.queue("SELECT $1::int", ("one",)).await?;
                }
                tx.queue("SELECT nextval('drawn')", ()).await?;
            }
            What::Careless => {}
        }
        tx.queue(&insert, (place, self.tricks)).await?;
        Ok(())
    }
}

impl Schema {
    fn strange(&self, store: &PostgresStore, what: What) -> System {
        let strange = Strange {
            log: self.log.url().to_owned(),
            tricks: 1_000,
            what,
        };
        let follower = store.project(strange).batch_time(Duration::from_secs(60));
        self.followed_by(follower.on_failure(OnFailure::park().retries(0)))
    }

    /// The places of the events, and the numbers, in the order in which they were written.
    async fn strange_rows(&self) -> Vec<(i32, i32)> {
        let rows = "SELECT place, number FROM strange ORDER BY id";
        let rows = self.reader.query(rows, &[]).await.expect("it is there");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[tokio::test]
async fn a_transaction_of_slow_handlers_that_queue_does_not_stand_still() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"; 20]).await;
    kennel
        .strange(&kennel.store, What::Slow)
        .settle()
        .await
        .unwrap();
    assert_eq!(kennel.strange_rows().await.len(), 20);
}

#[tokio::test]
async fn one_event_may_queue_as_much_as_it_likes() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit", "bow"]).await;
    kennel
        .strange(&kennel.store, What::Many)
        .settle()
        .await
        .unwrap();
    let mut all = vec![(0, 0)];
    for place in [2, 3] {
        all.extend((0..=1_000).map(|number| (place, number)));
    }
    assert_eq!(kennel.strange_rows().await, all);
}

#[tokio::test]
async fn another_transaction_has_no_part_in_what_is_queued() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit", "bow"]).await;
    kennel
        .strange(&kennel.store, What::Elsewhere)
        .settle()
        .await
        .unwrap();
    let all = [(2, 0), (2, 1_000), (3, 0), (3, 1_000)];
    assert_eq!(kennel.strange_rows().await, all);
}

#[tokio::test]
async fn what_comes_behind_a_value_that_cannot_be_written_is_not_run() {
    let kennel = Schema::new().await;
    kennel.execute("CREATE SEQUENCE drawn").await;
    let system = kennel.strange(&kennel.store, What::Unwritten);
    // By then all of it is prepared.
    kennel.trained(1, &["sit"]).await;
    system.settle().await.unwrap();
    kennel.trained(2, &["absurd"]).await;
    system.settle().await.unwrap();
    let parked = system.follower("strange").parked().await.unwrap();
    let parked: Vec<_> = parked.iter().map(|parked| parked.position.get()).collect();
    assert_eq!(parked, [4]);
    assert_eq!(kennel.strange_rows().await, [(2, 1_000)]);
    let drawn = "SELECT last_value FROM drawn";
    let drawn = kennel.reader.query_one(drawn, &[]).await.unwrap();
    assert_eq!(drawn.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn a_create_that_hides_what_was_queued_stops_its_follower() {
    let kennel = Schema::new().await;
    kennel.trained(1, &["sit"]).await;
    let system = kennel.strange(&kennel.store, What::Careless);
    system.settle().await.unwrap_err();
    let state = system.follower("strange").status().await.unwrap().state;
    let State::Stopped(StopReason::Unable { failure }) = state else {
        panic!("{state:?}");
    };
    assert!(
        failure.contains("cannot convert between the Rust type"),
        "{failure}"
    );
}
