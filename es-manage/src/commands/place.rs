//! Where a person says that a follower stands.
use std::fmt::{self, Write as _};

use es_core::Position;
use es_core::system::System;
use serde::Serialize;

use super::sync_followers::{SyncError, chosen};
use crate::output::{Human, Text, clean};

/// What [`place`] did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PlaceReport {
    /// The follower.
    pub follower: String,
    /// Where it stood.
    pub from: Position,
    /// Where it stands.
    pub to: Position,
}

/// Puts a process manager to a position, or to the end of its log, as if it had handled everything up to there and nothing beyond, and keeps a record
/// of who decided so and why.
///
/// # Errors
/// [`SyncError`]; nothing was changed.
pub async fn place(
    system: &System,
    follower: &str,
    position: Option<Position>,
    by: &str,
    reason: &str,
) -> Result<PlaceReport, SyncError> {
    // Says which there are, where that is none of them.
    chosen(system, &[follower.to_owned()])?;
    let handle = system.follower(follower);
    let to = match position {
        Some(position) => position,
        None => handle.status().await?.head,
    };
    let from = handle.place(to, by, reason).await?;
    Ok(PlaceReport {
        follower: follower.to_owned(),
        from,
        to,
    })
}

impl Human for PlaceReport {
    fn human(&self, text: &mut Text) -> fmt::Result {
        let Self { follower, from, to } = self;
        writeln!(
            text,
            "{} stands at position {to}, and stood at {from}",
            clean(follower)
        )
    }
}
