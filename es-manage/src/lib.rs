//! Management commands for the applications and followers of a program, in a binary of its own.
//!
//! A program has a function that makes its system, of stores that the environment or a command line names; its web server calls it, its tests do,
//! and its management binary is this:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use es_core::{Aggregate, Root, events};
//! use es_core::system::System;
//! use es_store::{OpenError, Stores};
//!
//! #[derive(Aggregate, Debug)]
//! #[aggregate("Dog")]
//! struct Dog { root: Root<Self>, tricks: Vec<String> }
//!
//! #[events]
//! impl Dog {
//!     #[event("Registered")]
//!     fn register() -> Self { Self { root: Root::new(), tricks: Vec::new() } }
//! }
//!
//! async fn system(stores: Stores) -> Result<System, OpenError> {
//!     let school = stores.settings("school").open().await?; // SCHOOL_ES_STORE, or `--store`
//!     Ok(System::new("school").application(&school, |types| types.aggregate::<Dog>()))
//! }
//!
//! fn main() -> ExitCode {
//!     es_manage::main(system)
//! }
//! ```
//!
//! Read models are tables of one kind of store, so they are made of the store beside the application:
//!
//! ```no_run
//! # use es_core::{Aggregate, Projection, Recorded, Root, events};
//! # use es_store_sqlite::SqliteProjection;
//! # #[derive(Aggregate, Debug)]
//! # #[aggregate("Dog")]
//! # struct Dog { root: Root<Self> }
//! # #[events]
//! # impl Dog {
//! #     #[event("Registered")]
//! #     fn register() -> Self { Self { root: Root::new() } }
//! # }
//! # struct Kennel;
//! # impl Projection for Kennel {
//! #     const NAME: &'static str = "kennel";
//! #     type Events = DogEvent;
//! # }
//! # impl SqliteProjection for Kennel {
//! #     fn handle(&mut self, _: Recorded<DogEvent>, _: &rusqlite::Transaction<'_>) -> Result<(), BoxError> { Ok(()) }
//! # }
//! use es_core::system::{OnFailure, System};
//! use es_core::{BoxError, Follower};
//! use es_store::{AnyStore, Stores};
//!
//! async fn system(stores: Stores) -> Result<System, BoxError> {
//!     let (builder, store) = stores.settings("school").builder_and_store().await?;
//!     let AnyStore::Sqlite(store) = store else {
//!         return Err("the kennel is a table of SQLite; name a file".into());
//!     };
//!     let (school, kennel) = (builder.build(), store.project(Kennel));
//!     Ok(System::new("school")
//!         .application(&school, |types| types.aggregate::<Dog>())
//!         .follow(&school, kennel.on_failure(OnFailure::park().retries(3))))
//! }
//! # fn main() -> std::process::ExitCode { es_manage::main(system) }
//! ```
//!
//! Followers do nothing until they are run, so the function may name them for every command. What it does itself is done under every command, also
//! under one that only reads: `store.inline(..)` makes its table at once, and where its `REVISION` was raised, older programs that run are refused
//! from then on. So call that where the program that writes starts, and not in this function, and deploy a raised revision with the older programs
//! stopped.
//!
//! ```text
//! $ school migrate
//! school: migrated
//! $ school verify
//! school: 1 204 events read, all well
//! ```
//!
//! A program with commands of its own runs these below one of them, by [`run()`]: `school manage status`.
//!
//! # Commands
//!
//! | command | what it does | as a function |
//! |---|---|---|
//! | `status` | how each follower is: state, lag, lease and its age, parked events, why it stopped where it ran | [`status()`] |
//! | `sync-followers` | lets followers handle what they have not seen, leaders first; `--take-over` ends leases whose holder has gone | [`sync_followers`] |
//! | `rebuild` | makes read models anew, beside those that readers see; or as they were, `--until` a position or time | [`rebuild`] |
//! | `parked list`, `retry`, `drop` | what followers could not handle | [`parked`], [`retry_parked`], [`drop_parked`] |
//! | `place` | a process manager goes on from where a person says: one that begins today, or whose log was restored | [`place`] |
//! | `forget` | has a follower that was renamed or taken away named no more, with what it had set aside | [`forget`] |
//! | `migrate` | makes the stores, or brings them up to date | [`migrate`] |
//! | `snapshot` | takes snapshots, from a scheduled job; `--prune` keeps no others | [`snapshot`], [`prune_snapshots`] |
//! | `events` | prints events, one JSON object per line: of a type, an aggregate, an actor, a time .. | [`events`] |
//! | `show` | an aggregate as it is or was, and what changed | [`show`] |
//! | `verify` | whether the log is what was written, and can be read | [`verify`] |
//! | `export`, `import` | all events as JSON Lines, and back | [`export()`], [`import`] |
//! | `new-key` | a key, to be written into `ES_CIPHER_KEYS` behind a number and a colon: `1:KEY` | [`new_key`] |
//! | `completions` | what a shell needs to complete these | |
//!
//! Every command takes `--store URL`, or `--store APPLICATION=URL` once for each, and `--json`. Reports go to the standard output, errors and
//! progress to the standard error. No command but `migrate` makes or migrates a store.
//!
//! Whatever is broken off, or killed, has kept what it did, and the same command again goes on from there; `rebuild` begins again. Interrupted
//! (`SIGINT`, `SIGTERM`), `sync-followers` and `rebuild` give back their leases before they end, so that the next run need not wait; interrupted
//! again, they end at once. `export -o FILE` leaves FILE as it was, and nothing beside it.
//!
//! # Exit status
//!
//! | status | meaning |
//! |---|---|
//! | 0 | all is well |
//! | 1 | what was asked for cannot be understood, or is not there |
//! | 2 | a follower failed, or something was found or could not be done |
//! | 3 | somebody else runs a follower |
//! | 4 | a store cannot be reached, or is not migrated |

mod arguments;
mod choice;
mod commands;
mod failure;
mod files;
mod interrupts;
mod output;
mod progress;
mod run;
mod status;
mod systems;
mod time;

pub use commands::events::{EventLine, EventsQuery, EventsReport, events};
pub use commands::export::{ExportReport, export};
pub use commands::forget::{ForgetError, Forgotten, forget};
pub use commands::import::{ImportError, ImportInto, ImportReport, import};
pub use commands::migrate::{MigrateReport, migrate};
pub use commands::new_key::{NewKey, new_key};
pub use commands::parked::{
    Decided, DroppedEvent, ParkedEvent, ParkedReport, PlacedFollower, drop_parked, parked,
    retry_parked,
};
pub use commands::place::{PlaceReport, place};
pub use commands::rebuild::{RebuildReport, Rebuilt, rebuild};
pub use commands::show::{At, Change, FieldChange, ShowReport, show};
pub use commands::snapshot::{NotTaken, SnapshotReport, Taken, prune_snapshots, snapshot};
pub use commands::status::{FollowerState, FollowerStatus, StatusReport, UnknownStatus, status};
pub use commands::sync_followers::{
    SyncError, SyncOptions, SyncOutcome, SyncReport, Synced, sync_followers,
};
pub use commands::verify::{Found, FoundKind, VerifyReport, verify};
pub use commands::{BrokenOff, PrintError};
pub use progress::Progress;
pub use run::{main, run};
pub use status::{Meaning, Status};
pub use systems::{IntoSystems, Systems};
