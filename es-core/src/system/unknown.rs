//! Followers of the applications of a system that the system does not have.
use std::collections::BTreeSet;
use std::sync::Arc;

use super::{FollowError, System};
use crate::application::{LogError, Result};
use crate::domain::Position;
use crate::persistence::{FollowerId, Store};

/// What is kept of a follower that a system does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownFollower {
    /// Its name, and the log that it followed.
    pub follower: FollowerId,
    /// Its checkpoint.
    pub position: Position,
    /// How many events it has set aside.
    pub parked: usize,
    /// Who runs it, if anybody does.
    pub holder: Option<String>,
}

impl System {
    /// Those who followed its applications and are none of its followers, by name. They are of another program, or were taken away or renamed: then
    /// whoever took their place began with the first event, and what they set aside waits for nobody. They are looked for in the stores of the
    /// applications and of the followers.
    ///
    /// # Errors
    /// [`Error::Log`](crate::Error::Log) and [`FollowError::Store`], as [`Error::Follow`](crate::Error::Follow).
    pub async fn unknown_followers(&self) -> Result<Vec<UnknownFollower>> {
        let members = self.members.iter().map(|member| &member.application);
        let followed = self.followed.iter().map(|followed| &followed.app);
        let applications: Vec<_> = members.chain(followed).collect();
        let logs: BTreeSet<_> = applications.iter().map(|app| app.log_name()).collect();
        let stores = applications.iter().map(|app| app.keeps_in());
        let outputs = self
            .followed
            .iter()
            .map(|followed| Arc::clone(&followed.store));
        let mut unknown: Vec<UnknownFollower> = Vec::new();
        for store in stores.chain(outputs) {
            for follower in store.followers().await.map_err(LogError::from)? {
                let is_met = unknown.iter().any(|met| met.follower == follower);
                if is_met || !logs.contains(&*follower.log) || self.has(&follower) {
                    continue;
                }
                unknown.push(kept(&*store, follower).await?);
            }
        }
        unknown.sort_by(|one, other| one.follower.cmp(&other.follower));
        Ok(unknown)
    }

    /// Whether it is one of its followers, or what one of them builds beside.
    fn has(&self, follower: &FollowerId) -> bool {
        self.followed.iter().any(|followed| {
            let beside = follower.name.strip_prefix(&*followed.id.name);
            followed.id.log == follower.log
                && beside.is_some_and(|tag| tag.is_empty() || tag.starts_with('@'))
        })
    }
}

async fn kept(store: &dyn Store, follower: FollowerId) -> Result<UnknownFollower> {
    let failed = |source| FollowError::Store {
        follower: follower.clone(),
        source,
    };
    let standing = store.standing(&follower).await.map_err(failed)?;
    let parked = store.parked(&follower).await.map_err(failed)?.len();
    Ok(UnknownFollower {
        position: standing.position,
        parked,
        holder: standing.holder,
        follower,
    })
}
