//! How it is kept: what a store takes and gives, and the mapper between events and bytes.

mod commit;
mod mapper;
mod record;
mod store;

pub use commit::{Append, Commit, CommitId, Committed, EncodedEvent};
pub use mapper::{DecodeError, EncodeError};
pub(crate) use mapper::{decode, encode};
pub use record::{Record, Recorded};
pub use store::{AppendError, EventStore, ReadError, Slice};
