//! The Postgres server of a whole run: private, on a free port, and waiting for no disk.
use std::env;

use crate::install::install;

// The store's own, without building the store.
#[path = "../../es-store-postgres/src/testing/server.rs"]
#[expect(
    unreachable_pub,
    dead_code,
    reason = "it is part of the store's public interface, of which little is needed here"
)]
mod server;

use server::{Disk, Server, ServerError};

/// Names a server to the tests.
pub(crate) const VARIABLE: &str = "ES_TEST_POSTGRES_URL";

/// Starts a server, having installed it where that may be done; `None` where one is named already.
pub(crate) fn server() -> Result<Option<Server>, String> {
    if env::var_os(VARIABLE).is_some_and(|url| !url.is_empty()) {
        return Ok(None);
    }
    let started = match Server::start(Disk::NotWaitedFor) {
        Err(ServerError::Missing) if install("postgresql") => Server::start(Disk::NotWaitedFor),
        started => started,
    };
    started.map(Some).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}
