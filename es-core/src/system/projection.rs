//! Events become a read model.
use crate::persistence::EventSet;

/// A read model that follows a log. How it handles an event is said once more for each kind of store: by `MemoryProjection`, by
/// `SqliteProjection`, by `PostgresProjection`.
pub trait Projection: Send + 'static {
    /// Under which name its checkpoint is kept; no other follower of the log has it.
    const NAME: &'static str;

    /// To be raised when what it makes of the same events is another thing: from then on it is built anew, beside what there is, and takes its
    /// place once it is as far; but where readers would lose an aggregate by it that was set aside meanwhile, the follower stops and says so. From 1.
    /// What of a revision was built when a newer one was raised stays: `status` names it once readers see the newer one. Once no program of that
    /// revision runs any more, `forget` it, and drop its tables, whose names end in `__r` and its number.
    const REVISION: u32 = 1;

    /// Asked for where a projection is given to a store: 0 is what stores keep of one that has made nothing.
    ///
    /// ```compile_fail,E0080
    /// # use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, events};
    /// # use es_store_memory::{MemoryProjection, MemoryStore};
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Lamp")]
    /// # struct Lamp { root: Root<Self> }
    /// # #[events]
    /// # impl Lamp {
    /// #     #[event("Mounted")]
    /// #     fn mount() -> Self { Self { root: Root::new() } }
    /// # }
    /// #[derive(Clone)]
    /// struct Lamps;
    ///
    /// impl Projection for Lamps {
    ///     const NAME: &'static str = "lamps";
    ///     const REVISION: u32 = 0;
    ///     type Events = LampEvent;
    /// }
    /// # impl MemoryProjection for Lamps {
    /// #     fn handle(&mut self, _: Recorded<LampEvent>) -> Result<(), BoxError> { Ok(()) }
    /// # }
    ///
    /// let store = MemoryStore::new();
    /// store.project(Lamps);
    /// ```
    ///
    /// ```compile_fail,E0080
    /// # use es_core::{Aggregate, Application, BoxError, Projection, Recorded, Root, events};
    /// # use es_store_memory::{MemoryProjection, MemoryStore};
    /// # #[derive(Aggregate)]
    /// # #[aggregate("Lamp")]
    /// # struct Lamp { root: Root<Self> }
    /// # #[events]
    /// # impl Lamp {
    /// #     #[event("Mounted")]
    /// #     fn mount() -> Self { Self { root: Root::new() } }
    /// # }
    /// # #[derive(Clone)]
    /// # struct Lamps;
    /// # impl Projection for Lamps {
    /// #     const NAME: &'static str = "lamps";
    /// #     const REVISION: u32 = 0;
    /// #     type Events = LampEvent;
    /// # }
    /// # impl MemoryProjection for Lamps {
    /// #     fn handle(&mut self, _: Recorded<LampEvent>) -> Result<(), BoxError> { Ok(()) }
    /// # }
    /// # let store = MemoryStore::new();
    /// # let app = Application::new(store.clone());
    /// pollster::block_on(store.inline(&app, Lamps)).unwrap();
    /// ```
    #[doc(hidden)]
    const HAS_A_REVISION: () = assert!(Self::REVISION > 0, "revisions of a projection begin at 1");

    /// Which events it handles.
    type Events: EventSet;
}
