//! The records of all dogs in memory, found by position, by stream, by commit and by id, behind a mutex.
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustc_hash::FxHashMap;
use serde_json::Result;
use uuid::Uuid;

use super::{Dog, DogEvent, encode};

#[derive(Default)]
pub(crate) struct Memory {
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    records: Vec<Record>,
    streams: FxHashMap<(&'static str, Uuid), Vec<usize>>,
    ids: FxHashMap<&'static str, BTreeSet<Uuid>>,
    commits: FxHashMap<u64, Range<usize>>,
}

/// What a row of the framework's log has, too.
#[expect(dead_code, reason = "a dog is made of name and payload alone")]
struct Record {
    category: &'static str,
    id: Uuid,
    version: u64,
    commit: u64,
    time: SystemTime,
    name: &'static str,
    payload: Vec<u8>,
}

const CATEGORY: &str = "Dog";

/// Another writer was faster.
#[derive(Debug)]
pub(crate) struct Conflict;

impl Memory {
    /// Saves what is pending in a dog, if nobody else changed it.
    pub(crate) fn save(&self, dog: &mut Dog) -> std::result::Result<(), Conflict> {
        let encoded: Vec<_> = dog
            .pending()
            .iter()
            .map(encode)
            .collect::<Result<_>>()
            .map_err(|_| Conflict)?;
        let (id, time) = (dog.id(), SystemTime::now());
        let version = dog.saved_version();

        let mut guard = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = &mut *guard;
        let places = log.streams.entry((CATEGORY, id)).or_default();
        if places.len() as u64 != version {
            return Err(Conflict);
        }
        if version == 0 {
            log.ids.entry(CATEGORY).or_default().insert(id);
        }
        let first = log.records.len();
        // Nobody asks for a commit from elsewhere, so counting is enough.
        let commit = log.commits.len() as u64;
        for (version, event) in (version + 1..).zip(encoded) {
            places.push(log.records.len());
            log.records.push(Record {
                category: CATEGORY,
                id,
                version,
                commit,
                time,
                name: event.name,
                payload: event.payload,
            });
        }
        log.commits.insert(commit, first..log.records.len());
        drop(guard);
        dog.saved();
        Ok(())
    }

    /// `None` where there is no such dog, or where its events make none.
    pub(crate) fn load(&self, id: Uuid) -> Option<Dog> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let records = log
            .streams
            .get(&(CATEGORY, id))?
            .iter()
            .map(|place| &log.records[*place]);
        let mut events = Vec::with_capacity(records.len());
        for record in records {
            events.push(decode(record).ok()?);
        }
        drop(log);
        Dog::replay(id, events)
    }
}

#[inline(always)]
fn decode(record: &Record) -> Result<DogEvent> {
    super::codec::decode_payload(record.name, &record.payload)
}
