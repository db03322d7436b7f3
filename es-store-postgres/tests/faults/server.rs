//! The server that faults befall: it waits for its disk.
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use es_store_postgres::testing::{Disk, Server};

static SERVER: LazyLock<Mutex<Server>> = LazyLock::new(|| {
    Mutex::new(Server::start(Disk::Synchronised).unwrap_or_else(|e| panic!("{e}")))
});

/// The server itself; whoever has it may stop it.
pub(crate) fn server() -> MutexGuard<'static, Server> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}
