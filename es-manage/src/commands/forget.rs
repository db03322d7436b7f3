//! Followers that a program does not have any more.
use std::fmt::{self, Write as _};

use es_core::system::System;
use es_core::{Error, Position};
use serde::Serialize;

use crate::output::{Human, Text, clean, counted};
use crate::{Meaning, Status};

/// What [`forget`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Forgotten {
    /// The follower.
    pub follower: String,
    /// The application whose log it followed.
    pub log: String,
    /// Where it stood.
    pub position: Position,
    /// How many events were given up on that it had set aside.
    pub dropped: u64,
}

/// Why a follower was not forgotten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForgetError {
    /// Nothing is kept of such a follower, or it is one of the system.
    #[error("no follower `{name}` is unknown to this system; {}", Unknown(unknown))]
    NotUnknown {
        /// The name.
        name: String,
        /// Those who are, with the logs that they followed.
        unknown: Vec<(String, String)>,
    },
    /// Several logs had a follower of that name.
    #[error("`{name}` followed several logs: {}; name one by `--log`", logs.join(", "))]
    Several {
        /// The name.
        name: String,
        /// The applications.
        logs: Vec<String>,
    },
    /// A store cannot be read or written, or somebody runs the follower.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Meaning for ForgetError {
    fn status(&self) -> Status {
        match self {
            Self::NotUnknown { .. } | Self::Several { .. } => Status::Usage,
            Self::Store(error) => error.status(),
        }
    }
}

struct Unknown<'a>(&'a [(String, String)]);

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there are none");
        }
        f.write_str("there are")?;
        for (place, (name, log)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma} `{name}` on the log of `{log}`")?;
        }
        Ok(())
    }
}

/// Forgets one of the followers that [`status`](crate::status()) names as unknown to the system, and gives up on what it had set aside, with a record
/// of who decided so and why.
///
/// # Errors
/// [`ForgetError`]; what was given up on by then stays so.
pub async fn forget(
    system: &System,
    follower: &str,
    log: Option<&str>,
    by: &str,
    reason: &str,
) -> Result<Forgotten, ForgetError> {
    let mut unknown = system.unknown_followers().await?;
    let all = || {
        let all = unknown.iter().map(|one| &one.follower);
        all.map(|id| (id.name.to_string(), id.log.to_string()))
            .collect()
    };
    let not_unknown = ForgetError::NotUnknown {
        name: follower.to_owned(),
        unknown: all(),
    };
    unknown.retain(|one| {
        one.follower.name == follower && log.is_none_or(|log| one.follower.log == log)
    });
    if unknown.len() > 1 {
        let logs = unknown.iter().map(|one| one.follower.log.to_string());
        return Err(ForgetError::Several {
            name: follower.to_owned(),
            logs: logs.collect(),
        });
    }
    let Some(found) = unknown.pop() else {
        return Err(not_unknown);
    };
    if !system.forget(&found.follower, by, reason).await? {
        return Err(not_unknown);
    }
    Ok(Forgotten {
        follower: found.follower.name.into_owned(),
        log: found.follower.log.into_owned(),
        position: found.position,
        dropped: found.parked as u64,
    })
}

impl Human for Forgotten {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let given_up = match self.dropped {
            0 => String::new(),
            dropped => format!(", and {} that it had set aside", counted(dropped, "event")),
        };
        writeln!(
            text,
            "forgot {} on the log of {}, which stood at position {}{given_up}; tables that it made are there still",
            clean(&self.follower),
            clean(&self.log),
            self.position
        )
    }
}
