//! The laws, a file for each chapter. To add one, write it beside its neighbours, name it in `suite.rs` and in the list below, and write a store
//! that breaks it in `tests/broken_stores/`.
//!
//! A store of your own runs them with one line that names its [`Harness`]: [`store_laws!`](crate::store_laws).
//!
//! A law is an async function that takes a harness with an empty log, and panics where the store breaks it. The laws are numbered, so that
//! they can be talked about; those that a store can break, by itself or as seen through an [application](crate::Application):
//!
//! 1. A commit without events changes nothing, though the versions it names are checked.
//! 2. Records come back exactly as written, also after reopening; to a store, a payload is any bytes. Metadata that is nested too deep to be
//!    read is refused.
//! 3. A version already present is a conflict that names stream, expected and actual version; nothing of the commit is stored.
//! 4. A commit over several streams is all or nothing, also when one stream occurs twice in it.
//! 5. Versions of a stream have no holes.
//! 6. A stream is read from both ends and in part, and a page is short only at its end; one that does not exist is empty. Visiting it shows
//!    the same.
//! 7. Two categories with one id are two streams. A commit that the store refuses fails alone.
//! 8. Of two writers racing for one version exactly one wins.
//! 9. The same commit sent again gives the first result, which can be asked for by its id, and moves no checkpoint again, also after it was
//!    given up, its connection was cut, or the store was reopened; a commit with the id of another is refused.
//! 10. Positions are 1, 2, 3 … with no holes, also after refused commits, also after reopening.
//! 11. Events of one commit are neighbours in the log, in order.
//! 12. A reader that has seen a position never later finds a new event at or below it; eight writers and one tailing reader, on one handle
//!     and on two: none missed, none twice, none out of order.
//! 13. The log is read after, up to, limited, by category and event name; filters do not change positions, and a page says how far it was
//!     read.
//! 14. Who waits for a change learns of a commit made on the same handle. A subscription yields what is there, then what comes, in order, also
//!     filtered; it ends when told; two do not disturb each other; one whose connections are cut goes on without loss or repetition.
//! 15. The head is the newest position, and the start of an empty log. Time never runs backwards along the log.
//! 16. A checkpoint is stored in the same commit as its events, or not at all.
//! 17. A checkpoint only moves forward, from where its writer believed it; of two racing writers exactly one wins.
//! 18. Checkpoints are kept per follower and upstream log; an unknown follower is at the start.
//! 19. Waiting for a follower ends when it has reached the position, at once where it had, and by time-out otherwise.
//! 20. The newest snapshot at or below a version is found, as it was kept; a second one at a version replaces the first; dropping them
//!     changes no event.
//! 21. With and without snapshots, with and without cache, aggregates are equal, at every version and time.
//! 22. An event comes back as it was recorded, whatever JSON can carry. (What it cannot never reaches a store.)
//! 24. Upcasters run in order, however an event is read.
//! 25. An event that the code does not know, or not yet, is an error that names it.
//!
//! 26. An event's effect and the checkpoint that covers it become visible together or not at all; where it is made inside of the commit,
//!     together with the event, and a commit that is refused there leaves nothing.
//! 27. A lease is taken by raising an epoch, by the store's clock, and nobody has it past its end; renewing does not raise it; a write under an
//!     older epoch is refused; why it was given back is kept until it is taken again. What runs inside of commits is leased to nobody, and put
//!     nowhere, also when all was closed.
//! 28. Whoever runs a follower, takes over, is killed or stopped: every event has its effect once, in order per aggregate.
//! 29. What is parked waits in order, and nothing overtakes it inside of commits; what is dropped leaves a record of who, when and why,
//!     also of a follower that is forgotten; so does where a person put one.
//! 30. Two revisions stand beside each other, until one takes the place of the other with its checkpoint and what it has set aside; what persons
//!     decided stays on record. What is made anew begins with nothing.
//! 31. A dry run leaves the store as it was, also that of a raised revision, which is tried as it would be built.
//! 32. A checkpoint keeps the commit it stands at.
//! 33. A panic or an error in a handler changes that follower alone; inside of a commit, that commit alone.
//!
//! What no law can see: whether a commit that was answered outlasts a power cut, and what a killed process leaves behind, half a record at the end
//! of a file for example. Reopening is an orderly end. A durable store kills its writers in tests of its own, and cuts its files at every length.
//!
//! Without a number: the ids of a category are read page by page, the first who asks owns the log, and where a store says by a number which log it
//! keeps, no other has that.
//!
//! Two laws stand for all of them. Random histories are played on the store and on a [model](self::histories) that is plain enough to be
//! believed, and every answer must agree; random concurrent histories must have [an explanation](self::concurrency). They are played for a
//! second, ten of them at least where half a minute is enough for that; `ES_HISTORIES=10000` plays as many.

pub mod aggregates;
mod apps;
pub mod changes;
pub mod chaos;
pub mod checkpoints;
pub mod commits;
pub mod concurrency;
pub mod connections;
mod drawing;
pub mod followers;
mod harness;
pub mod histories;
pub mod inline;
mod journal;
pub mod leases;
pub mod log;
pub mod mapping;
mod model;
pub mod names;
pub mod pages;
mod parcels;
pub mod snapshots;
pub mod streams;
pub mod subscriptions;
mod suite;
pub mod waiting;

use std::panic;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Advance, Append, AppendError, CheckpointStore, Commit, CommitId, Committed, EncodedEvent,
    EventStore, Filter, FollowerId, Metadata, Record, Slice, Span,
};

pub use harness::Harness;
use harness::{not_cut, not_run, reopened};
pub use journal::{Anything, JOURNAL, Journal, Noted};
pub use suite::{Law, all};

fn stream(id: u128) -> StreamId {
    StreamId::new("Dog", Uuid::from_u128(id))
}

/// Reads everything in a part of the log.
async fn read_log(store: &impl EventStore, after: u64, limit: usize) -> Vec<Record> {
    let span = Span::after(Position::from(after)).limit(limit);
    let page = store.read_log(span, &Filter::everything()).await;
    page.expect("the log can be read").records
}

fn event(payload: impl Into<Bytes>) -> EncodedEvent {
    EncodedEvent {
        name: "TrickAdded".into(),
        schema: 1,
        payload: payload.into(),
    }
}

/// Appends `count` events to a stream that is at version `expected`.
fn append(stream: &StreamId, expected: u64, count: u64) -> Append {
    Append {
        stream: stream.clone(),
        expected: Version::from(expected),
        events: (1..=count)
            .map(|place| event(format!(r#"{{"trick":"{}"}}"#, expected + place)))
            .collect(),
    }
}

fn commit(appends: impl Into<Vec<Append>>) -> Commit {
    Commit {
        id: CommitId::draw(),
        time: at(1),
        metadata: Metadata::new(),
        appends: appends.into(),
        checkpoint: None,
    }
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inside, _| Value::Array(vec![inside]))
}

/// A time with microseconds, as every store keeps them.
fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::new(1_700_000_000 + seconds, 123_456_000)
}

/// A commit of a follower that moves its checkpoint.
fn advance(follower: &FollowerId, from: u64, to: u64, appends: impl Into<Vec<Append>>) -> Commit {
    Commit {
        checkpoint: Some(Advance::new(
            follower.clone(),
            Position::from(from),
            Position::from(to),
        )),
        ..commit(appends)
    }
}

async fn write(store: &impl EventStore, appends: impl Into<Vec<Append>>) -> Committed {
    let stored = store.commit(commit(appends)).await;
    stored.expect("the commit is stored")
}

async fn read(store: &impl EventStore, stream: &StreamId, slice: Slice) -> Vec<Record> {
    let records = store.read_stream(stream, slice).await;
    records.expect("the stream can be read")
}

async fn versions(store: &impl EventStore, stream: &StreamId, slice: Slice) -> Vec<u64> {
    let records = read(store, stream, slice).await;
    records.iter().map(|record| record.version.get()).collect()
}

async fn checkpoint(store: &impl CheckpointStore, follower: &FollowerId) -> u64 {
    let position = store.checkpoint(follower).await;
    position.expect("the checkpoint can be read").get()
}

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.get()).collect()
}

/// Compares part by part: of whole records, with large payloads, nobody sees what is not the same.
fn assert_as_written(found: &[Record], written: &[Record]) {
    for (found, written) in found.iter().zip(written) {
        let at = written.position;
        assert_eq!(found.position, at, "the position of record {at}");
        assert_eq!(found.stream, written.stream, "the stream of record {at}");
        assert_eq!(found.version, written.version, "the version of record {at}");
        assert_eq!(found.event, written.event, "the name of record {at}");
        assert_eq!(found.schema, written.schema, "the schema of record {at}");
        assert_eq!(found.time, written.time, "the time of record {at}");
        assert_eq!(found.commit, written.commit, "the commit of record {at}");
        let bytes = found.payload.iter().zip(&written.payload);
        let same = bytes
            .take_while(|(found, written)| found == written)
            .count();
        assert!(
            found.payload == written.payload,
            "the payload of record {at} is another after {same} bytes: it has {}, of {} that were written",
            found.payload.len(),
            written.payload.len()
        );
        assert_eq!(
            found.metadata, written.metadata,
            "the metadata of record {at}"
        );
        assert!(found == written, "record {at} is another");
    }
    assert_eq!(found.len(), written.len(), "the number of records");
}

async fn assert_conflict(
    store: &impl EventStore,
    refused: Commit,
    at: &StreamId,
    expect: u64,
    actual: u64,
) {
    match store.commit(refused).await {
        Err(AppendError::Conflict {
            stream,
            expected,
            actual: found,
        }) => assert_eq!(
            (stream, expected, found),
            (at.clone(), Version::from(expect), Version::from(actual))
        ),
        other => panic!("a conflict of `{at}` was to be expected, not {other:?}"),
    }
}

/// Works on several threads, each with its number, and collects what they say.
fn on_threads<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        let ended = threads.into_iter().map(|thread| thread.join());
        // What a thread says of the store is what the law says.
        ended
            .map(|said| said.unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
            .collect()
    })
}
