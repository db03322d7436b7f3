//! Faults of writing.
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, SystemTime};

use es_core::persistence::{
    Append, AppendError, CheckpointStore, Commit, CommitId, Committed, EventStore, Record,
};
use es_core::{Position, Version};

use crate::faults::Fault::*;
use crate::store::{Broken, Handle, locked};

impl Broken {
    pub(crate) async fn commit_wrongly(
        &self,
        mut commit: Commit,
    ) -> Result<Committed, AppendError> {
        let asked = commit.checkpoint.clone().map(|advance| advance.follower);
        if let Some(advance) = &mut commit.checkpoint {
            advance.follower = self.kept_for(&advance.follower);
        }
        let appends = commit.appends.clone();
        let mut answer = self.committed_wrongly(commit).await;
        if let Ok(stored) = &answer {
            self.note_inside(&appends, stored);
        }
        if let (Err(AppendError::Checkpoint { follower, .. }), Some(asked)) = (&mut answer, asked) {
            *follower = asked;
        }
        answer
    }

    async fn committed_wrongly(&self, mut commit: Commit) -> Result<Committed, AppendError> {
        match self.fault {
            DoesNothing => {
                return Ok(Committed {
                    commit: commit.id,
                    position: Some(Position::FIRST),
                    time: commit.time,
                });
            }
            RefusesEmptyCommits if events(&commit) == 0 && commit.checkpoint.is_none() => {
                return Err(AppendError::IdTaken { commit: commit.id });
            }
            DropsOneEventInAThousand if events(&commit) > 0 && self.count() % 500 == 499 => {
                let mut fitted = self.fitted(commit).await;
                fitted.appends[0].events.pop();
                return self.store.commit(fitted).await;
            }
            DropsOneEventInAThousand | IgnoresTheExpectedVersion => {
                commit = self.fitted(commit).await;
            }
            LeavesHoles
                if commit
                    .appends
                    .iter()
                    .any(|append| append.expected > Version::NEW) =>
            {
                commit = self.fitted(commit).await;
            }
            WritesHalfACommit => commit = self.written_in_part(commit).await?,
            MixesCategories => {
                for append in &mut commit.appends {
                    append.stream.category = "Any".into();
                }
            }
            ForgetsCommitIds => commit.id = CommitId::draw(),
            TrustsTheIdsOfWhatIsNotKept if events(&commit) == 0 => commit.id = CommitId::draw(),
            ForgetsCommitIdsOnReopen if self.reopened() => commit.id = CommitId::draw(),
            ForgetsCommitIdsOfOtherHandles if self.handle == Handle::Another => {
                commit.id = CommitId::draw();
            }
            KeepsIdsOfRefusedCommits if self.was_refused(&commit) => {
                return Err(AppendError::IdTaken { commit: commit.id });
            }
            ChecksTheIdThenWrites => self.race_with_itself(&mut commit).await,
            ChecksThenWrites => self.check_apart(&commit).await?,
            ChecksThenForgetsWhatHasNoEvents => {
                let mut resting = commit.clone();
                resting.appends.retain(|append| append.events.is_empty());
                self.check_apart(&resting).await?;
                thread::sleep(Duration::from_micros(200));
                commit.appends.retain(|append| !append.events.is_empty());
            }
            SpreadsACommit => commit.appends.sort_by_key(|append| append.stream.id),
            ShowsEventsBeforeTheCommit => self.show_early(&commit).await,
            DropsACheckpointWithoutEvents if events(&commit) == 0 => commit.checkpoint = None,
            ChecksTheCheckpointBeforeTheId => self.check_checkpoint(&commit).await?,
            IgnoresEpochs => {
                if let Some(advance) = &mut commit.checkpoint {
                    advance.epoch = None;
                }
            }
            ForgetsWhereACheckpointStands => {
                if let Some(advance) = &mut commit.checkpoint {
                    advance.stands_at = None;
                }
            }
            KnowsNoTimeBefore1970 => commit.time = commit.time.max(SystemTime::UNIX_EPOCH),
            StandsStillWithTheCheckpoint => {
                if let Some(advance) = &mut commit.checkpoint
                    && advance.from == advance.to
                {
                    let standing = self.store.standing(&advance.follower).await;
                    advance.stands_at = standing.expect("memory can be read").stands_at;
                }
            }
            ParksNothing => {
                if let Some(advance) = &mut commit.checkpoint {
                    advance.parking.clear();
                }
            }
            TrustsWhoMovesACheckpoint => self.fit_checkpoint(&mut commit).await,
            ChecksACheckpointThenMovesIt if commit.checkpoint.is_some() => {
                self.check_checkpoint(&commit).await?;
                thread::sleep(Duration::from_micros(200));
                self.fit_checkpoint(&mut commit).await;
            }
            MovesCheckpointsBackwards => self.lead_astray(&mut commit).await,
            TakesOthersAlong if self.takes_along() => return Err(unavailable()),
            HandlesWhatIsSentAgain => self.handle_again(&commit).await,
            TakesNeighboursOfWhatIsRefusedAlong if self.takes_along() => {
                return Err(AppendError::Projection {
                    projection: "journal".to_owned(),
                    event: None,
                    source: "as that of a neighbour".into(),
                });
            }
            _ => {}
        }
        self.commit_over_connections(commit).await
    }

    async fn commit_over_connections(&self, mut commit: Commit) -> Result<Committed, AppendError> {
        let cut = &self.world.cut;
        if self.fault == StaysDisconnected && cut.load(Ordering::SeqCst) {
            return Err(unavailable());
        }
        let cut = cut.swap(false, Ordering::SeqCst);
        if self.fault == SendsACommitTwice && cut {
            // Its own second try, under another name.
            let mut again = commit.clone();
            self.stored(commit).await?;
            again.id = CommitId::draw();
            again.checkpoint = None;
            commit = self.fitted(again).await;
            return self.stored(commit).await;
        }
        let stored = self.stored(commit).await;
        // The answer is what is lost.
        match (cut, self.fault) {
            (true, SaysThatALostCommitFailed) => Err(AppendError::Failed("it was lost".into())),
            (true, _) => Err(unavailable()),
            (false, _) => stored,
        }
    }

    async fn stored(&self, commit: Commit) -> Result<Committed, AppendError> {
        let (id, time, sent) = (commit.id, commit.time, commit.clone());
        locked(&self.world.times).push(time);
        let stored = self.store.commit(commit).await;
        locked(&self.world.early).retain(|record| record.commit != id);
        match stored {
            Err(refused) => {
                self.count();
                self.refused_wrongly(refused, sent).await
            }
            Ok(mut committed) => {
                if self.fault == CountsRefusedCommits {
                    let refused = self.counted();
                    committed.position = committed
                        .position
                        .map(|position| Position::from(position.get() + refused));
                }
                if self.fault == TakesTheTimeOfTheLogForThatOfNothing
                    && committed.position.is_none()
                {
                    let times = locked(&self.world.times);
                    committed.time = times.iter().max().copied().unwrap_or(time);
                }
                if self.fault == KeepsTheClockOfTheWriter {
                    committed.time = time;
                }
                Ok(committed)
            }
        }
    }

    async fn refused_wrongly(
        &self,
        refused: AppendError,
        mut sent: Commit,
    ) -> Result<Committed, AppendError> {
        match (self.fault, refused) {
            (
                MeansAnotherVersionInAConflict,
                AppendError::Conflict {
                    stream,
                    expected,
                    actual,
                },
            ) => Err(AppendError::Conflict {
                stream,
                expected,
                actual: actual.next(),
            }),
            (TakesNeighboursOfWhatIsRefusedAlong, refused @ AppendError::Projection { .. }) => {
                self.world.taken_along.store(1, Ordering::SeqCst);
                Err(refused)
            }
            (TrustsCommitIds, AppendError::IdTaken { commit }) => Ok(Committed {
                commit,
                position: None,
                time: sent.time,
            }),
            (
                MeansAnotherPositionInARefusal,
                AppendError::Checkpoint {
                    follower, from, to, ..
                },
            ) => Err(AppendError::Checkpoint {
                follower,
                from,
                to,
                actual: from,
            }),
            (StoresTheCheckpointFirst, refused @ AppendError::Conflict { .. }) => {
                sent.appends.clear();
                drop(self.store.commit(sent).await);
                Err(refused)
            }
            (StoresTheEventsFirst, refused @ AppendError::Checkpoint { .. }) => {
                sent.checkpoint = None;
                drop(self.store.commit(sent).await);
                Err(refused)
            }
            (StoresTheRestOfARefusedCommit, AppendError::TooLarge { .. }) => {
                let sendable = |append: &mut Append| {
                    append.events.retain(|event| event.payload.len() < 100_000);
                };
                sent.appends.iter_mut().for_each(sendable);
                self.store.commit(sent).await
            }
            (TakesOthersAlong, refused @ AppendError::TooLarge { .. }) => {
                self.world.taken_along.store(5, Ordering::SeqCst);
                Err(refused)
            }
            (KeepsIdsOfRefusedCommits, refused) => {
                locked(&self.world.refused).push(sent.id);
                Err(refused)
            }
            (_, refused) => Err(refused),
        }
    }

    fn was_refused(&self, commit: &Commit) -> bool {
        locked(&self.world.refused).contains(&commit.id)
    }

    fn takes_along(&self) -> bool {
        let left = &self.world.taken_along;
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
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
            append.expected = Version::from(self.version(&append.stream).await + before as u64);
            done.push(append);
        }
        commit.appends = done;
        commit
    }

    /// Writes each append by itself, and gives what is left.
    async fn written_in_part(&self, mut commit: Commit) -> Result<Commit, AppendError> {
        for append in std::mem::take(&mut commit.appends) {
            let part = Commit {
                id: CommitId::draw(),
                time: commit.time,
                metadata: commit.metadata.clone(),
                appends: vec![append],
                checkpoint: None,
            };
            self.store.commit(part).await?;
        }
        Ok(commit)
    }

    /// Each append is checked against the store alone, without those before it in the commit.
    async fn check_apart(&self, commit: &Commit) -> Result<(), AppendError> {
        for append in &commit.appends {
            let actual = Version::from(self.version(&append.stream).await);
            if actual != append.expected {
                return Err(AppendError::Conflict {
                    stream: append.stream.clone(),
                    expected: append.expected,
                    actual,
                });
            }
        }
        Ok(())
    }

    /// What was stored since the id was looked for is taken for another commit.
    async fn race_with_itself(&self, commit: &mut Commit) {
        let stored = async || {
            let outcome = self.store.outcome(commit.id).await;
            outcome.expect("memory can be read").is_some()
        };
        let known = stored().await;
        thread::sleep(Duration::from_micros(100));
        if !known && stored().await {
            commit.id = CommitId::draw();
        }
    }

    /// Readers see what is on its way, whether it will be stored or not.
    async fn show_early(&self, commit: &Commit) {
        let head = self.store.head().await.expect("memory can be read");
        let mut position = head;
        let mut early = Vec::new();
        for append in &commit.appends {
            let mut version = append.expected;
            for event in &append.events {
                (version, position) = (version.next(), position.next());
                early.push(Record {
                    stream: append.stream.clone(),
                    version,
                    position,
                    event: event.name.clone(),
                    schema: event.schema,
                    payload: event.payload.clone(),
                    time: commit.time,
                    commit: commit.id,
                    metadata: commit.metadata.clone(),
                });
            }
        }
        locked(&self.world.early).extend(early);
        thread::sleep(Duration::from_micros(50));
    }

    async fn check_checkpoint(&self, commit: &Commit) -> Result<(), AppendError> {
        let Some(advance) = commit.checkpoint.clone() else {
            return Ok(());
        };
        let actual = self.store.checkpoint(&advance.follower).await;
        let actual = actual.expect("memory can be read");
        if advance.from == actual {
            return Ok(());
        }
        Err(AppendError::Checkpoint {
            follower: advance.follower,
            from: advance.from,
            to: advance.to,
            actual,
        })
    }

    /// Believes that the checkpoint is where it is.
    async fn fit_checkpoint(&self, commit: &mut Commit) {
        if let Some(advance) = &mut commit.checkpoint {
            let actual = self.store.checkpoint(&advance.follower).await;
            advance.from = actual.expect("memory can be read");
        }
    }

    async fn lead_astray(&self, commit: &mut Commit) {
        let backwards = commit
            .checkpoint
            .take_if(|advance| advance.to <= advance.from);
        if let Some(advance) = backwards {
            locked(&self.world.astray).insert(advance.follower, advance.to);
        }
    }
}

fn events(commit: &Commit) -> usize {
    let appends = commit.appends.iter();
    appends.map(|append| append.events.len()).sum()
}

fn unavailable() -> AppendError {
    AppendError::Unavailable("the connection was lost".into())
}
