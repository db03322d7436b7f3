//! Reading: what a dog is made of, and nothing else, straight from the messages into the fold.
use std::hint::black_box;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use super::CATEGORY;
use crate::by_hand::codec::decode_payload;
use crate::by_hand::{Dog, DogEvent};

pub(crate) struct Reading {
    client: Client,
    stream: Statement,
    needed_stream: Statement,
    whole_stream: Statement,
    log: Statement,
    whole_log: Statement,
}

impl Reading {
    pub(crate) async fn new(client: Client) -> Result<Self, Error> {
        Ok(Self {
            stream: client
                .prepare("SELECT event, payload FROM events WHERE category = $1 AND stream = $2 ORDER BY version")
                .await?,
            needed_stream: client
                .prepare(
                    "SELECT event, payload, version, schema, time FROM events WHERE category = $1 AND stream = $2 AND version > $3 \
                     AND version <= $4 ORDER BY version LIMIT $5",
                )
                .await?,
            whole_stream: client
                .prepare(
                    "SELECT event, payload, position, version, schema, metadata, time, commit_id FROM events \
                     WHERE category = $1 AND stream = $2 ORDER BY version",
                )
                .await?,
            log: client
                .prepare("SELECT event, payload, position FROM events WHERE position > $1 ORDER BY position LIMIT $2")
                .await?,
            whole_log: client
                .prepare(
                    "SELECT event, payload, position, version, schema, metadata, time, commit_id, category, stream FROM events \
                     WHERE position > $1 ORDER BY position LIMIT $2",
                )
                .await?,
            client,
        })
    }

    /// `None` where there is no such dog, or where its events make none.
    pub(crate) async fn load(&self, id: Uuid) -> Option<Dog> {
        let rows = self.client.query(&self.stream, &[&CATEGORY, &id]).await;
        let rows = rows.ok()?;
        Dog::replay(id, rows.iter().map_while(event))
    }

    /// As [`load`](Self::load), as a program does it that checks versions, knows schemas, says when a dog was changed, and reads pages of so many
    /// events.
    pub(crate) async fn load_needed(&self, id: Uuid, page: i64) -> Option<Dog> {
        let mut after = 0;
        let mut events = Vec::new();
        loop {
            let values: [&(dyn ToSql + Sync); 5] = [&CATEGORY, &id, &after, &i64::MAX, &page];
            let rows = self.client.query(&self.needed_stream, &values).await;
            let rows = rows.ok()?;
            for row in &rows {
                let version: i64 = row.try_get(2).ok()?;
                if version != after + 1 {
                    return None;
                }
                after = version;
                black_box((
                    row.try_get::<_, i64>(3).ok()?,
                    row.try_get::<_, i64>(4).ok()?,
                ));
                events.push(event(row)?);
            }
            if i64::try_from(rows.len()) != Ok(page) {
                return Dog::replay(id, events);
            }
        }
    }

    /// As [`load`](Self::load), looking at all columns that differ from event to event, as whoever hands on records has to.
    pub(crate) async fn load_whole(&self, id: Uuid) -> Option<Dog> {
        let rows = self
            .client
            .query(&self.whole_stream, &[&CATEGORY, &id])
            .await;
        let rows = rows.ok()?;
        let events = rows.iter().map_while(|row| {
            look_at_the_rest(row)?;
            event(row)
        });
        Dog::replay(id, events)
    }

    /// At most so many events after a position.
    pub(crate) async fn page(&self, after: i64, limit: usize) -> Result<Page, Error> {
        let rows = self
            .client
            .query(&self.log, &[&after, &bound(limit)])
            .await?;
        Ok(Page { rows, whole: false })
    }

    /// As [`page`](Self::page), with all columns.
    pub(crate) async fn whole_page(&self, after: i64, limit: usize) -> Result<Page, Error> {
        let rows = self
            .client
            .query(&self.whole_log, &[&after, &bound(limit)])
            .await?;
        Ok(Page { rows, whole: true })
    }
}

/// A part of the log.
pub(crate) struct Page {
    rows: Vec<Row>,
    whole: bool,
}

impl Page {
    /// The position of its last event.
    pub(crate) fn last(&self) -> Option<i64> {
        self.rows.last()?.try_get(2).ok()
    }

    /// Hands on its events.
    pub(crate) fn each(&self, mut each: impl FnMut(DogEvent)) {
        for row in &self.rows {
            if self.whole {
                black_box((row.get::<_, &str>(8), row.get::<_, Uuid>(9)));
                look_at_the_rest(row);
            }
            if let Some(event) = event(row) {
                each(event);
            }
        }
    }
}

fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[inline(always)]
fn look_at_the_rest(row: &Row) -> Option<()> {
    let [position, version, schema, time] =
        [2, 3, 4, 6].map(|column| row.try_get::<_, i64>(column).ok());
    let metadata = row.try_get::<_, Option<&str>>(5).ok()?;
    let commit = row.try_get::<_, Uuid>(7).ok()?;
    black_box((position, version, schema, time, metadata, commit));
    Some(())
}

#[inline(always)]
fn event(row: &Row) -> Option<DogEvent> {
    let name = row.try_get(0).ok()?;
    let payload = row.try_get(1).ok()?;
    decode_payload(name, payload).ok()
}
