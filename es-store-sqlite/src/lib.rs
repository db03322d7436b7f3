//! The embedded event store: one SQLite file, durable, no server.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("school.db");
//! use es_core::Application;
//! use es_store_sqlite::SqliteStore;
//!
//! let app = Application::new(SqliteStore::open(path).await?);
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! What is committed is on the disk: write-ahead log, synchronised at each commit (`synchronous=FULL`). Commits that wait at the same time are
//! written by one thread in one transaction, and each has its own outcome. Several processes may share the file.
//!
//! Reading blocks the thread that asks for it for as long as SQLite takes, which is microseconds where the file is cached, and less than handing
//! the question to another thread. Who commits while nobody else does looks for the answer before its task sleeps, for 500 µs at most, and seldom
//! where the disk takes longer. No async runtime is needed.
mod builder;
mod commit;
mod connection;
mod error;
mod followers;
mod given;
mod inline;
mod projection;
mod reads;
mod records;
mod schema;
mod snapshots;
mod sql;
mod store;
mod tables;
mod transaction;
mod verify;
mod watcher;
mod writer;

pub use builder::{Durability, SqliteStoreBuilder};
pub use error::OpenError;
pub use es_core::persistence::{Finding, Verification};
pub use es_store_sql::Appended;
use es_store_sql::{checksum, names};
pub use projection::{SqliteFollower, SqliteProjection};
/// The driver of which handlers and transactions are: by this name, always of the version that the store is built with.
pub use rusqlite;
pub use store::SqliteStore;
pub use tables::Tables;
