//! The macros of `es-core`, which re-exports them: depend on that crate, not on this one.
//!
//! Each macro is a folder and goes through four stages: `parse` reads what is written, `model` says what it means, `check` holds it
//! against every rule, `render` writes the code. The rules are in `check`, one function each.

mod aggregate;
mod arguments;
mod diagnostics;
mod event_set;
mod events;
#[cfg(test)]
mod expansions;
mod grouping;
mod serde_attributes;
mod source;
mod types;

use proc_macro::TokenStream;
use proc_macro2::Span;
use quote::quote;

/// Makes a struct with a field `root: Root<Self>` an aggregate.
///
/// ```
/// use es_core::{Aggregate, Root, events};
///
/// #[derive(Aggregate)]
/// #[aggregate("Lamp")]
/// struct Lamp {
///     root: Root<Self>,
///     on: bool,
/// }
///
/// #[events]
/// impl Lamp {
///     #[event("Mounted")]
///     fn mount() -> Self {
///         Self { root: Root::new(), on: false }
///     }
/// }
///
/// assert_eq!(Lamp::mount().version().get(), 1);
/// ```
///
/// # `#[aggregate("Lamp", ..)]`
///
/// | | |
/// |---|---|
/// | `"Lamp"` | required: the category, the name under which its streams are stored; letters, digits, `_`, `-` and `.` |
/// | `id = LampId` | the type of its ids, converting from and to `Uuid`, as [below](#ids-of-a-type-of-their-own); `Uuid` where it is left out |
/// | `snapshot_every = 100` | after how many events a snapshot is taken, unless the application says otherwise; what is assigned outside of an event gets into it, and stays; asks for `Serialize` and `Deserialize`. Derive `PartialEq` and `Debug` too: only then it is compared with the state when it is taken, and one that lost something is not kept |
/// | `snapshot_revision = 2` | to be raised when a snapshot of before must not be read, and the fields of the struct look the same; also where a `#[cfg]` in the body of an event comes out otherwise, or a function was mended that bodies call and that is outside of the `#[events]` impl: neither is seen |
/// | `cached` | the application keeps copies of those used last in memory; asks for `Clone`. What is assigned outside of an event, and what copies share, such as an `Arc<Mutex<..>>`, this process alone sees |
/// | `crate = path` | where `es_core` is, if not at `::es_core` |
///
/// # Ids of a type of their own
///
/// `Clone`, `Debug` and two conversions make a newtype an id, which is then no other aggregate's; the rest is for events that carry it.
///
/// ```
/// use es_core::{Aggregate, Root, events};
/// use serde::{Deserialize, Serialize};
/// use uuid::Uuid;
///
/// #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
/// struct LampId(Uuid);
///
/// impl From<Uuid> for LampId {
///     fn from(id: Uuid) -> Self {
///         Self(id)
///     }
/// }
///
/// impl From<LampId> for Uuid {
///     fn from(id: LampId) -> Self {
///         id.0
///     }
/// }
///
/// #[derive(Aggregate)]
/// #[aggregate("Lamp", id = LampId)]
/// struct Lamp {
///     root: Root<Self>,
///     beside: Option<LampId>,
/// }
///
/// #[events]
/// impl Lamp {
///     #[event("Mounted", id = *id)]
///     fn mount(id: LampId, beside: Option<LampId>) -> Self {
///         Self { root: Root::new(), beside }
///     }
/// }
///
/// let id = LampId(Uuid::from_u128(7));
/// assert_eq!(Lamp::mount(id, None).id(), id);
/// ```
#[proc_macro_derive(Aggregate, attributes(aggregate))]
pub fn aggregate(item: TokenStream) -> TokenStream {
    aggregate::expand(item.into()).into()
}

/// Makes an enum whose variants hold the events of one aggregate each a set that a follower handles: its filter follows from it, and a record of
/// the log becomes one of its variants.
///
/// ```
/// # use es_core::{Aggregate, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Book")]
/// # struct Book { root: Root<Self> }
/// # #[events]
/// # impl Book {
/// #     #[event("Added")]
/// #     fn add() -> Self { Self { root: Root::new() } }
/// # }
/// # #[derive(Aggregate)]
/// # #[aggregate("Member")]
/// # struct Member { root: Root<Self> }
/// # #[events]
/// # impl Member {
/// #     #[event("Joined")]
/// #     fn join() -> Self { Self { root: Root::new() } }
/// # }
/// use es_core::EventSet;
///
/// #[derive(EventSet)]
/// enum LibraryEvent {
///     Book(BookEvent),
///     Member(MemberEvent),
/// }
///
/// assert_eq!(LibraryEvent::CATEGORIES, ["Book", "Member"]);
/// ```
///
/// A variant may hold another set. Two that hold events of one aggregate are a compile error.
///
/// # `#[event_set(..)]`
///
/// | | |
/// |---|---|
/// | `crate = path` | where `es_core` is, if not at `::es_core` |
#[proc_macro_derive(EventSet, attributes(event_set))]
pub fn event_set(item: TokenStream) -> TokenStream {
    event_set::expand(item.into()).into()
}

/// Makes the methods marked `#[event("..")]` record and replay what they do.
///
/// For `impl Lamp` it generates the enum `LampEvent` with a variant for each event method and a field for each parameter, the fold that
/// replays them, and leaves the methods with the signatures that are written. Methods without `#[event]` stay as they are.
///
/// - An event method without `self` that returns `Self` creates; there may be several.
/// - One with `&mut self` and no return value changes. It states a fact, so it cannot fail; a command decides first.
/// - Parameters are owned types, `&str`, `&[T]`, `&T` or `impl Into<T>`. They are stored in their owned form, under their names, and are
///   `Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync`. The body sees them as they are written, but for
///   `impl Into<T>`, which is a `T` there. `#[serde(..)]` on a parameter reaches the field.
/// - A parameter that the body does not use gives no warning. Its name is what is stored, so `_times` is a compile error; where events were stored
///   so, `#[serde(rename = "_times")] times` goes on reading them.
/// - Replaying runs the body again, so what comes from the clock, from chance or from the environment is a parameter of the event, and the body
///   does not ask for it. `given` of `es_core::testing` finds a body that does.
/// - Where an `Option` parameter is renamed, old events read as `None`, without an error: keep the name they have by `#[serde(rename = "old")]`,
///   or write an upcaster.
/// - What an event carries must come back from JSON as it was. What does not is refused when saving: NaN, infinity, 128-bit integers, more than
///   127 levels of nesting, and whatever else serde would not read again as the same values, such as `Some(None)`.
/// - While the body of an event runs, an event method that it calls by a detour changes the state and records nothing, because replaying
///   will do the same; called directly, it is a compile error. `es_core::testing` finds the detours.
/// - All events of an aggregate stand in one `impl`. The enum is beside it; who re-exports `Lamp` wants `LampEvent` too. An event without
///   parameters has braces: `LampEvent::Broken {}`.
///
/// ```
/// use es_core::{Aggregate, Root, events};
///
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self>, room: String, on: bool }
/// #[events]
/// impl Lamp {
///     #[event("Mounted")]
///     fn mount(room: &str) -> Self {
///         Self { root: Root::new(), room: room.to_owned(), on: false }
///     }
///
///     #[event("Switched")]
///     fn switch(&mut self, on: bool) {
///         self.on = on;
///     }
///
///     fn toggle(&mut self) {
///         self.switch(!self.on);
///     }
/// }
///
/// let mut lamp = Lamp::mount("kitchen");
/// lamp.toggle();
/// assert_eq!(
///     lamp.pending(),
///     [LampEvent::Mounted { room: "kitchen".to_owned() }, LampEvent::Switched { on: true }]
/// );
/// ```
///
/// # `#[events(..)]`
///
/// | | |
/// |---|---|
/// | `derive(Eq, Hash)` | what the enum derives besides `Debug`, `Clone`, `PartialEq`, `Serialize` and `Deserialize` |
/// | `type_name = LampFact` | the name of the enum, `LampEvent` where it is left out |
/// | `vis = pub(crate)` | its visibility, `pub` where it is left out |
/// | `crate = path` | where `es_core` is, if not at `::es_core` |
///
/// # `#[event("Switched", ..)]`
///
/// | | |
/// |---|---|
/// | `"Switched"` | required: the name under which the event is stored, in UpperCamelCase |
/// | `id = EXPR` | of an event that creates: the aggregate's id, from the parameters by reference: `id = *id` of an `id: Uuid`, `id = id.clone()` of a newtype that is not `Copy`; a new `Uuid` of version 7 where it is left out |
/// | `was = "Toggled"` | the name it was stored under before, or several in brackets |
/// | `schema = 2` | the version of its fields, 1 where it is left out; every step to it needs an upcaster |
/// | `retired` | it is replayed, and calling it is a compile error |
///
/// # Generic aggregates
///
/// A type parameter that events carry has the bounds of what is stored, in the `impl` and not on the struct; any other is
/// `Send + Sync + 'static`. The enum has the parameters that its events carry.
///
/// ```
/// use std::fmt::Debug;
///
/// use es_core::{Aggregate, Root, events};
/// use serde::Serialize;
/// use serde::de::DeserializeOwned;
///
/// #[derive(Aggregate)]
/// #[aggregate("Shelf")]
/// struct Shelf<T> {
///     root: Root<Self>,
///     items: Vec<T>,
/// }
///
/// #[events]
/// impl<T: Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static> Shelf<T> {
///     #[event("Made")]
///     fn make() -> Self {
///         Self { root: Root::new(), items: Vec::new() }
///     }
///
///     #[event("Filled")]
///     fn fill(&mut self, item: T) {
///         self.items.push(item);
///     }
/// }
///
/// let mut numbers = Shelf::<u8>::make();
/// numbers.fill(7);
/// assert_eq!(numbers.pending(), [ShelfEvent::Made {}, ShelfEvent::Filled { item: 7 }]);
/// ```
///
/// All of its types have one stored name, so an application takes one of them: it refuses the second.
///
/// # `#[upcast("Switched", from = 1)]`
///
/// Marks a function in the same `impl` that makes a payload of schema 1 one of schema 2, with or without a `Result`:
///
/// ```
/// # use es_core::{Aggregate, JsonMap, Root, events};
/// # #[derive(Aggregate)]
/// # #[aggregate("Lamp")]
/// # struct Lamp { root: Root<Self>, watts: u32 }
/// # #[events]
/// # impl Lamp {
/// #     #[event("Mounted")]
/// #     fn mount() -> Self { Self { root: Root::new(), watts: 0 } }
/// #[event("Dimmed", schema = 2)]
/// fn dim(&mut self, watts: u32) {
///     self.watts = watts;
/// }
///
/// #[upcast("Dimmed", from = 1)]
/// fn dimmed_by_percent(payload: &mut JsonMap) -> Result<(), &'static str> {
///     let percent = payload.remove("percent").ok_or("no percent")?;
///     let percent = percent.as_u64().ok_or("the percentage is not a number")?;
///     payload.insert("watts".to_owned(), (percent * 60 / 100).into());
///     Ok(())
/// }
/// # }
/// ```
#[proc_macro_attribute]
pub fn events(arguments: TokenStream, item: TokenStream) -> TokenStream {
    events::expand(arguments.into(), item.into()).into()
}

/// Marks a method inside an `impl` marked [`#[events]`](macro@events); anywhere else it is an error.
///
/// Its body runs when it is called and again whenever the event is replayed, so what comes from the clock, from chance or from the environment is a
/// parameter.
///
/// There is no need to import it: `#[events]` reads it.
#[proc_macro_attribute]
pub fn event(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("event", item)
}

/// Marks an upcaster inside an `impl` marked [`#[events]`](macro@events); anywhere else it is an error.
///
/// There is no need to import it: `#[events]` reads it.
#[proc_macro_attribute]
pub fn upcast(_: TokenStream, item: TokenStream) -> TokenStream {
    outside("upcast", item)
}

/// A mark that `#[events]` did not take away.
fn outside(attribute: &str, item: TokenStream) -> TokenStream {
    let error = diagnostics::error(
        diagnostics::place(Span::call_site()),
        format!("`#[{attribute}]` goes on a method inside an `#[events]` impl"),
        Some("write `#[events]` above the `impl`"),
    )
    .into_compile_error();
    let item = proc_macro2::TokenStream::from(item);
    quote!(#error #item).into()
}
