//! Given events, when a process manager answers one, then events.
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::stored::encoded;
use crate::application::{Application, Rehearsal};
use crate::domain::{Aggregate, AggregateId, Position, StreamId, Version};
use crate::persistence::{
    Append, BoxError, CommitId, EncodedEvent, FollowerId, Metadata, Record, Slice, StoredEvent,
    decode_stored, whole_microseconds,
};
use crate::system::{
    Batch, Follower, HandleError, HandlerPanicked, Output, ProcessManager, Reactions, told,
};

/// Begins a test of a process manager that follows one application and saves to another, or to the same. Nothing is stored: what is given, and
/// what the process manager saves, is kept in this test.
///
/// ```
/// use es_core::testing::reacting;
/// use es_core::{Application, BoxError, ProcessManager, Recorded, UnitOfWork};
/// use es_store_memory::MemoryStore;
/// use uuid::Uuid;
///
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Order")]
/// # struct Order { root: Root<Self> }
/// # #[events]
/// # impl Order {
/// #     #[event("Placed")]
/// #     fn place() -> Self { Self { root: Root::new() } }
/// #     #[event("Paid")]
/// #     fn pay(&mut self) {}
/// # }
/// # #[derive(Aggregate)]
/// # #[aggregate("Shipment")]
/// # struct Shipment { root: Root<Self> }
/// # #[events]
/// # impl Shipment {
/// #     #[event("Prepared", id = *order)]
/// #     fn prepare(order: Uuid) -> Self { Self { root: Root::new() } }
/// #     #[event("Released")]
/// #     fn release(&mut self) {}
/// # }
/// # async fn send() -> Result<(), BoxError> { Ok(()) }
/// struct Shipping;
///
/// impl ProcessManager for Shipping {
///     const NAME: &'static str = "shipping";
///     type Events = OrderEvent;
///
///     async fn react(&mut self, event: Recorded<OrderEvent>, work: &mut UnitOfWork) -> Result<(), BoxError> {
///         let order = event.stream.id;
///         match event.event {
///             OrderEvent::Placed {} => work.save(Shipment::prepare(order)),
///             OrderEvent::Paid {} => {
///                 let mut shipment = work.get::<Shipment>(order).await?;
///                 shipment.release();
///                 work.save(shipment);
///                 work.outside("send a mail", send).await?;
///             }
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let shop = Application::new(MemoryStore::new());
/// let warehouse = Application::new(MemoryStore::new());
/// let order = Uuid::from_u128(1);
///
/// reacting(&shop, Shipping.onto(&warehouse))
///     .given::<Shipment>(order, [ShipmentEvent::Prepared { order }])
///     .when::<Order>(order, OrderEvent::Paid {})
///     .await
///     .then::<Shipment>(order, [ShipmentEvent::Released {}])
///     .then_outside("send a mail")
///     .then_nothing_else();
/// # }
/// ```
///
/// What it does [`outside`](crate::UnitOfWork::outside) is done: give the process manager a stand-in for the real service. To go on with further
/// events, keep what this returns: `let mut shipping = reacting(..)`, and call [`when`](Reacting::when) on it again and again.
#[must_use]
pub fn reacting<M: ProcessManager>(follows: &Application, reactions: Reactions<M>) -> Reacting<M> {
    Reacting {
        follows_itself: Arc::ptr_eq(&follows.keeps_in(), &reactions.store()),
        reactions,
        there: HashMap::new(),
        followed: HashMap::new(),
        position: Position::START,
        metadata: Metadata::new(),
    }
}

/// A process manager, and the events that there are.
#[derive(Debug)]
pub struct Reacting<M> {
    reactions: Reactions<M>,
    /// It saves to the application that it follows.
    follows_itself: bool,
    /// What there is in the application that it saves to.
    there: HashMap<StreamId, Append>,
    /// The newest versions in another application, which it follows.
    followed: HashMap<StreamId, Version>,
    position: Position,
    metadata: Metadata,
}

impl<M: ProcessManager> Reacting<M> {
    /// Events that happened before in the application that it saves to, behind those that are stored there. It can load them, as of the time at which
    /// it does, and is not asked to answer them.
    ///
    /// # Panics
    /// Where an event cannot be stored.
    #[must_use]
    #[track_caller]
    pub fn given<A: Aggregate>(
        mut self,
        id: A::Id,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Self {
        let stream = StreamId::of::<A>(&id);
        let events: Vec<_> = events.into_iter().collect();
        let encoded = encoded::<A>(&stream, &events);
        self.position = Position::from(self.position.get() + encoded.len() as u64);
        self.append(stream, encoded);
        self
    }

    /// Says more about who and why, of the events that come next. What the process manager itself says of what it saves is not looked at.
    #[must_use]
    pub fn with(mut self, metadata: Metadata) -> Self {
        self.metadata = self.metadata.and(metadata);
        self
    }

    /// Gives it an event to answer, which is the next of its aggregate in this test. What it saves is there for what comes later in the test.
    ///
    /// # Panics
    /// Where its [`Events`](ProcessManager::Events) leave the event out, or the event cannot be stored.
    #[track_caller]
    pub fn when<A: Aggregate>(
        &mut self,
        id: A::Id,
        event: A::Event,
    ) -> impl Future<Output = Reacted> {
        let stream = StreamId::of::<A>(&id);
        let encoded = encoded::<A>(&stream, &[event]);
        for event in &encoded {
            assert!(
                self.reactions
                    .filter()
                    .admits(&stream.category, &event.name),
                "`{}` is given no `{}` of `{}`: its `Events` leave it out",
                self.reactions.name(),
                event.name,
                stream.category
            );
        }
        self.react(stream, encoded)
    }

    fn append(&mut self, stream: StreamId, events: Vec<EncodedEvent>) {
        let there = self.there.entry(stream);
        let append = there.or_insert_with_key(|stream| Append {
            stream: stream.clone(),
            expected: Version::NEW,
            events: Vec::new(),
        });
        append.events.extend(events);
    }

    async fn react(&mut self, stream: StreamId, events: Vec<EncodedEvent>) -> Reacted {
        let name = self.reactions.name().to_owned();
        if self.follows_itself {
            self.append(stream.clone(), Vec::new());
        }
        if let Err(failure) = self.behind_what_is_stored().await {
            return Reacted::failing(name, failure);
        }
        let there = self.there.get(&stream).filter(|_| self.follows_itself);
        let followed = self.followed.get(&stream).copied();
        let mut version = there.map_or(followed.unwrap_or_default(), end);
        let mut records = Vec::with_capacity(events.len());
        for event in &events {
            version = version.next();
            self.position = self.position.next();
            records.push(self.record(&stream, version, event.clone()));
        }
        match self.follows_itself {
            true => self.append(stream, events),
            false => drop(self.followed.insert(stream, version)),
        }
        let rehearsal = Rehearsal::behind(self.there.clone());
        let batch = Batch {
            output: Output::live(FollowerId::new(name.clone(), ""), 0),
            from: Position::START,
            to: self.position,
            stands_at: None,
            records,
            parking: Vec::new(),
            dry: Some(rehearsal.clone()),
        };
        let failure = match self.reactions.handle(Arc::new(batch)).await {
            Ok(_) => None,
            Err(HandleError::Event { source, .. }) => Some(source),
            Err(error) => Some(error.into()),
        };
        let there = rehearsal.appends();
        let mut saved = BTreeMap::new();
        for (stream, append) in &there {
            let before = self.there.get(stream).map_or(0, |known| known.events.len());
            if append.events.len() > before {
                let answer = Answer {
                    after: Version::from(append.expected.get() + before as u64),
                    events: append.events[before..].to_vec(),
                };
                saved.insert(stream.clone(), answer);
            }
        }
        self.there = there;
        Reacted {
            name,
            saved,
            outside: rehearsal.outside(),
            failure,
        }
    }

    fn record(&self, stream: &StreamId, version: Version, event: EncodedEvent) -> Record {
        let clock = self.reactions.application().goes_by();
        Record {
            stream: stream.clone(),
            version,
            position: self.position,
            event: event.name,
            schema: event.schema,
            payload: event.payload,
            time: whole_microseconds(clock.now()),
            commit: CommitId::draw(),
            metadata: self.metadata.clone(),
        }
    }

    /// What is given stands behind what the application has.
    async fn behind_what_is_stored(&mut self) -> Result<(), BoxError> {
        let store = self.reactions.store();
        for (stream, append) in &mut self.there {
            let newest = Slice::all().descending().limit(1);
            let stored = store.read_stream(stream, newest).await?;
            append.expected = stored.first().map_or(Version::NEW, |record| record.version);
        }
        Ok(())
    }
}

fn end(append: &Append) -> Version {
    Version::from(append.expected.get() + append.events.len() as u64)
}

/// What a process manager did about an event.
#[must_use = "end with `.then_nothing_else()`, or with `.failed()`"]
pub struct Reacted {
    name: String,
    saved: BTreeMap<StreamId, Answer>,
    /// What, and how often.
    outside: BTreeMap<String, usize>,
    failure: Option<BoxError>,
}

/// What was saved of one aggregate.
struct Answer {
    after: Version,
    events: Vec<EncodedEvent>,
}

impl Reacted {
    const fn failing(name: String, failure: BoxError) -> Self {
        Self {
            name,
            saved: BTreeMap::new(),
            outside: BTreeMap::new(),
            failure: Some(failure),
        }
    }

    /// Expects that it saved these events of an aggregate, and no others of it.
    ///
    /// # Panics
    /// Where it saved others, or failed.
    #[track_caller]
    pub fn then<A: Aggregate>(
        mut self,
        id: A::Id,
        expected: impl IntoIterator<Item = A::Event>,
    ) -> Self {
        self.assert_well();
        let stream = StreamId::of::<A>(&id);
        self.expect::<A>(&stream, expected.into_iter().collect());
        self
    }

    /// Expects that it created an aggregate whose id the test cannot know, with these events and no others, for which the id is given.
    ///
    /// # Panics
    /// Where it created none that was not expected before, or more, or saved other events of it, or failed.
    #[track_caller]
    pub fn then_created<A: Aggregate, I: IntoIterator<Item = A::Event>>(
        mut self,
        expected: impl FnOnce(A::Id) -> I,
    ) -> Self {
        self.assert_well();
        let is_new = |(stream, answer): &(&StreamId, &Answer)| {
            stream.category == A::CATEGORY && answer.after == Version::NEW
        };
        let mut created = self.saved.iter().filter(is_new);
        let stream = match (created.next(), created.next()) {
            (Some((stream, _)), None) => stream.clone(),
            (None, _) => panic!(
                "`{}` created no `{}`{}",
                self.name,
                A::CATEGORY,
                self.besides()
            ),
            (Some(_), Some(_)) => panic!(
                "`{}` created more than one `{}`; expect those whose ids are known before{}",
                self.name,
                A::CATEGORY,
                self.besides()
            ),
        };
        let expected = expected(A::Id::from_uuid(stream.id));
        self.expect::<A>(&stream, expected.into_iter().collect());
        self
    }

    #[track_caller]
    fn expect<A: Aggregate>(&mut self, stream: &StreamId, expected: Vec<A::Event>) {
        let saved = match self.saved.remove(stream) {
            Some(answer) => answer.decoded::<A>(stream),
            None => Vec::new(),
        };
        assert_eq!(
            saved,
            expected,
            "what `{}` saved of {stream} (left) is not what was expected (right){}",
            self.name,
            self.besides()
        );
    }

    /// Expects that it did this [`outside`](crate::UnitOfWork::outside), once and with success; what was done twice is expected twice.
    ///
    /// # Panics
    /// Where it did not, or failed.
    #[track_caller]
    pub fn then_outside(mut self, what: &str) -> Self {
        self.assert_well();
        match self.outside.get_mut(what) {
            Some(1) => drop(self.outside.remove(what)),
            Some(times) => *times -= 1,
            None => panic!("`{}` did not {what:?} outside{}", self.name, self.besides()),
        }
        self
    }

    /// Expects that it saved nothing, and did nothing outside, that was not expected before.
    ///
    /// # Panics
    /// Where there is more, or it failed.
    #[track_caller]
    pub fn then_nothing_else(self) {
        self.assert_well();
        let besides = self.besides();
        assert!(
            besides.is_empty(),
            "`{}` did what was not expected{besides}",
            self.name
        );
    }

    /// Expects that it failed, so that nothing is saved, and gives why.
    ///
    /// # Panics
    /// Where it did not fail, or panicked.
    #[track_caller]
    #[must_use = "look why: a test that is not right itself fails, too"]
    pub fn failed(self) -> BoxError {
        let besides = self.besides();
        match self.failure {
            Some(panicked) if panicked.is::<HandlerPanicked>() => {
                panic!("`{}` failed: {}", self.name, told(&*panicked))
            }
            Some(failure) => failure,
            None if besides.is_empty() => panic!("`{}` did not fail, and did nothing", self.name),
            None => panic!("`{}` did not fail{besides}", self.name),
        }
    }

    #[track_caller]
    fn assert_well(&self) {
        if let Some(failure) = &self.failure {
            panic!("`{}` failed: {}", self.name, told(&**failure));
        }
    }

    /// What it did that was not expected by now.
    fn besides(&self) -> String {
        let saved = self.saved.iter().map(|(stream, answer)| {
            let names: Vec<_> = answer.events.iter().map(|event| &*event.name).collect();
            format!("\n  it saved {stream}: {}", names.join(", "))
        });
        let outside = self
            .outside
            .iter()
            .map(|(what, times)| format!("\n  it did outside: {what}, {times}x"));
        saved.chain(outside).collect()
    }
}

impl fmt::Debug for Reacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.name, self.besides())?;
        match &self.failure {
            Some(failure) => write!(f, "\n  it failed: {}", told(&**failure)),
            None => Ok(()),
        }
    }
}

impl Answer {
    #[track_caller]
    fn decoded<A: Aggregate>(self, stream: &StreamId) -> Vec<A::Event> {
        let mut version = self.after;
        let mut events = Vec::with_capacity(self.events.len());
        for event in &self.events {
            version = version.next();
            let stored = StoredEvent {
                version,
                event: &event.name,
                schema: event.schema,
                payload: &event.payload,
                time: UNIX_EPOCH,
            };
            match decode_stored(stream, stored) {
                Ok(event) => events.push(event),
                Err(error) => panic!("{}", told(&error)),
            }
        }
        events
    }
}
