//! What is done about an event that cannot be handled; it is never skipped in silence.
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::application::retry::Pauses;

/// How a follower meets an event that it cannot handle: it tries again, after pauses that grow and are drawn anew each time; then it stops, or
/// sets the event aside.
///
/// A store or keys that cannot be reached meanwhile say nothing of the event: where the last attempt ends so, it neither stops nor sets anything
/// aside, and goes on once they can be reached. Nor does an event that this program does not know, where it stops at once, or lacks a key or a
/// feature of `es-core` for, where it stops after the last attempt ([`NotKnown`](super::StopReason::NotKnown)): the program that wrote it takes over.
///
/// Unless set otherwise there are 5 more attempts, with pauses of up to 50 ms, doubling to 10 s at most, and then it stops.
///
/// ```
/// use es_core::system::OnFailure;
///
/// let patient = OnFailure::stop().retries(20);
/// let robust = OnFailure::park().retries(3);
/// # let _ = (patient, robust);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnFailure {
    pub(super) retries: u32,
    pub(super) pauses: Pauses,
    pub(super) then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Stop,
    Park,
}

impl OnFailure {
    /// Stops the follower; it begins with that event when it is started again.
    #[must_use]
    pub const fn stop() -> Self {
        Self {
            retries: 5,
            pauses: Pauses {
                first: Duration::from_millis(50),
                longest: Duration::from_secs(10),
            },
            then: Then::Stop,
        }
    }

    /// Sets the event aside; later events of its aggregate wait behind it, in order, and those of others go on. A person decides what becomes of
    /// it: see [`FollowerHandle::parked`](super::FollowerHandle::parked).
    #[must_use]
    pub const fn park() -> Self {
        Self {
            then: Then::Park,
            ..Self::stop()
        }
    }

    /// How often it is tried again. Of a projection, that counts the attempts by itself: one that fails among others of a batch is undone with them,
    /// and has its first attempt once they are stored.
    #[must_use]
    pub const fn retries(self, retries: u32) -> Self {
        Self { retries, ..self }
    }

    /// The limit of the first pause, and that of the longest.
    #[must_use]
    pub const fn pauses(self, limits: RangeInclusive<Duration>) -> Self {
        Self {
            pauses: Pauses {
                first: *limits.start(),
                longest: *limits.end(),
            },
            ..self
        }
    }
}

impl Default for OnFailure {
    fn default() -> Self {
        Self::stop()
    }
}
