//! How it is kept: what a store takes and gives, and the mapper between events and JSON, and the codecs between JSON and bytes.
//!
//! # A store of your own
//!
//! It implements [`EventStore`], [`CheckpointStore`] and [`SnapshotStore`], and passes the laws, which one line runs: `es_core::store_laws!` of the
//! feature `testing`. They are the contract, and say what is to be mended; `es-store-memory` is the shortest store that keeps all of them, and
//! `es-store-sql` has what stores on SQL databases share. In this order it is soon of use:
//!
//! 1. Commits, streams and the log. Everything of a [`Commit`] becomes visible at once, its checkpoint too, so all of it is best kept in one file
//!    or transaction. Positions are given in the order in which commits become visible.
//! 2. [`commit`](EventStore::commit) under an id that is kept, and [`outcome`](EventStore::outcome): an application whose connection was cut asks
//!    for that, and sends the same commit again.
//! 3. Checkpoints. [`Advance::refusal`] says whether one moves.
//! 4. Leases, by [`LeaseRequest::granted`], [`LeaseRequest::since`], [`LeaseRequest::stop`] and [`Standing::at`], what is parked, and where persons put
//!    followers, by [`Placement::refusal`]. From here on process managers of a [`System`](crate::System) can keep their checkpoints there.
//! 5. Projections, by a [`Follower`](crate::Follower) of the store's own, which writes what it makes in one transaction with the checkpoint: `handle`
//!    first, then `prepare` and `swap`, whose steps are numbered there. It is what the store's `project` returns.
//! 6. Projections inside of commits, by [`Inlined`](crate::system::Inlined), whose steps are numbered there, too: the store's `inline` and
//!    `end_inline`.
//!
//! The futures are run wherever the caller is. A store that blocks the thread, as SQLite's does for microseconds, says so, and one that may wait for
//! long has threads of its own. One whose futures never have to wait yields after a commit (returns `Pending` once, and wakes itself): on tokio, the
//! tasks beside it stand still otherwise.
//!
//! `docs/a_store_of_your_own.md` in the repository goes through it with a program.

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
#[cfg(feature = "json")]
mod json;
mod lease;
pub(crate) mod mapper;
mod metadata;
mod parked;
mod record;
mod snapshot;
mod store;
mod verification;

pub use checkpoint::{Advance, CheckpointStore, FollowerId, Placed, Placement, Standing, Stopped};
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
pub(crate) use store::none_of_it;
#[cfg(feature = "testing")]
pub(crate) use store::show;
pub use store::{
    AppendError, EventStore, LogPage, ReadError, RefusedEvent, Slice, Span, Store, Visit,
};
pub use verification::{Finding, Verification};
