//! What followers could not handle and set aside, and what a person decides about it.
use std::fmt::{self, Write as _};
use std::time::SystemTime;

use es_core::system::System;
use es_core::{Position, StreamId};
use serde::Serialize;

use super::sync_followers::{SyncError, chosen};
use crate::output::{BAD, HEAD, Human, QUIET, Text, clean, styled};
use crate::{Status, time};

/// What [`parked`] found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ParkedReport {
    /// The events, follower by follower, in the order of positions.
    pub parked: Vec<ParkedEvent>,
    /// What was given up on.
    pub dropped: Vec<DroppedEvent>,
    /// Where persons put followers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub placed: Vec<PlacedFollower>,
}

impl ParkedReport {
    /// The exit status.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.parked.is_empty() {
            Status::Well
        } else {
            Status::Failed
        }
    }
}

/// An event that is set aside, or waits behind one that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ParkedEvent {
    /// By which follower.
    pub follower: String,
    /// Of which aggregate.
    pub stream: String,
    /// Where the event is.
    pub position: Position,
    /// Why it was set aside; nothing where it only waits behind another one.
    pub failure: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// Since when.
    #[serde(with = "crate::time::serde_text")]
    pub since: SystemTime,
    /// Whether it is to be tried again.
    pub retry: bool,
}

/// An event that was given up on: who decided so, when and why. It stays on record also where a rebuild could handle the event since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DroppedEvent {
    /// By which follower it had been set aside.
    pub follower: String,
    /// Of which aggregate.
    pub stream: String,
    /// Where the event is.
    pub position: Position,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "crate::time::serde_text")]
    pub time: SystemTime,
}

/// Where a person put a follower: it passed over what was between, or handled that again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlacedFollower {
    /// Which follower.
    pub follower: String,
    /// Where it stood.
    pub from: Position,
    /// Where it stood then.
    pub to: Position,
    /// Who decided.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    #[serde(with = "crate::time::serde_text")]
    pub time: SystemTime,
}

/// What these followers, or all of them, have set aside, and what was given up on.
///
/// # Errors
/// [`SyncError`].
pub async fn parked(system: &System, followers: &[String]) -> Result<ParkedReport, SyncError> {
    let mut report = ParkedReport {
        parked: Vec::new(),
        dropped: Vec::new(),
        placed: Vec::new(),
    };
    for follower in chosen(system, followers)? {
        let name = || follower.name().to_owned();
        let parked = follower.parked().await?.into_iter();
        report.parked.extend(parked.map(|parked| ParkedEvent {
            follower: name(),
            stream: parked.stream.to_string(),
            position: parked.position,
            failure: parked.failure,
            attempts: parked.attempts,
            since: parked.since,
            retry: parked.retry,
        }));
        let dropped = follower.dropped().await?.into_iter();
        report.dropped.extend(dropped.map(|dropped| DroppedEvent {
            follower: name(),
            stream: dropped.stream.to_string(),
            position: dropped.position,
            by: dropped.by,
            reason: dropped.reason,
            time: dropped.time,
        }));
        let placed = follower.placed().await?.into_iter();
        report.placed.extend(placed.map(|placed| PlacedFollower {
            follower: name(),
            from: placed.from,
            to: placed.to,
            by: placed.by,
            reason: placed.reason,
            time: placed.time,
        }));
    }
    Ok(report)
}

/// What was decided about parked events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Decided {
    /// The follower.
    pub follower: String,
    /// The aggregates whose events will be tried again, in order, by whoever runs the follower.
    pub retried: Vec<String>,
    /// The event that was given up on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Position>,
}

/// Has the parked events of an aggregate, or all that a follower has parked, tried again, in order, by whoever runs the follower next.
///
/// # Errors
/// [`SyncError`]; nothing was changed of the aggregates not yet asked for.
pub async fn retry_parked(
    system: &System,
    follower: &str,
    stream: Option<&StreamId>,
) -> Result<Decided, SyncError> {
    let mut decided = Decided {
        follower: follower.to_owned(),
        retried: Vec::new(),
        dropped: None,
    };
    for follower in chosen(system, &[follower.to_owned()])? {
        let streams = match stream {
            Some(stream) => vec![stream.clone()],
            None => {
                let parked = follower.parked().await?.into_iter();
                let mut streams: Vec<_> = parked.map(|parked| parked.stream).collect();
                streams.sort();
                streams.dedup();
                streams
            }
        };
        for stream in streams {
            follower.retry(&stream).await?;
            decided.retried.push(stream.to_string());
        }
    }
    Ok(decided)
}

/// Gives up on the first parked event of an aggregate, and keeps a record of who decided so and why; those behind it are tried again.
///
/// # Errors
/// [`SyncError`]; nothing was changed.
pub async fn drop_parked(
    system: &System,
    follower: &str,
    stream: &StreamId,
    position: Position,
    by: &str,
    reason: &str,
) -> Result<Decided, SyncError> {
    for follower in chosen(system, &[follower.to_owned()])? {
        follower.drop_parked(stream, position, by, reason).await?;
    }
    Ok(Decided {
        follower: follower.to_owned(),
        retried: Vec::new(),
        dropped: Some(position),
    })
}

impl Human for ParkedReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        if self.parked.is_empty() {
            writeln!(text, "nothing is parked")?;
        }
        let mut follower = "";
        for parked in &self.parked {
            if parked.follower != follower {
                follower = &parked.follower;
                writeln!(text, "{}", styled(follower, HEAD))?;
            }
            writeln!(
                text,
                "  position {}  {}",
                parked.position,
                clean(&parked.stream)
            )?;
            match &parked.failure {
                Some(failure) => {
                    let (failed, failure) = (styled("failed", BAD), clean(failure));
                    let times = match parked.attempts {
                        1 => "once".to_owned(),
                        times => format!("{times} times"),
                    };
                    writeln!(text, "    {failed} {times}: {failure}")?;
                }
                None => writeln!(text, "    {}", styled("waits behind the one before", QUIET))?,
            }
            let again = if parked.retry {
                ", to be tried again"
            } else {
                ""
            };
            let since = format!("since {}{again}", time::text(parked.since));
            writeln!(text, "    {}", styled(since, QUIET))?;
        }
        for dropped in &self.dropped {
            writeln!(
                text,
                "{}: given up on position {} of {}, by {} at {}: {}",
                dropped.follower,
                dropped.position,
                clean(&dropped.stream),
                clean(&dropped.by),
                time::text(dropped.time),
                clean(&dropped.reason)
            )?;
        }
        for placed in &self.placed {
            writeln!(
                text,
                "{}: put from position {} to {} by {} at {}: {}",
                placed.follower,
                placed.from,
                placed.to,
                clean(&placed.by),
                time::text(placed.time),
                clean(&placed.reason)
            )?;
        }
        Ok(())
    }
}

impl Human for Decided {
    fn human(&self, text: &mut Text) -> fmt::Result {
        if let Some(position) = self.dropped {
            return writeln!(text, "{}: given up on position {position}", self.follower);
        }
        if self.retried.is_empty() {
            return writeln!(text, "{}: nothing is parked", self.follower);
        }
        for stream in &self.retried {
            writeln!(
                text,
                "{}: {} is tried again by whoever runs the follower",
                self.follower,
                clean(stream)
            )?;
        }
        Ok(())
    }
}
