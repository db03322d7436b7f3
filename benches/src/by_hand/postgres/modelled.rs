//! A read model: a row for each dog, in the database of the events, moved on together with a checkpoint.
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use super::Place;
use super::pen::{INSERT, one};
use crate::by_hand::codec::decode_payload;
use crate::by_hand::{Dog, DogEvent, Entry};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS deeds (id uuid PRIMARY KEY, name text NOT NULL, tricks bigint NOT NULL)";

pub(crate) struct Modelled {
    reader: Client,
    log: Statement,
    client: Client,
    insert: Statement,
    update: Statement,
    checkpoint: Statement,
}

impl Modelled {
    pub(crate) async fn new(place: &Place) -> Result<Self, Error> {
        let reader = place.connect().await?;
        let client = place.connect().await?;
        client.batch_execute(TABLE).await?;
        Ok(Self {
            log: reader
                .prepare("SELECT event, payload, position, stream FROM events WHERE position > $1 ORDER BY position LIMIT $2")
                .await?,
            reader,
            insert: client.prepare("INSERT INTO deeds VALUES ($1, $2, 0)").await?,
            update: client
                .prepare("UPDATE deeds SET tricks = tricks + 1 WHERE id = $1")
                .await?,
            checkpoint: client
                .prepare(
                    "INSERT INTO checkpoints (follower, position) VALUES ($1, $2) \
                     ON CONFLICT (follower) DO UPDATE SET position = excluded.position",
                )
                .await?,
            client,
        })
    }

    /// So that the next round begins anew.
    pub(crate) async fn empty(&self) -> Result<(), Error> {
        self.client.batch_execute("TRUNCATE deeds").await
    }

    /// How many dogs there are, and how many tricks they did.
    pub(crate) async fn seen(&self) -> Result<(i64, i64), Error> {
        let all = "SELECT count(*), coalesce(sum(tricks), 0)::int8 FROM deeds";
        let row = self.client.query_one(all, &[]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    }

    /// Writes what all events tell: those of a page in one transaction, while the next page is on its way.
    pub(crate) async fn all(
        &self,
        follower: &str,
        page: i64,
        pipelined: bool,
    ) -> Result<(), Error> {
        let read = |after: i64| async move { self.reader.query(&self.log, &[&after, &page]).await };
        let mut rows = read(0).await?;
        while let Some(last) = rows.last() {
            let last: i64 = last.try_get(2)?;
            let work = async {
                self.client.batch_execute("BEGIN").await?;
                if pipelined {
                    self.at_once(&rows).await?;
                } else {
                    for row in &rows {
                        self.handle(row).await?;
                    }
                }
                self.client
                    .execute(&self.checkpoint, &[&follower, &last])
                    .await?;
                self.client.batch_execute("COMMIT").await
            };
            let (next, done) = tokio::join!(biased; read(last), work);
            done?;
            rows = next?;
        }
        Ok(())
    }

    async fn handle(&self, row: &Row) -> Result<(), Error> {
        let id: Uuid = row.try_get(3)?;
        match decode_payload(row.try_get(0)?, row.try_get(1)?) {
            Ok(DogEvent::Registered(event)) => {
                self.client
                    .execute(&self.insert, &[&id, &event.name])
                    .await?;
            }
            Ok(DogEvent::TrickAdded(_)) => {
                self.client.execute(&self.update, &[&id]).await?;
            }
            Err(_) => {}
        }
        Ok(())
    }

    /// Sends all statements without waiting for an answer in between.
    async fn at_once(&self, rows: &[Row]) -> Result<(), Error> {
        type Sent<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;
        let mut sent: Vec<Sent<'_>> = rows
            .iter()
            .map(|row| Box::pin(self.handle(row)) as Sent<'_>)
            .collect();
        poll_fn(|context| {
            let mut failed = None;
            sent.retain_mut(|one| match one.as_mut().poll(context) {
                Poll::Pending => true,
                Poll::Ready(done) => {
                    failed = failed.take().or(done.err());
                    false
                }
            });
            match (failed, sent.is_empty()) {
                (Some(error), _) => Poll::Ready(Err(error)),
                (None, true) => Poll::Ready(Ok(())),
                (None, false) => Poll::Pending,
            }
        })
        .await
    }
}

/// Writes an event and the row of a new dog in one transaction.
pub(crate) struct Both {
    client: Client,
    insert_event: Statement,
    insert_row: Statement,
}

impl Both {
    pub(crate) async fn new(place: &Place) -> Result<Self, Error> {
        let client = place.connect().await?;
        client.batch_execute(TABLE).await?;
        Ok(Self {
            insert_event: client.prepare(INSERT).await?,
            insert_row: client
                .prepare("INSERT INTO deeds VALUES ($1, $2, 0)")
                .await?,
            client,
        })
    }

    /// Saves a new dog. Nothing that is written needs an answer, so all is sent at once.
    pub(crate) async fn save(&self, dog: &mut Dog) -> Result<(), Error> {
        let entry = Entry::of(dog).expect("names and tricks are texts");
        let (id, name) = (dog.id(), dog.name());
        let values: [&(dyn ToSql + Sync); 2] = [&id, &name];
        let (begin, event, row, commit) = tokio::join!(
            biased;
            self.client.batch_execute("BEGIN"),
            one(&self.client, &self.insert_event, &entry),
            self.client.execute(&self.insert_row, &values),
            self.client.batch_execute("COMMIT"),
        );
        // After one that fails, so do the others, and the commit takes all back.
        begin.and(event).and(row).and(commit)?;
        dog.saved();
        Ok(())
    }
}
