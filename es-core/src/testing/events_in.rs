//! Given events, stored without the commands that record them.
use super::stored::encoded;
use crate::application::{Application, LogError, Result};
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{
    Append, Commit, CommitId, EncodedEvent, Metadata, Slice, whole_microseconds,
};

/// Says what happened in an application before a test, event by event: for projections, queries and whatever else reads. No aggregate is asked, so the
/// events that matter to the test are enough, also where no command would record just those.
///
/// ```
/// use es_core::testing::events_in;
/// # use std::collections::BTreeSet;
/// # use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, System, events};
/// # use es_store_memory::{MemoryProjection, MemoryStore};
/// # use uuid::Uuid;
/// # #[derive(Aggregate)]
/// # #[aggregate("Book")]
/// # struct Book { root: Root<Self> }
/// # #[events]
/// # impl Book {
/// #     #[event("Added")]
/// #     fn add(title: &str) -> Self { Self { root: Root::new() } }
/// #     #[event("Borrowed")]
/// #     fn borrow_to(&mut self, by: &str) {}
/// #     #[event("Returned")]
/// #     fn give_back(&mut self) {}
/// # }
/// # #[derive(Default, Clone)]
/// # struct Away { books: BTreeSet<Uuid> }
/// # impl Projection for Away {
/// #     const NAME: &'static str = "away";
/// #     type Events = BookEvent;
/// # }
/// # impl MemoryProjection for Away {
/// #     fn handle(&mut self, event: Recorded<BookEvent>) -> Result<(), BoxError> {
/// #         match event.event {
/// #             BookEvent::Borrowed { .. } => drop(self.books.insert(event.stream.id)),
/// #             BookEvent::Added { .. } | BookEvent::Returned {} => drop(self.books.remove(&event.stream.id)),
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> es_core::Result<()> {
/// let store = MemoryStore::new(); // or `SqliteStore::open(":memory:")`, for an `SqliteProjection`
/// let library = Application::new(store.clone());
/// let system = System::new("library").follow(&library, store.project(Away::default()));
/// let [emma, ulysses] = [1, 2].map(Uuid::from_u128);
///
/// events_in(&library)
///     .given::<Book>(emma, [BookEvent::Borrowed { by: "Ann".into() }, BookEvent::Returned {}])
///     .given::<Book>(ulysses, [BookEvent::Borrowed { by: "Ann".into() }])
///     .save()
///     .await?;
/// system.settle().await?;
///
/// let away = store.view::<Away>().expect("it is projected here");
/// assert_eq!(away.books, [ulysses].into());
/// # Ok(())
/// # }
/// ```
///
/// The events are stored at the time of the application's clock, so a [`VirtualClock`](super::VirtualClock) says when they happened, and in plain text,
/// also where the application has keys.
pub fn events_in(app: &Application) -> EventsIn {
    EventsIn {
        app: app.clone(),
        metadata: Metadata::new(),
        given: Vec::new(),
    }
}

/// What happened in an application.
#[derive(Debug)]
#[must_use = "nothing is stored until `.save()`"]
pub struct EventsIn {
    app: Application,
    metadata: Metadata,
    given: Vec<Given>,
}

/// What happened to one aggregate.
#[derive(Debug)]
struct Given {
    stream: StreamId,
    events: Vec<EncodedEvent>,
    metadata: Metadata,
}

impl EventsIn {
    /// The next events of an aggregate, which are a commit of their own.
    ///
    /// # Panics
    /// Where an event cannot be stored.
    #[track_caller]
    pub fn given<A: Aggregate>(
        mut self,
        id: A::Id,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Self {
        let stream = StreamId::of::<A>(&id);
        let events: Vec<_> = events.into_iter().collect();
        self.given.push(Given {
            events: encoded::<A>(&stream, &events),
            stream,
            metadata: self.metadata.clone(),
        });
        self
    }

    /// Says more about who and why, of the events that come next.
    pub fn with(mut self, metadata: Metadata) -> Self {
        self.metadata = self.metadata.and(metadata);
        self
    }

    /// Stores the events, behind those that the aggregates have, and says the position of the last; `None` without any.
    ///
    /// # Errors
    /// [`SaveError`](crate::application::SaveError), as [`Error::Save`](crate::Error::Save), and [`LogError`], as [`Error::Log`](crate::Error::Log);
    /// what was given before the events that it names is stored.
    pub async fn save(self) -> Result<Option<Position>> {
        let mut position = None;
        for given in self.given {
            let newest = Slice::all().descending().limit(1);
            let store = self.app.keeps_in();
            let newest = store.read_stream(&given.stream, newest).await;
            let newest = newest.map_err(LogError::from)?;
            let append = Append {
                stream: given.stream,
                expected: newest.first().map_or(Version::NEW, |newest| newest.version),
                events: given.events,
            };
            let commit = Commit {
                id: CommitId::draw(),
                time: whole_microseconds(self.app.goes_by().now()),
                metadata: given.metadata,
                appends: vec![append],
                checkpoint: None,
            };
            position = self.app.append(commit).await?.position.or(position);
        }
        Ok(position)
    }
}
