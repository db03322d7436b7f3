//! A read model, made anew beside the one that readers see.
use std::fmt::{self, Write as _};

use es_core::Position;
use es_core::system::{FollowerHandle, System, Until};
use serde::Serialize;

use super::BrokenOff;
use super::sync_followers::chosen;
use crate::Progress;
use crate::output::{Human, Text};

/// What [`rebuild`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RebuildReport {
    /// The read models, which readers see by now.
    pub rebuilt: Vec<Rebuilt>,
}

/// A read model that was made anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Rebuilt {
    /// The follower that makes it.
    pub follower: String,
    /// What stands behind the names of its tables, where it was made beside what readers see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// The last event that is in it.
    pub position: Position,
}

/// Makes the read models of these followers anew from the first event, one after the other, each beside the one that readers see, and puts it in
/// its place. What one that was broken off had made is thrown away.
///
/// With `beside` each is made as it was at a position or a time, into tables of another name, and what readers see stays
/// ([`FollowerHandle::rebuild_until`]).
///
/// # Errors
/// [`BrokenOff`], which tells what was rebuilt before; what was not is what it was.
pub async fn rebuild(
    system: &System,
    followers: &[String],
    beside: Option<(Until, &str)>,
    progress: &dyn Progress,
) -> Result<RebuildReport, BrokenOff<RebuildReport>> {
    let mut report = RebuildReport {
        rebuilt: Vec::new(),
    };
    // None named is none meant: it is much work.
    if followers.is_empty() {
        return Ok(report);
    }
    let chosen = match chosen(system, followers) {
        Ok(chosen) => chosen,
        Err(error) => return Err(BrokenOff::after(report, error)),
    };
    for follower in chosen {
        progress.begin(follower.name(), None);
        let ended = rebuilt(&follower, beside).await;
        progress.end();
        match ended {
            Ok(rebuilt) => report.rebuilt.push(rebuilt),
            Err(error) => return Err(BrokenOff::after(report, error)),
        }
    }
    Ok(report)
}

async fn rebuilt(
    follower: &FollowerHandle,
    beside: Option<(Until, &str)>,
) -> es_core::Result<Rebuilt> {
    let position = match beside {
        Some((until, into)) => follower.rebuild_until(until, into).await?,
        None => {
            follower.rebuild().await?;
            follower.status().await?.position
        }
    };
    Ok(Rebuilt {
        follower: follower.name().to_owned(),
        into: beside.map(|(_, into)| into.to_owned()),
        position,
    })
}

impl Human for RebuildReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        for rebuilt in &self.rebuilt {
            let Rebuilt {
                follower, position, ..
            } = rebuilt;
            match &rebuilt.into {
                Some(into) => writeln!(
                    text,
                    "{follower}: built beside, as `{into}`, up to position {position}"
                )?,
                None => writeln!(text, "{follower}: rebuilt, up to position {position}")?,
            }
        }
        Ok(())
    }
}
