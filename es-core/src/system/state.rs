//! How a follower is, with a reason that a person can read.
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::domain::{Position, StreamId};
use crate::persistence::{CommitId, Epoch, FollowerId, Stopped};

/// What a follower does, as the process says that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It was not started here.
    Idle,
    /// It has events to handle.
    Running,
    /// It has handled what there is.
    CaughtUp,
    /// It builds what it makes anew, beside what readers see.
    Rebuilding,
    /// Another process runs it; this one takes over when that stops or stands still.
    Standby {
        /// Who runs it.
        holder: String,
    },
    /// An event failed and will be tried again.
    Retrying {
        /// The event.
        position: Position,
        /// How often it was tried.
        attempts: u32,
        /// Why it failed, with the causes.
        failure: String,
    },
    /// A store, or the keys, cannot be reached; that is tried again.
    Waiting {
        /// Why, with the causes.
        failure: String,
    },
    /// Its lease was taken over while it stood still, and what it wrote then was refused. It takes the lease again when that is free.
    Fenced {
        /// The epoch of its own lease.
        epoch: Epoch,
        /// The epoch of the one who took over.
        actual: Epoch,
    },
    /// It does not go on by itself.
    Stopped(StopReason),
}

/// Why a follower does not go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StopReason {
    /// It was told to.
    #[error("it was told to stop")]
    Told,
    /// An event could not be handled, however often it was tried.
    #[error(
        "`{event}` of `{stream}` at position {position} failed {}: {failure}; mend that and start it again",
        times(.attempts)
    )]
    Failed {
        /// The event.
        position: Position,
        /// Its stream.
        stream: StreamId,
        /// Its stored name.
        event: String,
        /// How often it was tried.
        attempts: u32,
        /// Why it failed, with the causes.
        failure: String,
    },
    /// An event was written by newer code, its declaration was taken away, or it takes a key or a feature of `es-core` that this program lacks; it
    /// is the one at hand, or of an aggregate that its handler asked for or saves. That is no fault of the event, so it is not set aside; keys may
    /// come late, so that alone is tried again.
    #[error(
        "at position {position} this program meets an event that it does not know or cannot open: {failure}; mend that, or run the program that wrote it"
    )]
    NotKnown {
        /// The event.
        position: Position,
        /// What is not known or cannot be opened, with the causes, and how that is mended.
        failure: String,
    },
    /// The log is not the one that the checkpoint was taken of: it was restored to an earlier state.
    #[error(
        "the log was restored: the checkpoint stands at position {position}, commit `{expected}`, and the log has {found} there; rebuild what a \
         projection makes; restore what a process manager writes to the same moment, or put it to where it is to go on by `place`"
    )]
    LogRestored {
        /// Where the checkpoint stands.
        position: Position,
        /// The commit that was there.
        expected: String,
        /// What there is now, in words.
        found: String,
    },
    /// What readers see was made by newer code.
    #[error("{}", outdated(*live, *known))]
    Outdated {
        /// The revision that readers see.
        live: u32,
        /// The revision of this program; 0 where it makes nothing that readers see, as a process manager.
        known: u32,
    },
    /// What was built beside lacks aggregates that readers see.
    #[error(
        "it would lack {streams} {} that readers see, first `{first}`: {failure}; mend what failed and build it again",
        if *streams == 1 { "aggregate" } else { "aggregates" }
    )]
    Incomplete {
        /// How many aggregates were set aside while it was built, earlier than in what readers see.
        streams: usize,
        /// The first of them.
        first: StreamId,
        /// Why it was set aside, with the causes.
        failure: String,
    },
    /// Another follower has that name.
    #[error(
        "another follower of this system is called so; give each projection and process manager a `NAME` of its own, so take a projection for each \
         log, and give one process manager that follows several another name for each by `onto(..).named(..)`"
    )]
    NameTaken,
    /// What it needs is not there.
    #[error("it cannot run: {failure}")]
    Unable {
        /// Why, with the causes.
        failure: String,
    },
}

impl StopReason {
    /// Whether the log is the one that a checkpoint was taken of, by the commit that is found where that stands.
    pub(super) fn is_the_log(
        position: Position,
        expected: Option<CommitId>,
        found: Option<CommitId>,
    ) -> bool {
        position == Position::START
            || match expected {
                Some(_) => found == expected,
                None => found.is_some(),
            }
    }

    pub(super) fn restored(
        position: Position,
        expected: Option<CommitId>,
        found: Option<CommitId>,
    ) -> Self {
        let or_none = |commit: Option<CommitId>, none: &str| {
            commit.map_or_else(|| none.to_owned(), |commit| commit.to_string())
        };
        Self::LogRestored {
            position,
            expected: or_none(expected, "not known"),
            found: found.map_or_else(
                || "no event".to_owned(),
                |commit| format!("commit `{commit}`"),
            ),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => write!(f, "not started"),
            Self::Running => write!(f, "running"),
            Self::CaughtUp => write!(f, "caught up"),
            Self::Rebuilding => write!(f, "rebuilding"),
            Self::Standby { holder } => write!(f, "standing by: {holder} runs it"),
            Self::Retrying {
                position,
                attempts,
                failure,
            } => write!(
                f,
                "retrying the event at position {position}, which failed {}: {failure}",
                times(attempts)
            ),
            Self::Waiting { failure } => write!(f, "waiting: {failure}"),
            Self::Fenced { epoch, actual } => write!(
                f,
                "fenced: its lease of epoch {epoch} was taken over at epoch {actual}"
            ),
            Self::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

/// How far a follower is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Which follower.
    pub follower: FollowerId,
    /// What it does in this process.
    pub state: State,
    /// Its checkpoint.
    pub position: Position,
    /// The newest position of the log.
    pub head: Position,
    /// How long the oldest event waits that it has not seen, by the clock of who asks; nothing where it has seen all, and where the clock of who saved
    /// it was ahead.
    pub behind: Duration,
    /// How many events are set aside or wait behind one that is.
    pub parked: usize,
    /// Who runs it, here or elsewhere, until when, by the clock of its store.
    pub holder: Option<(String, SystemTime)>,
    /// Since when, by the clock of its store.
    pub since: Option<SystemTime>,
    /// Why whoever runs it, or ran it last, here or elsewhere, does not go on: an event failed more than once and is tried again, or somebody has to
    /// mend something. Nothing where it was told to stop, and once it goes on.
    pub stopped: Option<Stopped>,
    /// The revision that readers see; 0 where there is none.
    pub revision: u32,
    /// The revision that this program makes.
    pub known: u32,
}

impl Status {
    /// How many events of the log it has not seen, whether they concern it or not.
    #[must_use]
    pub fn events_behind(&self) -> u64 {
        self.head.get().saturating_sub(self.position.get())
    }

    /// Whether readers see an older revision than this program makes: the follower builds its own beside it when it runs, and puts that in its place.
    #[must_use]
    pub fn is_to_be_replaced(&self) -> bool {
        self.revision != 0 && self.revision < self.known
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.follower, self.state)?;
        if let Some(stopped) = &self.stopped
            && !matches!(self.state, State::Stopped(_) | State::Retrying { .. })
        {
            write!(f, ", {stopped}")?;
        }
        if self.events_behind() > 0 {
            let (events, seconds) = (self.events_behind(), self.behind.as_secs_f64());
            write!(f, ", behind by {events} events and {seconds:.1} s")?;
        }
        if self.parked > 0 {
            write!(f, ", {} events parked", self.parked)?;
        }
        if self.is_to_be_replaced() {
            let (seen, known) = (self.revision, self.known);
            write!(f, ", revision {known} is to take the place of {seen}")?;
        }
        Ok(())
    }
}

fn times(attempts: &u32) -> String {
    match attempts {
        1 => "once".to_owned(),
        attempts => format!("{attempts} times"),
    }
}

/// An error with its causes, as one line.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut line = in_one_line(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&in_one_line(error));
        cause = error.source();
    }
    line
}

/// What an error says: a server, or a handler that panics, says it in several lines.
fn in_one_line(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// What it means that readers see what is newer than what this program makes.
fn outdated(live: u32, known: u32) -> String {
    match known {
        0 => format!(
            "its name belongs to a read model, of revision {live}, and it makes none; take another `NAME`"
        ),
        known => format!(
            "what it makes is of revision {live} already, and this program makes revision {known}; use the newer program, or give this one a `REVISION` \
             above {live}, which makes it anew"
        ),
    }
}
