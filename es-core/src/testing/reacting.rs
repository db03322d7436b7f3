//! Given events, when a process manager answers one, then events.
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use uuid::Uuid;

use crate::application::Rehearsal;
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{
    Append, BoxError, CommitId, EncodedEvent, FollowerId, Metadata, Record, StoredEvent,
    decode_stored, encode, whole_microseconds,
};
use crate::system::{Batch, Follower, HandleError, Output, ProcessManager, Reactions, told};

/// Begins a test with a process manager and the application that it saves to, which is left as it is: what is given, and what the process
/// manager saves, is known to this test alone.
///
/// ```
/// use es_core::testing::reacting;
/// # use es_core::{Aggregate, Application, BoxError, ProcessManager, Recorded, Root, UnitOfWork, events};
/// # use es_store_memory::MemoryStore;
/// # use uuid::Uuid;
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
/// #     fn prepare(order: Uuid) -> Self { let _ = order; Self { root: Root::new() } }
/// #     #[event("Released")]
/// #     fn release(&mut self) {}
/// # }
/// # struct Shipping;
/// # impl ProcessManager for Shipping {
/// #     const NAME: &'static str = "shipping";
/// #     type Events = OrderEvent;
/// #     async fn react(&mut self, event: Recorded<OrderEvent>, work: &mut UnitOfWork) -> Result<(), BoxError> {
/// #         let order = event.stream.id;
/// #         match event.event {
/// #             OrderEvent::Placed {} => work.save(Shipment::prepare(order)),
/// #             OrderEvent::Paid {} => {
/// #                 let mut shipment = work.get::<Shipment>(order).await?;
/// #                 shipment.release();
/// #                 work.save(shipment);
/// #                 work.outside("send a mail", async || Ok::<_, BoxError>(())).await?;
/// #             }
/// #         }
/// #         Ok(())
/// #     }
/// # }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let warehouse = Application::new(MemoryStore::new());
/// let order = Uuid::from_u128(1);
///
/// reacting(Shipping.onto(&warehouse))
///     .given::<Shipment>(order, [ShipmentEvent::Prepared { order }])
///     .when::<Order>(order, OrderEvent::Paid {})
///     .await
///     .then::<Shipment>(order, [ShipmentEvent::Released {}])
///     .then_outside("send a mail")
///     .then_nothing_else();
/// # }
/// ```
///
/// What it does [`outside`](crate::UnitOfWork::outside) is done: give it what stands in for the service that it has in earnest.
#[must_use]
pub fn reacting<M: ProcessManager>(reactions: Reactions<M>) -> Reacting<M> {
    Reacting {
        reactions,
        there: HashMap::new(),
        answered: Position::START,
        metadata: Metadata::new(),
    }
}

/// A process manager, and the events that there are.
#[derive(Debug)]
pub struct Reacting<M> {
    reactions: Reactions<M>,
    there: HashMap<StreamId, Append>,
    /// How many events it has answered.
    answered: Position,
    metadata: Metadata,
}

impl<M: ProcessManager> Reacting<M> {
    /// Events of an aggregate that happened before, which it finds and does not answer: of those that it saves, and, where it asks for them, of
    /// those that it follows.
    ///
    /// # Panics
    /// Where an event cannot be stored.
    #[track_caller]
    pub fn given<A: Aggregate>(
        &mut self,
        id: A::Id,
        events: impl IntoIterator<Item = A::Event>,
    ) -> &mut Self {
        let events: Vec<_> = events.into_iter().collect();
        self.append::<A>(&StreamId::of::<A>(&id), &events);
        self
    }

    /// Who and why, of the events that it answers from here on.
    pub fn with(&mut self, metadata: Metadata) -> &mut Self {
        self.metadata = metadata;
        self
    }

    /// Gives it an event to answer, which is the next of its aggregate. What it saves is there for what comes later in the test.
    ///
    /// # Panics
    /// Where it is an event that the process manager does not follow, or cannot be stored.
    #[track_caller]
    pub fn when<A: Aggregate>(
        &mut self,
        id: A::Id,
        event: A::Event,
    ) -> impl Future<Output = Reacted> {
        let stream = StreamId::of::<A>(&id);
        let record = self.record::<A>(stream, event);
        assert!(
            self.reactions
                .filter()
                .admits(&record.stream.category, &record.event),
            "`{}` does not follow `{}`, and so is given no `{}`",
            self.reactions.name(),
            A::CATEGORY,
            record.event
        );
        self.react(record)
    }

    #[track_caller]
    fn append<A: Aggregate>(&mut self, stream: &StreamId, events: &[A::Event]) -> &Append {
        let there = self.there.entry(stream.clone());
        let append = there.or_insert_with(|| Append {
            stream: stream.clone(),
            expected: Version::NEW,
            events: Vec::new(),
        });
        let before = Version::from(append.events.len() as u64);
        match encode(events, stream, before) {
            Ok(encoded) => append.events.extend(encoded),
            Err(error) => panic!("{}", told(&error)),
        }
        append
    }

    #[track_caller]
    fn record<A: Aggregate>(&mut self, stream: StreamId, event: A::Event) -> Record {
        self.answered = self.answered.next();
        let append = self.append::<A>(&stream, &[event]);
        let version = Version::from(append.events.len() as u64);
        let Some(EncodedEvent {
            name,
            schema,
            payload,
        }) = append.events.last().cloned()
        else {
            unreachable!("an event was appended")
        };
        let clock = self.reactions.application().goes_by();
        Record {
            stream,
            version,
            position: self.answered,
            event: name,
            schema,
            payload,
            time: whole_microseconds(clock.now()),
            commit: CommitId::from(Uuid::from_u128(u128::from(self.answered.get()))),
            metadata: self.metadata.clone(),
        }
    }

    async fn react(&mut self, record: Record) -> Reacted {
        let rehearsal = Rehearsal::behind(self.there.clone());
        let follower = FollowerId::new(M::NAME, "");
        let batch = Batch {
            output: Output::live(follower, 0),
            from: Position::START,
            to: record.position,
            stands_at: Some(record.commit),
            records: vec![record],
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
            name: self.reactions.name().to_owned(),
            saved,
            outside: rehearsal.outside(),
            failure,
        }
    }
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
        let expected: Vec<_> = expected.into_iter().collect();
        let saved: Vec<_> = match self.saved.remove(&stream) {
            Some(answer) => answer.decoded::<A>(&stream),
            None => Vec::new(),
        };
        assert_eq!(
            saved,
            expected,
            "what `{}` saved of {stream} (left) is not what was expected (right){}",
            self.name,
            self.besides()
        );
        self
    }

    /// Expects that it did this [`outside`](crate::UnitOfWork::outside), once; what was done twice is expected twice.
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

    /// Expects that it failed, so that nothing is saved and the event is tried again, and gives why.
    ///
    /// # Panics
    /// Where it did not.
    #[track_caller]
    pub fn failed(self) -> BoxError {
        let besides = self.besides();
        match self.failure {
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
                time: std::time::UNIX_EPOCH,
            };
            match decode_stored(stream, stored) {
                Ok(event) => events.push(event),
                Err(error) => panic!("{}", told(&error)),
            }
        }
        events
    }
}
