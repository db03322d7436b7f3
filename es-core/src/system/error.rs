//! What can go wrong when a follower is asked for something. What it does by itself goes wrong in its [state](super::State).
use std::time::Duration;

use super::StopReason;
use super::state::told;
use crate::application::Error;
use crate::domain::Position;
use crate::persistence::{FollowerId, LeaseError, ParkedError, ReadError};

/// Why a follower did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The system has no follower of that name.
    #[error("this system has no follower `{name}`; {}", there_are(known))]
    NoSuchFollower {
        /// The name.
        name: String,
        /// The names there are: those of its projections and process managers.
        known: Vec<String>,
    },
    /// It is run in this process already.
    #[error("{follower} is being run in this process; stop that first")]
    Running {
        /// Which follower.
        follower: FollowerId,
    },
    /// Another process does it.
    #[error("{holder} runs {follower}{}{}; wait for its end", held(.held_for), free(.free_in))]
    Held {
        /// Which follower.
        follower: FollowerId,
        /// Who.
        holder: String,
        /// Since how long.
        held_for: Option<Duration>,
        /// In how long its lease ends, unless it renews it.
        free_in: Option<Duration>,
    },
    /// It does not go on.
    #[error("{follower} is stopped")]
    Stopped {
        /// Which follower.
        follower: FollowerId,
        /// Why.
        source: Box<StopReason>,
    },
    /// A store cannot be reached.
    #[error("{follower} cannot reach a store: {failure}")]
    Unreachable {
        /// Which follower.
        follower: FollowerId,
        /// Why, with the causes.
        failure: String,
    },
    /// A store or keys that an event is handled with cannot be reached, other than its own.
    #[error("{follower} cannot reach what an event is handled with: {failure}")]
    Away {
        /// Which follower.
        follower: FollowerId,
        /// Why, with the causes.
        failure: String,
    },
    /// What it makes has no tables of its own that could be built anew.
    #[error("{follower} is no projection, so there is nothing to rebuild")]
    NotRebuilt {
        /// Which follower.
        follower: FollowerId,
    },
    /// It cannot be had for oneself.
    #[error("nobody can have {follower} for himself")]
    NotLeased {
        /// Which follower.
        follower: FollowerId,
        /// Why.
        source: Box<LeaseError>,
    },
    /// What it makes would lack what it passes over.
    #[error(
        "{follower} is a projection, and what it makes would lack what is passed over; `rebuild` makes it anew"
    )]
    NotPlaced {
        /// Which follower.
        follower: FollowerId,
    },
    /// It was to stand where there is no event.
    #[error("{follower} cannot stand at position {position}; the log ends at {head}")]
    BeyondTheLog {
        /// Which follower.
        follower: FollowerId,
        /// The position.
        position: Position,
        /// Where the log ends.
        head: Position,
    },
    /// The name is none for tables that are built alongside.
    #[error(
        "`{name}` cannot be a part of the names of tables; use lower-case letters and digits, at most 20, a letter first, and neither `again` nor `r` and \
         a number, under which read models are made anew"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// What a person decides is kept with who did and why, and that was blank.
    #[error("`{missing}` is empty; {}", say(missing))]
    Unsaid {
        /// Which was blank: `by` or `reason`.
        missing: &'static str,
    },
    /// What is parked could not be changed.
    #[error(transparent)]
    Parked(#[from] ParkedError),
    /// A store could not be read.
    #[error("cannot read how {follower} is")]
    Store {
        /// Which follower.
        follower: FollowerId,
        /// Why.
        source: ReadError,
    },
}

impl FollowError {
    /// That a follower's lease cannot be had, or ended.
    pub(super) fn of_lease(follower: &FollowerId, error: LeaseError) -> Self {
        let follower = follower.clone();
        match error {
            LeaseError::Held {
                holder,
                held_for,
                free_in,
                ..
            } => Self::Held {
                follower,
                holder,
                held_for,
                free_in: Some(free_in),
            },
            LeaseError::Fenced { .. } => Self::Held {
                follower,
                holder: "another process".to_owned(),
                held_for: None,
                free_in: None,
            },
            source @ (LeaseError::Inline { .. } | LeaseError::Unsupported) => {
                let source = Box::new(source);
                Self::NotLeased { follower, source }
            }
            error @ LeaseError::Store(_) => Self::Unreachable {
                follower,
                failure: told(&error),
            },
        }
    }
}

impl From<FollowError> for Error {
    fn from(error: FollowError) -> Self {
        Self::Follow(error.into())
    }
}

/// Refuses a decision of which nobody could tell later whose it was, and why.
pub(super) fn said(by: &str, reason: &str) -> Result<(), FollowError> {
    for (missing, said) in [("by", by), ("reason", reason)] {
        if said.trim().is_empty() {
            return Err(FollowError::Unsaid { missing });
        }
    }
    Ok(())
}

fn say(missing: &str) -> &'static str {
    match missing {
        "by" => "say who decides",
        _ => "say why, for those who ask later",
    }
}

fn there_are(known: &[String]) -> String {
    let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
    match &names[..] {
        [] => "there are none".to_owned(),
        [only] => format!("there is {only}"),
        names => format!("there are {}", names.join(", ")),
    }
}

fn held(held_for: &Option<Duration>) -> String {
    match held_for {
        Some(held_for) => format!(", for {} so far", in_words(*held_for)),
        None => String::new(),
    }
}

fn free(free_in: &Option<Duration>) -> String {
    match free_in {
        Some(free_in) => format!(
            ", under a lease that ends in {} unless it is renewed",
            in_words(*free_in)
        ),
        None => String::new(),
    }
}

/// As exactly as somebody who waits wants to know it.
fn in_words(time: Duration) -> String {
    const HOUR: f64 = 3_600.0;
    match time.as_secs_f64() {
        seconds if seconds < HOUR => format!("{seconds:.1} s"),
        seconds if seconds < 48.0 * HOUR => format!("{:.0} h", seconds / HOUR),
        seconds => format!("{:.0} days", seconds / (24.0 * HOUR)),
    }
}
