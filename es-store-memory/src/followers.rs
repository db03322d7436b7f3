//! What is kept of followers: checkpoints, leases, what they made, and what they set aside.
use std::any::Any;
use std::sync::Arc;
use std::time::SystemTime;

use es_core::persistence::{
    Advance, AppendError, CommitId, Dropped, FollowerId, Lease, LeaseError, LeaseRequest, Parked,
    ParkedError, Parking, Placed, Placement, Standing, Verdict,
};
use es_core::system::{HandleError, Inlined, Output};
use es_core::{Position, StreamId};
use rustc_hash::FxHashMap;

/// What a projection made.
pub(crate) type View = Arc<dyn Any + Send + Sync>;

#[derive(Default)]
pub(crate) struct Followers {
    kept: FxHashMap<FollowerId, Kept>,
}

#[derive(Default)]
struct Kept {
    standing: Standing,
    /// In the order of positions.
    parked: Vec<Parked>,
    dropped: Vec<Dropped>,
    placed: Vec<Placed>,
    view: Option<View>,
    /// A projection inside of commits has its name.
    inline: bool,
}

impl Kept {
    fn first_of(&self, stream: &StreamId) -> Option<&Parked> {
        self.parked.iter().find(|parked| parked.stream == *stream)
    }

    /// Whether nothing is kept but the epoch.
    fn is_forgotten(&self) -> bool {
        let nothing = Standing {
            epoch: self.standing.epoch,
            ..Standing::default()
        };
        self.standing == nothing && self.parked.is_empty()
    }

    /// Whether the event is the first parked one of its stream.
    fn is_first(&self, position: Position) -> bool {
        let parked = self
            .parked
            .iter()
            .find(|parked| parked.position == position);
        parked
            .and_then(|parked| self.first_of(&parked.stream))
            .is_some_and(|first| first.position == position)
    }
}

impl Followers {
    pub(crate) fn standing(&self, follower: &FollowerId) -> Standing {
        let kept = self.kept.get(follower);
        kept.map(|kept| kept.standing.clone()).unwrap_or_default()
    }

    /// Those of whom something is kept, but for projections inside of commits.
    pub(crate) fn known(&self) -> Vec<FollowerId> {
        let kept = self
            .kept
            .iter()
            .filter(|(_, kept)| !kept.inline && !kept.is_forgotten());
        kept.map(|(follower, _)| follower.clone()).collect()
    }

    pub(crate) fn parked(&self, follower: &FollowerId) -> Vec<Parked> {
        let kept = self.kept.get(follower);
        kept.map(|kept| kept.parked.clone()).unwrap_or_default()
    }

    pub(crate) fn dropped(&self, follower: &FollowerId) -> Vec<Dropped> {
        let kept = self.kept.get(follower);
        kept.map(|kept| kept.dropped.clone()).unwrap_or_default()
    }

    pub(crate) fn view(&self, follower: &FollowerId) -> Option<View> {
        self.kept.get(follower)?.view.clone()
    }

    /// What a projection of that name made, whichever log it follows.
    pub(crate) fn view_named(&self, name: &str) -> Option<View> {
        let mut kept = self.kept.iter();
        kept.find_map(|(follower, kept)| (follower.name == name).then(|| kept.view.clone())?)
    }

    pub(crate) fn views(&self) -> Vec<(FollowerId, View)> {
        let kept = self.kept.iter();
        kept.filter_map(|(follower, kept)| Some((follower.clone(), kept.view.clone()?)))
            .collect()
    }

    /// Why a checkpoint cannot be moved, before anything is.
    pub(crate) fn check(&self, advance: &Advance) -> Result<(), AppendError> {
        if let Some(refused) = advance.refusal(&self.standing(&advance.follower)) {
            return Err(refused);
        }
        let none = Kept::default();
        let kept = self.kept.get(&advance.follower).unwrap_or(&none);
        let mut aside: Vec<&StreamId> = Vec::new();
        for parking in &advance.parking {
            let is_parked = |stream| kept.first_of(stream).is_some() || aside.contains(&stream);
            let holds = match parking {
                Parking::Aside { stream, .. } => {
                    let holds = !is_parked(stream);
                    aside.push(stream);
                    holds
                }
                Parking::Behind { stream, .. } => is_parked(stream),
                Parking::Handled { position } | Parking::Failed { position, .. } => {
                    kept.is_first(*position)
                }
            };
            if !holds {
                return Err(AppendError::Parking {
                    follower: advance.follower.clone(),
                    position: parking.position(),
                });
            }
        }
        Ok(())
    }

    /// Moves a checkpoint that was checked.
    pub(crate) fn advance(&mut self, advance: Advance, now: SystemTime) {
        let kept = self.kept.entry(advance.follower).or_default();
        kept.standing.position = advance.to;
        kept.standing.stands_at = advance.stands_at;
        for parking in advance.parking {
            match parking {
                Parking::Aside {
                    stream,
                    position,
                    failure,
                    attempts,
                } => kept.parked.push(Parked {
                    stream,
                    position,
                    failure: Some(failure),
                    attempts,
                    since: now,
                    retry: false,
                }),
                Parking::Behind { stream, position } => kept.parked.push(Parked {
                    stream,
                    position,
                    failure: None,
                    attempts: 0,
                    since: now,
                    retry: false,
                }),
                Parking::Handled { position } => {
                    kept.parked.retain(|parked| parked.position != position);
                }
                Parking::Failed {
                    position,
                    failure,
                    attempts,
                } => {
                    let mut parked = kept.parked.iter_mut();
                    if let Some(parked) = parked.find(|parked| parked.position == position) {
                        parked.failure = Some(failure);
                        parked.attempts = attempts;
                        parked.retry = false;
                    }
                }
            }
        }
        kept.parked.sort_by_key(|parked| parked.position);
    }

    /// Keeps what a projection made, with its checkpoint.
    pub(crate) fn keep(
        &mut self,
        follower: FollowerId,
        view: View,
        position: Position,
        stands_at: Option<CommitId>,
    ) {
        let kept = self.kept.entry(follower).or_default();
        kept.view = Some(view);
        kept.standing.position = position;
        kept.standing.stands_at = stands_at;
    }

    /// Keeps what a projection made, whose checkpoint is moved apart.
    pub(crate) fn keep_view(&mut self, follower: &FollowerId, view: View) {
        if let Some(kept) = self.kept.get_mut(follower) {
            kept.view = Some(view);
        }
    }

    /// Whose the checkpoint is: the one who has the lease, or nobody else.
    pub(crate) fn fenced(&self, output: &Output) -> Result<(), AppendError> {
        let fenced = output.fenced(self.standing(&output.follower).epoch);
        fenced.map_or(Ok(()), Err)
    }

    /// Whether a projection inside of commits has that name.
    fn is_inside(&self, follower: &FollowerId) -> bool {
        self.kept.get(follower).is_some_and(|kept| kept.inline)
    }

    /// Takes the name of a projection inside of commits; whoever had it is fenced.
    pub(crate) fn begin_inside(&mut self, inlined: &Inlined) {
        let kept = self.kept.entry(inlined.follower().clone()).or_default();
        if !kept.inline {
            kept.inline = true;
            kept.standing.epoch = kept.standing.epoch.next();
            (kept.standing.holder, kept.standing.until) = (None, None);
            (kept.standing.since, kept.standing.stopped) = (None, None);
        }
        kept.standing.revision = inlined.revision();
    }

    pub(crate) fn end_inside(&mut self, follower: &FollowerId) {
        if let Some(kept) = self.kept.get_mut(follower) {
            kept.inline = false;
        }
    }

    /// Begins a view where there is none.
    pub(crate) fn prepare(&mut self, output: &Output, view: View) -> Result<(), HandleError> {
        self.fenced(output)?;
        if self.is_inside(&output.live) {
            let follower = output.live.clone();
            return Err(HandleError::Prepare(LeaseError::Inline { follower }.into()));
        }
        let kept = self.kept.entry(output.follower.clone()).or_default();
        if output.anew {
            kept.standing.position = Position::START;
            kept.standing.stands_at = None;
            kept.parked.clear();
            kept.dropped.clear();
            kept.view = None;
        }
        kept.standing.revision = output.revision;
        kept.view.get_or_insert(view);
        Ok(())
    }

    /// Puts what was built in the place of what readers see.
    pub(crate) fn swap(&mut self, built: &Output) -> Result<(), AppendError> {
        let (new, seen) = (self.standing(&built.follower), self.standing(&built.live));
        if let Some(refused) = built.refusal(&new, &seen) {
            return Err(refused);
        }
        if let Some(overtaken) = self.overtaken(built, seen.position) {
            return Err(overtaken);
        }
        let Some(mut kept) = self.kept.remove(&built.follower) else {
            return Ok(());
        };
        // The next who builds under that name is told from whoever did before.
        let next = self.kept.entry(built.follower.clone()).or_default();
        next.standing.epoch = new.epoch.next();
        let before = self.kept.remove(&built.live).unwrap_or_default();
        kept.standing = Standing {
            // Whoever still writes to what was there is fenced.
            epoch: before.standing.epoch.next(),
            holder: None,
            since: None,
            until: None,
            stopped: None,
            ..kept.standing
        };
        // What somebody gave up on, and what was built gave up on after them, has the record of that person's decision.
        let is_known = |again: &Dropped| {
            let mut known = before.dropped.iter();
            known.any(|known| known.position == again.position)
        };
        kept.dropped.retain(|again| !is_known(again));
        kept.dropped.splice(0..0, before.dropped);
        kept.dropped.sort_by_key(|dropped| dropped.position);
        kept.placed.splice(0..0, before.placed);
        self.kept.insert(built.live.clone(), kept);
        Ok(())
    }

    /// Refuses what has set aside what is, in what readers see up to a position, not set aside, or later, or given up on: somebody may have decided
    /// about it, or handled it, since whoever builds looked.
    fn overtaken(&self, built: &Output, seen: Position) -> Option<AppendError> {
        let none = Kept::default();
        let kept = |follower| self.kept.get(follower).unwrap_or(&none);
        let (new, live) = (kept(&built.follower), kept(&built.live));
        let is_overtaken = |failed: &&Parked| {
            let mut waiting = live.parked.iter();
            let is_set_aside = waiting
                .any(|other| other.stream == failed.stream && other.position <= failed.position);
            let mut dropped = live.dropped.iter();
            let is_given_up = dropped.any(|dropped| dropped.position == failed.position);
            failed.failure.is_some() && failed.position <= seen && (!is_set_aside || is_given_up)
        };
        let overtaken = new.parked.iter().find(is_overtaken)?;
        (!built.anew).then(|| AppendError::Parking {
            follower: built.follower.clone(),
            position: overtaken.position,
        })
    }

    pub(crate) fn lease(
        &mut self,
        request: LeaseRequest,
        now: SystemTime,
    ) -> Result<Lease, LeaseError> {
        let standing = self.standing(&request.follower);
        let lease = request.granted(&standing, now)?;
        if self.is_inside(&request.follower) {
            return Err(LeaseError::Inline {
                follower: request.follower,
            });
        }
        let (is_kept, stopped) = (!request.gives_back(), request.stop(now));
        self.kept
            .entry(request.follower.clone())
            .or_default()
            .standing = Standing {
            epoch: lease.epoch,
            since: is_kept.then(|| request.since(&standing, now)),
            holder: is_kept.then_some(request.holder),
            until: is_kept.then_some(lease.until),
            stopped,
            ..standing
        };
        Ok(lease)
    }

    pub(crate) fn place(
        &mut self,
        placement: Placement,
        now: SystemTime,
    ) -> Result<(), LeaseError> {
        let before = self.standing(&placement.follower);
        if let Some(refused) = placement.refusal(&before) {
            return Err(refused);
        }
        if self.is_inside(&placement.follower) {
            return Err(LeaseError::Inline {
                follower: placement.follower,
            });
        }
        let (epoch, to) = (placement.epoch, placement.to);
        let kept = self.kept.entry(placement.follower).or_default();
        kept.standing = Standing {
            epoch,
            position: to,
            stands_at: placement.stands_at,
            revision: before.revision,
            ..Standing::default()
        };
        if to == Position::START {
            (kept.standing.revision, kept.view) = (0, None);
        }
        let beyond = kept.parked.extract_if(.., |parked| parked.position > to);
        let beyond: Vec<_> = beyond.collect();
        if to == Position::START {
            kept.dropped
                .extend(beyond.into_iter().map(|parked| Dropped {
                    stream: parked.stream,
                    position: parked.position,
                    failure: parked.failure,
                    by: placement.by.clone(),
                    reason: placement.reason.clone(),
                    time: now,
                }));
            kept.dropped.sort_by_key(|dropped| dropped.position);
        }
        kept.placed.push(Placed {
            from: before.position,
            to,
            by: placement.by,
            reason: placement.reason,
            time: now,
        });
        Ok(())
    }

    pub(crate) fn placed(&self, follower: &FollowerId) -> Vec<Placed> {
        let kept = self.kept.get(follower);
        kept.map(|kept| kept.placed.clone()).unwrap_or_default()
    }

    pub(crate) fn decide(
        &mut self,
        follower: &FollowerId,
        stream: &StreamId,
        verdict: Verdict,
        now: SystemTime,
    ) -> Result<(), ParkedError> {
        let not_parked = || ParkedError::NotParked {
            follower: follower.clone(),
            stream: stream.clone(),
        };
        let kept = self.kept.get_mut(follower).ok_or_else(not_parked)?;
        let place = kept
            .parked
            .iter()
            .position(|parked| parked.stream == *stream);
        let place = place.ok_or_else(not_parked)?;
        match verdict {
            Verdict::Retry => kept.parked[place].retry = true,
            Verdict::Drop { position, .. } if kept.parked[place].position != position => {
                return Err(not_parked());
            }
            Verdict::Drop { by, reason, .. } => {
                let parked = kept.parked.remove(place);
                kept.dropped.push(Dropped {
                    stream: parked.stream,
                    position: parked.position,
                    failure: parked.failure,
                    by,
                    reason,
                    time: now,
                });
                kept.dropped.sort_by_key(|dropped| dropped.position);
            }
        }
        Ok(())
    }
}
