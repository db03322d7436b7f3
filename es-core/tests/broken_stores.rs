//! The laws can fail: each is broken by a store that is wrong in one way, and catches it.
#![cfg(feature = "testing")]

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use es_core::persistence::{
    Append, AppendError, Commit, CommitId, Committed, EventStore, Filter, LogPage, Metadata,
    ReadError, Record, Slice, Span,
};
use es_core::testing::{Intercept, Intercepted, laws};
use es_core::{Position, StreamId, Version};
use es_store_memory::MemoryStore;
use futures_core::future::BoxFuture;

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Nothing,
    DoesNothing,
    RefusesEmptyCommits,
    DropsOneEventInAThousand,
    SwapsNeighbours,
    DeliversTwice,
    WritesHalfACommit,
    IgnoresTheExpectedVersion,
    MeansAnotherVersionInAConflict,
    LeavesHoles,
    ReadsStale,
    MixesCategories,
    CutsAt64KiB,
    LosesFloatPrecision,
    ReadsTextOnly,
    ForgetsTheSchema,
    ForgetsMetadata,
    CutsPages,
    ForgetsTheOrder,
    IgnoresTheLimit,
    StopsOneBefore,
    ForgetsCommitIds,
    TrustsCommitIds,
    ForgetsOutcomes,
    CountsRefusedCommits,
    SpreadsACommit,
    StartsPagesTwice,
    KeepsTheClockOfTheWriter,
    ChecksThenWrites,
    ShowsEventsOutOfOrder,
}

use Fault::*;

/// Every fault, and a law that must catch it.
const CAUGHT: [(Fault, &str); 29] = [
    (CutsPages, "a_page_is_short_only_where_there_is_no_more"),
    (ForgetsOutcomes, "the_outcome_of_a_commit_is_told_by_its_id"),
    (ForgetsMetadata, "records_come_back_exactly_as_written"),
    (DoesNothing, "records_come_back_exactly_as_written"),
    (RefusesEmptyCommits, "an_empty_commit_changes_nothing"),
    (
        DropsOneEventInAThousand,
        "a_reader_misses_nothing_while_others_write",
    ),
    (
        SwapsNeighbours,
        "a_stream_is_read_from_both_ends_and_in_part",
    ),
    (DeliversTwice, "records_come_back_exactly_as_written"),
    (
        WritesHalfACommit,
        "a_commit_over_several_streams_is_all_or_nothing",
    ),
    (
        IgnoresTheExpectedVersion,
        "a_version_already_present_is_a_conflict_and_nothing_is_stored",
    ),
    (
        MeansAnotherVersionInAConflict,
        "of_two_writers_racing_for_one_version_exactly_one_wins",
    ),
    (LeavesHoles, "a_commit_that_would_leave_a_hole_is_refused"),
    (
        ReadsStale,
        "a_version_already_present_is_a_conflict_and_nothing_is_stored",
    ),
    (
        MixesCategories,
        "two_categories_with_one_id_are_two_streams",
    ),
    (CutsAt64KiB, "records_come_back_exactly_as_written"),
    (LosesFloatPrecision, "records_come_back_exactly_as_written"),
    (ReadsTextOnly, "records_come_back_exactly_as_written"),
    (ForgetsTheSchema, "records_come_back_exactly_as_written"),
    (
        ForgetsTheOrder,
        "a_stream_is_read_from_both_ends_and_in_part",
    ),
    (
        IgnoresTheLimit,
        "a_stream_is_read_from_both_ends_and_in_part",
    ),
    (
        StopsOneBefore,
        "a_stream_is_read_from_both_ends_and_in_part",
    ),
    (
        ForgetsCommitIds,
        "the_same_commit_sent_again_gives_the_first_result",
    ),
    (
        TrustsCommitIds,
        "a_commit_id_used_for_another_commit_is_refused",
    ),
    (
        CountsRefusedCommits,
        "positions_have_no_holes_after_refused_commits",
    ),
    (
        SpreadsACommit,
        "events_of_one_commit_are_neighbours_in_order",
    ),
    (StartsPagesTwice, "the_log_is_read_page_by_page"),
    (
        KeepsTheClockOfTheWriter,
        "time_never_runs_backwards_along_the_log",
    ),
    (ChecksThenWrites, "one_stream_may_occur_twice_in_a_commit"),
    (
        ShowsEventsOutOfOrder,
        "a_reader_misses_nothing_while_others_write",
    ),
];

/// A memory store with one fault.
#[derive(Clone)]
struct Broken {
    fault: Fault,
    store: MemoryStore,
    /// How many events or commits came so far.
    count: Arc<AtomicU64>,
    times: Arc<std::sync::Mutex<Vec<SystemTime>>>,
}

impl Broken {
    fn new(fault: Fault) -> Self {
        Self {
            fault,
            store: MemoryStore::new(),
            count: Arc::default(),
            times: Arc::default(),
        }
    }

    fn count(&self) -> u64 {
        self.count.fetch_add(1, Ordering::SeqCst)
    }

    async fn versions(&self, stream: &StreamId) -> u64 {
        self.store
            .read_stream(stream, Slice::all())
            .await
            .map_or(0, |records| records.len() as u64)
    }

    /// Makes the versions of a commit fit, whatever was expected.
    async fn fitted(&self, mut commit: Commit) -> Commit {
        let mut done: Vec<Append> = Vec::new();
        for mut append in commit.appends {
            let before: usize = done
                .iter()
                .filter(|other| other.stream == append.stream)
                .map(|other| other.events.len())
                .sum();
            append.expected = Version::from(self.versions(&append.stream).await + before as u64);
            done.push(append);
        }
        commit.appends = done;
        commit
    }

    async fn commit_wrongly(&self, mut commit: Commit) -> Result<Committed, AppendError> {
        let events: usize = commit
            .appends
            .iter()
            .map(|append| append.events.len())
            .sum();
        match self.fault {
            DoesNothing => {
                return Ok(Committed {
                    commit: commit.id,
                    position: Some(Position::FIRST),
                    time: commit.time,
                });
            }
            RefusesEmptyCommits if events == 0 => {
                return Err(AppendError::IdTaken { commit: commit.id });
            }
            DropsOneEventInAThousand if events > 0 && self.count() % 500 == 499 => {
                let mut fitted = self.fitted(commit).await;
                fitted.appends[0].events.pop();
                return self.store.commit(fitted).await;
            }
            DropsOneEventInAThousand => commit = self.fitted(commit).await,
            WritesHalfACommit => {
                for append in commit.appends.clone() {
                    let part = Commit {
                        id: CommitId::draw(),
                        time: commit.time,
                        metadata: commit.metadata.clone(),
                        appends: vec![append],
                        checkpoint: None,
                    };
                    self.store.commit(part).await?;
                }
                commit.appends.clear();
            }
            IgnoresTheExpectedVersion => commit = self.fitted(commit).await,
            LeavesHoles
                if commit
                    .appends
                    .iter()
                    .any(|append| append.expected > Version::NEW) =>
            {
                commit = self.fitted(commit).await;
            }
            MixesCategories => {
                for append in &mut commit.appends {
                    append.stream.category = "Any".into();
                }
            }
            ForgetsCommitIds => commit.id = CommitId::draw(),
            ChecksThenWrites => {
                // Each append is checked against the store alone, without those before it in the commit.
                for append in &commit.appends {
                    let actual = Version::from(self.versions(&append.stream).await);
                    if actual != append.expected {
                        return Err(AppendError::Conflict {
                            stream: append.stream.clone(),
                            expected: append.expected,
                            actual,
                        });
                    }
                }
            }
            SpreadsACommit => commit.appends.sort_by_key(|append| append.stream.id),
            _ => {}
        }
        let (id, time) = (commit.id, commit.time);
        self.times.lock().expect("no panic under it").push(time);
        match self.store.commit(commit).await {
            Err(AppendError::Conflict {
                stream,
                expected,
                actual,
            }) if self.fault == MeansAnotherVersionInAConflict => Err(AppendError::Conflict {
                stream,
                expected,
                actual: actual.next(),
            }),
            Err(AppendError::IdTaken { commit }) if self.fault == TrustsCommitIds => {
                Ok(Committed {
                    commit,
                    position: None,
                    time,
                })
            }
            Err(refused) => {
                self.count();
                Err(refused)
            }
            Ok(mut committed) => {
                if self.fault == CountsRefusedCommits {
                    let refused = self.count.load(Ordering::SeqCst);
                    committed.position = committed
                        .position
                        .map(|position| Position::from(position.get() + refused));
                }
                if self.fault == KeepsTheClockOfTheWriter {
                    committed.time = time;
                }
                debug_assert!(self.fault == ForgetsCommitIds || committed.commit == id);
                Ok(committed)
            }
        }
    }

    async fn read_stream_wrongly(
        &self,
        stream: &StreamId,
        mut slice: Slice,
    ) -> Result<Vec<Record>, ReadError> {
        let mut asked = stream.clone();
        match self.fault {
            MixesCategories => asked.category = "Any".into(),
            ForgetsTheOrder => slice.descending = false,
            IgnoresTheLimit => slice.limit = usize::MAX,
            StopsOneBefore if slice.up_to != Version::MAX => {
                slice.up_to = Version::from(slice.up_to.get().saturating_sub(1))
            }
            _ => {}
        }
        let mut records = self.store.read_stream(&asked, slice).await?;
        self.spoil(&mut records);
        for record in &mut records {
            record.stream = stream.clone();
        }
        Ok(records)
    }

    async fn read_log_wrongly(
        &self,
        mut span: Span,
        filter: &Filter,
    ) -> Result<LogPage, ReadError> {
        if self.fault == StartsPagesTwice && span.after > Position::START {
            span.after = Position::from(span.after.get() - 1);
        }
        let mut page = self.store.read_log(span, filter).await?;
        let records = &mut page.records;
        self.spoil(records);
        if self.fault == ShowsEventsOutOfOrder
            && self.count().is_multiple_of(3)
            && records.len() > 1
        {
            // What one writer committed last is seen before what another did.
            records.remove(0);
        }
        Ok(page)
    }

    fn spoil(&self, records: &mut Vec<Record>) {
        match self.fault {
            SwapsNeighbours if records.len() > 1 => records.swap(0, 1),
            DeliversTwice => {
                if let Some(first) = records.first().cloned() {
                    records.insert(0, first);
                }
            }
            ReadsStale => drop(records.pop()),
            CutsPages => records.truncate(500),
            _ => {}
        }
        for record in records {
            let text = String::from_utf8(record.payload.to_vec());
            match (self.fault, text) {
                (CutsAt64KiB, _) => record.payload.truncate(65_536),
                (LosesFloatPrecision, Ok(text)) => {
                    record.payload = Bytes::from(text.replace("0.1,", "0.100000001,"))
                }
                (ReadsTextOnly, Err(_)) => record.payload = Bytes::from_static(b"?"),
                (ForgetsTheSchema, _) => record.schema = 1,
                (ForgetsMetadata, _) => record.metadata = Metadata::new(),
                (KeepsTheClockOfTheWriter, _) => {
                    let times = self.times.lock().expect("no panic under it");
                    let place = usize::try_from(record.position.get() - 1).unwrap_or(0);
                    record.time = times.get(place).copied().unwrap_or(record.time);
                }
                _ => {}
            }
        }
    }
}

impl Intercept for Broken {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, Result<Committed, AppendError>> {
        Box::pin(self.commit_wrongly(commit))
    }

    fn outcome(&self, commit: CommitId) -> BoxFuture<'_, Result<Option<Committed>, ReadError>> {
        Box::pin(async move {
            if self.fault == ForgetsOutcomes {
                return Ok(None);
            }
            self.store.outcome(commit).await
        })
    }

    fn read_stream<'a>(
        &'a self,
        stream: &'a StreamId,
        slice: Slice,
    ) -> BoxFuture<'a, Result<Vec<Record>, ReadError>> {
        Box::pin(self.read_stream_wrongly(stream, slice))
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, Result<LogPage, ReadError>> {
        Box::pin(self.read_log_wrongly(span, filter))
    }
}

/// The laws that a store breaks.
fn broken_laws(fault: Fault) -> Vec<&'static str> {
    let broken = laws::all::<Intercepted<Broken>>()
        .into_iter()
        .filter(|law| {
            let run =
                AssertUnwindSafe(|| pollster::block_on((law.run)(Intercepted(Broken::new(fault)))));
            panic::catch_unwind(run).is_err()
        });
    broken.map(|law| law.name).collect()
}

#[test]
fn every_law_is_broken_by_a_store_and_catches_it() {
    panic::set_hook(Box::new(|_| {}));
    let table: Vec<_> = CAUGHT
        .iter()
        .map(|(fault, law)| (*fault, *law, broken_laws(*fault)))
        .collect();
    let sound = broken_laws(Nothing);
    let _ = panic::take_hook();

    for (fault, _, caught) in &table {
        println!("{fault:?} is caught by {}", caught.join(", "));
    }
    assert_eq!(sound, [""; 0], "a store without a fault breaks no law");
    for (fault, law, caught) in &table {
        assert!(
            caught.contains(law),
            "`{law}` does not catch {fault:?}, only {caught:?}"
        );
    }
    for law in laws::all::<Intercepted<Broken>>() {
        assert!(
            CAUGHT.iter().any(|(_, by)| *by == law.name),
            "no store breaks `{}`",
            law.name
        );
    }
}
