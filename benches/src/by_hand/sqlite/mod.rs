//! The same rows in one SQLite file, as fast as rusqlite alone writes and reads them: WAL with `synchronous=FULL`, the columns and indexes of the
//! framework's log, a checksum over each row.
//!
//! The forms that were tried, on two cores with 0.1 ms for an fdatasync, as medians of interleaved rounds:
//!
//! - One writer: on its own thread 8 450 commits per second, through the thread of a group 6 700 (in an earlier program of the same kind).
//! - Many writers: a group commit by a thread, asked by tasks or by threads, which differ by less than the noise (8: 15 000 to 18 000, 64: 27 000
//!   to 37 000, ids drawn at random); a mutex around one connection, 4 600 whatever their number. The scenarios run all three.
//! - A hundred events: a plain transaction and values that stay bound are a twentieth to a tenth faster than a savepoint and binding all of them.
//! - More pages before a checkpoint of the log (4 000): no difference.
//! - Loading: name and payload alone 28 000 streams of 100 events per second, all columns of a record 18 000.
//!
//! The next position and the next commit id are counted in memory, which only one process can do. A conflict is found by the index alone.

mod group;
mod modelled;
mod pen;
mod reading;

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Result};

pub(crate) use group::Group;
pub(crate) use modelled::Modelled;
pub(crate) use pen::{Pen, WithOne};
pub(crate) use reading::Reading;

const CATEGORY: &str = "Dog";

/// 64 MiB.
const CACHE_KIB: i64 = -64 * 1024;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS events (
        position INTEGER PRIMARY KEY,
        category TEXT NOT NULL,
        stream BLOB NOT NULL,
        version INTEGER NOT NULL,
        event TEXT NOT NULL,
        schema INTEGER NOT NULL,
        payload BLOB NOT NULL,
        metadata TEXT,
        time INTEGER NOT NULL,
        commit_id BLOB NOT NULL,
        events_in_commit INTEGER,
        checksum INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON events (category, stream, version);
    CREATE UNIQUE INDEX IF NOT EXISTS by_commit ON events (commit_id) WHERE events_in_commit IS NOT NULL;
    CREATE TABLE IF NOT EXISTS checkpoints (
        follower TEXT PRIMARY KEY,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// Opens a file, and keeps it open until the program ends, so that statements can be kept beside their connection.
pub(crate) fn open(path: &Path) -> Result<&'static Connection> {
    Ok(Box::leak(Box::new(connection(path)?)))
}

fn connection(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", CACHE_KIB)?;
    connection.execute_batch(TABLES)?;
    // Without it, SQLite prepares a statement again whenever another `LIMIT` is bound to it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// How many events there are.
pub(crate) fn head(connection: &Connection) -> Result<i64> {
    let head = "SELECT coalesce(max(position), 0) FROM events";
    connection.query_row(head, [], |row| row.get(0))
}
