//! The fold itself, one event at a time.
use std::time::SystemTime;

use uuid::Uuid;

use super::{Events, Misplaced, StreamId, Version};

/// Why events do not fold into an aggregate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// There were no events.
    #[error("there are no events of `{stream}`; begin with one that creates it")]
    NoEvents {
        /// The stream.
        stream: StreamId,
    },
    /// The first event does not create an aggregate.
    #[error(
        "`{event}` of `{stream}` at version 1 does not create it; begin with an event that does"
    )]
    NotCreated {
        /// The stream.
        stream: StreamId,
        /// The event's stored name.
        event: &'static str,
    },
    /// A later event creates the aggregate a second time.
    #[error("`{event}` of `{stream}` at version {version} creates it, and it exists already")]
    CreatedTwice {
        /// The stream.
        stream: StreamId,
        /// The event's stored name.
        event: &'static str,
        /// Where it stands.
        version: Version,
    },
}

/// An aggregate in the making: event methods called by an event's body record nothing until [`finish`](Replay::finish).
pub(crate) struct Replay<A> {
    id: Uuid,
    version: Version,
    created_at: Option<SystemTime>,
    modified_at: Option<SystemTime>,
    state: Option<A>,
}

impl<A: Events> Replay<A> {
    pub(crate) fn new(id: Uuid) -> Self {
        Self {
            id,
            version: Version::NEW,
            created_at: None,
            modified_at: None,
            state: None,
        }
    }

    /// Goes on from a state that was saved.
    pub(crate) fn resume(mut state: A) -> Self {
        let root = state.root_mut();
        let (created_at, modified_at) = root.begin_replay();
        Self {
            id: root.id(),
            version: root.version(),
            created_at,
            modified_at,
            state: Some(state),
        }
    }

    /// The version of the last event that was replayed.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// The aggregate as it is so far; its root is not to be asked.
    pub(crate) fn state(&self) -> Option<&A> {
        self.state.as_ref()
    }

    /// Replays events.
    #[inline]
    pub(crate) fn extend(
        &mut self,
        events: impl IntoIterator<Item = A::Event>,
    ) -> Result<(), ReplayError> {
        let mut events = events.into_iter();
        if self.state.is_none()
            && let Some(event) = events.next()
        {
            self.create(event)?;
        }
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let (id, mut version) = (self.id, self.version);
        for event in events {
            version = version.next();
            if let Err(misplaced) = state.apply(event) {
                return Err(created_twice::<A>(misplaced, id, version));
            }
            state.root_mut().replayed(id, version);
        }
        self.version = version;
        Ok(())
    }

    /// Apart from the others, so that what is done once does not slow what is done for every event.
    #[inline(never)]
    fn create(&mut self, event: A::Event) -> Result<(), ReplayError> {
        let mut state = A::create(event).map_err(|misplaced| ReplayError::NotCreated {
            stream: StreamId::new(A::CATEGORY, self.id),
            event: misplaced.event,
        })?;
        state.root_mut().replayed(self.id, Version::FIRST);
        self.version = Version::FIRST;
        self.state = Some(state);
        Ok(())
    }

    /// Replays an event with the time at which it was saved.
    ///
    /// Always inlined: an event that goes through one function more is copied once more.
    #[inline(always)]
    pub(crate) fn push_saved(
        &mut self,
        event: A::Event,
        time: SystemTime,
    ) -> Result<(), ReplayError> {
        match &mut self.state {
            None => self.create(event)?,
            Some(state) => {
                let version = self.version.next();
                if let Err(misplaced) = state.apply(event) {
                    return Err(created_twice::<A>(misplaced, self.id, version));
                }
                state.root_mut().replayed(self.id, version);
                self.version = version;
            }
        }
        self.created_at.get_or_insert(time);
        self.modified_at = Some(time);
        Ok(())
    }

    pub(crate) fn finish(self) -> Option<A> {
        let mut state = self.state?;
        state
            .root_mut()
            .end_replay(self.created_at, self.modified_at);
        Some(state)
    }
}

#[cold]
fn created_twice<A: Events>(misplaced: Misplaced, id: Uuid, version: Version) -> ReplayError {
    ReplayError::CreatedTwice {
        stream: StreamId::new(A::CATEGORY, id),
        event: misplaced.event,
        version,
    }
}
