//! Writing alone: one statement, which is a transaction of its own.
use std::pin::pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

use super::rows::{ARRAYS, COLUMNS, ROWS, Rows, checksum};
use super::{CATEGORY, Place};
use crate::by_hand::{Dog, Entry, microseconds};

pub(super) const INSERT: &str = "INSERT INTO events (category, stream, version, event, schema, payload, time, commit_id, events_in_commit, checksum) \
     VALUES ($1, $2, $3, $4, 1, $5, $6, $7, 1, $8)";

/// Of [`COLUMNS`].
const TYPES: [Type; 10] = [
    Type::TEXT,
    Type::UUID,
    Type::INT8,
    Type::TEXT,
    Type::INT8,
    Type::BYTEA,
    Type::INT8,
    Type::UUID,
    Type::INT8,
    Type::INT8,
];

/// Writes on a connection that nobody else writes to.
pub(crate) struct Pen {
    client: Client,
    insert: Statement,
    insert_all: Statement,
    copy: Statement,
    insert_and_notify: Statement,
    checkpoint: Statement,
}

impl Pen {
    pub(crate) async fn new(client: Client) -> Result<Self, Error> {
        let insert_all = format!("INSERT INTO events ({COLUMNS}) {ROWS} {ARRAYS}");
        let copy = format!("COPY events ({COLUMNS}) FROM STDIN (FORMAT binary)");
        let insert_and_notify = format!("WITH inserted AS ({INSERT}) SELECT pg_notify('dogs', '')");
        Ok(Self {
            insert: client.prepare(INSERT).await?,
            insert_all: client.prepare(&insert_all).await?,
            copy: client.prepare(&copy).await?,
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
            self.copy(&entry).await?;
        }
        dog.saved();
        Ok(())
    }

    /// Writes an entry of many events: two round trips, and still faster than one with arrays.
    async fn copy(&self, entry: &Entry) -> Result<(), Error> {
        let (time, commit) = (microseconds(), Uuid::now_v7());
        let mut count = i64::try_from(entry.events.len()).ok();
        let mut version = i64::try_from(entry.version).unwrap_or(i64::MAX);
        let writer = BinaryCopyInWriter::new(self.client.copy_in(&self.copy).await?, &TYPES);
        let mut writer = pin!(writer);
        for event in &entry.events {
            version += 1;
            let sum = i64::from(checksum(entry.id, version, event, time, commit, count));
            let events_in_commit = count.take();
            let values: [&(dyn ToSql + Sync); 10] = [
                &CATEGORY,
                &entry.id,
                &version,
                &event.name,
                &1_i64,
                &event.payload,
                &time,
                &commit,
                &events_in_commit,
                &sum,
            ];
            writer.as_mut().write(&values).await?;
        }
        writer.finish().await?;
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
        let values: [&(dyn ToSql + Sync); 2] = [&follower, &position];
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
        self.end("BEGIN; LOCK TABLE events IN EXCLUSIVE MODE", dog)
            .await
    }

    /// Saves what is pending in a dog, which is one event, with a row that has its id, in one transaction.
    pub(crate) async fn save_with_row(
        &self,
        insert: &Statement,
        dog: &mut Dog,
    ) -> Result<(), Error> {
        let values: [&(dyn ToSql + Sync); 1] = [&dog.id()];
        let begin = self.client.batch_execute("BEGIN");
        tokio::try_join!(biased; begin, self.client.execute(insert, &values))?;
        // Whoever has a transaction waits for what he does in it.
        self.end("LOCK TABLE events IN EXCLUSIVE MODE", dog).await
    }

    /// Sends lock, event and commit without waiting in between: where one fails, so do those after it, and the commit takes all back.
    async fn end(&self, lock: &str, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        let (lock, event, commit) = tokio::join!(
            biased;
            self.client.batch_execute(lock),
            one(&self.client, &self.insert, &entry),
            self.client.batch_execute("COMMIT"),
        );
        lock.and(event).and(commit)?;
        dog.saved();
        Ok(())
    }

    pub(crate) async fn prepare(&self, statement: &str) -> Result<Statement, Error> {
        self.client.prepare(statement).await
    }
}
