//! Tells other handles and processes that something was committed: behind the commit, in a transaction of its own.
//!
//! Whoever notifies holds a lock of the whole server from the end of his transaction until it is on the disk. Within the commits, those to one log
//! would wait for the disk of those to all others, and writers for that of followers. Who only notifies waits for no disk.
use futures_lite::future::poll_once;
use tokio_postgres::{Error, GenericClient, Statement};

use crate::sql::Sql;

/// The statement, prepared on one connection.
pub(crate) struct Tell(Statement);

impl Tell {
    pub(crate) async fn prepare(client: &impl GenericClient, sql: &Sql) -> Result<Self, Error> {
        Ok(Self(client.prepare(&sql.notify).await?))
    }

    /// Sends it, and waits for no answer: it is a hint.
    pub(crate) async fn send(&self, client: &impl GenericClient, handle: &str) {
        // Looking for an answer once sends it.
        drop(poll_once(client.execute(&self.0, &[&handle])).await);
    }
}
