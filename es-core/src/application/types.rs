//! Types of aggregates, known by their stored names: for who manages aggregates without having been compiled with their types.
use std::any::type_name;
use std::collections::VecDeque;
use std::fmt;

use futures_core::future::BoxFuture;
use uuid::Uuid;

use super::load::follows;
use super::repository::PAGE;
use super::{Application, LoadError, Repository, Result};
use crate::domain::{
    Aggregate, AggregateId, Declares, Event, EventShape, Replay, StreamId, Version,
};
use crate::persistence::mapper::unread;
use crate::persistence::{DecodeError, Record, Slice, decode};

/// A type of aggregate: its stored name, what it declares of its events, and what can be done with its aggregates by their ids.
///
/// ```
/// # use es_core::{Aggregate, Application, Root, events};
/// # use es_core::application::AggregateType;
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self>, on: bool }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new(), on: false } }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> es_core::Result<()> {
/// # let app = Application::new(es_store_memory::MemoryStore::new());
/// let mut lamp = Lamp::mount();
/// app.save(&mut lamp).await?;
///
/// let lamps = AggregateType::of::<Lamp>();
/// assert_eq!(lamps.category, "Lamp");
/// let mut story = lamps.story(&app, lamp.id());
/// while let Some(record) = story.next().await {
///     println!("{}: {:?}", record?.event, story.state()); // Mounted: [on: false]
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct AggregateType {
    /// Under which name its streams are stored.
    pub category: &'static str,
    /// What it is called in the code.
    pub name: &'static str,
    /// What is declared of its events.
    pub events: &'static [EventShape],
    /// After how many events it asks for a snapshot; `None` where it cannot have any.
    pub snapshot_every: Option<u64>,
    snapshot: TakeSnapshot,
    prune_snapshots: TakeSnapshot,
    ids: ReadIds,
    check: fn(&Record) -> Result<Option<String>, DecodeError>,
    teller: fn(Uuid) -> Box<dyn Teller>,
}

type TakeSnapshot = fn(&Application, Uuid) -> BoxFuture<'static, Result<Version>>;

type ReadIds =
    fn(&Application, Option<Uuid>, usize) -> BoxFuture<'static, Result<Vec<Uuid>, LoadError>>;

impl AggregateType {
    /// That type.
    #[must_use]
    pub fn of<A: Aggregate>() -> Self {
        Self {
            category: A::CATEGORY,
            name: type_name::<A>(),
            events: <A as Declares>::Event::SHAPES,
            snapshot_every: A::SNAPSHOTS.map(|snapshots| snapshots.every),
            snapshot: |app, id| Box::pin(app.snapshot::<A>(A::Id::from_uuid(id))),
            prune_snapshots: |app, id| Box::pin(app.prune_snapshots::<A>(A::Id::from_uuid(id))),
            ids: |app, after, limit| {
                let repository = app.repository.clone();
                Box::pin(async move { repository.read_ids::<A>(after, limit).await })
            },
            check: unread::<A::Event>,
            teller: |id| Box::new(Replay::<A>::new(id)),
        }
    }

    /// Takes a snapshot of an aggregate as it is now, in the place of one at the same version, and says the version.
    ///
    /// # Errors
    /// As [`Application::snapshot`].
    pub async fn snapshot(&self, application: &Application, id: Uuid) -> Result<Version> {
        (self.snapshot)(application, id).await
    }

    /// Takes a snapshot of an aggregate as it is now, and drops all others that it has.
    ///
    /// # Errors
    /// As [`Application::prune_snapshots`].
    pub async fn prune_snapshots(&self, application: &Application, id: Uuid) -> Result<Version> {
        (self.prune_snapshots)(application, id).await
    }

    /// At most `limit` ids of the aggregates of this type, in ascending order, the first of them right after `after`.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`](super::Error::Load).
    pub async fn ids(
        &self,
        application: &Application,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Uuid>> {
        let ids = (self.ids)(application, after, limit).await;
        Ok(ids?)
    }

    /// Whether a record whose payload is [open](super::NotificationLog::open) is an event of this type, as this code declares it. Where a part of what
    /// is stored is left out by reading it, as a field whose name is another now and that has a default, this says which field of the event has
    /// that part. What an upcaster brings to the schema of this code is not looked at.
    ///
    /// # Errors
    /// [`DecodeError`], where it is none.
    pub fn check(&self, record: &Record) -> Result<Option<String>, DecodeError> {
        (self.check)(record)
    }

    /// Replays an aggregate event by event, without snapshots, to see what it was like after each.
    #[must_use]
    pub fn story(&self, application: &Application, id: Uuid) -> Story {
        Story {
            repository: application.repository.clone(),
            stream: StreamId::new(self.category, id),
            teller: (self.teller)(id),
            page: VecDeque::new(),
            is_last_page: false,
        }
    }
}

impl fmt::Debug for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AggregateType")
            .field("category", &self.category)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The events of one aggregate, oldest first, and what it was like after each of them.
///
/// Ends after the newest event there was when its page was read, and after the first error.
pub struct Story {
    repository: Repository,
    stream: StreamId,
    teller: Box<dyn Teller>,
    page: VecDeque<Record>,
    is_last_page: bool,
}

impl Story {
    /// The next event, its payload as JSON; `None` after the newest.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`](super::Error::Load).
    pub async fn next(&mut self) -> Option<Result<Record>> {
        match self.replay_next().await {
            Ok(record) => record.map(Ok),
            Err(error) => {
                self.is_last_page = true;
                self.page.clear();
                Some(Err(error.into()))
            }
        }
    }

    /// The fields of the aggregate but its root, as they are after the event that came last; none before the first.
    #[must_use]
    pub fn state(&self) -> Vec<FieldState> {
        self.teller.state()
    }

    async fn replay_next(&mut self) -> Result<Option<Record>, LoadError> {
        if self.page.is_empty() && !self.is_last_page {
            self.teller.claim(&self.repository)?;
            let slice = Slice::all().after(self.teller.version()).limit(PAGE);
            self.page = self.repository.read(&self.stream, slice).await?.into();
            self.is_last_page = self.page.len() < PAGE;
        }
        let Some(mut record) = self.page.pop_front() else {
            return Ok(None);
        };
        follows(&self.stream, record.version, self.teller.version())?;
        self.repository.open(&mut record).await?;
        self.teller.replay(&record)?;
        Ok(Some(record))
    }
}

impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Story")
            .field("stream", &self.stream)
            .field("version", &self.teller.version())
            .finish_non_exhaustive()
    }
}

/// A field of an aggregate as a person sees it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldState {
    /// Its name.
    pub name: &'static str,
    /// Its value as `Debug` prints it; `None` where its type is not `Debug`.
    pub value: Option<String>,
    /// The same over several lines, where it has parts.
    pub lines: Option<String>,
}

impl fmt::Debug for FieldState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_deref().unwrap_or("..");
        write!(f, "{}: {value}", self.name)
    }
}

/// Replays an aggregate of some type.
trait Teller: Send + Sync {
    fn claim(&self, repository: &Repository) -> Result<(), LoadError>;

    /// The version of the last event that was replayed.
    fn version(&self) -> Version;

    fn replay(&mut self, record: &Record) -> Result<(), LoadError>;

    fn state(&self) -> Vec<FieldState>;
}

impl<A: Aggregate> Teller for Replay<A> {
    fn claim(&self, repository: &Repository) -> Result<(), LoadError> {
        repository.claim::<A>()
    }

    fn version(&self) -> Version {
        self.version()
    }

    fn replay(&mut self, record: &Record) -> Result<(), LoadError> {
        let event = decode(record)?;
        Ok(self.push_saved(event, record.time)?)
    }

    fn state(&self) -> Vec<FieldState> {
        let mut fields = Vec::new();
        if let Some(aggregate) = self.state() {
            aggregate.describe(&mut |name, value| {
                fields.push(FieldState {
                    name,
                    value: value.map(|value| format!("{value:?}")),
                    lines: value.map(|value| format!("{value:#?}")),
                });
            });
        }
        fields
    }
}
