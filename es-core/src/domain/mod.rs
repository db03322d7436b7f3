//! What happened: aggregates, their events and the fold, pure and synchronous, no bytes and no I/O.

mod aggregate;
mod counter;
mod event;
mod outcome;
mod panicked;
mod replay;
mod root;
mod state;
mod stream;

pub use aggregate::{Aggregate, AggregateId, Declares, Events, HasRoot, record, record_creation};
pub use counter::{Position, Version};
pub use event::{Event, EventOf, EventShape, FieldShape, JsonMap, Misplaced, UpcastError};
pub use outcome::Outcome;
pub(crate) use panicked::what_it_said;
pub(crate) use replay::Replay;
pub use replay::ReplayError;
#[doc(hidden)]
pub use root::Attempt;
pub use root::Root;
#[doc(hidden)]
pub use state::{
    Comparable, Described, Field, Hidden, Listed, Opaque, Printable, Shown, State, States,
};
pub use state::{Show, Snapshots};
pub use stream::StreamId;
