//! What a law is tried on: a log of its own, and what can be done to it from outside.
use std::any::type_name;
use std::future::Future;
use std::io::{self, Write};

use bytes::Bytes;

use super::{Journal, Noted};
use crate::application::Application;
use crate::persistence::{BoxFuture, Store};
use crate::system::{Follower, InlineError};
use crate::testing::block_on;

/// Gives the laws logs to be tried on, and does to them what an operator or an accident would.
///
/// What belongs to one log (a temporary folder, a schema on a server) lives as long as its harness, which a law drops last. The methods with a
/// default are parts that a store may lack. A law says on standard error what it could not run without them, which `cargo test` shows with
/// `-- --nocapture`, and a store that lacks one may not call itself durable; with [`WHOLE`](Self::WHOLE) it fails. So set that once the store is to
/// lack nothing.
///
/// ```
/// use es_core::persistence::BoxFuture;
/// use es_core::testing::laws::Harness;
/// use es_store_memory::MemoryStore;
///
/// struct MemoryHarness(MemoryStore);
///
/// impl Harness for MemoryHarness {
///     type Store = MemoryStore;
///
///     fn fresh() -> BoxFuture<'static, Self> {
///         Box::pin(async { Self(MemoryStore::new()) })
///     }
///
///     fn open(&self) -> BoxFuture<'_, MemoryStore> {
///         Box::pin(async { self.0.clone() })
///     }
/// }
///
/// es_core::store_laws!(MemoryHarness);
/// ```
pub trait Harness: Send + Sized + 'static {
    /// The store.
    type Store: Store;

    /// Whether every law is to be run in all its parts: one that cannot be fails. For stores that lack nothing, so that a harness that loses a
    /// part is noticed.
    const WHOLE: bool = false;

    /// Whether anything can come between a handle and its log. A store that has it in its own process, with no server, line or lock of another
    /// process, says `false`: [`disconnect`](Self::disconnect) is not asked then, and nothing is lacking without it.
    const CONNECTIONS: bool = true;

    /// An empty log that nobody else has.
    fn fresh() -> BoxFuture<'static, Self>;

    /// A handle on the log. Called again it is a second one, with connections of its own where the store has any: what another process would
    /// have.
    fn open(&self) -> BoxFuture<'_, Self::Store>;

    /// Closes all that is still open and opens the log again, as after the end of the process; its handles have been dropped before. `None`
    /// where the store cannot.
    fn reopen(&mut self) -> Option<BoxFuture<'_, Self::Store>> {
        None
    }

    /// Cuts the connections of a handle, which has to recover by itself within two seconds. Until then it waits, or says that it is
    /// [unavailable](crate::persistence::AppendError::Unavailable), or that a commit [failed](crate::persistence::AppendError::Failed), which then
    /// must not be stored. What comes between an embedded store and its file is somebody else's lock, or that the file is not in its place. `None`
    /// where the harness does not; where nothing can, [`CONNECTIONS`](Self::CONNECTIONS) says so.
    fn disconnect<'a>(&'a self, store: &'a Self::Store) -> Option<BoxFuture<'a, ()>> {
        let _ = store;
        None
    }

    /// A payload that the store refuses as too large. `None` where there is none that fits into memory.
    fn refused_payload(&self) -> Option<Bytes> {
        None
    }

    /// A projection of this store that keeps what the journal notes, in a list or a table, and then fails as the journal says: see
    /// [`Journal::follower`]. `None` where the store has no projections.
    ///
    /// Several journals at once, each under a [name](Journal::follower) of its own, and several revisions of one, keep what they note, so each needs a
    /// table of its own, or all of them one that is kept per [`Output::follower`](crate::system::Output::follower).
    fn follow(&self, store: &Self::Store, journal: Journal) -> Option<Box<dyn Follower>> {
        let _ = (store, journal);
        None
    }

    /// Has a projection of this store, that keeps what the journal notes, run inside of every commit of a handle: what its `inline` answers. `None`
    /// where the store cannot.
    ///
    /// It runs in [`Journal::revision`], 1 or 2, which is [`Projection::REVISION`](crate::Projection::REVISION) of a type, so the harness has two types:
    /// `Pages<1>` and `Pages<2>` of a `struct Pages<const REVISION: u32>(Journal)`.
    fn inline<'a>(
        &'a self,
        store: &'a Self::Store,
        app: &'a Application,
        journal: Journal,
    ) -> Option<BoxFuture<'a, Result<(), InlineError>>> {
        let _ = (store, app, journal);
        None
    }

    /// Ends that.
    fn end_inline<'a>(
        &'a self,
        store: &'a Self::Store,
        app: &'a Application,
    ) -> Option<BoxFuture<'a, ()>> {
        let _ = (store, app);
        None
    }

    /// What journals have noted, in the order in which they did: where readers look, or what was built beside that under a tag.
    fn noted<'a>(
        &'a self,
        store: &'a Self::Store,
        tag: Option<&'a str>,
    ) -> BoxFuture<'a, Vec<Noted>> {
        let _ = (store, tag);
        Box::pin(async { Vec::new() })
    }

    /// How many runs of chaos are tried unless `ES_CHAOS` says otherwise.
    fn runs_of_chaos() -> u64 {
        25
    }

    /// Runs a future to its end on this thread; laws call it on several at once, and block theirs. Override it where the store needs an async
    /// runtime, by one with threads of its own that lives as long as the tests.
    fn block_on<F: Future>(future: F) -> F::Output {
        block_on(future)
    }
}

/// Drops the only handle and opens the log again; where that cannot be done, says so and gives a fresh handle.
pub(super) async fn reopened<H: Harness>(law: &str, harness: &mut H, store: H::Store) -> H::Store {
    drop(store);
    if let Some(reopened) = harness.reopen() {
        return reopened.await;
    }
    not_run::<H>(law, "after reopening", "cannot reopen");
    harness.open().await
}

/// Says that a law was not run with cut connections, unless there are none.
pub(super) fn not_cut<H: Harness>(law: &str) {
    if H::CONNECTIONS {
        let lack = "cannot cut connections, nor says by `CONNECTIONS` that there are none";
        not_run::<H>(law, "with cut connections", lack);
    }
}

/// Says that a part of a law was not run, also where the output of tests that pass is hidden.
pub(super) fn not_run<H: Harness>(law: &str, part: &str, lack: &str) {
    let store = type_name::<H::Store>();
    let line = format!(
        "{law} not run {part}: the harness of `{store}` {lack}; such a store may not call itself durable\n"
    );
    assert!(!H::WHOLE, "{line}");
    // Nobody listening is no reason to fail.
    let _ = io::stderr().write_all(line.as_bytes());
}
