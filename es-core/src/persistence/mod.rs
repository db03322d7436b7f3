//! How it is kept: what a store takes and gives, and the mapper between events and JSON, and the codecs between JSON and bytes.

/// What the methods of stores, clocks and key providers return.
pub use futures_core::future::BoxFuture;

/// Any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

mod checkpoint;
mod clock;
mod codec;
mod commit;
mod filter;
pub(crate) mod mapper;
mod metadata;
mod record;
mod snapshot;
mod store;

pub use checkpoint::{Advance, CheckpointStore, FollowerId};
#[cfg(feature = "tokio")]
pub use clock::TokioClock;
pub(crate) use clock::whole_microseconds;
pub use clock::{Clock, SystemClock};
pub use codec::{CodecError, Compression};
pub(crate) use codec::{Codecs, Place};
#[cfg(feature = "aes")]
pub use codec::{Key, KeyError, KeyId, KeyProvider, Keys, KeysError, NoRandomness, ParseKeyError};
#[cfg(feature = "zstd")]
pub use codec::{ZstdLevel, ZstdLevelError};
pub use commit::{Append, Commit, CommitId, Committed, EncodedEvent};
pub use filter::{Filter, FilterPart};
pub use mapper::{DecodeError, EncodeError};
pub(crate) use mapper::{decode, decode_stored, encode};
pub use metadata::Metadata;
pub use record::{Record, Recorded, StoredEvent};
pub use snapshot::{KeepError, Snapshot, SnapshotStore};
#[cfg(feature = "testing")]
pub(crate) use store::show;
pub use store::{AppendError, EventStore, LogPage, ReadError, Slice, Span, Store, Visit};
