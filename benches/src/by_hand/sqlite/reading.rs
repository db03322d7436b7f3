//! Reading: what a dog is made of, and nothing else, straight from SQLite's memory into the fold.
use std::hint::black_box;
use std::iter;

use rusqlite::{Connection, Result, Row, Statement};
use uuid::Uuid;

use super::CATEGORY;
use crate::by_hand::codec::decode_payload;
use crate::by_hand::{Dog, DogEvent};

pub(crate) struct Reading<'c> {
    stream: Statement<'c>,
    whole_stream: Statement<'c>,
    log: Statement<'c>,
    whole_log: Statement<'c>,
}

impl<'c> Reading<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Result<Self> {
        Ok(Self {
            stream: connection.prepare(
                "SELECT event, payload FROM events WHERE category = ?1 AND stream = ?2 ORDER BY version",
            )?,
            whole_stream: connection.prepare(
                "SELECT event, payload, position, version, schema, metadata, time, commit_id FROM events \
                 WHERE category = ?1 AND stream = ?2 ORDER BY version",
            )?,
            log: connection.prepare(
                "SELECT event, payload, position FROM events WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?,
            whole_log: connection.prepare(
                "SELECT event, payload, position, version, schema, metadata, time, commit_id, category, stream FROM events \
                 WHERE position > ?1 ORDER BY position LIMIT ?2",
            )?,
        })
    }

    /// `None` where there is no such dog, or where its events make none.
    pub(crate) fn load(&mut self, id: Uuid) -> Option<Dog> {
        let mut rows = self.stream.query((CATEGORY, id)).ok()?;
        let events = iter::from_fn(|| event(rows.next().ok()??));
        Dog::replay(id, events)
    }

    /// As [`load`](Self::load), looking at all columns that differ from event to event, as whoever hands on records has to.
    pub(crate) fn load_whole(&mut self, id: Uuid) -> Option<Dog> {
        let mut rows = self.whole_stream.query((CATEGORY, id)).ok()?;
        let events = iter::from_fn(|| {
            let row = rows.next().ok()??;
            look_at_the_rest(row)?;
            event(row)
        });
        Dog::replay(id, events)
    }

    /// Hands on at most so many events after a position, and says the position of the last.
    pub(crate) fn page(
        &mut self,
        after: i64,
        limit: usize,
        mut each: impl FnMut(DogEvent),
    ) -> Result<i64> {
        let mut last = after;
        let mut rows = self.log.query((after, bound(limit)))?;
        while let Some(row) = rows.next()? {
            if let Some(event) = event(row) {
                each(event);
            }
            last = row.get(2)?;
        }
        Ok(last)
    }

    /// As [`page`](Self::page), looking at all columns, as whoever hands on records has to.
    pub(crate) fn whole_page(
        &mut self,
        after: i64,
        limit: usize,
        mut each: impl FnMut(DogEvent),
    ) -> Result<i64> {
        let mut last = after;
        let mut rows = self.whole_log.query((after, bound(limit)))?;
        while let Some(row) = rows.next()? {
            black_box((row.get_ref(8)?.as_str()?, row.get::<_, Uuid>(9)?));
            look_at_the_rest(row);
            if let Some(event) = event(row) {
                each(event);
            }
            last = row.get(2)?;
        }
        Ok(last)
    }
}

pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[inline(always)]
pub(super) fn look_at_the_rest(row: &Row<'_>) -> Option<()> {
    let [position, version, schema, time] =
        [2, 3, 4, 6].map(|column| row.get::<_, i64>(column).ok());
    let metadata = row.get_ref(5).ok()?.as_str_or_null().ok()?;
    let commit = row.get::<_, Uuid>(7).ok()?;
    black_box((position, version, schema, time, metadata, commit));
    Some(())
}

#[inline(always)]
pub(super) fn event(row: &Row<'_>) -> Option<DogEvent> {
    let name = row.get_ref(0).ok()?.as_str().ok()?;
    let payload = row.get_ref(1).ok()?.as_blob().ok()?;
    decode_payload(name, payload).ok()
}
