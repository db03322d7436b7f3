//! Where a log is: memory, a file, or a database of its own on one server.
use std::path::PathBuf;

use es_store_postgres::testing::{Disk as Waiting, Server};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Executor};

use crate::harness::{Disk, Effort};

/// More than there are clients would not help, and a server has 300 for all who race on it.
const CONNECTIONS: u32 = 32;

pub(crate) enum Place {
    Memory,
    File(PathBuf),
    /// The URL of an empty database.
    Database(String),
}

impl Place {
    /// Connections to a file, as durable as ours: sqlite-es would have `synchronous=NORMAL`, which loses commits with the power.
    pub(crate) async fn sqlite(&self) -> SqlitePool {
        let Self::File(path) = self else {
            panic!("it is no file");
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-65536");
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false);
        pool.connect_with(options)
            .await
            .expect("the file can be made")
    }

    /// Connections to a database. They are not tried before each use, which would cost a round trip.
    pub(crate) async fn postgres(&self) -> PgPool {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false);
        pool.connect(self.url()).await.expect("the server answers")
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Database(url) => url,
            _ => panic!("it is no database"),
        }
    }
}

pub(crate) async fn sqlite_durability(pool: &SqlitePool) -> String {
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(pool)
        .await
        .expect("it has one");
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(pool)
        .await
        .expect("it has one");
    format!("{journal}, synchronous={synchronous}")
}

pub(crate) async fn postgres_durability(pool: &PgPool) -> String {
    let said: (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
            .fetch_one(pool)
            .await
            .expect("everybody may ask");
    format!("fsync {}, synchronous_commit {}", said.0, said.1)
}

/// A private server that waits for its disk.
pub(crate) struct Databases {
    server: Server,
}

impl Databases {
    /// `None`, and a line that says why, where there is none.
    pub(crate) fn start(effort: &Effort) -> Option<Self> {
        let folder = Disk::parent(effort).expect("this program is in a folder");
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        match Server::start_in(&folder, Waiting::Synchronised) {
            Ok(server) => Some(Self { server }),
            Err(error) => {
                println!("\nno Postgres, so nothing of it is measured: {error}");
                None
            }
        }
    }

    /// An empty database of that name.
    pub(crate) async fn database(&self, name: &str) -> Place {
        let url = self.server.url();
        let options: PgConnectOptions = url.parse().expect("it is a URL");
        let mut connection = options.connect().await.expect("the server answers");
        connection
            .execute(sqlx::raw_sql(&format!("CREATE DATABASE {name}")))
            .await
            .expect("the name is new");
        let (server, _) = url.rsplit_once('/').expect("it names a database");
        Place::Database(format!("{server}/{name}"))
    }
}
