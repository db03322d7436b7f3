//! From records to an aggregate, as getting one does after the store has answered.
use std::rc::Rc;
use std::time::UNIX_EPOCH;

use es_core::__private::{decode, encode};
use es_core::domain::HasRoot;
use es_core::persistence::{CommitId, Metadata, Record};
use es_core::{Aggregate, Position, StreamId, Version};

use crate::by_hand::{self, Stored};
use crate::dog::{self, Dog, NAME};
use crate::harness::{Effort, Scenario};

pub(super) fn run(effort: &Effort) {
    let id = Dog::id_for(NAME);
    let records = records(effort.short);
    let rows: Rc<[Stored]> = records.iter().map(row).collect();
    Scenario::new(
        format!("decode and replay {} events", effort.short),
        "event",
        effort.short,
    )
    .target(1.15)
    .contestant(
        "ours",
        move || Rc::clone(&records),
        move |records| {
            let events = records
                .iter()
                .map(|record| decode(record).expect("what was written can be read"));
            Dog::replay(id, events)
        },
        |dog| dog.ok().map(|dog| dog.seen()),
    )
    .contestant(
        "by hand",
        move || Rc::clone(&rows),
        move |rows| {
            let events = rows
                .iter()
                .map(|row| by_hand::decode(row).expect("what was written can be read"));
            by_hand::Dog::replay(id, events)
        },
        |dog| dog.map(|dog| dog.seen()),
    )
    .run(effort);
}

/// What a store would answer; names and payloads are owned, as those of a database are.
pub(super) fn records(count: usize) -> Rc<[Record]> {
    let stream = StreamId::new(Dog::CATEGORY, Dog::id_for(NAME));
    let mut version = Version::NEW;
    let commit = CommitId::draw();
    let encoded = encode(dog::trained(count - 1).pending(), &stream, version)
        .expect("strings have a JSON form");
    let records = encoded.into_iter().map(|encoded| {
        version = version.next();
        Record {
            stream: stream.clone(),
            version,
            position: Position::from(version.get()),
            event: encoded.name.into_owned().into(),
            schema: encoded.schema,
            payload: encoded.payload,
            time: UNIX_EPOCH,
            commit,
            metadata: Metadata::new(),
        }
    });
    records.collect()
}

fn row(record: &Record) -> Stored {
    Stored {
        name: record.event.clone().into_owned(),
        payload: record.payload.to_vec(),
    }
}
