//! Given events, when a command, then events.
use std::convert::Infallible;
use std::fmt::Debug;

use uuid::Uuid;

use super::stored::written_and_read;
use crate::domain::{Aggregate, AggregateId, Event, Outcome};

/// Begins a test with an aggregate that these events made; without events, use [`when_created`].
///
/// ```
/// use es_core::testing::given;
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate, Debug, PartialEq)]
/// # #[aggregate("Account")]
/// # struct Account { root: Root<Self>, balance: u64 }
/// # #[derive(Debug, PartialEq)]
/// # struct Overdrawn;
/// # #[events]
/// # impl Account {
/// #     #[event("Opened")]
/// #     fn open(balance: u64) -> Self { Self { root: Root::new(), balance } }
/// #     #[event("Withdrawn")]
/// #     fn withdrawn(&mut self, amount: u64) { self.balance -= amount; }
/// #     fn withdraw(&mut self, amount: u64) -> Result<(), Overdrawn> {
/// #         if amount > self.balance { return Err(Overdrawn); }
/// #         self.withdrawn(amount);
/// #         Ok(())
/// #     }
/// # }
///
/// given::<Account>([AccountEvent::Opened { balance: 10 }])
///     .when(|account| account.withdraw(4))
///     .then([AccountEvent::Withdrawn { amount: 4 }]);
///
/// given::<Account>([AccountEvent::Opened { balance: 10 }])
///     .when(|account| account.withdraw(11))
///     .refused_with(Overdrawn);
/// ```
///
/// Besides what is asked for, it is checked that the events alone make the state: where the struct is `PartialEq + Debug`, they are
/// replayed and the states compared. Every event must come back from a store as it is; and none may have been called from the body of
/// another, where it is not recorded.
///
/// # Panics
/// Where the events do not make an aggregate. Its id is the nil UUID.
#[must_use]
#[track_caller]
pub fn given<A: Aggregate>(events: impl IntoIterator<Item = A::Event>) -> Given<A> {
    let events: Vec<_> = events.into_iter().collect();
    let aggregate = replayed(Uuid::nil(), events.iter().cloned());
    Given { events, aggregate }
}

/// Tests a command that creates: one that returns the aggregate, or a `Result` with it.
///
/// ```
/// use es_core::testing::when_created;
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Account")]
/// # struct Account { root: Root<Self>, balance: u64 }
/// # #[events]
/// # impl Account {
/// #     #[event("Opened")]
/// #     fn open(balance: u64) -> Self { Self { root: Root::new(), balance } }
/// # }
///
/// when_created(|| Account::open(10)).then([AccountEvent::Opened { balance: 10 }]);
/// ```
pub fn when_created<R: Created>(command: impl FnOnce() -> R) -> Then<R::Aggregate, (), R::Refusal> {
    match command().into_created() {
        Ok(aggregate) => Then {
            given: Vec::new(),
            aggregate: Some(aggregate),
            outcome: Ok(()),
        },
        Err(refusal) => Then {
            given: Vec::new(),
            aggregate: None,
            outcome: Err(refusal),
        },
    }
}

/// Replays what is pending and compares the states, so that a change made outside an event is found.
///
/// For an aggregate that was created and not saved yet, so that everything that happened to it is pending.
///
/// # Panics
/// Where the states differ, or an event was called from the body of another.
#[track_caller]
pub fn assert_replays<A: Aggregate>(aggregate: &A) {
    assert!(
        aggregate.version().get() == aggregate.pending().len() as u64,
        "a part of what happened to this `{}` is in a store; use `given` with all of its events",
        A::CATEGORY
    );
    compare(aggregate, aggregate.pending().iter().cloned());
}

/// An aggregate that some events made.
#[derive(Debug)]
pub struct Given<A: Aggregate> {
    events: Vec<A::Event>,
    aggregate: A,
}

impl<A: Aggregate> Given<A> {
    /// Runs the command.
    pub fn when<R: Outcome>(
        mut self,
        command: impl FnOnce(&mut A) -> R,
    ) -> Then<A, R::Value, R::Refusal> {
        let outcome = command(&mut self.aggregate).into_result();
        Then {
            given: self.events,
            aggregate: Some(self.aggregate),
            outcome,
        }
    }
}

/// What a command did.
#[derive(Debug)]
#[must_use = "say what was to be expected: `.then(..)` or `.refused_with(..)`"]
pub struct Then<A: Aggregate, T, E> {
    given: Vec<A::Event>,
    aggregate: Option<A>,
    outcome: Result<T, E>,
}

impl<A: Aggregate, T, E: Debug> Then<A, T, E> {
    /// Expects these events and no others, and gives what the command answered.
    ///
    /// # Panics
    /// Where the command was refused or recorded something else, or where its events alone do not make the state.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = A::Event>) -> T {
        let (answer, aggregate) = match (self.outcome, self.aggregate) {
            (Ok(answer), Some(aggregate)) => (answer, aggregate),
            (Err(refusal), _) => panic!("the command was refused: {refusal:?}"),
            (Ok(_), None) => {
                unreachable!("a command that creates ends with an aggregate or a refusal")
            }
        };
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(
            aggregate.pending(),
            expected,
            "recorded (left) is not what was expected (right)"
        );
        compare(&aggregate, self.given.into_iter().chain(expected));
        answer
    }

    /// Expects this refusal, and that nothing happened.
    ///
    /// # Panics
    /// Where the command was accepted, refused otherwise, or changed something all the same.
    #[track_caller]
    pub fn refused_with(self, expected: E)
    where
        E: PartialEq,
    {
        match self.outcome {
            Ok(_) => panic!("the command was accepted; expected {expected:?}"),
            Err(refusal) => assert_eq!(
                refusal, expected,
                "the refusal (left) is not what was expected (right)"
            ),
        }
        if let Some(aggregate) = self.aggregate {
            let recorded = aggregate.pending();
            assert!(
                recorded.is_empty(),
                "the command was refused, but recorded {recorded:?} before"
            );
            compare(&aggregate, self.given);
        }
    }
}

/// What a command that creates answers.
#[diagnostic::on_unimplemented(
    message = "a command that creates returns an aggregate or a `Result` with one, not `{Self}`"
)]
pub trait Created {
    /// What it creates.
    type Aggregate: Aggregate;
    /// What it answers when it refuses.
    type Refusal;

    /// The answer as a `Result`.
    ///
    /// # Errors
    /// The refusal.
    fn into_created(self) -> Result<Self::Aggregate, Self::Refusal>;
}

impl<A: Aggregate> Created for A {
    type Aggregate = A;
    type Refusal = Infallible;

    fn into_created(self) -> Result<A, Infallible> {
        Ok(self)
    }
}

impl<A: Aggregate, E> Created for Result<A, E> {
    type Aggregate = A;
    type Refusal = E;

    fn into_created(self) -> Self {
        self
    }
}

/// The state that the events make.
#[track_caller]
fn replayed<A: Aggregate>(id: Uuid, events: impl Iterator<Item = A::Event>) -> A {
    match A::replay(A::Id::from_uuid(id), events) {
        Ok(aggregate) => aggregate,
        Err(error) => panic!("these are not the events of an aggregate: {error}"),
    }
}

/// Checks that the events alone make the state.
#[track_caller]
fn compare<A: Aggregate>(aggregate: &A, events: impl IntoIterator<Item = A::Event>) {
    if let Some(event) = aggregate.root().detour() {
        panic!(
            "`{event}` was not recorded: its method was called while another event was being applied; \
             call both from a method without `#[event]`"
        );
    }
    let again = replayed(aggregate.root().id(), events.into_iter().map(stored));
    if let Some(difference) = A::difference(aggregate, &again) {
        panic!(
            "the state (first) is not what its events make of it (second): something changed it outside an event\n{difference}"
        );
    }
}

/// The event as a store gives it back.
#[track_caller]
fn stored<E: Event>(event: E) -> E {
    match written_and_read(&event) {
        Ok(again) => again.event,
        Err(error) => panic!("{event:?} {error}"),
    }
}
