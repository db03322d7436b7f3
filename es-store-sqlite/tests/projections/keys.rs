//! Foreign keys: among the tables of a read model, from outside of it, and those that are looked at with the commit.
use std::time::Duration;

use es_core::application::SaveError;
use es_core::persistence::{AppendError, EventStore};
use es_core::system::OnFailure;
use es_core::{BoxError, Error, Follower, Position, Projection, Recorded};
use es_store_sqlite::{SqliteProjection, Tables};
use pollster::block_on;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use trials::projections::{Dog, DogEvent, Kennel, wall};
use uuid::Uuid;

use crate::File;

/// Two tables, of which one refers to the other.
struct Related;

impl Projection for Related {
    const NAME: &'static str = "related";
    type Events = DogEvent;
}

impl SqliteProjection for Related {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (dogs, tricks) = (tx.table("dogs"), tx.table("tricks"));
        tx.execute_batch(&format!(
            "CREATE TABLE {dogs} (dog BLOB PRIMARY KEY);
             CREATE TABLE {tricks} (dog BLOB NOT NULL REFERENCES {dogs} (dog), trick TEXT);"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let dog = event.stream.id;
        match event.event {
            DogEvent::TrickAdded { trick } => {
                let insert = format!("INSERT INTO {} VALUES (?1, ?2)", tx.table("tricks"));
                tx.execute(&insert, (dog, trick))?;
            }
            _ => {
                let insert = format!("INSERT INTO {} VALUES (?1)", tx.table("dogs"));
                tx.execute(&insert, [dog])?;
            }
        }
        Ok(())
    }
}

#[test]
fn tables_that_refer_to_each_other_are_built_again() {
    block_on(async {
        let kennel = File::new().await;
        kennel.trained(1, &["sit"]).await;
        let system = kennel.followed_by(kennel.store.project(Related));
        system.settle().await.unwrap();
        for _ in 0..2 {
            let until = es_core::system::Until::Position(Position::MAX);
            let handle = system.follower("related");
            handle.rebuild_until(until, "early").await.unwrap();
            handle.rebuild().await.unwrap();
        }
        let reader = Connection::open(&kennel.path).unwrap();
        let both = "SELECT trick FROM tricks JOIN dogs USING (dog)";
        let trick: String = reader.query_row(both, (), |row| row.get(0)).unwrap();
        assert_eq!(trick, "sit");
    });
}

/// What dogs learnt, who must be known by the end of the commit; those of three digits never are.
#[derive(Clone)]
struct Known;

impl Projection for Known {
    const NAME: &'static str = "known";
    type Events = DogEvent;
}

impl SqliteProjection for Known {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let [known, learnt] = ["known", "learnt"].map(|name| tx.table(name));
        tx.execute_batch(&format!(
            "CREATE TABLE {known} (dog BLOB PRIMARY KEY);
             CREATE TABLE {learnt} (dog BLOB REFERENCES {known} DEFERRABLE INITIALLY DEFERRED);"
        ))?;
        Ok(())
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let dog = event.stream.id;
        let table = match event.event {
            DogEvent::Registered { .. } if dog.as_u128() >= 100 => return Ok(()),
            DogEvent::Registered { .. } => "known",
            DogEvent::TrickAdded { .. } => "learnt",
        };
        tx.execute(
            &format!("INSERT INTO {} VALUES (?1)", tx.table(table)),
            [dog],
        )?;
        Ok(())
    }
}

#[test]
fn a_key_that_is_refused_at_the_end_of_a_batch_is_of_one_event() {
    block_on(async {
        let kennel = File::new().await;
        let follower = kennel.store.project(Known);
        let follower = follower.on_failure(OnFailure::stop().retries(1));
        let system = kennel.followed_by(follower);
        for dog in [1, 2, 3, 100, 4, 5] {
            kennel.trained(dog, &["sit"]).await;
        }
        let stopped = system.settle().await.unwrap_err();
        let told = format!("{stopped:?}");
        assert!(
            told.contains("at position 8 failed 2 times: a foreign key refers"),
            "{told}"
        );
        let status = system.follower("known").status().await.unwrap();
        assert_eq!(status.position, Position::from(7));
    });
}

#[test]
fn a_key_that_is_refused_at_the_end_of_a_group_is_of_one_commit() {
    block_on(async {
        let kennel = File::new().await;
        kennel.store.inline(&kennel.app, Known).await.unwrap();
        let save = async |dog: u128| {
            let mut dog = Dog::register(Uuid::from_u128(dog));
            dog.add_trick("sit");
            let first = kennel.app.save(&mut dog).await;
            let again = kennel.app.save(&mut dog).await;
            (first.map(drop), again.map(drop))
        };
        // All of them wait, and are written together.
        let mut other = Connection::open(&kennel.path).unwrap();
        let tx = other
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        let held = std::thread::scope(|scope| {
            let savers =
                [1, 2, 100, 3, 4].map(|dog| scope.spawn(move || (dog, block_on(save(dog)))));
            std::thread::sleep(Duration::from_millis(100));
            tx.rollback().unwrap();
            savers.map(|saver| saver.join().unwrap())
        });
        for (dog, answers) in held {
            match (dog, answers) {
                (100, (Err(first), Err(again))) => {
                    for refused in [first, again] {
                        let Error::Save(SaveError::Store(AppendError::Failed(why))) = refused
                        else {
                            panic!("{refused:?}");
                        };
                        assert!(why.to_string().contains("refers to a row"), "{why}");
                    }
                }
                (100, answers) => panic!("{answers:?}"),
                (_, answers) => assert!(matches!(answers, (Ok(()), Ok(()))), "{answers:?}"),
            }
        }
        assert_eq!(kennel.store.head().await.unwrap(), Position::from(8));
    });
}

#[test]
fn a_row_that_refers_to_a_read_model_is_in_the_way_of_another_and_told() {
    block_on(async {
        let kennel = File::new().await;
        let system = kennel.system::<1>();
        kennel.trained(1, &["sit"]).await;
        system.settle().await.unwrap();
        kennel
            .execute("CREATE TABLE likes (trick INTEGER REFERENCES wall (position))")
            .await;
        kennel.execute("INSERT INTO likes VALUES (2)").await;
        let refused = system.follower("wall").rebuild().await.unwrap_err();
        let told = format!("{refused:?}");
        assert!(
            told.contains("it cannot run: a foreign key refers"),
            "{told}"
        );
        assert_eq!(kennel.wall().await, wall(&[(1, &["sit"])]));
        kennel.execute("DROP TABLE likes").await;
        system.follower("wall").rebuild().await.unwrap();
    });
}
