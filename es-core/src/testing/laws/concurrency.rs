//! All laws at once, with several writers: whatever happens, there must be an order of the commits that explains every answer.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::drawing::Draw;
use super::histories::seeds;
use super::model::Model;
use super::{Harness, at, commit, on_threads, read_log};
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Advance, Append, AppendError, CheckpointStore, Commit, Committed, EventStore, Filter,
    FollowerId, LogPage, Record, Slice, Span,
};

const THREADS: usize = 4;
const STEPS: usize = 25;

/// Every law that several clients can see.
pub async fn concurrent_histories_can_be_explained<H: Harness>(harness: H) {
    drop(harness);
    for seed in seeds(40) {
        let harness = H::fresh().await;
        let handles = [harness.open().await, harness.open().await];
        let (acknowledged, sent) = (AtomicU64::new(0), Mutex::default());
        let histories = on_threads(THREADS, |number| {
            let draw = Draw::new(seed * THREADS as u64 + number as u64);
            let writer = Writer {
                store: &handles[number % 2],
                acknowledged: &acknowledged,
                sent: &sent,
                draw,
                seen: Vec::new(),
            };
            H::block_on(writer.work())
        });
        let log = read_log(&handles[0], 0, usize::MAX).await;
        let explained = explain(&handles[1], &log, &histories).await;
        if let Err(contradiction) = explained {
            let report = report(&log, &histories);
            panic!("the history of seed {seed} cannot be explained: {contradiction}\n{report}");
        }
    }
}

fn report(log: &[Record], histories: &[Vec<Seen>]) -> String {
    let mut lines = Vec::new();
    for (number, seen) in (1..).zip(histories) {
        lines.push(format!("thread {number}"));
        lines.extend(seen.iter().map(|seen| format!("  {seen:?}")));
    }
    lines.push("the log".to_owned());
    lines.extend(log.iter().map(|record| format!("  {record:?}")));
    lines.join("\n")
}

/// What a thread did, and what it was told.
#[derive(Debug)]
enum Seen {
    Committed(Commit, Committed),
    Refused(Commit, AppendError),
    Stream(StreamId, Slice, Vec<Record>),
    /// With the newest position that somebody knew of before it was read.
    Log(Span, Filter, LogPage, Position),
    Head(Position, Position),
}

struct Writer<'a, S> {
    store: &'a S,
    /// The newest position that any thread was told of.
    acknowledged: &'a AtomicU64,
    /// What any thread has sent, or is about to send.
    sent: &'a Mutex<Vec<Commit>>,
    draw: Draw,
    seen: Vec<Seen>,
}

impl<S: EventStore + CheckpointStore> Writer<'_, S> {
    async fn work(mut self) -> Vec<Seen> {
        for _ in 0..STEPS {
            let known = Position::from(self.acknowledged.load(Ordering::SeqCst));
            match self.draw.0.u8(0..10) {
                0..6 => {
                    let commit = match self.draw.0.u8(0..6) {
                        0 => self.sent_before(),
                        _ => None,
                    };
                    let commit = match commit {
                        Some(commit) => commit,
                        None => self.new_commit().await,
                    };
                    self.commit(commit).await;
                }
                6 => {
                    let head = self.store.head().await.expect("there is a head");
                    self.seen.push(Seen::Head(head, known));
                }
                _ => {
                    let (span, filter) = (self.draw.span(), self.draw.filter());
                    let page = self.store.read_log(span, &filter).await;
                    let page = page.expect("the log can be read");
                    self.seen.push(Seen::Log(span, filter, page, known));
                }
            }
        }
        self.seen
    }

    /// A commit that some thread has sent; most often the newest, which may be on its way.
    fn sent_before(&mut self) -> Option<Commit> {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let back = match self.draw.0.bool() {
            true => 1,
            false => self.draw.0.usize(0..=sent.len()),
        };
        sent.get(sent.len().checked_sub(back)?).cloned()
    }

    async fn commit(&mut self, commit: Commit) {
        let sent = self.sent.lock();
        sent.unwrap_or_else(PoisonError::into_inner)
            .push(commit.clone());
        self.seen
            .push(match self.store.commit(commit.clone()).await {
                Ok(committed) => {
                    let position = committed.position.unwrap_or_default();
                    self.acknowledged
                        .fetch_max(position.get(), Ordering::SeqCst);
                    Seen::Committed(commit, committed)
                }
                Err(refused) => Seen::Refused(commit, refused),
            });
    }

    /// Events, or none, for one stream or two, after the newest version that was found, and now and then a checkpoint.
    async fn new_commit(&mut self) -> Commit {
        let mut appends: Vec<Append> = Vec::new();
        for _ in 0..self.draw.0.usize(1..3) {
            let stream = self.draw.stream();
            if appends.iter().any(|append| append.stream == stream) {
                continue;
            }
            let newest = Slice::all().descending().limit(1);
            let found = self.store.read_stream(&stream, newest).await;
            let found = found.expect("the stream can be read");
            let version = found.first().map_or(0, |record| record.version.get());
            // One without events only rests on its version.
            let events = self.draw.0.usize(0..3);
            appends.push(Append {
                stream: stream.clone(),
                expected: Version::from(self.draw.nearly(version)),
                events: (0..events).map(|_| self.draw.event()).collect(),
            });
            self.seen.push(Seen::Stream(stream, newest, found));
        }
        let mut commit = Commit {
            id: self.draw.id(),
            time: at(self.draw.0.u64(0..30)),
            ..commit(appends)
        };
        if self.draw.0.u8(0..4) == 0 {
            let follower = self.draw.follower();
            let from = self.store.checkpoint(&follower).await;
            let from = from.expect("the checkpoint can be read");
            let to = Position::from(from.get() + self.draw.0.u64(1..4));
            commit.checkpoint = Some(Advance::new(follower, from, to));
            if self.draw.0.bool() {
                commit.appends.clear();
            }
        }
        commit
    }
}

type Explained = Result<(), String>;

/// Fails with the first answer that no order of the commits explains.
async fn explain(
    store: &impl CheckpointStore,
    log: &[Record],
    histories: &[Vec<Seen>],
) -> Explained {
    let model = replayed(log, histories)?;
    for seen in histories {
        explain_answers(&model, seen)?;
    }
    explain_checkpoints(store, histories).await
}

/// Plays the commits with events again, in the order of their positions: that must give the same log.
fn replayed(log: &[Record], histories: &[Vec<Seen>]) -> Result<Model, String> {
    let mut stored: Vec<(&Commit, &Committed)> = Vec::new();
    for seen in histories.iter().flatten() {
        if let Seen::Committed(commit, committed) = seen
            && committed.position.is_some()
        {
            let before = stored.iter().find(|(other, _)| other.id == commit.id);
            match before {
                None => stored.push((commit, committed)),
                Some((_, first)) if *first == committed => {}
                Some((_, first)) => {
                    return Err(format!("{} gave {first:?}, then {committed:?}", commit.id));
                }
            }
        }
    }
    stored.sort_by_key(|(_, committed)| committed.position);
    let mut model = Model::default();
    for (commit, committed) in stored {
        // Where a checkpoint was moved without events nobody can say; they have an explanation of their own.
        let events = Commit {
            checkpoint: None,
            ..commit.clone()
        };
        match model.commit(&events) {
            Ok(replayed) if replayed == *committed => {}
            other => return Err(format!("{commit:?} gave {committed:?}, replayed {other:?}")),
        }
    }
    if model.log == log {
        return Ok(model);
    }
    Err(format!("the commits replayed give {:?}", model.log))
}

/// What one thread was told must fit the log at some moment, and these moments must follow one another.
fn explain_answers(model: &Model, seen: &[Seen]) -> Explained {
    let mut known: Vec<(&StreamId, Version)> = Vec::new();
    let mut newest = Position::START;
    for answer in seen {
        let fits = match answer {
            Seen::Committed(commit, committed) => {
                for append in &commit.appends {
                    let version = append.expected.get() + append.events.len() as u64;
                    known.push((&append.stream, Version::from(version)));
                }
                newest = newest.max(committed.position.unwrap_or_default());
                true
            }
            Seen::Refused(
                commit,
                AppendError::Conflict {
                    stream,
                    expected,
                    actual,
                },
            ) => {
                let sent = |append: &Append| {
                    append.stream == *stream && append.expected == *expected && expected != actual
                };
                let seen_before = last_known(&known, stream);
                known.push((stream, *actual));
                // One that came too late cannot be stored later on; once stored, it is recognised.
                let stored = model.outcome(commit.id).is_some();
                commit.appends.iter().any(sent)
                    && !(stored && actual > expected)
                    && (seen_before..=model.version(stream)).contains(actual)
            }
            Seen::Refused(commit, AppendError::Checkpoint { from, actual, .. }) => {
                let stored = model.outcome(commit.id).is_some();
                from != actual && commit.checkpoint.is_some() && !(stored && actual > from)
            }
            Seen::Refused(..) => false,
            Seen::Stream(stream, slice, found) => {
                let version = found.first().map_or(Version::NEW, |record| record.version);
                let seen_before = last_known(&known, stream);
                known.push((stream, version));
                version >= seen_before && *found == model.read_stream(stream, slice.up_to(version))
            }
            Seen::Head(head, known) => {
                let reached = newest.max(*known)..=model.head();
                newest = newest.max(*head);
                reached.contains(head)
            }
            Seen::Log(span, filter, page, known) => {
                let at_least = newest.max(*known);
                newest = newest.max(page.records.last().map_or(newest, |last| last.position));
                explains_page(model, *span, filter, page, at_least)
            }
        };
        if !fits {
            return Err(format!("{answer:?}"));
        }
    }
    Ok(())
}

fn last_known(known: &[(&StreamId, Version)], stream: &StreamId) -> Version {
    let known = known.iter().filter(|(other, _)| *other == stream);
    known.map(|(_, version)| *version).max().unwrap_or_default()
}

/// A page is what the whole log gives up to where it was read, and it was read as far as somebody knew the log to go.
fn explains_page(
    model: &Model,
    span: Span,
    filter: &Filter,
    page: &LogPage,
    at_least: Position,
) -> bool {
    let read = span.up_to(span.up_to.min(page.read_to));
    let full = page.records.len() == span.limit;
    model.read_log(read, filter) == *page
        && page.read_to <= model.head().max(span.after)
        && (full || page.read_to >= at_least.min(span.up_to))
}

/// The moves of a checkpoint must be one chain from the start to where it is.
async fn explain_checkpoints(store: &impl CheckpointStore, histories: &[Vec<Seen>]) -> Explained {
    let mut moves: Vec<(&Advance, &Committed)> = Vec::new();
    for seen in histories.iter().flatten() {
        if let Seen::Committed(commit, committed) = seen
            && let Some(advance) = &commit.checkpoint
            && !moves.iter().any(|(_, other)| other.commit == commit.id)
        {
            moves.push((advance, committed));
        }
    }
    moves.sort_by_key(|(advance, _)| advance.to);
    let mut reached: Vec<(&FollowerId, Position)> = Vec::new();
    let mut stored: Vec<(&FollowerId, Position)> = Vec::new();
    for (
        Advance {
            follower, from, to, ..
        },
        committed,
    ) in moves
    {
        let last = |places: &[(&FollowerId, Position)]| {
            let last = places.iter().rev().find(|(id, _)| *id == follower);
            last.map_or(Position::START, |(_, position)| *position)
        };
        let (at, before) = (last(&reached), last(&stored));
        if *from != at {
            return Err(format!(
                "{follower} was at {at} and went from {from} to {to}"
            ));
        }
        if let Some(position) = committed.position {
            if position < before {
                return Err(format!("{follower} went to {to} before it went to {at}"));
            }
            stored.push((follower, position));
        }
        reached.push((follower, *to));
    }
    for (follower, _) in &reached {
        let ours = reached.iter().filter(|(other, _)| other == follower);
        let last = ours.map(|(_, position)| *position).max();
        let found = store.checkpoint(follower).await;
        let found = found.expect("the checkpoint can be read");
        if Some(found) != last {
            return Err(format!("{follower} is at {found} and went to {last:?}"));
        }
    }
    Ok(())
}
