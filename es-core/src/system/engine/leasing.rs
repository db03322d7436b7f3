//! The lease under which a follower is driven: taken, given back by whoever has nothing to do, and left to whoever drives it next.
use std::pin::pin;
use std::time::{Duration, SystemTime};

use futures_lite::future;

use super::halt::{Halt, stored};
use super::{Engine, Goal, Run};
use crate::application::size::Size;
use crate::domain::Position;
use crate::persistence::{
    BoxFuture, Clock, Epoch, FollowerId, Lease, LeaseError, LeaseRequest, Span, Standing,
    SystemClock,
};
use crate::system::StopReason;
use crate::system::followed::Followed;
use crate::system::follower::Output;
use crate::system::state::State;
use crate::system::watch::LOOK_AGAIN;

/// How many events are read at once at first.
const FIRST: usize = 1_000;

impl Engine<'_> {
    /// Gives the lease back, so that another need not wait for its end.
    pub(in crate::system) async fn release(&mut self) {
        self.end(None).await;
    }

    /// Gives the lease back, and leaves with it why nobody goes on, for those who look at it elsewhere.
    pub(super) async fn release_for(&mut self, reason: &StopReason) {
        self.end(Some(reason.to_string())).await;
    }

    async fn end(&mut self, stopped: Option<String>) {
        // Kept until it is given back, so that it is known though this may be dropped here.
        self.lose();
        if let Some(lease) = &self.lost {
            // Where that fails it ends by itself.
            let request = LeaseRequest {
                stopped,
                ..given_back(self.holder, &lease.follower, lease.epoch)
            };
            let _ = self.store().lease(request).await;
        }
        self.lost = None;
    }

    /// Begins anew, under the same lease where it is still there: waiting for its end would be waiting for nobody.
    pub(super) fn lose(&mut self) {
        if let Some(run) = self.run.take() {
            self.lost = Some(run.lease);
        }
    }

    /// Waits until there may be something to do. Whoever waits for longer than a lease is good for without being renewed gives it back: there is
    /// nothing to do under it, and renewing the leases of many who wait would be all that a store is asked for.
    pub(in crate::system) async fn idle(&mut self, changed: BoxFuture<'static, ()>) {
        let followed = self.followed;
        let Some(run) = &self.run else {
            if let Some((position, _)) = self.rested {
                future::or(changed, followed.watch.moved_from(position)).await;
            }
            return;
        };
        if !run.parked.is_empty() {
            // Somebody may ask for another attempt.
            return future::or(changed, followed.clock.sleep(LOOK_AGAIN)).await;
        }
        let (position, epoch) = (run.position, run.lease.epoch);
        let left = renewed_after(followed).saturating_sub(run.renewed_ago(followed));
        let mut moved = pin!(future::or(changed, followed.watch.moved_from(position)));
        let is_moved = async {
            moved.as_mut().await;
            true
        };
        let is_long = async {
            followed.clock.sleep(left).await;
            false
        };
        if !future::or(is_moved, is_long).await {
            self.rested = Some((position, epoch));
            // The run is kept until the lease is given back, so that it is, though this may be dropped here.
            if let Some(run) = &self.run {
                let follower = &run.lease.follower;
                match give_back(followed, self.holder, follower, epoch).await {
                    Ok(_) => self.run = None,
                    // Somebody had it meanwhile, or put something else in its place: what there is to do is seen under a new lease alone.
                    Err(LeaseError::Fenced { .. }) => {
                        (self.run, self.rested) = (None, None);
                        return;
                    }
                    Err(_) => {}
                }
            }
            self.lose();
            moved.await;
        }
    }

    /// Waits under its lease until what is in its way is tried again. Whoever looks at the follower elsewhere is told what that is, once it has lasted.
    pub(in crate::system) async fn pause(&mut self, wait: impl Future<Output = ()>) {
        let (followed, holder) = (self.followed, self.holder);
        let Some(run) = &mut self.run else {
            return wait.await;
        };
        if in_the_way(followed).is_some() {
            let request = renewal(followed, holder, run);
            let asked = followed.clock.now();
            match followed.store.lease(request).await {
                Ok(lease) => run.is_renewed(lease, asked, true),
                Err(LeaseError::Fenced { .. }) => {
                    self.run = None;
                    return;
                }
                // The next attempt finds out why.
                Err(_) => {}
            }
        }
        renewing(followed, holder, run, wait).await;
    }

    /// Whether there is nothing to do still, since it gave its lease back.
    pub(super) async fn may_rest(&mut self) -> Result<bool, Halt> {
        let Some((position, epoch)) = self.rested else {
            return Ok(false);
        };
        if self.followed.app.log().head().await? != position {
            return Ok(false);
        }
        let standing = self.store().standing(&self.followed.id).await?;
        if standing.epoch != epoch {
            // Whoever had it since may have set something aside, or put another revision in its place.
            let parked = self.store().parked(&self.followed.id).await?;
            let is_as_it_was = standing.position == position
                && standing.revision == self.followed.revision
                && parked.is_empty();
            if !is_as_it_was {
                return Ok(false);
            }
            self.rested = Some((position, standing.epoch));
        }
        Ok(true)
    }

    /// Takes the lease of what is to be made, and finds out where that stands.
    pub(super) async fn begin(&mut self) -> Result<(), Halt> {
        self.followed.app.check_owner().await?;
        let live = &self.followed.id;
        let revision = self.followed.revision;
        let standing = self.store().standing(live).await?;
        if self.cut_off {
            // The lease may be kept elsewhere than the log: whoever cannot read what comes next must not keep those away who can.
            let next = Span::after(standing.position).limit(FIRST);
            self.followed.log.page(next).await?;
            self.cut_off = false;
        }
        if is_forgotten(self.followed, &standing).await? {
            // Without a lease: nothing is kept of it by that.
            let failure = FORGOTTEN.to_owned();
            return Err(Halt::Stop(StopReason::Unable { failure }));
        }
        // Who stands by finds out by that, too.
        self.followed.know(standing.position);
        let seen = standing.revision;
        let (mut output, swaps) = match &self.goal {
            Goal::Follow | Goal::Build { swap: true, .. } if seen > revision => {
                return Err(outdated(seen, revision));
            }
            Goal::Build { tag, swap, .. } => (
                Output::alongside(live.clone(), revision, tag.clone()),
                *swap,
            ),
            Goal::Follow => followed_into(self.followed, seen),
        };
        let request = |epoch| LeaseRequest {
            follower: output.follower.clone(),
            holder: self.holder.to_owned(),
            length: self.followed.settings.lease,
            epoch,
            stopped: None,
        };
        if let Some(lease) = &self.lost
            && lease.follower != output.follower
        {
            let _ = give_back(self.followed, self.holder, &lease.follower, lease.epoch).await;
            self.lost = None;
        }
        let lost = self.lost.as_ref().map(|lease| lease.epoch);
        let renewed = self.followed.clock.now();
        let leased = match self.store().lease(request(lost)).await {
            Err(LeaseError::Fenced { .. }) if lost.is_some() => {
                self.store().lease(request(None)).await
            }
            leased => leased,
        };
        let lease = leased?;
        (self.lost, self.rested) = (None, None);
        output.epoch = Some(lease.epoch);
        output.anew = self.anew;
        self.run = Some(Run {
            output,
            lease,
            renewed,
            position: Position::START,
            stands_at: None,
            parked: Vec::new(),
            looked: renewed,
            has_told: false,
            in_a_row: 0,
            ahead: None,
            size: Size::new(FIRST, self.followed.settings.batch.get()),
            swaps,
        });
        // Somebody may have put another revision in its place before the lease was ours, or have forgotten it.
        let standing = self.store().standing(live).await?;
        if standing.revision != seen || is_forgotten(self.followed, &standing).await? {
            self.release().await;
            return Ok(());
        }
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let prepared = self.follower.prepare(&run.output).await;
        prepared.map_err(stored)?;
        (self.anew, run.output.anew) = (false, false);
        self.reload().await
    }

    /// Reads where the follower stands.
    pub(super) async fn reload(&mut self) -> Result<(), Halt> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let store = &self.followed.store;
        let standing = store.standing(&run.output.follower).await?;
        if standing.epoch != run.lease.epoch {
            return Err(Halt::Fenced {
                epoch: run.lease.epoch,
                actual: standing.epoch,
            });
        }
        if run.output.tag.is_none() {
            self.followed.know(standing.position);
        }
        run.position = standing.position;
        run.stands_at = standing.stands_at;
        run.ahead = None;
        run.looked = self.followed.clock.now();
        run.parked = store.parked(&run.output.follower).await?;
        Ok(())
    }
}

/// Whether somebody put it back to the start who believed that nobody runs it: it would do everything again. Where the log is not as long as it was, it is
/// another one.
async fn is_forgotten(followed: &Followed, standing: &Standing) -> Result<bool, Halt> {
    let known = followed.known();
    if standing.position != Position::START || known == Position::START {
        return Ok(false);
    }
    Ok(followed.app.log().head().await? >= known)
}

/// What a follower of a log writes to where readers see a revision, and whether that takes its place: an older one is replaced by what is built
/// alongside.
pub(in crate::system) fn followed_into(followed: &Followed, seen: u32) -> (Output, bool) {
    let (live, revision) = (followed.id.clone(), followed.revision);
    if seen != 0 && seen < revision {
        let tag = format!("r{revision}");
        return (Output::alongside(live, revision, tag), true);
    }
    (Output::live(live, revision), false)
}

pub(super) fn outdated(live: u32, known: u32) -> Halt {
    Halt::Stop(StopReason::Outdated { live, known })
}

/// Whoever drives the follower next goes on under the lease, or gives it back.
impl Drop for Engine<'_> {
    fn drop(&mut self) {
        self.lose();
        if let Some(lease) = self.lost.take() {
            self.followed.leave(lease);
        }
    }
}

/// Gives a lease back.
pub(in crate::system) async fn give_back(
    followed: &Followed,
    holder: &str,
    follower: &FollowerId,
    epoch: Epoch,
) -> Result<Lease, LeaseError> {
    let request = given_back(holder, follower, epoch);
    followed.store.lease(request).await
}

fn given_back(holder: &str, follower: &FollowerId, epoch: Epoch) -> LeaseRequest {
    LeaseRequest {
        follower: follower.clone(),
        holder: holder.to_owned(),
        length: Duration::ZERO,
        epoch: Some(epoch),
        stopped: None,
    }
}

/// Why one stops that was put back to the start elsewhere.
pub(in crate::system) const FORGOTTEN: &str = "it was forgotten, or put to the start, while it was run here; resume it, or start the program \
     again, where it is to handle everything again";

/// How long it takes at most until the clock of the application is asked how long to wait: one that hurries in a test would be moved on by every batch.
const AT_FIRST: Duration = Duration::from_secs(1);

/// Does what may take long under a lease, which is renewed meanwhile: nobody has to take over from who is at work. A process that stands still renews
/// nothing, nor does a handler that blocks its thread.
pub(super) async fn renewing<T>(
    followed: &Followed,
    holder: &str,
    run: &mut Run,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    let mut asked = run.renewed;
    loop {
        let left = || {
            let ago = followed.clock.now().duration_since(asked);
            let ago = ago.unwrap_or(followed.settings.lease);
            renewed_after(followed).saturating_sub(ago)
        };
        let is_due = async {
            SystemClock.sleep(left().min(AT_FIRST)).await;
            followed.clock.sleep(left()).await;
            None
        };
        let done = future::or(async { Some(work.as_mut().await) }, is_due);
        if let Some(done) = done.await {
            return done;
        }
        asked = followed.clock.now();
        let request = renewal(followed, holder, run);
        let tells = request.stopped.is_some();
        let mut done = None;
        // Waited for also where the work is done by then: a lease that is renewed after it was given back would be nobody's.
        let until_done = async {
            done = Some(work.as_mut().await);
            future::pending().await
        };
        match future::or(followed.store.lease(request), until_done).await {
            Ok(lease) => run.is_renewed(lease, asked, tells),
            // What is made under it is refused.
            Err(LeaseError::Fenced { .. }) if done.is_none() => return work.await,
            Err(_) => {}
        }
        if let Some(done) = done {
            return done;
        }
    }
}

/// Asks for the lease of a run once more, and says what is in its way.
pub(super) fn renewal(followed: &Followed, holder: &str, run: &Run) -> LeaseRequest {
    LeaseRequest {
        follower: run.output.follower.clone(),
        holder: holder.to_owned(),
        length: followed.settings.lease,
        epoch: Some(run.lease.epoch),
        stopped: in_the_way(followed),
    }
}

/// Why a follower does not go on, where that has lasted for more than an attempt.
fn in_the_way(followed: &Followed) -> Option<String> {
    let state = followed.state();
    let has_lasted = matches!(
        state,
        State::Retrying { attempts: 2.., .. } | State::Waiting { .. }
    );
    has_lasted.then(|| state.to_string())
}

impl Run {
    /// Whether its lease is to be renewed.
    pub(super) fn is_due(&self, followed: &Followed) -> bool {
        self.renewed_ago(followed) > renewed_after(followed)
            || (self.has_told && in_the_way(followed).is_none())
    }

    pub(super) fn is_renewed(&mut self, lease: Lease, asked: SystemTime, has_told: bool) {
        (self.lease, self.renewed, self.has_told) = (lease, asked, has_told);
    }

    /// For how long it has its lease; a clock that was set back says nothing of that, so it counts as long.
    fn renewed_ago(&self, followed: &Followed) -> Duration {
        let ago = followed.clock.now().duration_since(self.renewed);
        ago.unwrap_or(followed.settings.lease)
    }
}

/// After how long a lease is renewed.
fn renewed_after(followed: &Followed) -> Duration {
    followed.settings.lease / 3
}
