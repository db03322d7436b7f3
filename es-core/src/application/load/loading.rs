//! From a stream to an aggregate: as it is now, as it was at a version, as it was at a time.
use std::ops::ControlFlow;
use std::time::SystemTime;

use tracing::Instrument;

use super::{LoadError, Past};
use crate::application::repository::{FEW, PAGE};
use crate::application::size::Size;
use crate::application::{Repository, SnapshotPolicy, snapshots, traced};
use crate::domain::{Aggregate, Replay, StreamId, Version};
use crate::persistence::{Codecs, Slice, StoredEvent, decode_stored};

/// How many snapshots are tried for one that is older than a time, before the events are replayed from the first.
const SNAPSHOTS_TRIED: usize = 3;

/// How new an aggregate is, or must be.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// As it was when it was seen last, which may be long ago.
    AtSomeTime,
    /// As the store has it now.
    Now,
}

impl Repository {
    /// Gets an aggregate as it is now.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotFound`] where no event created it.
    pub async fn get<A: Aggregate>(&self, id: A::Id) -> Result<A, LoadError> {
        let stream = StreamId::of::<A>(&id);
        let (aggregate, _) = self.get_seen(&stream, Seen::Now).await?;
        Ok(aggregate)
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn find<A: Aggregate>(&self, id: A::Id) -> Result<Option<A>, LoadError> {
        let stream = StreamId::of::<A>(&id);
        let found = self.find_seen(&stream, Seen::Now).await?;
        Ok(found.map(|(aggregate, _)| aggregate))
    }

    /// Gets an aggregate, and says how new it is.
    pub(in crate::application) async fn get_seen<A: Aggregate>(
        &self,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<(A, Seen), LoadError> {
        match self.find_seen(stream, seen).await? {
            Some(found) => Ok(found),
            None => Err(LoadError::NotFound {
                stream: stream.clone(),
            }),
        }
    }

    /// Finds an aggregate, and says how new it is.
    pub(in crate::application) async fn find_seen<A: Aggregate>(
        &self,
        stream: &StreamId,
        seen: Seen,
    ) -> Result<Option<(A, Seen)>, LoadError> {
        self.claim::<A>()?;
        let cache = &self.keeping().cache;
        let cached: Option<A> = self.cached(stream).await;
        if seen == Seen::AtSomeTime
            && let Some(cached) = cached
        {
            return Ok(Some((cached, Seen::AtSomeTime)));
        }
        let known = cached.as_ref().map(Aggregate::version);
        let replay = match cached {
            Some(cached) => Replay::resume(cached),
            None => self.begin(stream, Version::MAX).await?,
        };
        let found: Option<A> = self
            .replay(stream, replay, Version::MAX, |_| true)
            .await
            .inspect_err(|_| cache.forget(stream))?;
        if let Some(aggregate) = &found
            && Some(aggregate.version()) != known
        {
            cache.keep(stream, aggregate);
        }
        Ok(found.map(|aggregate| (aggregate, Seen::Now)))
    }

    /// A copy from the cache, unless its key was destroyed or cannot be reached: replay then says so.
    async fn cached<A: Aggregate>(&self, stream: &StreamId) -> Option<A> {
        let cached = self.keeping().cache.copy(stream)?;
        if self.codecs().is_withheld(stream).await {
            self.keeping().cache.forget(stream);
            return None;
        }
        Some(cached)
    }

    /// Gets an aggregate as it was at a version.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NoSuchVersion`] for `Version::NEW` and for versions it has not reached.
    pub async fn get_at<A: Aggregate>(
        &self,
        id: A::Id,
        version: Version,
    ) -> Result<Past<A>, LoadError> {
        self.claim::<A>()?;
        let stream = StreamId::of::<A>(&id);
        if let Some(past) = self.find_at(&stream, version).await? {
            return Ok(past);
        }
        let newest = self
            .read(&stream, Slice::all().descending().limit(1))
            .await?;
        let Some(newest) = newest.first().map(|record| record.version) else {
            return Err(LoadError::NotFound { stream });
        };
        // It may have come while it was looked for.
        if (Version::FIRST..=newest).contains(&version)
            && let Some(past) = self.find_at(&stream, version).await?
        {
            return Ok(past);
        }
        Err(LoadError::NoSuchVersion {
            stream,
            asked: version,
            newest,
        })
    }

    async fn find_at<A: Aggregate>(
        &self,
        stream: &StreamId,
        version: Version,
    ) -> Result<Option<Past<A>>, LoadError> {
        let replay = self.begin(stream, version).await?;
        let reached: Option<A> = self.replay(stream, replay, version, |_| true).await?;
        Ok(reached
            .filter(|aggregate| aggregate.version() == version)
            .map(Past::new))
    }

    /// Gets an aggregate as it was at a time.
    ///
    /// # Errors
    /// [`LoadError`]; [`LoadError::NotYet`] where it was created later.
    pub async fn get_as_of<A: Aggregate>(
        &self,
        id: A::Id,
        time: SystemTime,
    ) -> Result<Past<A>, LoadError> {
        self.claim::<A>()?;
        let stream = StreamId::of::<A>(&id);
        let begun = self.begin_as_of(&stream, time).await?;
        let in_time = |committed: SystemTime| committed <= time;
        if let Some(aggregate) = self.replay(&stream, begun, Version::MAX, in_time).await? {
            return Ok(Past::new(aggregate));
        }
        if self.read(&stream, Slice::all().limit(1)).await?.is_empty() {
            return Err(LoadError::NotFound { stream });
        }
        Err(LoadError::NotYet {
            stream,
            asked: time,
        })
    }

    /// Begins with a snapshot that is old enough, where one of the newest is; or with nothing.
    async fn begin_as_of<A: Aggregate>(
        &self,
        stream: &StreamId,
        time: SystemTime,
    ) -> Result<Replay<A>, LoadError> {
        let mut up_to = Version::MAX;
        for _ in 0..SNAPSHOTS_TRIED {
            let Some(snapshot) = self.newest_snapshot::<A>(stream, up_to).await? else {
                break;
            };
            let modified = snapshot.modified_at();
            if modified.is_some_and(|modified| modified <= time) {
                return Ok(Replay::resume(snapshot));
            }
            up_to = Version::from(snapshot.version().get() - 1);
        }
        Ok(Replay::new(stream.id))
    }

    /// Begins with the newest snapshot at or below a version, or with nothing.
    async fn begin<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Replay<A>, LoadError> {
        Ok(match self.newest_snapshot(stream, up_to).await? {
            Some(snapshot) => Replay::resume(snapshot),
            None => Replay::new(stream.id),
        })
    }

    async fn newest_snapshot<A: Aggregate>(
        &self,
        stream: &StreamId,
        up_to: Version,
    ) -> Result<Option<A>, LoadError> {
        if A::SNAPSHOTS.is_none() || self.keeping().snapshots == SnapshotPolicy::Off {
            return Ok(None);
        }
        let snapshot = self.store().await?.read_snapshot(stream, up_to).await;
        let snapshot = snapshot.map_err(|source| LoadError::Store {
            stream: stream.clone(),
            source,
        })?;
        match snapshot {
            Some(snapshot) if snapshot.version <= up_to => {
                Ok(snapshots::restore(snapshot, self.codecs()).await)
            }
            _ => Ok(None),
        }
    }

    /// Replays what comes next in a stream, up to a version and up to the first event that does not belong; `None` where nothing was
    /// replayed.
    async fn replay<A: Aggregate>(
        &self,
        stream: &StreamId,
        replay: Replay<A>,
        up_to: Version,
        belongs: impl Fn(SystemTime) -> bool + Send,
    ) -> Result<Option<A>, LoadError> {
        let span = traced::loading(stream, replay.version());
        let replayed = async {
            let replayed = self.replay_pages(stream, replay, up_to, belongs).await;
            traced::loaded(&replayed);
            replayed
        };
        replayed.instrument(span).await
    }

    async fn replay_pages<A: Aggregate>(
        &self,
        stream: &StreamId,
        replay: Replay<A>,
        up_to: Version,
        belongs: impl Fn(SystemTime) -> bool + Send,
    ) -> Result<Option<A>, LoadError> {
        let store = self.store().await?;
        let mut replaying = Replaying {
            stream,
            replay,
            belongs,
        };
        // Whoever opens payloads may have to wait for a key, which nobody can who visits.
        let mut sealed = None;
        loop {
            let limit = sealed.map_or(PAGE, Size::get);
            let slice = Slice::all()
                .after(replaying.replay.version())
                .up_to(up_to)
                .limit(limit);
            let mut replayed = 0;
            let mut then = Ok(Then::Next);
            if let Some(size) = &mut sealed {
                let records = self.read(stream, slice).await?;
                size.learn(&records);
                for mut record in records {
                    then = replaying.belongs(record.stored());
                    if !matches!(then, Ok(Then::Next)) {
                        break;
                    }
                    self.open(&mut record).await?;
                    replaying.push(record.stored())?;
                    replayed += 1;
                }
            } else {
                let mut visit = |event: StoredEvent<'_>| {
                    then = replaying.visit(event);
                    if !matches!(then, Ok(Then::Next)) {
                        return ControlFlow::Break(());
                    }
                    replayed += 1;
                    ControlFlow::Continue(())
                };
                let visited = store.visit_stream(stream, slice, &mut visit).await;
                visited.map_err(|source| LoadError::Store {
                    stream: stream.clone(),
                    source,
                })?;
            }
            match then? {
                Then::Open => sealed = Some(Size::new(FEW, PAGE)),
                Then::Next if replayed == limit => {}
                Then::Next | Then::End => return Ok(replaying.replay.finish()),
            }
        }
    }
}

/// An aggregate that is being made of its stream.
struct Replaying<'a, A: Aggregate, B> {
    stream: &'a StreamId,
    replay: Replay<A>,
    /// Whether what was committed at a time is to be replayed.
    belongs: B,
}

/// What comes after an event.
enum Then {
    Next,
    /// It is not replayed before its payload is opened.
    Open,
    /// It is not replayed, nor is any after it.
    End,
}

impl<A: Aggregate, B: Fn(SystemTime) -> bool> Replaying<'_, A, B> {
    /// Replays an event, unless that is not yet or not at all to be done.
    #[inline(always)]
    fn visit(&mut self, event: StoredEvent<'_>) -> Result<Then, LoadError> {
        let then = self.belongs(event)?;
        if !matches!(then, Then::Next) {
            return Ok(then);
        }
        if !Codecs::is_plain(event.payload) {
            return Ok(Then::Open);
        }
        self.push(event)?;
        Ok(Then::Next)
    }

    #[inline]
    fn belongs(&self, event: StoredEvent<'_>) -> Result<Then, LoadError> {
        if !(self.belongs)(event.time) {
            return Ok(Then::End);
        }
        follows(self.stream, event.version, self.replay.version())?;
        Ok(Then::Next)
    }

    #[inline(always)]
    fn push(&mut self, event: StoredEvent<'_>) -> Result<(), LoadError> {
        let decoded = decode_stored(self.stream, event)?;
        Ok(self.replay.push_saved(decoded, event.time)?)
    }
}

/// Checks that a version is the next one of its stream.
#[inline]
pub(in crate::application) fn follows(
    stream: &StreamId,
    version: Version,
    after: Version,
) -> Result<Version, LoadError> {
    let expected = after.next();
    if version == expected {
        return Ok(expected);
    }
    Err(broken(stream, version, expected))
}

#[cold]
fn broken(stream: &StreamId, found: Version, expected: Version) -> LoadError {
    LoadError::Broken {
        stream: stream.clone(),
        expected,
        found,
    }
}
