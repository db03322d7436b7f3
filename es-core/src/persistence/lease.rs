//! Who runs a follower: one process at a time, by a lease with an epoch that fences what an earlier holder still writes.
use std::fmt;
use std::time::{Duration, SystemTime};

use super::{BoxError, FollowerId, ReadError, Standing, Stopped};

/// Counts how often a lease was taken: 1, 2, 3 …; a write under an older epoch is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(u64);

impl Epoch {
    /// Before a lease was taken for the first time.
    pub const NONE: Self = Self(0);

    /// The one after this.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number itself, counted from 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u64> for Epoch {
    fn from(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Asks for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Whose.
    pub follower: FollowerId,
    /// Who asks, in words for a person.
    pub holder: String,
    /// For how long from now, by the clock of the store; a length of zero [gives it back](Self::gives_back).
    pub length: Duration,
    /// The epoch of a lease to be renewed; `None` takes it anew.
    pub epoch: Option<Epoch>,
    /// Why the holder does not go on: it gives the lease back for a reason that somebody has to mend, or keeps it to try again.
    pub stopped: Option<String>,
}

impl LeaseRequest {
    /// The lease, where that is what a store keeps of the follower, and its clock shows `now`. For stores, which ask under the lock that they also
    /// write it under.
    ///
    /// # Errors
    /// [`LeaseError::Fenced`] and [`LeaseError::Held`].
    pub fn granted(&self, standing: &Standing, now: SystemTime) -> Result<Lease, LeaseError> {
        let epoch = match (self.epoch, &standing.holder, standing.until) {
            (Some(epoch), ..) if epoch != standing.epoch => {
                return Err(LeaseError::Fenced {
                    follower: self.follower.clone(),
                    epoch,
                    actual: standing.epoch,
                });
            }
            (Some(epoch), ..) => epoch,
            (None, Some(holder), Some(until)) if until > now => {
                return Err(LeaseError::Held {
                    follower: self.follower.clone(),
                    holder: holder.clone(),
                    held_for: standing
                        .since
                        .and_then(|since| now.duration_since(since).ok()),
                    until,
                    free_in: until.duration_since(now).unwrap_or_default(),
                });
            }
            (None, ..) => standing.epoch.next(),
        };
        Ok(Lease {
            follower: self.follower.clone(),
            epoch,
            until: now.checked_add(self.lasts()).unwrap_or(now),
        })
    }

    /// When the lease was taken that is granted now: kept by renewing it.
    #[must_use]
    pub fn since(&self, standing: &Standing, now: SystemTime) -> SystemTime {
        let renewed = standing.since.filter(|_| self.epoch.is_some());
        renewed.unwrap_or(now)
    }

    /// How long it is granted for: as long as is asked for, and a hundred years at most.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.length.min(LONGEST)
    }

    /// What is kept from now on of why the follower does not go on.
    #[must_use]
    pub fn stop(&self, now: SystemTime) -> Option<Stopped> {
        Some(Stopped {
            reason: self.stopped.clone()?,
            by: self.holder.clone(),
            at: now,
        })
    }

    /// Whether the lease is given back, so that nobody holds it.
    #[must_use]
    pub fn gives_back(&self) -> bool {
        self.length.is_zero()
    }
}

/// Longer than any process runs; no clock goes on for ever.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// The right to run a follower.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub follower: FollowerId,
    /// Its number, to be named by every write under it.
    pub epoch: Epoch,
    /// When it ends, by the clock of the store.
    pub until: SystemTime,
}

/// Why there is no lease. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// Somebody else has it.
    #[error("{follower} is run by {holder}; it is free once that stops or its lease ends")]
    Held {
        /// Whose.
        follower: FollowerId,
        /// Who has it.
        holder: String,
        /// Since how long, where the store knows.
        held_for: Option<Duration>,
        /// When it ends, by the clock of the store.
        until: SystemTime,
        /// In how long that is.
        free_in: Duration,
    },
    /// Somebody took it since.
    #[error(
        "the lease of {follower} was taken over: it is at epoch {actual}, no longer at {epoch}; take it anew"
    )]
    Fenced {
        /// Whose.
        follower: FollowerId,
        /// The epoch that was to be renewed.
        epoch: Epoch,
        /// The epoch that there is.
        actual: Epoch,
    },
    /// It is a projection inside of commits, which needs no one to run it.
    #[error(
        "{follower} runs inside of commits; give the follower a `NAME` of its own, or call `end_inline` first"
    )]
    Inline {
        /// Whose.
        follower: FollowerId,
    },
    /// The store does not keep leases.
    #[error(
        "this store keeps no leases, so no follower can keep its checkpoint in it; choose another store for what it makes"
    )]
    Unsupported,
    /// The store could not be read or written.
    #[error("the store could not say who runs the follower")]
    Store(#[source] BoxError),
}

impl From<ReadError> for LeaseError {
    fn from(error: ReadError) -> Self {
        Self::Store(error.into())
    }
}
