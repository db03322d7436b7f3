//! A read model, made anew beside the one that readers see.
use std::fmt::{self, Write as _};

use es_core::Position;
use es_core::system::System;
use serde::Serialize;

use super::sync_followers::{SyncError, chosen};
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
    /// The last event that is in it.
    pub position: Position,
}

/// Makes the read models of these followers anew from the first event, one after the other, each beside the one that readers see, and puts it in
/// its place. One that was broken off goes on where it was.
///
/// # Errors
/// [`SyncError`]; what was not rebuilt is what it was.
pub async fn rebuild(
    system: &System,
    followers: &[String],
    progress: &dyn Progress,
) -> Result<RebuildReport, SyncError> {
    let mut rebuilt = Vec::new();
    // None named is none meant: it is much work.
    if followers.is_empty() {
        return Ok(RebuildReport { rebuilt });
    }
    for follower in chosen(system, followers)? {
        progress.begin(follower.name(), None);
        let ended = follower.rebuild().await;
        progress.end();
        ended?;
        rebuilt.push(Rebuilt {
            follower: follower.name().to_owned(),
            position: follower.status().await?.position,
        });
    }
    Ok(RebuildReport { rebuilt })
}

impl Human for RebuildReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        for Rebuilt { follower, position } in &self.rebuilt {
            writeln!(text, "{follower}: rebuilt, up to position {position}")?;
        }
        Ok(())
    }
}
