//! The event store for many machines: one Postgres database, one log, nothing missed.
mod builder;
mod checksum;
mod commit;
mod connection;
mod error;
mod listen;
mod locked;
mod names;
mod reads;
mod records;
mod schema;
mod snapshots;
mod sql;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transaction;
mod verify;
mod writer;

pub use builder::{Durability, PostgresStoreBuilder};
pub use error::OpenError;
pub use schema::Migrated;
pub use store::PostgresStore;
pub use transaction::{Appended, UserTransaction};
pub use verify::{Finding, Verification};
