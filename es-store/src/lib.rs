//! Opens an application on a store that is chosen by URL, with settings from the environment, from a map, or from code.
//!
//! This is what a binary depends on: which store it uses, and how, is said where it runs.
//!
//! ```no_run
//! # async fn run() -> Result<(), es_store::OpenError> {
//! // ES_STORE=sqlite:school.db, or SCHOOL_ES_STORE=sqlite:school.db, where several applications share an environment
//! let app = es_store::open("school").await?;
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! [`Settings`] takes a map, and what is said in code:
//!
//! ```
//! # #[cfg(feature = "memory")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), es_store::OpenError> {
//! use es_core::application::SnapshotPolicy;
//! use es_store::Settings;
//!
//! let app = Settings::new("school")
//!     .map([("ES_STORE", "memory:"), ("ES_CACHE", "0")])
//!     .snapshots(SnapshotPolicy::ByHand)
//!     .open()
//!     .await?;
//! assert_eq!(app.name(), Some("school"));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "memory"))]
//! # fn main() {}
//! ```
//!
//! # Variables
//!
//! | variable | what it says | accepted | unless set |
//! |---|---|---|---|
//! | `ES_STORE` | where the events are kept, as a URL | `memory:`, `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE` | an error |
//! | `ES_COMPRESSION` | how new payloads are compressed (by zstd: feature `zstd`) | `none`, `zstd`, or `zstd:1` to `zstd:22` | `none` |
//! | `ES_CIPHER_KEYS` | the keys of encrypted payloads (feature `aes`) | `ID:KEY` with a key of 32 random bytes in base64, or several separated by commas, the first of which encrypts | nothing is encrypted |
//! | `ES_SNAPSHOTS` | when snapshots are taken | `as-declared`, `every:100` or another number of events, `by-hand`, or `off` | `as-declared` |
//! | `ES_CACHE` | how many aggregates are cached, of those types that ask for it | a number such as `1000`, or `0` for none | `1000` |
//!
//! Each may have the application's name in front, in upper snake case: `SCHOOL_ES_STORE` for `school`, `DOG_SCHOOL_ES_STORE` for `dog-school`
//! and for `DogSchool`. The first of these that says something counts, and the others are not looked at:
//!
//! 1. code;
//! 2. the map: the variable with the name in front, then without;
//! 3. the environment: with the name in front, then without.
//!
//! Space around a value does not matter, nor do capitals in `OFF`, `None` or `MEMORY:`; the variables' own names are as written here. An empty
//! value is as if unset, with one exception: empty `ES_CIPHER_KEYS` are refused, because a secret that did not arrive must not mean that
//! events are stored as plain text.
//!
//! To write with a new key, first give it to all programs as a second one: `ES_CIPHER_KEYS=1:OLD,2:NEW`. Once each of them was started so, put it in
//! front: `2:NEW,1:OLD`. A program that does not have it by then cannot read what the others write, and its followers stop there. The old key stays
//! for as long as there are payloads that it encrypted; where it is gone, `1:destroyed` says so, and what it encrypted reads as erased.
//!
//! A map may be a whole configuration: names that do not begin with `ES_` or `SCHOOL_ES_` are ignored there, and others that are not in the
//! table, such as `ES_SNAPSHOT`, are refused. In the environment they are left alone.
//!
//! # What is never shown
//!
//! An error names the variable, its value, and what is accepted. It shows no key, and of a URL neither user and password nor query; nor
//! does `Debug`.
//!
//! # Features
//!
//! | feature | what comes with it |
//! |---|---|
//! | `memory` (default) | `memory:`, an empty store at each opening, gone with the application |
//! | `sqlite` (default) | `sqlite:PATH`, a file that is created where there is none; by `?mode=ro` it is read alone, and by `?immutable=1` one that nobody writes, as on a medium that may only be read; `sqlite::memory:`, a database in memory at each opening, gone with the application |
//! | `postgres` | `postgres://..` and `postgresql://..`, a database whose tables are migrated already, in its schema `public` unless `?schema=NAME` says another; other options set the size of the pool and the time-outs (`es_store_postgres::PostgresStore::connect` has them all); needs a tokio runtime |
//! | `rustls` | encrypted connections to that server |
//! | `zstd` | `ES_COMPRESSION=zstd` |
//! | `aes` | `ES_CIPHER_KEYS`, and [`Settings`]`::keys` |

mod error;
mod program;
mod redacted;
mod settings;
mod sources;
mod stores;
mod values;
mod variable;

pub use error::{OpenError, Reason, SettingsError};
pub use program::Stores;
pub use settings::Settings;
pub use sources::Origin;
pub use stores::AnyStore;

use es_core::Application;

/// Opens an application by what the environment says, and claims its log under this name.
///
/// It takes no URL: `Settings::new("school").store("sqlite:school.db").open()` opens by one.
///
/// # Errors
/// [`OpenError`]; nothing was written but what migrating writes, and the name.
pub async fn open(name: impl Into<String>) -> Result<Application, OpenError> {
    Settings::new(name).open().await
}
