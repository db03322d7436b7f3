//! Faults of what is kept of followers, and of what they make.
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use es_core::persistence::{
    Append, BoxFuture, CheckpointStore, Commit, Committed, Epoch, EventStore, Filter, FollowerId,
    Lease, LeaseError, LeaseRequest, Recorded, Span, Store,
};
use es_core::system::{Batch, HandleError, Output};
use es_core::testing::laws::{Anything, JOURNAL, Journal, Noted};
use es_core::{BoxError, Follower, Position, Projection};
use es_store_memory::{MemoryFollower, MemoryProjection, MemoryStore};

use crate::BrokenStore;
use crate::faults::Fault::{self, *};
use crate::store::{Broken, Handle, World, locked};

impl Broken {
    pub(crate) async fn lease_wrongly(
        &self,
        mut request: LeaseRequest,
    ) -> Result<Lease, LeaseError> {
        request.follower = self.kept_for(&request.follower);
        let given_back = |epoch| LeaseRequest {
            length: Duration::ZERO,
            epoch: Some(epoch),
            ..request.clone()
        };
        let standing = self.store.standing(&request.follower).await?;
        match self.fault {
            RenewsByRaising if request.epoch == Some(standing.epoch) => {
                self.store.lease(given_back(standing.epoch)).await?;
                if !request.length.is_zero() {
                    request.epoch = None;
                }
            }
            GivesBackUnderAnyEpoch if request.gives_back() && request.epoch.is_some() => {
                request.epoch = Some(standing.epoch);
            }
            LeasesWhatSomebodyHas if request.epoch.is_none() && standing.holder.is_some() => {
                self.store.lease(given_back(standing.epoch)).await?;
            }
            _ => {}
        }
        let is_wrongly_leased = match self.fault {
            LeasesWhatRunsInside => true,
            RenewsWhatRunsInside => request.epoch.is_some(),
            ForgetsOnReopenWhatRunsInside => self.reopened(),
            _ => false,
        };
        let is_beside = request.follower.name.contains('@');
        match self.store.lease(request).await {
            Ok(lease) if self.fault == BeginsAgainWithTheFirstEpoch && is_beside => Ok(Lease {
                epoch: Epoch::NONE.next(),
                ..lease
            }),
            Err(LeaseError::Inline { follower }) if is_wrongly_leased => {
                let standing = self.store.standing(&follower).await?;
                Ok(Lease {
                    follower,
                    epoch: standing.epoch,
                    until: SystemTime::now(),
                })
            }
            leased => leased,
        }
    }

    /// Has a projection inside of commits note what it should not.
    pub(crate) fn note_inside(&self, appends: &[Append], stored: &Committed) {
        let inside = self.world.inside.load(Ordering::SeqCst);
        for append in appends {
            let is_wrong = match self.fault {
                IgnoresTheFilterInside => inside > 0 && append.stream.category != "Dog",
                WritesBesideANewerRevision => inside > 1 && self.handle == Handle::Another,
                _ => false,
            };
            if is_wrong {
                locked(&self.world.extras).push(Noted {
                    follower: JOURNAL.to_owned(),
                    stream: append.stream.id,
                    version: append.expected.next(),
                    position: stored.position.unwrap_or_default(),
                    revision: 1,
                });
            }
        }
    }

    /// Has a projection note once more what is stored already.
    pub(crate) async fn handle_again(&self, commit: &Commit) {
        let stored = self.store.outcome(commit.id).await;
        let Ok(Some(committed)) = stored else { return };
        for append in &commit.appends {
            locked(&self.world.extras).push(Noted {
                follower: JOURNAL.to_owned(),
                stream: append.stream.id,
                version: append.expected.next(),
                position: committed.position.unwrap_or_default(),
                revision: 1,
            });
        }
    }
}

/// What a journal notes.
#[derive(Clone)]
pub(crate) struct Pages<const REVISION: u32> {
    fault: Fault,
    journal: Journal,
    /// Up to where it notes nothing.
    from: Position,
    noted: Vec<Noted>,
}

impl<const REVISION: u32> Pages<REVISION> {
    pub(crate) fn new(fault: Fault, journal: Journal) -> Self {
        Self {
            fault,
            journal,
            from: Position::START,
            noted: Vec::new(),
        }
    }

    /// For the commits of a store.
    pub(crate) async fn inside(
        fault: Fault,
        journal: Journal,
        store: &MemoryStore,
        world: &World,
    ) -> Self {
        let log = store.read_log(Span::all(), &Filter::everything()).await;
        let log = log.expect("memory can be read").records;
        let newest = log.last().map(|record| record.commit);
        let before = log
            .iter()
            .rev()
            .find(|record| Some(record.commit) != newest);
        let mut pages = Self::new(fault, journal);
        match fault {
            BeginsInsideWithTheNewestCommit => {
                pages.from = before.map_or(Position::START, |record| record.position);
            }
            KeepsWhatAnOlderRevisionMade if REVISION > 1 => {
                pages.from = log.last().map_or(Position::START, |record| record.position);
                pages.noted = noted(store, world, None);
            }
            _ => {}
        }
        world.inside.store(REVISION.into(), Ordering::SeqCst);
        pages
    }
}

impl<const REVISION: u32> Projection for Pages<REVISION> {
    const NAME: &'static str = JOURNAL;
    const REVISION: u32 = REVISION;
    type Events = Anything;
}

impl<const REVISION: u32> MemoryProjection for Pages<REVISION> {
    fn handle(&mut self, event: Recorded<Anything>) -> Result<(), BoxError> {
        if event.position <= self.from {
            return Ok(());
        }
        if self.fault == RunsInsideNowAndThen && event.position.get().is_multiple_of(5) {
            return Ok(());
        }
        self.noted.push(self.journal.note(&event));
        match self.journal.fails(&event) {
            Err(_) if self.fault == StoresWhatAProjectionRefuses => Ok(()),
            handled => handled,
        }
    }
}

/// What journals noted, and should not have.
pub(crate) fn noted(store: &MemoryStore, world: &World, tag: Option<&str>) -> Vec<Noted> {
    let is_here = |name: &str| match tag {
        Some(tag) => name.ends_with(&format!("@{tag}")),
        None => !name.contains('@'),
    };
    let first = store.views::<Pages<1>>().into_iter();
    let first = first.map(|(follower, pages)| (follower, pages.noted.clone()));
    let second = store.views::<Pages<2>>().into_iter();
    let second = second.map(|(follower, pages)| (follower, pages.noted.clone()));
    let here = first.chain(second);
    let here = here.filter(|(follower, _)| is_here(&follower.name));
    let mut noted: Vec<_> = here.flat_map(|(_, noted)| noted).collect();
    noted.extend(match tag {
        None => locked(&world.extras).clone(),
        Some(_) => locked(&world.left).clone(),
    });
    noted
}

/// A follower with a fault.
pub(crate) struct Wrong {
    fault: Fault,
    world: Arc<World>,
    store: Arc<dyn Store>,
    memory: MemoryStore,
    journal: Journal,
    sound: MemoryFollower<Pages<1>>,
}

impl Wrong {
    pub(crate) fn new(
        fault: Fault,
        memory: &MemoryStore,
        store: BrokenStore,
        journal: Journal,
    ) -> Self {
        // What it does wrong is done around it.
        let pages = Pages::new(Nothing, journal.clone());
        Self {
            fault,
            world: Arc::clone(&store.0.world),
            store: Arc::new(store),
            memory: memory.clone(),
            journal,
            sound: memory.project(pages),
        }
    }

    fn note(&self, batch: &Batch) {
        for record in &batch.records {
            let event = Recorded::of(record).expect("it is anything");
            locked(&self.world.extras).push(self.journal.note(&event));
        }
    }
}

impl Follower for Wrong {
    fn name(&self) -> &str {
        JOURNAL
    }

    fn filter(&self) -> Filter {
        self.sound.filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            let mut output = output.clone();
            match self.fault {
                PreparesUnderAnyEpoch => output.epoch = None,
                MakesNothingAnew => output.anew = false,
                _ => {}
            }
            if output.anew {
                self.leave_before_anew(&output.follower).await?;
            }
            self.sound.prepare(&output).await
        })
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            let built = batch.output.tag.is_some();
            if (self.fault == KeepsWhatIsRehearsed && batch.dry.is_some())
                || (self.fault == ShowsWhatIsBuilt && built)
            {
                self.note(&batch);
            }
            if self.fault == RehearsesWhatIsPreparedAlone && batch.dry.is_some() && built {
                return Err(HandleError::Prepare("there is no such table".into()));
            }
            let handled = self.sound.handle(Arc::clone(&batch)).await;
            match handled {
                Err(HandleError::Store(_))
                    if self.fault == RehearsesWhatIsPast && batch.dry.is_some() =>
                {
                    Ok(batch.records.len())
                }
                Err(HandleError::Event { .. }) if self.fault == KeepsHalfABatch => {
                    self.note(&batch);
                    handled
                }
                Err(HandleError::Event { place, .. }) if self.fault == SkipsWhatFails => {
                    let mut rest = Batch::clone(&batch);
                    rest.records.remove(place);
                    self.sound.handle(Arc::new(rest)).await?;
                    Ok(batch.records.len())
                }
                Ok(count) if count > 0 && self.fault == RepeatsAnEventNowAndThen => {
                    // The first of the log among them.
                    let first = &batch.records[0];
                    if first.position.get() % 5 == 1 {
                        let event = Recorded::of(first).expect("it is anything");
                        locked(&self.world.extras).push(self.journal.note(&event));
                    }
                    Ok(count)
                }
                handled => handled,
            }
        })
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            let mut built = Output {
                anew: built.anew || self.fault == SwapsWhateverIsParked,
                ..built.clone()
            };
            let read = |error| HandleError::Prepare(BoxError::from(error));
            let new = self.memory.standing(&built.follower).await.map_err(read)?;
            let seen = self.memory.standing(&built.live).await.map_err(read)?;
            let is_refused = built.refusal(&new, &seen).is_some();
            if self.fault == SwapsWhateverIsRefused && is_refused {
                (built.epoch, built.anew) = (None, true);
            }
            let parked = self.memory.parked(&built.follower).await.map_err(read)?;
            let dropped = self.memory.dropped(&built.follower).await.map_err(read)?;
            self.sound.swap(&built).await?;
            let mut after = locked(&self.world.after);
            after.lost.insert(built.live.clone());
            match self.fault {
                SwapsAndLeavesWhatWasParked => {
                    after.parked.insert(built.follower, parked);
                }
                SwapsAndTellsOfADecisionTwice => {
                    after.dropped.insert(built.live, dropped);
                }
                _ => {}
            }
            Ok(())
        })
    }
}

impl Wrong {
    /// What it should have thrown away.
    async fn leave_before_anew(&self, follower: &FollowerId) -> Result<(), HandleError> {
        let read = |error| HandleError::Prepare(BoxError::from(error));
        match self.fault {
            MakesAnewBesideTheTables => {
                let name = &follower.name;
                let tables = noted(&self.memory, &self.world, name.split('@').nth(1));
                locked(&self.world.left).extend(tables);
            }
            MakesAnewBesideWhatIsParked => {
                let parked = self.memory.parked(follower).await.map_err(read)?;
                let mut after = locked(&self.world.after);
                after.parked.insert(follower.clone(), parked);
            }
            MakesAnewBesideWhatWasDropped => {
                let dropped = self.memory.dropped(follower).await.map_err(read)?;
                let mut after = locked(&self.world.after);
                after.dropped.insert(follower.clone(), dropped);
            }
            _ => {}
        }
        Ok(())
    }
}
