//! The records of all dogs in memory, found by position, by stream, by commit and by id, behind a mutex.
use std::cell::Cell;
use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::codec::decode_payload;
use super::{Dog, encode_into};

#[derive(Default)]
pub(crate) struct Memory {
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    records: Vec<Record>,
    /// Those of all records, one after the other.
    payloads: Vec<u8>,
    categories: FxHashMap<&'static str, Category>,
    /// Where the events of a commit are: each is at its number.
    commits: Vec<Range<usize>>,
    /// The numbers of those that have an id, by which one that is sent again is known.
    numbers: FxHashMap<Uuid, u64>,
}

#[derive(Default)]
struct Category {
    streams: FxHashMap<Uuid, Stream>,
    ids: BTreeSet<Uuid>,
}

/// Where the events of a stream are, commit by commit.
#[derive(Default)]
struct Stream {
    version: u64,
    commits: Vec<Range<usize>>,
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
    payload: Range<usize>,
}

const CATEGORY: &str = "Dog";

thread_local! {
    /// Where payloads are written before the log is locked.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Another writer was faster.
#[derive(Debug)]
pub(crate) struct Conflict;

impl Memory {
    /// Saves what is pending in a dog, if nobody else changed it. Without an id, nothing can be sent again.
    pub(crate) fn save(&self, dog: &mut Dog, commit: Option<Uuid>) -> Result<(), Conflict> {
        let pending = dog.pending();
        let mut buffer = BUFFER.take();
        buffer.clear();
        let mut encoded = Vec::with_capacity(pending.len());
        for event in pending {
            let name = encode_into(&mut buffer, event).map_err(|_| Conflict)?;
            encoded.push((name, buffer.len()));
        }
        let (id, time) = (dog.id(), SystemTime::now());
        let version = dog.saved_version();

        let mut guard = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = &mut *guard;
        let named = match commit.map(|commit| log.numbers.entry(commit)) {
            Some(Entry::Occupied(_)) => {
                dog.saved();
                return Ok(());
            }
            Some(Entry::Vacant(named)) => Some(named),
            None => None,
        };
        let category = log.categories.entry(CATEGORY).or_default();
        let stream = category.streams.entry(id).or_default();
        if stream.version != version {
            return Err(Conflict);
        }
        if version == 0 {
            category.ids.insert(id);
        }
        let commit = log.commits.len() as u64;
        if let Some(named) = named {
            named.insert(commit);
        }
        let before = log.payloads.len();
        log.payloads.extend_from_slice(&buffer);
        let mut start = before;
        let records = (version + 1..).zip(encoded).map(|(version, (name, end))| {
            let payload = start..before + end;
            start = payload.end;
            Record {
                category: CATEGORY,
                id,
                version,
                commit,
                time,
                name,
                payload,
            }
        });
        let first = log.records.len();
        log.records.extend(records);
        let places = first..log.records.len();
        stream.version += places.len() as u64;
        stream.commits.push(places.clone());
        log.commits.push(places);
        drop(guard);
        BUFFER.set(buffer);
        dog.saved();
        Ok(())
    }

    /// `None` where there is no such dog, or where its events make none.
    pub(crate) fn load(&self, id: Uuid) -> Option<Dog> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let stream = log.categories.get(CATEGORY)?.streams.get(&id)?;
        let records = stream
            .commits
            .iter()
            .flat_map(|places| &log.records[places.clone()]);
        let mut broken = false;
        let events = records.map_while(|record| {
            let payload = &log.payloads[record.payload.clone()];
            let event = decode_payload(record.name, payload);
            broken = event.is_err();
            event.ok()
        });
        let count = usize::try_from(stream.version).ok()?;
        let dog = Dog::replay_about(id, count, events);
        dog.filter(|_| !broken)
    }
}
