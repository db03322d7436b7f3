//! A projection that notes which events it was given, for the laws of followers.
use std::sync::Arc;

use crate::domain::{Position, Version};
use crate::persistence::{
    BoxError, BoxFuture, DecodeError, EventSet, Filter, Record, Recorded, Store,
};
use crate::system::{Batch, Follower, HandleError, Output, Projection, Settings};

/// Which events a follower was given, as a store keeps it: the effect that the laws look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// Which follower noted it.
    pub follower: String,
    /// The id of the stream.
    pub stream: uuid::Uuid,
    /// The place in the stream.
    pub version: Version,
    /// The place in the log.
    pub position: Position,
    /// Which revision of the projection noted it.
    pub revision: u32,
}

/// An event whatever it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Anything;

#[diagnostic::do_not_recommend]
impl EventSet for Anything {
    const CATEGORIES: &'static [&'static str] = &["Dog"];

    fn decode(_: &Record) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// What goes wrong in a handler.
type Fault = dyn Fn(&Recorded<Anything>) -> Result<(), BoxError> + Send + Sync;

/// A projection that notes which events it was given. A harness wraps it into a projection of its store, which keeps what
/// [`note`](Journal::note) answers *before* it fails with what [`fails`](Journal::fails) says, so that a half-kept batch is seen.
#[derive(Clone)]
pub struct Journal {
    /// In the name of which follower it notes.
    pub follower: String,
    /// In which revision.
    pub revision: u32,
    fault: Arc<Fault>,
}

impl Journal {
    pub(super) fn new(
        follower: &str,
        revision: u32,
        fault: impl Fn(&Recorded<Anything>) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            follower: follower.to_owned(),
            revision,
            fault: Arc::new(fault),
        }
    }

    /// The follower in whose name it notes, of the projection that a harness made of it.
    pub fn follower(&self, projection: impl Follower) -> Box<dyn Follower> {
        Box::new(Renamed {
            name: self.follower.clone(),
            revision: self.revision,
            projection,
        })
    }

    /// What is to be kept of an event.
    #[must_use]
    pub fn note(&self, event: &Recorded<Anything>) -> Noted {
        Noted {
            follower: self.follower.clone(),
            stream: event.stream.id,
            version: event.version,
            position: event.position,
            revision: self.revision,
        }
    }

    /// Whether the handler fails at an event, or panics, after it wrote.
    ///
    /// # Errors
    /// Where the law wants it so.
    pub fn fails(&self, event: &Recorded<Anything>) -> Result<(), BoxError> {
        (self.fault)(event)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journal")
            .field("follower", &self.follower)
            .finish_non_exhaustive()
    }
}

/// The name under which a journal is declared; the laws give each of its followers one of its own.
pub const JOURNAL: &str = "journal";

impl Projection for Journal {
    const NAME: &'static str = JOURNAL;
    type Events = Anything;
}

/// A projection under another name and in another revision than it declares.
struct Renamed<F> {
    name: String,
    revision: u32,
    projection: F,
}

impl<F: Follower> Follower for Renamed<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&self) -> Filter {
        self.projection.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.projection.store()
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        self.projection.handle(batch)
    }

    fn revision(&self) -> u32 {
        self.revision
    }

    fn settings(&self) -> Settings {
        self.projection.settings()
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.projection.prepare(output)
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        self.projection.swap(built)
    }
}
