//! Events bring about new events.
use std::future::Future;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::follower::{Batch, Follower, HandleError, HandlerPanicked, unpanicked};
use super::inline::AnotherRevision;
use crate::application::{Application, Error, Retry, SaveError, UnitOfWork};
use crate::domain::Position;
use crate::persistence::{
    AppendError, BoxError, BoxFuture, CommitId, EventSet, Filter, Metadata, Record, Recorded, Store,
};

/// Answers events of one application by events of another, or of the same: what it saves and its checkpoint are one commit, so each event is
/// answered once.
///
/// ```
/// # use es_core::{Aggregate, Application, BoxError, ProcessManager, Recorded, Root, System, UnitOfWork, events};
/// # use es_store_memory::MemoryStore;
/// # use uuid::Uuid;
/// # #[derive(Aggregate)]
/// # #[aggregate("Dog")]
/// # struct Dog { root: Root<Self> }
/// # #[events]
/// # impl Dog {
/// #     #[event("Registered")]
/// #     fn register() -> Self { Self { root: Root::new() } }
/// #     #[event("TrickAdded")]
/// #     fn add_trick(&mut self, trick: &str) {}
/// # }
/// # #[derive(Aggregate)]
/// # #[aggregate("Certificate")]
/// # struct Certificate { root: Root<Self>, tricks: u32 }
/// # #[events]
/// # impl Certificate {
/// #     #[event("Opened", id = *dog)]
/// #     fn open(dog: Uuid) -> Self { Self { root: Root::new(), tricks: 0 } }
/// #     #[event("Counted")]
/// #     fn count(&mut self) { self.tricks += 1; }
/// # }
/// struct Certificates;
///
/// impl ProcessManager for Certificates {
///     const NAME: &'static str = "certificates";
///     type Events = DogEvent;
///
///     async fn react(&mut self, event: Recorded<DogEvent>, work: &mut UnitOfWork) -> Result<(), BoxError> {
///         if let DogEvent::TrickAdded { .. } = event.event {
///             let dog = event.stream.id;
///             let mut certificate = work.find::<Certificate>(dog).await?.unwrap_or_else(|| Certificate::open(dog));
///             certificate.count();
///             work.save(certificate);
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> es_core::Result<()> {
/// let school = Application::builder(MemoryStore::new()).name("school").build();
/// let office = Application::builder(MemoryStore::new()).name("office").build();
/// let system = System::new("school").follow(&school, Certificates.onto(&office));
///
/// let mut dog = Dog::register();
/// dog.add_trick("sit");
/// school.save(&mut dog).await?;
/// system.settle().await?;
/// assert_eq!(office.get::<Certificate>(dog.id()).await?.tricks, 1);
/// # Ok(())
/// # }
/// ```
pub trait ProcessManager: Send + 'static {
    /// Under which name its checkpoint is kept; no other follower of the log has it.
    const NAME: &'static str;

    /// Which events it answers.
    type Events: EventSet;

    /// Answers an event. It may be called again for the same event, where another writer was faster or something failed; what it saved is
    /// stored once. What it does elsewhere happens at least once, and belongs into [`UnitOfWork::outside`].
    fn react(
        &mut self,
        event: Recorded<Self::Events>,
        work: &mut UnitOfWork,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// The follower that saves to an application, whose store keeps its checkpoint too.
    fn onto(self, application: &Application) -> Reactions<Self>
    where
        Self: Sized,
    {
        Reactions {
            name: Self::NAME.to_owned(),
            manager: self,
            application: application.clone(),
            failed: None,
        }
    }
}

/// A process manager that saves to an application.
#[derive(Debug)]
pub struct Reactions<M> {
    name: String,
    manager: M,
    application: Application,
    failed: Option<Failed>,
}

/// Why the event failed that comes next: what is done outside is not done once more to be told again.
#[derive(Debug)]
struct Failed {
    position: Position,
    commit: CommitId,
    source: BoxError,
}

impl Failed {
    fn is_of(&self, record: &Record) -> bool {
        (self.position, self.commit) == (record.position, record.commit)
    }
}

impl<M> Reactions<M> {
    /// Gives it another name than the process manager's own, for one that follows several logs of a system: once by its own name, then by others.
    /// The checkpoint is kept under that name, so it must stay: one whose `NAME` changed goes on by its old name.
    ///
    /// ```
    /// # use es_core::{Application, ProcessManager, System};
    /// # fn both<M: ProcessManager + Clone>(school: &Application, academy: &Application, office: &Application, certificates: M) -> System {
    /// System::new("schools")
    ///     .follow(school, certificates.clone().onto(office))
    ///     .follow(academy, certificates.onto(office).named("certificates of the academy"))
    /// # }
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

#[cfg(feature = "testing")]
impl<M> Reactions<M> {
    pub(crate) const fn application(&self) -> &Application {
        &self.application
    }
}

impl<M: ProcessManager> Follower for Reactions<M> {
    fn name(&self) -> &str {
        &self.name
    }

    fn filter(&self) -> Filter {
        M::Events::filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.application.keeps_in()
    }

    fn writes_events(&self) -> bool {
        true
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            let since = Instant::now();
            let next = batch.records.first().filter(|_| batch.dry.is_none());
            if let Some(next) = next
                && let Some(failed) = self.failed.take_if(|failed| failed.is_of(next))
            {
                let source = failed.source;
                return Err(HandleError::Event { place: 0, source });
            }
            for place in 0..batch.records.len() {
                // Not only of the handler: an event, what is saved and a key provider have code of the program's own.
                let reacted = unpanicked(self.react_at(&batch, place)).await;
                let reacted = reacted.unwrap_or_else(|panic| {
                    let source = HandlerPanicked::new(&*panic).into();
                    Err(HandleError::Event { place, source })
                });
                match reacted {
                    // What is left comes with the next batch.
                    Ok(()) if batch.dry.is_none() && since.elapsed() > BATCH_TIME => {
                        return Ok(place + 1);
                    }
                    Ok(()) => {}
                    // What came before is stored.
                    Err(error) if place > 0 && batch.dry.is_none() => {
                        if let HandleError::Event { source, .. } = error {
                            let &Record {
                                position, commit, ..
                            } = &batch.records[place];
                            self.failed = Some(Failed {
                                position,
                                commit,
                                source,
                            });
                        }
                        return Ok(place);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(batch.records.len())
        })
    }
}

/// How long events are answered until the lease is renewed, where that is due, and somebody may tell it to stop.
const BATCH_TIME: Duration = Duration::from_secs(1);

impl<M: ProcessManager> Reactions<M> {
    /// Answers one event, again where another writer of the aggregates was faster.
    async fn react_at(&mut self, batch: &Batch, place: usize) -> Result<(), HandleError> {
        let failed = |source| HandleError::Event { place, source };
        let (mut attempts, mut existed) = (0, false);
        loop {
            let record = &batch.records[place];
            let event = Recorded::of(record).map_err(|error| failed(error.into()))?;
            let because = because_of(record);
            let mut work = UnitOfWork::new(&self.application, because, batch.dry.clone());
            self.manager.react(event, &mut work).await.map_err(failed)?;
            let done = match &batch.dry {
                Some(rehearsal) => work.rehearse(rehearsal).await,
                None => {
                    let committed = work.commit(batch.advance(place, place + 1)).await;
                    committed.map(|_| ()).map_err(Error::Save)
                }
            };
            let conflict = match done {
                Ok(()) => return Ok(()),
                Err(Error::Save(SaveError::Store(refused))) if is_of_the_store(&refused) => {
                    return Err(refused.into());
                }
                Err(
                    conflict @ Error::Save(
                        SaveError::Conflict { .. } | SaveError::AlreadyExists { .. },
                    ),
                ) => conflict,
                Err(error) => return Err(failed(error.into())),
            };
            attempts += 1;
            if let Some(rehearsal) = &batch.dry {
                // Somebody else may have written since it looked, but for once, and in a test nobody does.
                if attempts > 1 || rehearsal.does_outside() {
                    return Err(failed(conflict.into()));
                }
                continue;
            }
            // Who looks whether it is there finds it the second time; who does not, never does.
            let exists = matches!(conflict, Error::Save(SaveError::AlreadyExists { .. }));
            let is_vain = exists && mem::replace(&mut existed, exists);
            let pause = Retry::default().pause(attempts);
            let Some(pause) = pause.filter(|_| !is_vain) else {
                return Err(failed(conflict.into()));
            };
            self.application.goes_by().sleep(pause).await;
        }
    }
}

/// What says nothing about the event: the checkpoint, the lease, the connection, a newer program.
fn is_of_the_store(refused: &AppendError) -> bool {
    matches!(
        refused,
        AppendError::Checkpoint { .. }
            | AppendError::Fenced { .. }
            | AppendError::Parking { .. }
            | AppendError::Failed(_)
            | AppendError::Unavailable(_)
    ) || AnotherRevision::refuses(refused)
}

/// What an event is answered with says which process it belongs to and what caused it.
fn because_of(record: &Record) -> Metadata {
    let commit = Uuid::from(record.commit);
    let correlation = record.metadata.get_correlation().unwrap_or(commit);
    Metadata::new().correlation(correlation).causation(commit)
}
