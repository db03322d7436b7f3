//! Writing alone: one statement, which is a transaction of its own.
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::rows::{ARRAYS, COLUMNS, ROWS, Rows, checksum};
use super::{CATEGORY, Place};
use crate::by_hand::{Dog, Entry, microseconds};

pub(super) const INSERT: &str = "INSERT INTO events (category, stream, version, event, schema, payload, time, commit_id, events_in_commit, checksum) \
     VALUES ($1, $2, $3, $4, 1, $5, $6, $7, 1, $8)";

/// Writes on a connection that nobody else writes to.
pub(crate) struct Pen {
    client: Client,
    insert: Statement,
    insert_all: Statement,
    insert_and_notify: Statement,
    checkpoint: Statement,
}

impl Pen {
    pub(crate) async fn new(client: Client) -> Result<Self, Error> {
        let insert_all = format!("INSERT INTO events ({COLUMNS}) {ROWS} {ARRAYS}");
        let insert_and_notify = format!("WITH inserted AS ({INSERT}) SELECT pg_notify('dogs', '')");
        Ok(Self {
            insert: client.prepare(INSERT).await?,
            insert_all: client.prepare(&insert_all).await?,
            insert_and_notify: client.prepare(&insert_and_notify).await?,
            checkpoint: client
                .prepare(
                    "INSERT INTO checkpoints (follower, position) VALUES ($1, $2) \
                     ON CONFLICT (follower) DO UPDATE SET position = excluded.position",
                )
                .await?,
            client,
        })
    }

    /// Saves what is pending in a dog.
    pub(crate) async fn save(&self, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        if entry.events.len() == 1 {
            self.one(&self.insert, &entry).await?;
        } else {
            let mut rows = Rows::default();
            rows.push(&entry, microseconds(), Uuid::now_v7());
            self.client
                .execute(&self.insert_all, &rows.columns())
                .await?;
        }
        dog.saved();
        Ok(())
    }

    /// Saves what is pending in a dog, which is one event, and tells whoever listens.
    pub(crate) async fn save_and_notify(&self, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        self.one(&self.insert_and_notify, &entry).await?;
        dog.saved();
        Ok(())
    }

    async fn one(&self, insert: &Statement, entry: &Entry) -> Result<(), Error> {
        one(&self.client, insert, entry).await
    }

    /// Saves what is pending in many dogs, in one transaction.
    pub(crate) async fn save_all(&self, dogs: &mut [Dog]) -> Result<(), Error> {
        let entries: Vec<_> = dogs
            .iter()
            .map(|dog| Entry::of(dog).expect("names and tricks are texts"))
            .collect();
        let mut rows = Rows::default();
        for entry in &entries {
            rows.push(entry, microseconds(), Uuid::now_v7());
        }
        self.client
            .execute(&self.insert_all, &rows.columns())
            .await?;
        dogs.iter_mut().for_each(Dog::saved);
        Ok(())
    }

    pub(crate) async fn checkpoint(&self, follower: &str, position: i64) -> Result<(), Error> {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&follower, &position];
        self.client.execute(&self.checkpoint, &values).await?;
        Ok(())
    }
}

/// Writes an entry of one event.
pub(super) async fn one(client: &Client, insert: &Statement, entry: &Entry) -> Result<(), Error> {
    let [event] = &entry.events[..] else {
        panic!("it is of one event");
    };
    let (time, commit) = (microseconds(), Uuid::now_v7());
    let version = i64::try_from(entry.version).unwrap_or(i64::MAX) + 1;
    let sum = i64::from(checksum(entry.id, version, event, time, commit, Some(1)));
    client
        .execute(
            insert,
            &[
                &CATEGORY,
                &entry.id,
                &version,
                &event.name,
                &event.payload,
                &time,
                &commit,
                &sum,
            ],
        )
        .await?;
    Ok(())
}

/// A connection for a client of its own, who locks the table for each insert: what is right without any group.
pub(crate) struct WithLock {
    client: Client,
    insert: Statement,
}

impl WithLock {
    pub(crate) async fn connect(place: &Place) -> Result<Self, Error> {
        let client = place.connect().await?;
        let insert = client.prepare(INSERT).await?;
        Ok(Self { client, insert })
    }

    /// Saves what is pending in a dog, which is one event.
    pub(crate) async fn save_one(&self, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        self.client.batch_execute("BEGIN").await?;
        self.client
            .batch_execute("LOCK TABLE events IN EXCLUSIVE MODE")
            .await?;
        one(&self.client, &self.insert, &entry).await?;
        self.client.batch_execute("COMMIT").await?;
        dog.saved();
        Ok(())
    }

    /// Saves what is pending in a dog, which is one event, with a row that has its id, in one transaction.
    pub(crate) async fn save_with_row(&self, insert: &str, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        self.client.batch_execute("BEGIN").await?;
        self.client.execute(insert, &[&entry.id]).await?;
        self.client
            .batch_execute("LOCK TABLE events IN EXCLUSIVE MODE")
            .await?;
        one(&self.client, &self.insert, &entry).await?;
        self.client.batch_execute("COMMIT").await?;
        dog.saved();
        Ok(())
    }
}
