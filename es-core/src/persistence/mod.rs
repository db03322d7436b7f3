//! How it is kept: what a store takes and gives, and the mapper between events and JSON, and the codecs between JSON and bytes.

/// What the methods of stores, clocks and key providers return.
pub use futures_core::future::BoxFuture;

/// Any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

mod checkpoint;
mod clock;
mod codec;
mod commit;
pub(crate) mod event_set;
mod filter;
mod lease;
pub(crate) mod mapper;
mod metadata;
mod parked;
mod record;
mod snapshot;
mod store;
mod verification;

pub use checkpoint::{Advance, CheckpointStore, FollowerId, Standing};
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
pub use event_set::EventSet;
pub use filter::{Filter, FilterPart};
pub use lease::{Epoch, Lease, LeaseError, LeaseRequest};
pub use mapper::{DecodeError, EncodeError, Misfit};
pub(crate) use mapper::{decode, decode_stored, encode};
pub use metadata::Metadata;
pub use parked::{Dropped, Parked, ParkedError, Parking, Verdict};
pub use record::{Record, Recorded, StoredEvent};
pub use snapshot::{KeepError, Snapshot, SnapshotStore};
#[cfg(feature = "testing")]
pub(crate) use store::show;
pub use store::{AppendError, EventStore, LogPage, ReadError, Slice, Span, Store, Visit};
pub use verification::{Finding, Verification};
