//! The event store for many machines: one Postgres database, one log, nothing missed.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let log = es_store_postgres::testing::TestLog::new().await?;
//! # let (url, schema) = (log.url(), log.schema());
//! use es_core::Application;
//! use es_store_postgres::PostgresStore;
//!
//! let store = PostgresStore::builder(url).schema(schema).connect().await?;
//! store.migrate().await?; // once, by whoever may create tables
//! let app = Application::new(store);
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! What is committed is on the server's disk (`synchronous_commit=on`). Commits that wait at the same time in a process are written by one task, over
//! one connection, in one transaction, and each has its own outcome. Any number of processes may write to one log: its row in the table `es_log` is
//! its lock, so that positions have no holes, and are taken in the order in which commits become visible. A reader that has seen a position has seen
//! everything before it.
//!
//! # Tables
//!
//! [`PostgresStore::migrate`] makes them; the statements are in the crate's folder `migrations`. Nothing else changes their form, and until they are
//! up to date every call says [`OpenError::Unmigrated`], as the cause of its error. Events cannot be changed, deleted or truncated: triggers refuse
//! it, and [`PostgresStore::verify`] finds where somebody went around them. For people with `psql` the view `es_history` has payloads as `jsonb`,
//! times as `timestamptz`, and a reason where a payload is none, such as `encrypted`.
//!
//! A version adds tables of its own: who may only read and write the tables of an earlier one is granted the new ones after migrating.
//!
//! # Followers
//!
//! [`PostgresStore::project`] makes a follower of a [`PostgresProjection`]: its read model and its checkpoint are one transaction, on a connection of
//! its own. No writer waits for a handler. The lease of a follower is a row with an epoch, and ends by the server's clock; the statement that moves
//! the checkpoint is the last of each transaction, and is refused under an older epoch. So who was frozen past its lease leaves nothing, and the
//! server ends its session after 10 s, so that no row of the read model stays locked by it. What is built anew takes the place of what readers see
//! by renaming tables, in one transaction.
//!
//! [`PostgresStore::inline`] runs a projection in the transaction of each group of commits instead, under the log's lock. Where it refuses one of
//! them the group is rolled back and written again in halves, so that the others are stored. Such a group takes four answers of the server more
//! than one without, beside those of the handler.
//!
//! # When the line breaks
//!
//! A commit whose answer is lost is looked up by its id on a new connection, under the log's lock, before anything is written again. Where the server
//! stays away for longer than a second or two it is answered by [`Unavailable`](es_core::persistence::AppendError::Unavailable): sent again under
//! its id it is stored once. Readers ask again on another connection.
//!
//! A line whose packets vanish, because a firewall forgot it or a host is gone, says nothing. The client's system asks over it after 10 s of quiet, and,
//! on Linux, it counts as broken once something was not received for 20 s; the URL may say otherwise: `keepalives_idle`, `keepalives_interval`,
//! `keepalives_retries` (where there is no `tcp_user_timeout`) and `tcp_user_timeout`, which is in seconds here. What is not answered is given up after
//! twice the statement time-out and a second. The server is told to look after its end within two minutes (`tcp_keepalives_idle` and the like), unless
//! it does so sooner by itself: until then the sessions of a host that vanished count among its `max_connections`. And it is told to end a session whose transaction
//! stands still for half of the [lock time-out](PostgresStoreBuilder::lock_timeout), 10 s at most (`idle_in_transaction_session_timeout`): a host that
//! vanishes, or is frozen, with the lock of the log keeps it for no longer, but where projections run inside of its commits. How the connections of a
//! pool of yours are looked after is yours to say, and so is all of it for [transactions of yours](PostgresStore::commit_with).
//!
//! # On a standby
//!
//! One that may be read serves who reads: loads, histories and the log, and the commands `status`, `events`, `show`, `export` and `verify`. It takes
//! neither commits nor leases, so no follower runs there, and no `LISTEN`, which is asked for again every 5 s: what is replayed is found once a second.
//! It is behind its primary, so what was just saved may not be there yet.
//!
//! # Who is told of commits
//!
//! Each group of commits sends one `NOTIFY`, as does each batch of a follower, and a handle on which somebody waits for changes listens on a connection
//! of its own. That is a hint: subscriptions also look once a second, and read on from where they are.
//!
//! In Postgres all who notify within what they commit, on one server, commit one after the other, each once the one before is on the disk. So a
//! follower notifies behind its batch, and so does who commits to the log, unless it is answered in less than 500 µs (and 10 µs for each event); a
//! process that ends at once may have told nobody. Commits do wait for programs that notify within their own transactions, as yours does in
//! [`append_in`](PostgresStore::append_in) and [`commit_with`](PostgresStore::commit_with).
//!
//! # Behind a proxy
//!
//! One that pools sessions is not noticed: all laws hold through PgBouncer. One that pools transactions (`pool_mode = transaction`) must keep
//! prepared statements for its clients (`max_prepared_statements`, from PgBouncer 1.21), or else nothing works. There `LISTEN` does not work either, so what other processes commit is found once a second;
//! nor do the settings of a session arrive where they should: say time-outs, `idle_in_transaction_session_timeout` among them, `synchronous_commit`,
//! `enable_seqscan = off`, `enable_bitmapscan = off`, `jit = off` and `plan_cache_mode = force_generic_plan` to the role (`ALTER ROLE .. SET`), and do
//! not use [`Durability`] there. What a session is told may arrive at others of the same user and database, and end their
//! transactions that stand still: give the store a user of its own. Nor can a projection name its tables without a schema. Connecting past such a
//! proxy is simpler: a process has few connections.
//!
//! # Features
//!
//! | feature | what comes with it |
//! |---|---|
//! | `rustls` | encrypted connections, whose certificates are checked: `sslmode=require` in the URL refuses others, and `verify-full` is the same |
//! | `testing` | `testing`: a log for each test, and a private server to keep it on |
mod builder;
mod commit;
mod connection;
mod error;
mod followers;
mod inline;
mod listen;
mod locked;
mod names;
mod projection;
mod queue;
mod reads;
mod records;
mod rights;
mod says;
mod schema;
mod snapshots;
mod sql;
mod store;
mod swap;
mod tables;
mod tell;
#[cfg(feature = "testing")]
pub mod testing;
mod tls;
mod transaction;
mod url;
mod verify;
mod writer;

pub use builder::{Durability, PostgresStoreBuilder};
pub use error::OpenError;
pub use es_core::persistence::{Finding, Verification};
pub use es_store_sql::Appended;
use es_store_sql::checksum;
pub use projection::{PostgresFollower, PostgresProjection};
pub use queue::{Value, Values};
pub use schema::Migrated;
pub use store::PostgresStore;
pub use tables::Tables;
/// The driver of which handlers and transactions are: by this name, always of the version that the store is built with.
pub use tokio_postgres;
pub use transaction::UserTransaction;
