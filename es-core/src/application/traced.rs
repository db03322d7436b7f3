//! What whoever listens by `tracing` is told of saving, loading and deciding again. The targets, spans and fields are public:
//! `docs/tracing.md` lists them.
use std::error::Error;

use tracing::{Span, debug, debug_span, trace, warn};

use super::{LoadError, SaveError};
use crate::domain::{Aggregate, Position, StreamId, Version};
use crate::persistence::{Append, CommitId};

const SAVE: &str = "es_core::save";
const LOAD: &str = "es_core::load";
const UPDATE: &str = "es_core::update";
const PAYLOAD: &str = "es_core::payload";

pub(super) fn saving(commit: CommitId, appends: &[Append]) -> Span {
    debug_span!(
        target: SAVE,
        "save",
        %commit,
        stream = appends.first().map(|append| append.stream.to_string()),
        streams = appends.len(),
        events = appends.iter().map(|append| append.events.len()).sum::<usize>(),
    )
}

pub(super) fn saved(result: &Result<Option<Position>, SaveError>) {
    match result {
        Ok(position) => debug!(target: SAVE, position = position.map(Position::get), "saved"),
        Err(unknown @ SaveError::Unknown { .. }) => {
            warn!(target: SAVE, error = unknown as &(dyn Error + 'static), "not known whether saved")
        }
        Err(error) => debug!(target: SAVE, error = error as &(dyn Error + 'static), "not saved"),
    }
}

/// What is recorded, for whoever asked for it.
pub(super) fn payloads(appends: &[Append]) {
    for append in appends {
        for (event, version) in append.events.iter().zip(append.expected.get() + 1..) {
            trace!(
                target: PAYLOAD,
                stream = %append.stream,
                version,
                event = &*event.name,
                payload = &*String::from_utf8_lossy(&event.payload),
                "recorded"
            );
        }
    }
}

pub(super) fn loading(stream: &StreamId, after: Version) -> Span {
    debug_span!(target: LOAD, "load", %stream, after = after.get())
}

pub(super) fn loaded<A: Aggregate>(result: &Result<Option<A>, LoadError>) {
    match result {
        Ok(found) => {
            debug!(target: LOAD, version = found.as_ref().map(|found| found.version().get()), "loaded")
        }
        Err(error) => debug!(target: LOAD, error = error as &(dyn Error + 'static), "not loaded"),
    }
}

pub(super) fn updating<'s>(streams: impl Fn() -> Vec<&'s StreamId>) -> Span {
    let names = || {
        streams()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", ")
    };
    debug_span!(target: UPDATE, "update", streams = names())
}

pub(super) fn deciding_again(failed_attempts: u32, conflict: &SaveError) {
    debug!(target: UPDATE, attempts = failed_attempts, error = conflict as &(dyn Error + 'static), "another writer was faster, deciding again");
}
