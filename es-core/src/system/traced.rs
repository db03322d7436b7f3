//! What whoever listens by `tracing` is told of followers. The target, spans and fields are public: `docs/tracing.md` lists them.
use std::mem::discriminant;

use tracing::{Span, debug, debug_span, error, info, warn};

use super::StopReason;
use super::state::State;
use crate::domain::Position;
use crate::persistence::{FollowerId, Record};

const FOLLOWER: &str = "es_core::follower";

pub(super) fn turning(follower: &FollowerId) -> Span {
    debug_span!(target: FOLLOWER, "turn", %follower)
}

pub(super) fn handled(events: usize, to: Position) {
    debug!(target: FOLLOWER, events, position = to.get(), "handled");
}

pub(super) fn erased(follower: &FollowerId, record: &Record) {
    debug!(target: FOLLOWER, %follower, stream = %record.stream, position = record.position.get(), "passed over: erased");
}

pub(super) fn parked(follower: &FollowerId, record: &Record, attempts: u32, failure: &str) {
    warn!(
        target: FOLLOWER,
        %follower,
        stream = %record.stream,
        position = record.position.get(),
        attempts,
        failure,
        "parked"
    );
}

/// What somebody must mend is an error, what mends itself a warning; going on is worth a line after that, and where it is taken over, and otherwise,
/// as catching up, only where one looks closely.
pub(super) fn changed(follower: &FollowerId, before: &State, now: &State) {
    let is_new = discriminant(before) != discriminant(now);
    let stood = !matches!(before, State::Idle | State::Running | State::CaughtUp);
    match now {
        State::Retrying {
            position,
            attempts,
            failure,
        } => {
            warn!(target: FOLLOWER, %follower, position = position.get(), attempts, failure, "retrying")
        }
        State::Stopped(reason) if *reason == StopReason::Told => {
            info!(target: FOLLOWER, %follower, "stopped");
        }
        State::Stopped(reason) => error!(target: FOLLOWER, %follower, %reason, "stopped"),
        _ if !is_new => {}
        State::Fenced { .. } | State::Waiting { .. } => {
            warn!(target: FOLLOWER, %follower, state = %now, "held up");
        }
        State::Standby { .. } | State::Rebuilding => {
            info!(target: FOLLOWER, %follower, state = %now, "changed");
        }
        State::Running if stood => info!(target: FOLLOWER, %follower, state = %now, "changed"),
        State::Idle | State::Running | State::CaughtUp => {
            debug!(target: FOLLOWER, %follower, state = %now, "changed");
        }
    }
}
