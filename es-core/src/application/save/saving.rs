//! From aggregates to the store: what is in doubt is settled first, then what is pending is committed.
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use tracing::Instrument;

use super::staging::{self, Unchanged};
use super::{Save, SaveError, Saved};
use crate::application::{Repository, snapshots, traced};
use crate::domain::{Position, StreamId, Version};
use crate::persistence::{
    Advance, Append, AppendError, Codecs, Commit, CommitId, Committed, DecodeError, Filter,
    Metadata, ReadError, Record, Span, Store, whole_microseconds,
};

impl Repository {
    /// Saves the pending events of one or several aggregates, all or nothing, with who and why.
    ///
    /// The commit's id is kept in the aggregates until its outcome is known. So a save that was given up, or not answered, is settled by the
    /// next one: what it sent is stored once, whatever became of it.
    ///
    /// # Errors
    /// [`SaveError`]; what was pending is pending still, as far as it says.
    pub async fn save<S: Save>(
        &self,
        metadata: &Metadata,
        what: S,
    ) -> Result<Saved<S::Versions>, SaveError> {
        self.save_checked(metadata, None, what, Unchanged::LeftOut)
            .await
    }

    pub(in crate::application) async fn save_checked<S: Save>(
        &self,
        metadata: &Metadata,
        key: Option<CommitId>,
        mut what: S,
        unchanged: Unchanged,
    ) -> Result<Saved<S::Versions>, SaveError> {
        let mut position = None;
        while let Some(doubt) = staging::in_doubt(&mut what) {
            position = position.max(self.settle(&mut what, doubt).await?);
        }
        let appends = self.encoded(&mut what, unchanged)?;
        if !appends.is_empty() {
            let mut stamp = self.stamp();
            stamp.id = key.unwrap_or(stamp.id);
            let span = traced::saving(stamp.id, &appends);
            let sent = async {
                let sent = self.send(&mut what, stamp, metadata, appends).await;
                traced::saved(&sent);
                sent
            };
            position = position.max(sent.instrument(span).await?);
        }
        Ok(Saved {
            version: what.versions(),
            position,
        })
    }

    /// What is pending, encoded and not yet sealed.
    pub(in crate::application) fn encoded<S: Save>(
        &self,
        what: &mut S,
        unchanged: Unchanged,
    ) -> Result<Vec<Append>, SaveError> {
        let appends = staging::stage(what, self.categories(), unchanged)?;
        if self.traces_payloads() {
            traced::payloads(&appends);
        }
        Ok(appends)
    }

    async fn send<S: Save>(
        &self,
        what: &mut S,
        stamp: Stamp,
        metadata: &Metadata,
        mut appends: Vec<Append>,
    ) -> Result<Option<Position>, SaveError> {
        let store = self.store().await?;
        let sealed = self.seal(store, &mut appends).await?;
        let commit = stamp.commit(metadata.clone(), appends);
        staging::attempted(what, &commit, sealed);
        let answer = store.commit(commit).await;
        self.answered(store, what, stamp.id, answer).await
    }

    /// Moves a checkpoint.
    pub(in crate::application) async fn advance(&self, advance: Advance) -> Result<(), SaveError> {
        let commit = Commit {
            checkpoint: Some(advance),
            ..self.stamp().commit(Metadata::new(), Vec::new())
        };
        match self.store().await?.commit(commit).await {
            Ok(_) => Ok(()),
            Err(refused) => Err(SaveError::Store(refused)),
        }
    }

    /// Writes a commit that another log has.
    pub(in crate::application) async fn append(
        &self,
        commit: Commit,
    ) -> Result<Committed, SaveError> {
        let id = commit.id;
        match self.store().await?.commit(commit).await {
            Ok(committed) => Ok(committed),
            Err(AppendError::Unavailable(source)) => Err(SaveError::Unknown {
                commit: id,
                source: Some(source),
            }),
            Err(refused) => Err(self.refused(refused)),
        }
    }

    /// Checks that streams are at these versions, all at one time.
    pub(in crate::application) async fn confirm(
        &self,
        versions: Vec<(StreamId, Version)>,
    ) -> Result<(), SaveError> {
        let appends = versions.into_iter().map(|(stream, expected)| Append {
            stream,
            expected,
            events: Vec::new(),
        });
        let commit = self.stamp().commit(Metadata::new(), appends.collect());
        match self.store().await?.commit(commit).await {
            Ok(_) => Ok(()),
            Err(refused) => Err(self.refused(refused)),
        }
    }

    /// Checks, once, that one of the newest encrypted events can be opened, where there are any and the keys can be reached: with other keys, or with
    /// none, a log would come to be that nobody can read.
    pub(in crate::application) async fn check_keys(
        &self,
        store: &dyn Store,
    ) -> Result<(), SaveError> {
        if self.keys_fit().load(Ordering::Relaxed) {
            return Ok(());
        }
        let (mut unfit, mut away) = (None, false);
        for mut record in newest_encrypted(store).await.map_err(unreadable)? {
            match self.open(&mut record).await {
                Ok(()) => {
                    (unfit, away) = (None, false);
                    break;
                }
                Err(DecodeError::Erased { .. }) => {}
                Err(DecodeError::Codec { source, .. }) if source.is_away() => away = true,
                Err(error) => unfit = unfit.or(Some(error)),
            }
        }
        if let Some(error) = unfit {
            return Err(SaveError::WrongKeys(Box::new(error)));
        }
        if away {
            // They may be the right ones. The key of what is saved is asked for next, and these again before the next save.
            return Ok(());
        }
        self.keys_fit().store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Makes of payloads what is stored, once the keys are known to be those of the log. `false`: JSON is what is stored.
    pub(in crate::application) async fn seal(
        &self,
        store: &dyn Store,
        appends: &mut [Append],
    ) -> Result<bool, SaveError> {
        self.check_keys(store).await?;
        if self.codecs().are_none() {
            return Ok(false);
        }
        for append in appends {
            let (stream, after) = (&append.stream, append.expected);
            self.codecs()
                .seal_events(stream, after, &mut append.events)
                .await?;
        }
        Ok(true)
    }

    /// What the next commit is told from others by.
    pub(in crate::application) fn stamp(&self) -> Stamp {
        let time = whole_microseconds(self.now());
        Stamp {
            id: CommitId::draw_at(time),
            time,
        }
    }

    /// Finds out what became of a commit, and sends it again where it is not stored.
    async fn settle<S: Save>(
        &self,
        what: &mut S,
        commit: CommitId,
    ) -> Result<Option<Position>, SaveError> {
        let store = self.store().await?;
        let outcome = store.outcome(commit).await;
        let outcome = outcome.map_err(|error| SaveError::Unknown {
            commit,
            source: Some(Box::new(error)),
        })?;
        if let Some(committed) = outcome {
            self.stored(store, what, commit, committed.time).await;
            return Ok(committed.position);
        }
        // It may be on its way still. Sent again as a whole it is stored once; a part of it would be another commit.
        match staging::stage_again(what, commit)? {
            Some(again) => match store.commit(again).await {
                // Not this time; what was sent before may be stored yet.
                Err(refused @ (AppendError::Failed(_) | AppendError::Projection { .. })) => {
                    Err(SaveError::Unknown {
                        commit,
                        source: Some(refused.into()),
                    })
                }
                answer => self.answered(store, what, commit, answer).await,
            },
            None => Err(SaveError::Unknown {
                commit,
                source: None,
            }),
        }
    }

    /// Takes note of what the store said of a commit.
    async fn answered<S: Save>(
        &self,
        store: &dyn Store,
        what: &mut S,
        id: CommitId,
        answer: Result<Committed, AppendError>,
    ) -> Result<Option<Position>, SaveError> {
        match answer {
            Ok(committed) => {
                self.stored(store, what, id, committed.time).await;
                Ok(committed.position)
            }
            Err(AppendError::Unavailable(source)) => Err(SaveError::Unknown {
                commit: id,
                source: Some(source),
            }),
            Err(refused) => {
                staging::settled(what, id, None, self.keeping());
                Err(self.refused(refused))
            }
        }
    }

    /// What is cached of a stream that is at another version than was thought is not what is stored.
    pub(in crate::application) fn refused(&self, error: AppendError) -> SaveError {
        if let AppendError::Conflict { stream, .. } = &error {
            self.keeping().cache.forget(stream);
        }
        error.into()
    }

    /// Takes note that a commit is stored, and keeps the snapshots that are due. One that cannot be kept is only a longer way later.
    pub(in crate::application) async fn stored<S: Save>(
        &self,
        store: &dyn Store,
        what: &mut S,
        commit: CommitId,
        time: SystemTime,
    ) {
        let due = staging::settled(what, commit, Some(time), self.keeping());
        for snapshot in due {
            if let Ok(snapshot) = snapshots::sealed(snapshot, self.codecs()).await {
                drop(store.keep_snapshot(snapshot).await);
            }
        }
    }
}

/// Names a commit that is to be made, and says when.
#[derive(Clone, Copy)]
pub(in crate::application) struct Stamp {
    id: CommitId,
    time: SystemTime,
}

impl Stamp {
    pub(in crate::application) fn commit(self, metadata: Metadata, appends: Vec<Append>) -> Commit {
        Commit {
            id: self.id,
            time: self.time,
            metadata,
            appends,
            checkpoint: None,
        }
    }
}

/// How many of the newest events are looked at for one that is encrypted, and of those before them, where there is none: in most logs either all
/// are or none is.
const NEWEST: [u64; 5] = [32, 256, 256, 256, 256];

/// Some of the newest events that are encrypted, newest first; none where those looked at are all in plain text.
async fn newest_encrypted(store: &dyn Store) -> Result<Vec<Record>, ReadError> {
    let mut up_to = store.head().await?;
    for count in NEWEST {
        if up_to == Position::START {
            break;
        }
        let after = Position::from(up_to.get().saturating_sub(count));
        let span = Span::after(after).up_to(up_to);
        let mut newest = store.read_log(span, &Filter::everything()).await?.records;
        newest.retain(|record| Codecs::is_encrypted(&record.payload));
        if !newest.is_empty() {
            newest.reverse();
            return Ok(newest);
        }
        up_to = after;
    }
    Ok(Vec::new())
}

fn unreadable(error: ReadError) -> SaveError {
    SaveError::Store(AppendError::Failed(error.into()))
}
