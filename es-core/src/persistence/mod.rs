//! How it is kept: what a store takes and gives, and the mapper between events and bytes.

/// Any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

mod commit;
pub(crate) mod mapper;
mod metadata;
mod record;
mod store;

pub use commit::{Append, Commit, CommitId, Committed, EncodedEvent};
pub use mapper::{DecodeError, EncodeError};
pub(crate) use mapper::{decode, encode};
pub use metadata::Metadata;
pub use record::{Record, Recorded};
pub use store::{AppendError, EventStore, ReadError, Slice};
