//! A store as faults see it.
use es_core::persistence::Store;
use es_core::{Application, System};
use fastrand::Rng;
use uuid::Uuid;

/// One log of a store under test, at a place that other processes can be told.
///
/// None of this is called where a runtime is at work, so each may wait.
pub trait Log: Sized + Send + Sync + 'static {
    /// The store.
    type Store: Store + Clone;

    /// The largest payload that its database takes, whatever the limit of the store.
    const LARGEST: usize;

    /// Statements that switch off what refuses edits of events, and how many triggers that are.
    const UNGUARDED: (&'static str, usize);

    /// Deletions that are refused, beside one of all events.
    const DELETIONS: &'static [&'static str];

    /// How many edits are tried, in short and long.
    const EDITS: (usize, usize);

    /// Columns of an event that no store wrote and only this database keeps.
    const COLUMNS: &'static [&'static str];

    /// An empty log that nobody else has; gone with this.
    fn fresh() -> Self;

    /// A log that another process has made.
    fn at(address: &str) -> Self;

    /// What another process is told.
    fn address(&self) -> String;

    /// A store on it.
    fn open(&self) -> Self::Store;

    /// A store on it that takes payloads of any size.
    fn open_without_limit(&self) -> Self::Store;

    /// A store on it as a process has it that is to be killed.
    fn open_to_be_killed(&self, _rng: &mut Rng) -> Self::Store {
        self.open()
    }

    /// Ends what a killed process has left at work; says whether it was killed between the first and the last write of a commit, where that can be
    /// seen.
    fn left_behind(&self) -> Option<bool>;

    /// What somebody does by hand: how many rows the last statement changed, or what the database says against it.
    ///
    /// # Errors
    /// What the database says against it.
    fn execute(&self, statements: &str) -> Result<u64, String>;

    /// Bytes as they are written in a statement.
    fn bytes(bytes: &[u8]) -> String;

    /// An id as it is written in a statement.
    fn uuid(id: Uuid) -> String;

    /// Opens a log by a name of one's own, in each way there is to name one, and hands it out with the name of the way. Returns how many were
    /// refused, by the error that is for that.
    fn named(&self, name: &str, found: impl FnMut(&'static str, Self::Store)) -> usize;

    /// Follows the log with a projection that notes each position in the table `notes` and, where it is to, says `noted` before the note is kept; by
    /// [`lease::system`](super::lease::system).
    fn following(store: &Self::Store, aloud: bool) -> System;

    /// Has the same notes made inside of every commit, without a word.
    fn note_inside(store: &Self::Store, app: &Application) -> impl Future<Output = ()> + Send;

    /// The positions that were noted, in the order in which they were.
    fn noted(&self) -> Vec<u64>;
}

/// Does by hand what nothing is in the way of.
pub(super) fn execute(log: &impl Log, statements: &str) {
    log.execute(statements)
        .unwrap_or_else(|error| panic!("{statements}: {error}"));
}
