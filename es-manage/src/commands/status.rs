//! How the followers of a system are, as their stores tell it.
use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime};

use es_core::persistence::Stopped;
use es_core::system::{FollowerHandle, State, StopReason, System};
use es_core::{Position, Result};
use serde::Serialize;

use crate::output::{BAD, Cell, GOOD, Human, QUIET, Text, WORTH_A_LOOK, clean, counted};
use crate::{Status, time};

/// What [`status`](crate::status()) found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// The system.
    pub system: String,
    /// Its followers, leaders first.
    pub followers: Vec<FollowerStatus>,
    /// Those who followed its applications and are none of its followers: of another program, or taken away or renamed; and what its followers began
    /// to build for a revision that readers see, or see a newer one, by now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<UnknownStatus>,
}

impl StatusReport {
    /// The exit status: a follower has failed that stopped, set something aside, whose log was restored, or that is older than what it made.
    #[must_use]
    pub fn status(&self) -> Status {
        let cannot_run = [
            FollowerState::Stopped,
            FollowerState::LogRestored,
            FollowerState::Outdated,
        ];
        let is_well = |follower: &FollowerStatus| {
            follower.parked == 0 && !cannot_run.contains(&follower.state)
        };
        if self.followers.iter().all(is_well) {
            Status::Well
        } else {
            Status::Failed
        }
    }
}

/// How a follower is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FollowerStatus {
    /// Its name.
    pub follower: String,
    /// The application whose log it follows.
    pub log: String,
    /// What it does.
    pub state: FollowerState,
    /// Why, where something is in its way, or is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last position that it has seen.
    pub position: Position,
    /// The newest position of the log.
    pub head: Position,
    /// How many events it has not seen.
    pub events_behind: u64,
    /// How long the oldest of them waits.
    pub seconds_behind: f64,
    /// How many events are set aside, or wait behind one that is.
    pub parked: u64,
    /// Who runs it.
    pub holder: Option<String>,
    /// For how many seconds it does so.
    pub held_seconds: Option<f64>,
    /// In how many seconds its lease ends, unless it is renewed.
    pub lease_seconds: Option<f64>,
    /// The revision of what it made; 0 where there is none.
    pub revision: u32,
    /// The revision that this program makes.
    pub known_revision: u32,
}

/// What is kept of a follower that the system does not have.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UnknownStatus {
    /// Its name.
    pub follower: String,
    /// The application whose log it followed.
    pub log: String,
    /// The last position that it has seen.
    pub position: Position,
    /// How many events are set aside, or wait behind one that is.
    pub parked: u64,
    /// Who runs it.
    pub holder: Option<String>,
    /// One of its followers began to build it for a revision, and readers see that revision or a newer one by now.
    pub is_overtaken: bool,
}

/// What a follower does, as far as its store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FollowerState {
    /// Somebody runs it.
    Running,
    /// Somebody runs it, and tries an event again that failed more than once.
    Retrying,
    /// Nobody runs it, and it has seen everything.
    CaughtUp,
    /// Nobody runs it, and there is something that it has not seen.
    NotRunning,
    /// Whoever ran it last stopped for a reason that somebody has to mend.
    Stopped,
    /// What it made is of an older revision than this program makes: whoever runs it next, or does so now, builds the new one beside it.
    NewRevision,
    /// What it made is of a newer revision than this program makes, which cannot run it.
    Outdated,
    /// The log is not the one that its checkpoint was taken of: it was restored to an earlier state. `rebuild` makes what it made anew.
    LogRestored,
}

/// How each follower is: what it does, how far it is, who runs it, what it has set aside; and what is kept of followers that the system does not have.
///
/// # Errors
/// [`Error`](es_core::Error), where a store cannot be read.
pub async fn status(system: &System) -> Result<StatusReport> {
    let mut followers = Vec::new();
    for follower in system.leaders_first() {
        followers.push(of_one(&follower).await?);
    }
    let unknown = system.unknown_followers().await?.into_iter();
    let unknown = unknown.map(|unknown| UnknownStatus {
        follower: unknown.follower.name.into_owned(),
        log: unknown.follower.log.into_owned(),
        position: unknown.position,
        parked: unknown.parked as u64,
        holder: unknown.holder,
        is_overtaken: unknown.is_overtaken,
    });
    Ok(StatusReport {
        system: system.name().to_owned(),
        followers,
        unknown: unknown.collect(),
    })
}

async fn of_one(follower: &FollowerHandle) -> Result<FollowerStatus> {
    let status = follower.status().await?;
    let now = SystemTime::now();
    let lease = status.holder.clone().map(|(holder, until)| {
        let left = until.duration_since(now).unwrap_or_default();
        (holder, left)
    });
    let behind = status.events_behind();
    let state = match (&status.state, &lease) {
        (State::Stopped(StopReason::LogRestored { .. }), _) => FollowerState::LogRestored,
        (State::Stopped(StopReason::Outdated { .. }), _) => FollowerState::Outdated,
        (_, Some(_)) if status.stopped.is_some() => FollowerState::Retrying,
        (_, Some(_)) => FollowerState::Running,
        (_, None) if status.stopped.is_some() => FollowerState::Stopped,
        (_, None) if status.is_to_be_replaced() => FollowerState::NewRevision,
        (_, None) if behind == 0 => FollowerState::CaughtUp,
        (_, None) => FollowerState::NotRunning,
    };
    Ok(FollowerStatus {
        follower: status.follower.name.to_string(),
        log: status.follower.log.to_string(),
        state,
        reason: match &status.state {
            State::Stopped(reason) => Some(reason.to_string()),
            _ if matches!(state, FollowerState::Stopped | FollowerState::Retrying) => {
                status.stopped.as_ref().map(said)
            }
            _ if status.is_to_be_replaced() => Some(format!(
                "readers see revision {}; `sync-followers` builds revision {} beside it and puts it in its place",
                status.revision, status.known
            )),
            _ => None,
        },
        position: status.position,
        head: status.head,
        events_behind: behind,
        seconds_behind: status.behind.as_secs_f64(),
        parked: status.parked as u64,
        lease_seconds: lease.as_ref().map(|(_, left)| left.as_secs_f64()),
        held_seconds: lease.as_ref().and(status.since).map(|since| {
            let held = now.duration_since(since).unwrap_or_default();
            held.as_secs_f64()
        }),
        holder: lease.map(|(holder, _)| holder),
        revision: status.revision,
        known_revision: status.known,
    })
}

/// What whoever ran a follower last said.
fn said(stopped: &Stopped) -> String {
    format!("{}, at {}", stopped, time::text(stopped.at))
}

impl Human for StatusReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let rows: Vec<_> = self.followers.iter().map(FollowerStatus::row).collect();
        match rows.is_empty() {
            true => writeln!(text, "{} has no followers", self.system)?,
            false => text.table(
                [
                    "follower", "log", "state", "behind", "waiting", "parked", "run by",
                ],
                &rows,
            )?,
        }
        for follower in &self.followers {
            if let Some(reason) = &follower.reason {
                writeln!(text, "{}: {}", follower.follower, clean(reason))?;
            }
        }
        for unknown in &self.unknown {
            let (is, so) = match unknown.is_overtaken {
                true => (
                    "was built for a revision that another overtook",
                    "and drop its tables",
                ),
                false => (
                    "is no follower of this system",
                    "unless it is of another program",
                ),
            };
            writeln!(
                text,
                "{} on the log of {} {is}; it stands at position {}{}; `forget` it, {so}",
                clean(&unknown.follower),
                clean(&unknown.log),
                unknown.position,
                match unknown.parked {
                    0 => String::new(),
                    parked => format!(", with {} set aside", counted(parked, "event")),
                }
            )?;
        }
        Ok(())
    }
}

impl FollowerStatus {
    fn row(&self) -> [Cell; 7] {
        let state = match self.state {
            FollowerState::Running => Cell::new("running").style(GOOD),
            FollowerState::Retrying => Cell::new("retrying").style(WORTH_A_LOOK),
            FollowerState::CaughtUp => Cell::new("caught up").style(GOOD),
            FollowerState::NotRunning => Cell::new("not running").style(WORTH_A_LOOK),
            FollowerState::Stopped => Cell::new("stopped").style(BAD),
            FollowerState::NewRevision => Cell::new("new revision").style(WORTH_A_LOOK),
            FollowerState::Outdated => Cell::new("outdated").style(BAD),
            FollowerState::LogRestored => Cell::new("log restored").style(BAD),
        };
        let waiting = if self.events_behind == 0 {
            String::new()
        } else {
            time::rough(Duration::try_from_secs_f64(self.seconds_behind).unwrap_or_default())
        };
        let parked = Cell::number(self.parked);
        [
            Cell::new(&self.follower),
            Cell::new(&self.log),
            state,
            Cell::number(self.events_behind),
            Cell::new(waiting),
            if self.parked > 0 {
                parked.style(BAD)
            } else {
                parked
            },
            Cell::new(self.run_by()).style(QUIET),
        ]
    }

    fn run_by(&self) -> String {
        let holder = self.holder.clone().unwrap_or_default();
        match self.held_seconds.map(Duration::try_from_secs_f64) {
            Some(Ok(held)) => format!("{holder}, for {}", time::rough(held)),
            _ => holder,
        }
    }
}
