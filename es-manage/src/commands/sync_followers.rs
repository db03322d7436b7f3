//! Followers handle what they have not seen, one after the other, and tell how it went.
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::time::Duration;

use es_core::system::{FollowError, FollowerHandle, State, System};
use es_core::{Error, ErrorKind, Position};
use serde::Serialize;

use super::BrokenOff;
use super::events::in_short;
use crate::output::{BAD, Cell, GOOD, Human, Text, WORTH_A_LOOK, clean, counted, styled};
use crate::systems::Known;
use crate::{Meaning, Progress, Status};

/// How [`sync_followers`] goes about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncOptions {
    /// Which followers, by name; all of them where none is named. One that is named twice counts once.
    pub followers: Vec<String>,
    /// What would be done is done, and undone: nothing is kept of it.
    pub dry_run: bool,
    /// How long to wait for a follower that somebody else runs.
    pub wait: Duration,
    /// Whether leases are ended that somebody else has, who is known to have gone.
    pub take_over: bool,
}

/// What [`sync_followers`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// Whether nothing was kept of it.
    pub dry_run: bool,
    /// The followers, leaders first.
    pub followers: Vec<Synced>,
}

impl SyncReport {
    /// The exit status: the worst of all followers.
    #[must_use]
    pub fn status(&self) -> Status {
        let all = self.followers.iter().map(|synced| match synced.outcome {
            SyncOutcome::CaughtUp | SyncOutcome::TriedInPart => Status::Well,
            SyncOutcome::Parked | SyncOutcome::Failed => Status::Failed,
            SyncOutcome::Held => Status::Held,
        });
        // A failure must be mended; who holds a lease is at work.
        let all: Vec<_> = all.collect();
        if all.contains(&Status::Failed) {
            return Status::Failed;
        }
        all.into_iter().max().unwrap_or(Status::Well)
    }
}

/// What a follower did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Synced {
    /// Its name.
    pub follower: String,
    /// How it ended.
    pub outcome: SyncOutcome,
    /// Where its checkpoint was.
    pub from: Position,
    /// Where its checkpoint is.
    pub position: Position,
    /// How many events it handled, or would handle.
    pub events: u64,
    /// How many events it has set aside, or wait behind one that is.
    pub parked: u64,
    /// The revision that it would build of the whole log, beside what readers see: said by a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub builds: Option<u32>,
    /// What it would do outside of its store, and how often: a dry run does not do it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outside: BTreeMap<String, usize>,
    /// Why it is not further on, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How a follower ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SyncOutcome {
    /// It has seen everything there was.
    CaughtUp,
    /// A dry run tried what comes first, and more would come.
    TriedInPart,
    /// It has seen everything, and set something aside that it cannot handle.
    Parked,
    /// It stands before an event that it cannot handle, or cannot run.
    Failed,
    /// Somebody else runs it.
    Held,
}

/// Why followers were not asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The system has no follower of that name.
    #[error("there is no follower `{name}`; {}", Known(known))]
    NoSuchFollower {
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A store cannot be read or written.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Meaning for SyncError {
    fn status(&self) -> Status {
        match self {
            Self::NoSuchFollower { .. } => Status::Usage,
            Self::Store(error) => error.status(),
        }
    }
}

/// How many events a dry run tries at most.
const DRY_EVENTS: usize = 10_000;

/// Lets followers handle what they have not seen, leaders before those who follow what they make. Each has its own chance, and keeps what it did,
/// whatever becomes of the others.
///
/// Goes to the end that the logs had when it was the follower's turn, so that it ends beside busy writers. Of followers that answer each other in a
/// circle, what the last one wrote is left to the next call; [`System::settle`] goes on until nobody has anything to do. A dry run keeps nothing:
/// of each follower's next 10 000 events, those that it could handle are counted.
///
/// ```
/// # use es_core::system::System;
/// # async fn nightly(system: System) -> Result<(), es_core::BoxError> {
/// use es_manage::{Status, SyncOptions};
///
/// let report = es_manage::sync_followers(&system, &SyncOptions::default(), &()).await?;
/// assert_eq!(report.status(), Status::Well);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`BrokenOff`], where a name is unknown, or a store cannot be read or written: the followers behind would fare no better. It tells what those
/// before did.
pub async fn sync_followers(
    system: &System,
    options: &SyncOptions,
    progress: &dyn Progress,
) -> Result<SyncReport, BrokenOff<SyncReport>> {
    let mut report = SyncReport {
        dry_run: options.dry_run,
        followers: Vec::new(),
    };
    let chosen = match chosen(system, &options.followers) {
        Ok(chosen) => chosen,
        Err(error) => return Err(BrokenOff::after(report, error)),
    };
    for follower in &chosen {
        let synced = match options.dry_run {
            true => rehearsed(follower).await,
            false => synced(follower, options, progress).await,
        };
        match synced {
            Ok(synced) => report.followers.push(synced),
            Err(error) => return Err(BrokenOff::after(report, error)),
        }
    }
    Ok(report)
}

/// The followers of these names, or all of them, leaders first.
pub(crate) fn chosen(system: &System, names: &[String]) -> Result<Vec<FollowerHandle>, SyncError> {
    let all = system.leaders_first();
    let known = || all.iter().map(|follower| follower.name().to_owned());
    if let Some(name) = names
        .iter()
        .find(|name| known().all(|known| known != **name))
    {
        return Err(SyncError::NoSuchFollower {
            name: name.clone(),
            known: known().collect(),
        });
    }
    let is_chosen = |follower: &FollowerHandle| {
        names.is_empty() || names.iter().any(|name| name == follower.name())
    };
    Ok(all
        .iter()
        .filter(|follower| is_chosen(follower))
        .cloned()
        .collect())
}

async fn rehearsed(follower: &FollowerHandle) -> Result<Synced, Error> {
    let status = follower.status().await?;
    let mut synced = Synced {
        follower: follower.name().to_owned(),
        outcome: SyncOutcome::CaughtUp,
        from: status.position,
        position: status.position,
        events: 0,
        parked: status.parked as u64,
        builds: None,
        outside: BTreeMap::new(),
        message: None,
    };
    // What would be in the way of all of it.
    if let State::Stopped(reason) = &status.state {
        synced.outcome = SyncOutcome::Failed;
        synced.message = Some(reason.to_string());
        return Ok(synced);
    }
    let rehearsed = match follower.dry_run(DRY_EVENTS).await {
        Ok(rehearsed) => rehearsed,
        Err(error) => {
            synced.outcome = match error.kind() {
                ErrorKind::Busy => SyncOutcome::Held,
                _ => SyncOutcome::Failed,
            };
            synced.message = Some(of_this_one(&error).ok_or(error)?);
            return Ok(synced);
        }
    };
    synced.events = rehearsed.events as u64;
    (synced.from, synced.position) = (rehearsed.from, rehearsed.from);
    synced.parked = rehearsed.parked as u64;
    (synced.builds, synced.outside) = (rehearsed.builds, rehearsed.outside);
    if let Some((position, failure)) = rehearsed.failure {
        synced.outcome = SyncOutcome::Failed;
        synced.message = Some(format!(
            "the event at position {position} cannot be handled: {failure}"
        ));
    } else if let Some(holder) = &rehearsed.holder {
        synced.outcome = SyncOutcome::Held;
        synced.message = Some(format!("{holder} runs it"));
    } else if synced.parked > 0 {
        synced.is_parked();
    } else if rehearsed.to < status.head {
        synced.outcome = SyncOutcome::TriedInPart;
        synced.message = Some(format!(
            "only what comes first was tried; {} come behind position {}",
            counted(status.head.get() - rehearsed.to.get(), "event"),
            rehearsed.to
        ));
    }
    Ok(synced)
}

/// What keeps this follower alone from being tried.
fn of_this_one(error: &Error) -> Option<String> {
    let Error::Follow(error) = error else {
        return None;
    };
    match error.downcast_ref()? {
        error @ FollowError::Away { .. } => Some(in_short(error)),
        FollowError::Held { holder, .. } => Some(format!("{holder} runs it")),
        FollowError::Stopped { source, .. } => Some(source.to_string()),
        _ => None,
    }
}

async fn synced(
    follower: &FollowerHandle,
    options: &SyncOptions,
    progress: &dyn Progress,
) -> Result<Synced, Error> {
    if options.take_over {
        match follower.end_lease().await {
            // Somebody was faster, and is told of below.
            Err(error) if error.kind() == ErrorKind::Busy => {}
            ended => drop(ended?),
        }
    }
    let before = follower.status().await?;
    progress.begin(follower.name(), Some(before.events_behind()));
    let from = before.position;
    let mut handled = 0;
    let ended = follower
        .catch_up(options.wait, &mut |position, events| {
            handled += events as u64;
            progress.at(position.get().saturating_sub(from.get()));
        })
        .await;
    progress.end();
    let mut synced = Synced {
        follower: follower.name().to_owned(),
        outcome: SyncOutcome::CaughtUp,
        from,
        position: from,
        events: handled,
        parked: 0,
        builds: None,
        outside: BTreeMap::new(),
        message: None,
    };
    match ended {
        Ok(()) => {}
        Err(Error::Follow(error)) => {
            synced.outcome = match error.downcast_ref() {
                Some(FollowError::Held { .. } | FollowError::Running { .. }) => SyncOutcome::Held,
                Some(FollowError::Stopped { .. } | FollowError::Away { .. }) => SyncOutcome::Failed,
                // The next follower would fare no better.
                _ => return Err(Error::Follow(error)),
            };
            synced.message = Some(match error.downcast_ref() {
                // Which follower it is, is told already.
                Some(FollowError::Stopped { source, .. }) => source.to_string(),
                Some(FollowError::Held { .. }) if !options.take_over => {
                    format!("{error}, or end it by `--take-over` if its holder has gone")
                }
                _ => in_short(&*error),
            });
        }
        Err(error) => return Err(error),
    }
    let after = follower.status().await?;
    synced.position = after.position;
    synced.parked = after.parked as u64;
    if synced.outcome == SyncOutcome::CaughtUp && synced.parked > 0 {
        synced.is_parked();
    }
    Ok(synced)
}

/// How much of a report is for people, by `-v`.
pub(crate) struct AtLevel<'a> {
    pub(crate) report: &'a SyncReport,
    pub(crate) level: u8,
}

impl Serialize for AtLevel<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.report.serialize(serializer)
    }
}

impl Human for AtLevel<'_> {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let SyncReport { followers, dry_run } = self.report;
        if self.level == 0 {
            return Ok(());
        }
        if followers.is_empty() {
            return writeln!(text, "there are no followers");
        }
        let rows: Vec<_> = followers
            .iter()
            .map(|synced| synced.row(*dry_run))
            .collect();
        let handled = if *dry_run { "would handle" } else { "handled" };
        let with_positions = |([name, outcome, events], synced): ([Cell; 3], &Synced)| {
            let positions = [synced.from, synced.position];
            let [from, to] = positions.map(|position| Cell::number(position.get()));
            [name, outcome, events, from, to]
        };
        let rows = rows.into_iter();
        match self.level {
            1 => text.table(["follower", "outcome", handled], &rows.collect::<Vec<_>>())?,
            2 => text.table(
                ["follower", "outcome", handled, "from", "to"],
                &rows.zip(followers).map(with_positions).collect::<Vec<_>>(),
            )?,
            _ => {
                let rows = rows.zip(followers).map(with_positions).zip(followers);
                let with_parked =
                    |([name, outcome, events, from, to], synced): ([Cell; 5], &Synced)| {
                        [name, outcome, events, from, to, Cell::number(synced.parked)]
                    };
                text.table(
                    ["follower", "outcome", handled, "from", "to", "parked"],
                    &rows.map(with_parked).collect::<Vec<_>>(),
                )?;
            }
        }
        if *dry_run {
            for synced in followers {
                if let Some(revision) = synced.builds {
                    writeln!(
                        text,
                        "{}: builds revision {revision} of the whole log, beside what readers see",
                        synced.follower
                    )?;
                }
                for (what, times) in &synced.outside {
                    let (what, times) = (clean(what), counted(*times as u64, "time"));
                    writeln!(text, "{}: not run: {what}, {times}", synced.follower)?;
                }
            }
            writeln!(
                text,
                "nothing was kept: this was a dry run; what handlers do elsewhere by themselves is not undone"
            )?;
        }
        Ok(())
    }
}

impl Synced {
    fn is_parked(&mut self) {
        self.outcome = SyncOutcome::Parked;
        self.message = Some(format!(
            "{} set aside; see `parked list`",
            counted(self.parked, "event")
        ));
    }

    fn row(&self, dry_run: bool) -> [Cell; 3] {
        let outcome = match self.outcome {
            SyncOutcome::CaughtUp if dry_run => Cell::new("well").style(GOOD),
            SyncOutcome::CaughtUp => Cell::new("caught up").style(GOOD),
            SyncOutcome::TriedInPart => Cell::new("well so far").style(WORTH_A_LOOK),
            SyncOutcome::Parked => Cell::new("parked").style(BAD),
            SyncOutcome::Failed => Cell::new("failed").style(BAD),
            SyncOutcome::Held => Cell::new("held").style(WORTH_A_LOOK),
        };
        [
            Cell::new(&self.follower),
            outcome,
            Cell::number(self.events),
        ]
    }

    /// What went wrong, for the standard error: also where nothing else is to be said.
    pub(crate) fn complaint(&self) -> Option<String> {
        let message = clean(self.message.as_deref()?);
        let style = match self.outcome {
            SyncOutcome::Held | SyncOutcome::TriedInPart => WORTH_A_LOOK,
            _ => BAD,
        };
        let word = match self.outcome {
            SyncOutcome::Held => "held",
            SyncOutcome::TriedInPart => "tried in part",
            SyncOutcome::Parked => "parked",
            _ => "failed",
        };
        Some(format!(
            "{}: {}: {message}\n",
            styled(word, style),
            self.follower
        ))
    }
}
