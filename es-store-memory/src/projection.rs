//! Read models in memory: a plain value, kept with its checkpoint.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use es_core::Application;
use es_core::persistence::{
    AppendError, BoxError, BoxFuture, EventSet, Filter, FollowerId, Record, Recorded, Span, Store,
};
use es_core::system::{
    Batch, Follower, HandleError, HandlerPanicked, InlineError, Inlined, Output, Projection,
};

use crate::MemoryStore;
use crate::followers::View;

/// A projection onto a plain value. Each batch is handled by a copy, which takes the place of the value together with the checkpoint.
///
/// ```
/// use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, System, events};
/// use es_store_memory::{MemoryProjection, MemoryStore};
///
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self> }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new() } }
/// #     #[event("Switched")]
/// #     fn switch(&mut self) {}
/// # }
/// #[derive(Clone, Default)]
/// struct Switchings {
///     count: u32,
/// }
///
/// impl Projection for Switchings {
///     const NAME: &'static str = "switchings";
///     type Events = LampEvent;
/// }
///
/// impl MemoryProjection for Switchings {
///     fn handle(&mut self, event: Recorded<LampEvent>) -> Result<(), BoxError> {
///         match event.event {
///             LampEvent::Switched {} => self.count += 1,
///             LampEvent::Mounted {} => {}
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> es_core::Result<()> {
/// let store = MemoryStore::new();
/// let app = Application::new(store.clone());
/// let system = System::new("house").follow(&app, store.project(Switchings::default()));
///
/// let mut lamp = Lamp::mount();
/// lamp.switch();
/// app.save(&mut lamp).await?;
/// system.settle().await?;
/// assert_eq!(store.view::<Switchings>().map(|view| view.count), Some(1));
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what it keeps in memory",
    note = "write `impl MemoryProjection for {Self}`, beside `impl Projection for {Self}`, and derive `Clone` for it: its `handle` changes the value"
)]
pub trait MemoryProjection: Projection + Clone + Sync {
    /// Changes the value as the event tells. It may be called again for an event whose outcome was not kept, on a value without it.
    ///
    /// # Errors
    /// Whatever is in the way; the value is what it was before the batch.
    fn handle(&mut self, event: Recorded<Self::Events>) -> Result<(), BoxError>;
}

impl MemoryStore {
    /// A follower that keeps what the projection makes in this store, beginning with the value that is given here.
    pub fn project<P: MemoryProjection>(&self, projection: P) -> MemoryFollower<P> {
        const { P::HAS_A_REVISION };
        MemoryFollower {
            store: self.clone(),
            begin: projection,
        }
    }

    /// What a projection of that type has made so far; `None` before it was first run.
    #[must_use]
    pub fn view<P: MemoryProjection>(&self) -> Option<Arc<P>> {
        self.view_named(P::NAME)
    }

    /// What was [built under that name](es_core::system::FollowerHandle::rebuild_until).
    #[must_use]
    pub fn view_built<P: MemoryProjection>(&self, name: &str) -> Option<Arc<P>> {
        self.view_named(&format!("{}@{name}", P::NAME))
    }

    /// What projections of that type have made so far, those built beside others too, with the followers that did.
    #[must_use]
    pub fn views<P: MemoryProjection>(&self) -> Vec<(FollowerId, Arc<P>)> {
        let views = self.log().followers.views();
        let typed = |(follower, view): (FollowerId, View)| Some((follower, view.downcast().ok()?));
        views.into_iter().filter_map(typed).collect()
    }

    fn view_named<P: MemoryProjection>(&self, name: &str) -> Option<Arc<P>> {
        let view = self.log().followers.view_named(name)?;
        view.downcast().ok()
    }

    /// Runs a projection inside of every commit from here on, which fails where the projection does: it is never behind. It begins with what the
    /// log holds already, and with the value that is given here.
    ///
    /// Payloads are opened by the codecs of `app`, whose log this is; the keys must answer at once
    /// ([`NotAtOnce`](es_core::system::NotAtOnce)). No follower can have its name until [`end_inline`](MemoryStore::end_inline).
    ///
    /// # Errors
    /// [`InlineError`]; it does not run, and nothing was changed.
    pub async fn inline<P: MemoryProjection>(
        &self,
        app: &Application,
        projection: P,
    ) -> Result<(), InlineError> {
        let inlined = Inlined::new::<P>(app, self).await?;
        let opener = inlined.clone();
        let inline = Inline {
            handle: Box::new(move |view, records| {
                let mut state: P = value(view.as_ref()).unwrap_or_else(|| projection.clone());
                for record in records {
                    let admits = opener.filter();
                    if admits.admits(&record.stream.category, &record.event) {
                        let handled = handle(&mut state, || Ok(opener.event(record)?));
                        handled.map_err(|source| opener.refused_at(record, source))?;
                    }
                }
                Ok(Arc::new(state))
            }),
            inlined,
        };
        let mut log = self.log_to_write();
        let follower = inline.inlined.follower().clone();
        let (standing, parked) = (
            log.followers.standing(&follower).at(self.now()),
            log.followers.parked(&follower).len(),
        );
        inline.inlined.may_begin(&standing, parked)?;
        let all = log.read(Span::all(), &Filter::everything());
        let view = inline.handle(None, &all.records)?;
        let last = all.records.last().map(|record| record.commit);
        log.followers.begin_inside(&inline.inlined);
        log.followers
            .keep(follower.clone(), view, all.read_to, last);
        log.inline
            .retain(|inline| *inline.inlined.follower() != follower);
        log.inline.push(inline);
        Ok(())
    }

    /// Ends what [`inline`](MemoryStore::inline) began: a follower may have its name, and goes on with what it made.
    #[expect(clippy::unused_async, reason = "as with stores that write to a disk")]
    pub async fn end_inline<P: MemoryProjection>(&self, app: &Application) {
        let follower = FollowerId::new(P::NAME, app.name().unwrap_or_default().to_owned());
        let mut log = self.log_to_write();
        log.inline
            .retain(|inline| *inline.inlined.follower() != follower);
        log.followers.end_inside(&follower);
    }
}

/// A projection that runs inside the commit.
pub(crate) struct Inline {
    pub(crate) inlined: Inlined,
    handle: Box<Handle>,
}

type Handle = dyn Fn(Option<View>, &[Record]) -> Result<View, AppendError> + Send + Sync;

impl Inline {
    pub(crate) fn handle(
        &self,
        view: Option<View>,
        records: &[Record],
    ) -> Result<View, AppendError> {
        (self.handle)(view, records)
    }
}

/// A projection that follows a log and keeps what it makes in memory.
#[derive(Debug)]
pub struct MemoryFollower<P> {
    store: MemoryStore,
    begin: P,
}

impl<P: MemoryProjection> Follower for MemoryFollower<P> {
    fn name(&self) -> &str {
        P::NAME
    }

    fn filter(&self) -> Filter {
        P::Events::filter()
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn revision(&self) -> u32 {
        P::REVISION
    }

    fn prepare<'a>(&'a mut self, output: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            let begin = Arc::new(self.begin.clone());
            self.store.log_to_write().followers.prepare(output, begin)?;
            Ok(())
        })
    }

    fn handle(&mut self, batch: Arc<Batch>) -> BoxFuture<'_, Result<usize, HandleError>> {
        Box::pin(async move {
            let follower = &batch.output.follower;
            let view = self.store.log().followers.view(follower);
            let mut state: P = value(view.as_ref()).unwrap_or_else(|| self.begin.clone());
            for (place, record) in batch.records.iter().enumerate() {
                let handled = handle(&mut state, || Ok(Some(Recorded::of(record)?)));
                handled.map_err(|source| HandleError::Event { place, source })?;
            }
            let handled = batch.records.len();
            let advance = batch.advance(0, handled);
            let mut log = self.store.log_to_write();
            let now = self.store.now();
            log.followers.check(&advance)?;
            if batch.dry.is_some() {
                return Ok(handled);
            }
            log.followers.advance(advance, now);
            log.followers.keep_view(follower, Arc::new(state));
            drop(log);
            self.store.shared.changed.notify(usize::MAX);
            Ok(handled)
        })
    }

    fn swap<'a>(&'a mut self, built: &'a Output) -> BoxFuture<'a, Result<(), HandleError>> {
        Box::pin(async move {
            self.store.log_to_write().followers.swap(built)?;
            self.store.shared.changed.notify(usize::MAX);
            Ok(())
        })
    }
}

/// Handles an event, unless there is none. A panic is an error, of whoever reads the event too: its types may be the program's own.
fn handle<P: MemoryProjection>(
    state: &mut P,
    read: impl FnOnce() -> Result<Option<Recorded<P::Events>>, BoxError>,
) -> Result<(), BoxError> {
    let handled = catch_unwind(AssertUnwindSafe(|| match read()? {
        Some(event) => state.handle(event),
        None => Ok(()),
    }));
    handled.unwrap_or_else(|panic| Err(HandlerPanicked::new(&*panic).into()))
}

/// A copy of what a projection made, to be changed.
fn value<P: MemoryProjection>(view: Option<&View>) -> Option<P> {
    view?.downcast_ref().cloned()
}
