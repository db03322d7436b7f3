//! What followers would do, and nothing kept of it.
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::engine::is_away;
use super::followed::Followed;
use super::follower::{Batch, HandleError, Output};
use super::state::told;
use super::{FollowError, FollowerHandle, StopReason, System};
use crate::application::{Rehearsal, Result};
use crate::domain::Position;
use crate::persistence::{DecodeError, FollowerId, Span};

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
    /// Where its checkpoint is.
    pub from: Position,
    /// Where its checkpoint would be, if all of these can be handled.
    pub to: Position,
    /// How many events it would handle next, at most as many as were allowed. Those that would wait behind one that is set aside are not among them.
    pub events: usize,
    /// The revision that it would build from the first event, beside what readers see: that is not tried.
    pub builds: Option<u32>,
    /// The first that it cannot, and why.
    pub failure: Option<(Position, String)>,
    /// What it would do [outside](crate::UnitOfWork::outside) of its store, which was not done, and how often.
    pub outside: BTreeMap<String, usize>,
}

impl System {
    /// Has each follower handle at most `limit` of the events that it has not seen, in one transaction that is rolled back: every store is byte
    /// for byte what it was. On SQLite, writers wait meanwhile.
    ///
    /// A process manager decides and records, and nothing is saved, though what comes later in the run finds it. What it does by
    /// [`UnitOfWork::outside`](crate::UnitOfWork::outside) is named and not done; what a handler does elsewhere by itself, it does.
    ///
    /// # Errors
    /// [`FollowError`], where a follower is run by this process, what it made is of a newer revision, or a store cannot be reached.
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

async fn rehearse(followed: &Arc<Followed>, limit: usize) -> Result<Rehearsed> {
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
    let mut rehearsed = Rehearsed {
        follower: follower(),
        from: Position::START,
        to: Position::START,
        events: 0,
        builds: None,
        failure: None,
        outside: BTreeMap::new(),
    };
    if standing.revision != 0 && standing.revision < followed.revision {
        rehearsed.builds = Some(followed.revision);
        return Ok(rehearsed);
    }
    let parked = followed.store.parked(&followed.id).await.map_err(unread)?;
    let waits: HashSet<_> = parked.iter().map(|parked| &parked.stream).collect();
    let span = Span::after(standing.position).limit(limit);
    let page = followed.log.page(span).await?;
    (rehearsed.from, rehearsed.to) = (standing.position, page.read_to);
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
            output: Output::live(followed.id.clone(), followed.revision),
            from: standing.position,
            to: page.read_to,
            stands_at: None,
            records,
            parking: Vec::new(),
            dry: Some(rehearsal.clone()),
        };
        match driven.handle(Arc::new(batch)).await {
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
