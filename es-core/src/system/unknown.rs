//! Followers of the applications of a system that the system does not have.
use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::said;
use super::followed::Followed;
use super::place::put;
use super::rebuild::revision_of;
use super::{FollowError, System};
use crate::application::{LogError, Result};
use crate::domain::Position;
use crate::persistence::{Epoch, FollowerId, Placement, ReadError, Standing, Store};

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
    /// A follower of the system began to build it for a revision, and readers see that revision or a newer one by now.
    pub is_overtaken: bool,
}

impl System {
    /// Those who followed its applications and are none of its followers, by name. They are of another program, or were taken away or renamed: then
    /// whoever took their place began with the first event, and what they set aside waits for nobody. Listed too is what a follower began to build for
    /// a revision, as `book_list@r2`, when readers see that revision or a newer one by now. They are looked for in the stores of the applications and
    /// of the followers.
    ///
    /// # Errors
    /// [`Error::Log`](crate::Error::Log) and [`FollowError::Store`], as [`Error::Follow`](crate::Error::Follow).
    pub async fn unknown_followers(&self) -> Result<Vec<UnknownFollower>> {
        let mut unknown = Vec::new();
        for (follower, store) in self.unknown().await? {
            let is_overtaken = self.builder_of(&follower).is_some();
            unknown.push(kept(&*store, follower, is_overtaken).await?);
        }
        Ok(unknown)
    }

    /// Each with the store that keeps it.
    async fn unknown(&self) -> Result<Vec<(FollowerId, Arc<dyn Store>)>> {
        let members = self.members.iter().map(|member| &member.application);
        let followed = self.followed.iter().map(|followed| &followed.app);
        let applications: Vec<_> = members.chain(followed).collect();
        let logs: BTreeSet<_> = applications.iter().map(|app| app.log_name()).collect();
        let stores = applications.iter().map(|app| app.keeps_in());
        let outputs = self
            .followed
            .iter()
            .map(|followed| Arc::clone(&followed.store));
        // Before it is asked what there is, or what takes its place just now would be overtaken.
        let mut seen = Vec::new();
        for followed in &self.followed {
            seen.push(standing(&*followed.store, &followed.id).await?.revision);
        }
        let mut unknown: Vec<(FollowerId, Arc<dyn Store>)> = Vec::new();
        for store in stores.chain(outputs) {
            for follower in store.followers().await.map_err(LogError::from)? {
                let is_met = unknown.iter().any(|(met, _)| *met == follower);
                if !is_met && logs.contains(&*follower.log) && !self.has(&follower, &seen) {
                    unknown.push((follower, Arc::clone(&store)));
                }
            }
        }
        unknown.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(unknown)
    }

    /// Forgets one of the [unknown followers](Self::unknown_followers), which is named no more then, and says whether there was one. What it had set
    /// aside is given up on, with a record of who decided so and why. Should it come back, it begins with the first event; tables that it made
    /// are there still, for whoever drops them, and would be in its way.
    ///
    /// Stop every program that has it before: one that has nothing to do holds no lease, so nobody sees that it is run. It stops with a reason then,
    /// and does not begin with the first event before it is resumed, or its program is started again.
    ///
    /// # Errors
    /// [`FollowError::Held`] where somebody runs it, [`FollowError::Unsaid`], and those of [`unknown_followers`](Self::unknown_followers); nothing was changed.
    /// [`FollowError::Unreachable`]; where it was forgotten all the same, the same call finds nothing to forget.
    pub async fn forget(
        &self,
        follower: &FollowerId,
        by: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<bool> {
        let (by, reason) = (by.into(), reason.into());
        said(&by, &reason)?;
        let unknown = self.unknown().await?;
        let Some((follower, store)) = unknown.into_iter().find(|(id, _)| id == follower) else {
            return Ok(false);
        };
        let placement = Placement {
            follower,
            epoch: Epoch::NONE,
            to: Position::START,
            stands_at: None,
            by,
            reason,
        };
        put(&*store, &self.holder, placement).await?;
        Ok(true)
    }

    /// Whether it is one of its followers, or what one of them builds beside, where readers see these revisions.
    fn has(&self, follower: &FollowerId, seen: &[u32]) -> bool {
        if self
            .followed
            .iter()
            .any(|followed| followed.id == *follower)
        {
            return true;
        }
        let Some((builder, tag)) = self.builder_of(follower) else {
            return false;
        };
        revision_of(tag).is_none_or(|revision| revision > seen[builder])
    }

    /// The place of the follower that builds what has this name, and the tag that this ends with.
    fn builder_of<'f>(&self, follower: &'f FollowerId) -> Option<(usize, &'f str)> {
        let (name, tag) = follower.name.rsplit_once('@')?;
        let is_it =
            |followed: &Arc<Followed>| followed.id.name == name && followed.id.log == follower.log;
        Some((self.followed.iter().position(is_it)?, tag))
    }
}

async fn kept(
    store: &dyn Store,
    follower: FollowerId,
    is_overtaken: bool,
) -> Result<UnknownFollower> {
    let standing = standing(store, &follower).await?;
    let parked = store.parked(&follower).await.map_err(unread(&follower))?;
    Ok(UnknownFollower {
        position: standing.position,
        parked: parked.len(),
        holder: standing.holder,
        is_overtaken,
        follower,
    })
}

async fn standing(store: &dyn Store, follower: &FollowerId) -> Result<Standing> {
    let standing = store.standing(follower).await;
    Ok(standing.map_err(unread(follower))?)
}

fn unread(follower: &FollowerId) -> impl FnOnce(ReadError) -> FollowError {
    let follower = follower.clone();
    |source| FollowError::Store { follower, source }
}
