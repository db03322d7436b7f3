//! The fold itself, one event at a time.
use std::time::SystemTime;

use uuid::Uuid;

use super::{Events, Version};

/// Why events do not fold into an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There were no events.
    #[error("no events, so no `{category}`; begin with an event that creates one")]
    NoEvents {
        /// The aggregate's stored name.
        category: &'static str,
    },
    /// The first event does not create an aggregate.
    #[error(
        "`{event}` at version {version} does not create a `{category}`; begin with an event that does"
    )]
    NotCreated {
        /// The aggregate's stored name.
        category: &'static str,
        /// The event's stored name.
        event: &'static str,
        /// Where it stands.
        version: Version,
    },
    /// A later event creates the aggregate a second time.
    #[error("`{event}` at version {version} creates a `{category}` that exists already")]
    CreatedTwice {
        /// The aggregate's stored name.
        category: &'static str,
        /// The event's stored name.
        event: &'static str,
        /// Where it stands.
        version: Version,
    },
}

/// An aggregate in the making: event methods called by an event's body record nothing until [`finish`](Replay::finish).
pub(crate) struct Replay<A> {
    id: Uuid,
    state: Option<A>,
}

impl<A: Events> Replay<A> {
    pub(crate) fn new(id: Uuid) -> Self {
        Self { id, state: None }
    }

    pub(crate) fn push(&mut self, event: A::Event) -> Result<(), ReplayError> {
        let Some(state) = &mut self.state else {
            let mut state = A::create(event).map_err(|misplaced| ReplayError::NotCreated {
                category: A::CATEGORY,
                event: misplaced.event,
                version: Version::FIRST,
            })?;
            state.root_mut().begin_replay(self.id);
            self.state = Some(state);
            return Ok(());
        };
        state
            .apply(event)
            .map_err(|misplaced| ReplayError::CreatedTwice {
                category: A::CATEGORY,
                event: misplaced.event,
                version: state.root().version().next(),
            })?;
        state.root_mut().advance();
        Ok(())
    }

    /// As [`push`](Replay::push), for an event with the time at which it was saved.
    pub(crate) fn push_saved(
        &mut self,
        event: A::Event,
        time: SystemTime,
    ) -> Result<(), ReplayError> {
        self.push(event)?;
        if let Some(state) = &mut self.state {
            state.root_mut().saved_at(time);
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Option<A> {
        let mut state = self.state?;
        state.root_mut().end_replay();
        Some(state)
    }
}
