//! One bounded context: aggregates are got, changed and saved here.

mod at_once;
mod builder;
mod cache;
mod categories;
mod error;
mod following;
mod history;
mod ids;
mod load;
mod log;
mod once;
mod owner;
mod pages;
mod rehearsal;
mod repository;
pub(crate) mod retry;
mod save;
pub(crate) mod size;
mod snapshots;
mod traced;
mod types;
mod update;
mod wait;
mod work;

use std::fmt;
use std::future::Future;
use std::time::{Duration, SystemTime};

pub(crate) use at_once::at_once;
pub use builder::ApplicationBuilder;
pub use categories::CategoryTaken;
pub use error::{Error, Result};
pub use history::History;
pub use ids::Ids;
pub use load::{LoadError, Past};
pub use log::{
    LogError, NotificationLog, Section, SectionId, SectionIdError, Stopper, Subscription,
};
pub use once::{Done, DoneBefore, Once, OnceResult};
pub use owner::OpenError;
pub use rehearsal::Rehearsal;
pub use repository::Repository;
pub use retry::Retry;
pub use save::{Save, SaveError, Saved, Staged};
pub use snapshots::{SnapshotError, SnapshotPolicy};
pub use types::{AggregateType, FieldState, Story};
pub use update::{Decision, Subject, UpdateError, UpdateResult, Updated};
pub use wait::WaitError;
pub(crate) use wait::{SILENT, TimeOut, answered, why_stopped};
pub use work::UnitOfWork;

use crate::domain::{Aggregate, Outcome, Position, StreamId, Version};
use crate::persistence::{
    Advance, Commit, CommitId, Committed, FollowerId, Metadata, Store, Verification,
};
#[cfg(doc)]
use crate::persistence::{AppendError, EventStore};

/// The use cases of one bounded context stand in front of this: it gets, changes and saves aggregates of any type.
///
/// Cheap to clone, and `Send + Sync + 'static`: one instance serves every handler of a web server. No particular async
/// runtime is needed.
///
/// ```
/// use es_core::{Aggregate, Application, Root, events};
/// use es_store_memory::MemoryStore;
///
/// #[derive(Aggregate)]
/// #[aggregate("Counter")]
/// struct Counter {
///     root: Root<Self>,
///     total: i64,
/// }
///
/// #[events]
/// impl Counter {
///     #[event("Started")]
///     fn start() -> Self {
///         Self { root: Root::new(), total: 0 }
///     }
///
///     #[event("Added")]
///     fn add(&mut self, amount: i64) {
///         self.total += amount;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> es_core::Result<()> {
/// let app = Application::new(MemoryStore::new());
/// let mut counter = Counter::start();
/// counter.add(2);
/// app.save(&mut counter).await?;
///
/// app.update(counter.id(), |counter: &mut Counter| counter.add(3)).await?;
/// assert_eq!(app.get::<Counter>(counter.id()).await?.total, 5);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Application {
    repository: Repository,
    metadata: Metadata,
}

impl Application {
    /// An application that keeps its events in `store`. It has no name, so whose log it is, is not asked: in earnest, give it one by the
    /// [builder](Application::builder).
    pub fn new(store: impl Store) -> Self {
        Self::builder(store).build()
    }

    /// An application that keeps its events in `store`, and is told more: its name, when snapshots are taken, what is cached, which clock it
    /// goes by.
    pub fn builder(store: impl Store) -> ApplicationBuilder {
        ApplicationBuilder::new(store)
    }

    /// Its name, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.repository.name()
    }

    /// The same application, saving every event with who did it and why; what was said before holds where this says nothing else.
    ///
    /// ```
    /// # use es_core::{Application, Metadata};
    /// # use es_store_memory::MemoryStore;
    /// # let app = Application::new(MemoryStore::new());
    /// let for_alice = app.with(Metadata::new().actor("alice"));
    /// # let _ = for_alice;
    /// ```
    #[must_use]
    pub fn with(&self, metadata: Metadata) -> Self {
        Self {
            repository: self.repository.clone(),
            metadata: self.metadata.clone().and(metadata),
        }
    }

    /// Saves the pending events of one aggregate (`&mut dog`) or of several (`(&mut from, &mut to)`, `&mut dogs[..]`), all or nothing.
    ///
    /// The pending events leave the aggregates once the store has them. With nothing pending the store is not asked.
    /// A save whose future was dropped, or that the store did not answer, is settled by the next save of the same aggregates: what it sent is
    /// stored once, whatever became of it.
    ///
    /// Note that `app.save(dog)` moves a `dog: &mut Dog`; to go on using it, write `app.save(&mut *dog)`.
    ///
    /// # Errors
    /// [`SaveError`], as [`Error::Save`]; what was pending is pending still, as far as it says.
    pub fn save<S: Save>(
        &self,
        what: S,
    ) -> impl Future<Output = Result<Saved<S::Versions>>> + Send + use<S> {
        let Self {
            repository,
            metadata,
        } = self.clone();
        async move { Ok(repository.save(&metadata, what).await?) }
    }

    /// Makes what is pending in one aggregate or several ready for a transaction of your own, so that your rows and the events become visible
    /// together: for the `commit_with` and `append_in` of the SQL stores.
    ///
    /// It waits for nothing: call [`claim`](Self::claim) when the program starts. No snapshots are taken of what is stored so; where such aggregates
    /// are long, let a job take them by [`snapshot`](Self::snapshot).
    ///
    /// # Errors
    /// [`SaveError`], as [`Error::Save`]; [`SaveError::Unknown`] where a commit of the aggregates is in doubt, which `save` settles, and
    /// [`SaveError::MustWait`] where the store or the keys do not answer at once.
    pub fn stage<'a, S: Save + 'a>(&self, what: S) -> Result<Staged<'a>> {
        Ok(self.repository.stage(&self.metadata, what)?)
    }

    /// Claims the log for this application's name now, where it has one, and not at its first use; [`stage`](Application::stage) need not wait for
    /// the store then. Keys that do not fit are reported by the first save; keys that could not be reached are asked for by the next one, or by
    /// claiming again.
    ///
    /// # Errors
    /// [`LogError::Open`], as [`Error::Log`], where the log is another application's.
    pub fn claim(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let repository = self.repository.clone();
        async move {
            let store = repository.store().await.map_err(LogError::from)?;
            // Whoever only reads need not have the keys.
            let _ = repository.check_keys(store).await;
            Ok(())
        }
    }

    /// Says what became of a commit that a save or an update could not answer for: see [`SaveError::Unknown`].
    ///
    /// `None`: it is not stored; one that is still on its way may be, later. So after a save do not ask, but save the same aggregates again: they
    /// know the commit, and send the same one, which is stored once, whatever becomes of the first. After an update they are gone; a command that is
    /// given [once](Self::once) is safe to give again under the same key, and so is one that looks for itself whether it was done.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, Error, Root, events};
    /// # use es_core::application::SaveError;
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Lamp")]
    /// # struct Lamp { root: Root<Self> }
    /// # #[events]
    /// # impl Lamp {
    /// #     #[event("Mounted")]
    /// #     fn mount() -> Self { Self { root: Root::new() } }
    /// # }
    /// # async fn mount(app: Application) -> es_core::Result<()> {
    /// let mut lamp = Lamp::mount();
    /// match app.save(&mut lamp).await {
    ///     Err(Error::Save(SaveError::Unknown { .. })) => drop(app.save(&mut lamp).await?),
    ///     other => drop(other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`].
    pub fn outcome(
        &self,
        commit: CommitId,
    ) -> impl Future<Output = Result<Option<Committed>>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.outcome(commit).await?) }
    }

    /// Gives a command a key, so that it is carried out once, however often it is sent: by any process, also after a crash, also where the sender got
    /// no answer. For HTTP requests that clients repeat, and for messages that a queue delivers twice.
    ///
    /// Two different commands must never have the same key. Make it of what the sender repeats (the `Idempotency-Key`, the id of the message), of who
    /// sent it, and of which operation on which aggregate it is. Whether the arguments belong in it is your choice: with them, the same key with another
    /// amount is another command; without them, it counts as done, and the new amount is ignored. The ids of the aggregates follow from the command,
    /// too: one that it creates takes its id from the key, and not at random.
    ///
    /// A key is a [`Uuid`](uuid::Uuid), which `Uuid::new_v5` makes of a text (feature `v5` of `uuid`):
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, Root, UpdateError, events};
    /// # use es_store_memory::MemoryStore;
    /// use es_core::application::Done;
    /// use uuid::Uuid;
    ///
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Account")]
    /// # struct Account { root: Root<Self>, balance: u64 }
    /// # #[events]
    /// # impl Account {
    /// #     #[event("Opened", id = *id)]
    /// #     fn open(id: Uuid) -> Self { Self { root: Root::new(), balance: 0 } }
    /// #     #[event("Deposited")]
    /// #     fn deposit(&mut self, amount: u64) { self.balance += amount; }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = Application::new(MemoryStore::new());
    /// # let account = Uuid::from_u128(1);
    /// let (client, sent) = ("ann", "7c1f"); // who it is, and the header `Idempotency-Key`
    /// let key = Uuid::new_v5(&account, format!("deposit\n{client}\n{sent}").as_bytes());
    ///
    /// for _ in 0..2 {
    ///     let done = app.once(key).update(account, |found: &mut Option<Account>| {
    ///         found.get_or_insert_with(|| Account::open(account)).deposit(10);
    ///     });
    ///     match done.await? {
    ///         Done::Now(updated) => println!("done, version {}", updated.version),
    ///         Done::Before(before) => println!("done before, version {}", before.version),
    ///     }
    /// }
    /// assert_eq!(app.get::<Account>(account).await?.balance, 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// To refuse a key that comes again with other arguments, instead of ignoring those, save the command with what was asked, or a digest of it, in the
    /// metadata, and compare:
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, BoxError, Metadata, Root, events};
    /// # use es_store_memory::MemoryStore;
    /// # use uuid::Uuid;
    /// use es_core::application::Done;
    ///
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Account")]
    /// # struct Account { root: Root<Self>, balance: u64 }
    /// # #[events]
    /// # impl Account {
    /// #     #[event("Opened", id = *id)]
    /// #     fn open(id: Uuid) -> Self { Self { root: Root::new(), balance: 0 } }
    /// #     #[event("Deposited")]
    /// #     fn deposit(&mut self, amount: u64) { self.balance += amount; }
    /// # }
    /// async fn deposit(app: &Application, key: Uuid, account: Uuid, amount: u64) -> Result<u64, BoxError> {
    ///     let asked = Metadata::new().with("asked", amount);
    ///     let done = app.with(asked.clone()).once(key).update(account, |account: &mut Account| account.deposit(amount));
    ///     match done.await? {
    ///         Done::Before(before) if before.metadata.get("asked") != asked.get("asked") => Err("this key was for something else".into()), // 422
    ///         _ => Ok(amount),
    ///     }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let app = Application::new(MemoryStore::new());
    /// # let account = Uuid::from_u128(1);
    /// # app.save(&mut Account::open(account)).await?;
    /// # let key = Uuid::from_u128(2);
    ///
    /// deposit(&app, key, account, 10).await?;
    /// deposit(&app, key, account, 10).await?; // the client asks again
    /// assert!(deposit(&app, key, account, 500).await.is_err());
    /// # assert_eq!(app.get::<Account>(account).await?.balance, 10);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Only a command that stores events uses up its key, which is kept as long as they are: it is the id of their [commit](CommitId), so it holds in
    /// the log of this application. One that is refused, or records nothing, is decided afresh the next time. That is said of this call: one before it
    /// that got no answer may still be stored, so let `decide` depend on nothing but the aggregate and the command. Where the client acts on a refusal, as
    /// by paying in another way, record that as an event, which uses up the key: the earlier call is then told of it, and takes nothing. Where the
    /// answer is [`SaveError::Unknown`], give it again under the same key, from whichever process.
    ///
    /// Hang nothing on whether it is [`Done::Now`] or [`Done::Before`]: calls at the same moment may all be told `Now`, and one whose answer was lost
    /// `Before`. What must follow from the command follows from its events. Followers know a log by its commits: where it was restored from a
    /// backup, and the same commands come to the same positions again under their keys, they do not notice; `rebuild` them.
    ///
    /// Who writes rows of his own beside ([`stage`](Self::stage)) puts a unique key into them instead.
    pub fn once(&self, key: impl Into<CommitId>) -> Once {
        Once::new(self.clone(), key.into())
    }

    /// Gets an aggregate as it is now.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`]; [`LoadError::NotFound`] where no event created it.
    pub fn get<A: Aggregate>(&self, id: A::Id) -> impl Future<Output = Result<A>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.get(id).await?) }
    }

    /// Gets an aggregate as it is now, or `None` where no event created it.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`].
    pub fn find<A: Aggregate>(
        &self,
        id: A::Id,
    ) -> impl Future<Output = Result<Option<A>>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.find(id).await?) }
    }

    /// Gets an aggregate as it was at a version, to be read and not changed.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`]; [`LoadError::NoSuchVersion`] for `Version::NEW` and for versions it has not reached.
    pub fn get_at<A: Aggregate>(
        &self,
        id: A::Id,
        version: Version,
    ) -> impl Future<Output = Result<Past<A>>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.get_at(id, version).await?) }
    }

    /// Gets an aggregate as it was at a time, to be read and not changed. All its events of that very microsecond are in it; what was known of it when
    /// something else happened is told by positions, which are in the [`history`](Self::history) of both, and then [`get_at`](Self::get_at) a version.
    ///
    /// # Errors
    /// [`LoadError`], as [`Error::Load`]; [`LoadError::NotYet`] where it was created later.
    pub fn get_as_of<A: Aggregate>(
        &self,
        id: A::Id,
        time: SystemTime,
    ) -> impl Future<Output = Result<Past<A>>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.get_as_of(id, time).await?) }
    }

    /// Reads the events of an aggregate, oldest first; of one that does not exist there are none. The records of a part, or newest first, are in
    /// [`NotificationLog::stream`].
    pub fn history<A: Aggregate>(&self, id: A::Id) -> History<A> {
        History::new(self.repository.clone(), StreamId::of::<A>(&id))
    }

    /// The notification log: everything that happened, in order.
    #[must_use]
    pub fn log(&self) -> NotificationLog {
        NotificationLog::new(self.repository.clone())
    }

    /// Writes a commit of another log as it is, its id, its time, its metadata and the bytes of its payloads: for who copies a log. Sent again,
    /// it is stored once.
    ///
    /// # Errors
    /// [`SaveError`], as [`Error::Save`]; nothing of the commit is stored, except as [`SaveError::Unknown`] says.
    pub fn append(&self, commit: Commit) -> impl Future<Output = Result<Committed>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.append(commit).await?) }
    }

    /// Reads the whole log and compares it with what was written: see [`EventStore::verify`].
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`].
    pub fn verify(&self) -> impl Future<Output = Result<Verification>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.verify().await?) }
    }

    /// The ids of all aggregates of a type, in ascending order.
    #[must_use]
    pub fn ids<A: Aggregate>(&self) -> Ids<A> {
        Ids::new(self.repository.clone())
    }

    /// Takes a snapshot of an aggregate as it is now, in the place of one at the same version, and says the version.
    ///
    /// # Errors
    /// [`SnapshotError`], as [`Error::Snapshot`].
    pub fn snapshot<A: Aggregate>(
        &self,
        id: A::Id,
    ) -> impl Future<Output = Result<Version>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.snapshot::<A>(id).await?) }
    }

    /// Takes a snapshot of an aggregate as it was at a version, in the place of one there: reading what it was like from then on begins with it.
    ///
    /// # Errors
    /// [`SnapshotError`], as [`Error::Snapshot`]; [`LoadError::NoSuchVersion`] for `Version::NEW` and for versions it has not reached.
    pub fn snapshot_at<A: Aggregate>(
        &self,
        id: A::Id,
        version: Version,
    ) -> impl Future<Output = Result<Version>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.snapshot_at::<A>(id, version).await?) }
    }

    /// Takes a snapshot of an aggregate as it is now, and drops all others that it has, which nobody needs who does not ask for its past.
    ///
    /// # Errors
    /// [`SnapshotError`], as [`Error::Snapshot`]; where the store cannot keep it, the others may be gone, which costs nothing but time.
    pub fn prune_snapshots<A: Aggregate>(
        &self,
        id: A::Id,
    ) -> impl Future<Output = Result<Version>> + Send + use<A> {
        let repository = self.repository.clone();
        async move { Ok(repository.prune_snapshots::<A>(id).await?) }
    }

    /// Drops all snapshots: what comes next is replayed from the first event, and gives the same.
    ///
    /// # Errors
    /// [`SnapshotError`], as [`Error::Snapshot`].
    pub fn drop_snapshots(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.drop_snapshots().await?) }
    }

    /// How far a follower is that keeps its checkpoint in this store; [`Position::START`] for one that is not known.
    ///
    /// ```
    /// # use es_core::Application;
    /// # use es_core::persistence::{Filter, FollowerId, Span};
    /// # async fn mail(app: Application) -> es_core::Result<()> {
    /// // A reader that polls: what it does happens at least once, for it may end between the doing and the checkpoint.
    /// let follower = FollowerId::new("mailer", "school");
    /// let dogs = app.log().only(Filter::category("Dog"));
    /// let from = app.checkpoint(follower.clone()).await?;
    /// let page = dogs.page(Span::after(from).limit(100)).await?;
    /// for record in &page.records {
    ///     println!("a letter about {}", record.stream);
    /// }
    /// if page.read_to > from {
    ///     app.advance(follower, from, page.read_to).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`LogError`], as [`Error::Log`].
    pub fn checkpoint(
        &self,
        follower: FollowerId,
    ) -> impl Future<Output = Result<Position>> + Send + use<> {
        let repository = self.repository.clone();
        async move {
            let store = repository.store().await.map_err(LogError::from)?;
            let position = store.checkpoint(&follower).await;
            Ok(position.map_err(LogError::from)?)
        }
    }

    /// Moves the checkpoint of a follower forward, from where it is believed to be.
    ///
    /// # Errors
    /// [`SaveError::Store`], as [`Error::Save`], with [`AppendError::Checkpoint`] where it is elsewhere or would not move forward.
    pub fn advance(
        &self,
        follower: FollowerId,
        from: Position,
        to: Position,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let repository = self.repository.clone();
        async move { Ok(repository.advance(Advance::new(follower, from, to)).await?) }
    }

    /// Waits until a follower that keeps its checkpoint in this store has seen a position, and says how far it is then.
    ///
    /// Ends at once where it has seen it already, or where there is no position to wait for.
    ///
    /// # Errors
    /// [`WaitError`], as [`Error::Wait`]; [`WaitError::TimedOut`] after `at_most`.
    pub fn wait_for<P: Into<Option<Position>>>(
        &self,
        follower: FollowerId,
        position: P,
        at_most: Duration,
    ) -> impl Future<Output = Result<Position>> + Send + use<P> {
        let repository = self.repository.clone();
        let awaited = position.into().unwrap_or_default();
        async move { Ok(wait::wait_for(&repository, follower, awaited, at_most).await?) }
    }

    /// Gets an aggregate, lets `decide` change it, and saves it; where another writer was faster, gets it again and decides again.
    ///
    /// `decide` returns nothing or a `Result`; an error refuses the command, and nothing is saved. It may run several times: first on what is
    /// cached, where the aggregate is, which is enough where it can be saved; else on what is stored. So it clones what it hands on, and waits for
    /// nothing: ask another service first. Where the question depends on the state, [`get`](Self::get), ask, decide and [`save`](Self::save), and
    /// begin anew on [`SaveError::Conflict`]. The argument of a closure always names its type: `|dog: &mut Dog| ..`; or give a method: `Dog::bark`.
    ///
    /// An aggregate that need not exist is an `Option`. What `decide` creates must have the id that was asked for, and where somebody else creates it
    /// meanwhile, it is decided again on theirs; `None` in the place of one that exists deletes nothing, and is refused:
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, Root, UpdateError, events};
    /// # use uuid::Uuid;
    /// #[derive(Aggregate)]
    /// #[aggregate("Basket")]
    /// struct Basket { root: Root<Self>, items: Vec<String> }
    ///
    /// #[events]
    /// impl Basket {
    ///     #[event("Opened", id = *customer)]
    ///     fn open_for(customer: Uuid) -> Self { Self { root: Root::new(), items: Vec::new() } }
    ///
    ///     #[event("ItemAdded")]
    ///     fn add(&mut self, item: &str) { self.items.push(item.to_owned()); }
    /// }
    ///
    /// # async fn put(app: Application, customer: Uuid, item: &str) -> Result<(), UpdateError<std::convert::Infallible>> {
    /// app.update(customer, |basket: &mut Option<Basket>| {
    ///     basket.get_or_insert_with(|| Basket::open_for(customer)).add(item);
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`UpdateError::Refused`] with what `decide` answered; [`UpdateError::Failed`] where getting or saving failed, with [`SaveError::Conflict`]
    /// where others were faster as often as [`Retry`] allows, with [`SaveError::Replaced`] where `decide` put another aggregate in the place of the one
    /// it was given, and with [`SaveError::AlreadyExists`] where it created one that it had been given.
    pub fn update<S, F, R>(
        &self,
        id: S::Id,
        decide: F,
    ) -> impl Future<Output = UpdateResult<R>> + Send + use<S, F, R>
    where
        S: Subject<Versions = Version>,
        F: FnMut(&mut S) -> R + Send,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        update::update(self.clone(), None, S::streams(&id), decide)
    }

    /// Gets several aggregates, lets `decide` change them, and saves them, all or nothing; where another writer changed one of them, gets them
    /// again and decides again. The versions of those that `decide` only looks at are checked too, also where it refuses or records nothing: what
    /// it decided on stood together at one time.
    ///
    /// ```
    /// # use es_core::{Aggregate, Application, Root, UpdateError, events};
    /// # use uuid::Uuid;
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Account")]
    /// # struct Account { root: Root<Self>, balance: u64 }
    /// # #[derive(Debug)]
    /// # struct Overdrawn { balance: u64 }
    /// # #[events]
    /// # impl Account {
    /// #     #[event("Opened")]
    /// #     fn open(balance: u64) -> Self { Self { root: Root::new(), balance } }
    /// #     #[event("Withdrawn")]
    /// #     fn withdrawn(&mut self, amount: u64) { self.balance -= amount; }
    /// #     #[event("Deposited")]
    /// #     fn deposit(&mut self, amount: u64) { self.balance += amount; }
    /// #     fn withdraw(&mut self, amount: u64) -> Result<(), Overdrawn> {
    /// #         if amount > self.balance { return Err(Overdrawn { balance: self.balance }); }
    /// #         self.withdrawn(amount);
    /// #         Ok(())
    /// #     }
    /// # }
    /// # async fn transfer(app: Application, from: Uuid, to: Uuid, amount: u64) {
    /// let moved = app.update_all((from, to), |(from, to): (&mut Account, &mut Account)| {
    ///     from.withdraw(amount)?;
    ///     to.deposit(amount);
    ///     Ok(())
    /// }).await;
    /// match moved {
    ///     Ok(moved) => println!("now at versions {} and {}", moved.version.0, moved.version.1),
    ///     Err(UpdateError::Refused(Overdrawn { balance })) => println!("only {balance} there"),
    ///     Err(UpdateError::Failed(error)) => println!("{error}"),
    /// }
    /// # }
    /// ```
    ///
    /// The argument of a closure always names its type, as here. [`Decision`] says which forms ids and `decide` can have.
    ///
    /// # Errors
    /// As for [`update`](Application::update); [`SaveError::Twice`] where an id occurs twice; [`SaveError::Resized`] where `decide` takes some out of a
    /// `Vec`, or puts others into it.
    pub fn update_all<I, F, S, R>(
        &self,
        ids: I,
        decide: F,
    ) -> impl Future<Output = UpdateResult<R, S::Versions>> + Send + use<I, F, S, R>
    where
        (I, F): Decision<S, R>,
        S: Subject,
        R: Outcome<Value: Send, Refusal: Send>,
    {
        update::update_all(self.clone(), (ids, decide))
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").finish_non_exhaustive()
    }
}
