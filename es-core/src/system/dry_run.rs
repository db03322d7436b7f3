//! What followers would do, and nothing kept of it.
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::engine::{followed_into, is_away};
use super::followed::Followed;
use super::follower::{Batch, HandleError};
use super::state::told;
use super::{FollowError, FollowerHandle, StopReason, System};
use crate::application::{Error, Rehearsal, Result};
use crate::domain::Position;
use crate::persistence::{AppendError, DecodeError, FollowerId, Span};

/// What followers would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DryRun {
    /// Each of them.
    pub followers: Vec<Rehearsed>,
}

/// What a follower would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rehearsed {
    /// Which.
    pub follower: FollowerId,
    /// Where its checkpoint is, or that of what it [builds](Self::builds).
    pub from: Position,
    /// Where that would be, if all of these can be handled.
    pub to: Position,
    /// How many events it would handle next, at most as many as were allowed. Those that would wait behind one that is set aside are not among them.
    pub events: usize,
    /// The revision that it would build of the whole log, beside what readers see.
    pub builds: Option<u32>,
    /// How many events are set aside, or wait behind one that is, where it would write.
    pub parked: usize,
    /// Who has the lease for that.
    pub holder: Option<String>,
    /// The first that it cannot, and why.
    pub failure: Option<(Position, String)>,
    /// What it would do [outside](crate::UnitOfWork::outside) of its store, which was not done, and how often.
    pub outside: BTreeMap<String, usize>,
}

impl System {
    /// Has each follower handle at most `limit` of the events that it has not seen, in one transaction that is rolled back: every store is byte
    /// for byte what it was. On SQLite writers wait meanwhile, and on Postgres whoever else follows, or builds, under that name. One with a raised
    /// [`REVISION`](crate::Projection::REVISION) handles the events that it would build that of, in tables that are made for it.
    ///
    /// A process manager decides and records, and nothing is saved, though what comes later in the run finds it. What it does by
    /// [`UnitOfWork::outside`](crate::UnitOfWork::outside) is named and not done; what a handler does elsewhere by itself, it does.
    ///
    /// # Errors
    /// [`FollowError`], where a follower is run by this process, what it made is of a newer revision, or a store cannot be reached;
    /// [`FollowError::Held`] where another process runs it, and moves its checkpoint each time.
    pub async fn dry_run(&self, limit: usize) -> Result<DryRun> {
        let mut followers = Vec::new();
        for followed in &self.followed {
            followers.push(rehearse(followed, limit).await?);
        }
        Ok(DryRun { followers })
    }
}

impl FollowerHandle {
    /// As [`System::dry_run`], for this follower alone.
    ///
    /// # Errors
    /// [`FollowError`], where the follower is run by this process, what it made is of a newer revision, or a store cannot be reached.
    pub async fn dry_run(&self, limit: usize) -> Result<Rehearsed> {
        rehearse(self.followed()?, limit).await
    }
}

/// How often it is looked again where a follower stands, that somebody else runs meanwhile.
const ATTEMPTS: u32 = 5;

async fn rehearse(followed: &Arc<Followed>, limit: usize) -> Result<Rehearsed> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match rehearsed(followed, limit).await {
            Err(Error::Follow(error)) if has_moved(&*error) && attempts < ATTEMPTS => {}
            rehearsed => return rehearsed,
        }
    }
}

fn has_moved(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(FollowError::Held { .. }))
}

/// What it would do, unless its checkpoint moves meanwhile.
async fn rehearsed(followed: &Arc<Followed>, limit: usize) -> Result<Rehearsed> {
    let follower = || followed.id.clone();
    let running = || FollowError::Running {
        follower: follower(),
    };
    let away = |error: &(dyn std::error::Error + 'static)| FollowError::Away {
        follower: follower(),
        failure: told(error),
    };
    let mut driven = followed.take().ok_or_else(running)?;
    let Some(driven) = driven.follower.as_deref_mut() else {
        return Err(running().into());
    };
    let standing = followed.store.standing(&followed.id).await;
    let unread = |source| FollowError::Store {
        follower: follower(),
        source,
    };
    let standing = standing.map_err(unread)?;
    if standing.revision > followed.revision {
        let (live, known) = (standing.revision, followed.revision);
        let source = Box::new(StopReason::Outdated { live, known });
        let follower = follower();
        return Err(FollowError::Stopped { follower, source }.into());
    }
    let (output, builds) = followed_into(followed, standing.revision);
    let standing = match builds {
        // It may have been begun before.
        true => {
            let begun = followed.store.standing(&output.follower).await;
            begun.map_err(unread)?
        }
        false => standing,
    };
    let (from, revision) = (standing.position, standing.revision);
    let written = output.follower.clone();
    let parked = followed.store.parked(&written).await;
    let parked = parked.map_err(unread)?;
    let waits: HashSet<_> = parked.iter().map(|parked| &parked.stream).collect();
    let page = followed.log.page(Span::after(from).limit(limit)).await?;
    let mut rehearsed = Rehearsed {
        follower: follower(),
        from,
        to: page.read_to,
        events: 0,
        builds: builds.then_some(followed.revision),
        parked: parked.len(),
        holder: standing.holder,
        failure: None,
        outside: BTreeMap::new(),
    };
    let rehearsal = Rehearsal::default();
    let mut records = Vec::with_capacity(page.records.len());
    let left = page.records.into_iter();
    for mut record in left.filter(|record| !waits.contains(&record.stream)) {
        match followed.app.open_record(&mut record).await {
            Ok(()) => records.push(record),
            // It is passed over.
            Err(DecodeError::Erased { .. }) => {}
            Err(error) if is_away(&error) => return Err(away(&error).into()),
            Err(error) => {
                rehearsed.failure = Some((record.position, told(&error)));
                break;
            }
        }
    }
    let positions: Vec<_> = records.iter().map(|record| record.position).collect();
    rehearsed.events = positions.len();
    if !records.is_empty() {
        let batch = Batch {
            output,
            from,
            to: page.read_to,
            stands_at: None,
            records,
            parking: Vec::new(),
            dry: Some(rehearsal.clone()),
        };
        let handled = driven.handle(Arc::new(batch)).await;
        let has_moved = match handled {
            Err(HandleError::Store(AppendError::Checkpoint { .. })) => true,
            Err(HandleError::Event { .. } | HandleError::Prepare(_)) => {
                // What another has done meanwhile may be what was in the way.
                let now = followed.store.standing(&written).await.map_err(unread)?;
                (now.position, now.revision) != (from, revision)
            }
            _ => false,
        };
        if has_moved {
            let holder = rehearsed.holder;
            return Err(FollowError::Held {
                follower: follower(),
                holder: holder.unwrap_or_else(|| "another process".to_owned()),
                held_for: None,
                free_in: None,
            }
            .into());
        }
        match handled {
            Ok(_) => {}
            Err(HandleError::Event { source, .. }) if is_away(&*source) => {
                return Err(away(&*source).into());
            }
            Err(HandleError::Event { place, source }) => {
                rehearsed.events = place;
                let position = positions.get(place).copied().unwrap_or_default();
                rehearsed.failure = Some((position, told(&*source)));
            }
            Err(HandleError::Prepare(error)) => {
                let failure = told(&*error);
                return Err(FollowError::Stopped {
                    follower: follower(),
                    source: Box::new(StopReason::Unable { failure }),
                }
                .into());
            }
            Err(error) => {
                return Err(FollowError::Unreachable {
                    follower: follower(),
                    failure: told(&error),
                }
                .into());
            }
        }
    }
    rehearsed.outside = rehearsal.outside();
    Ok(rehearsed)
}
