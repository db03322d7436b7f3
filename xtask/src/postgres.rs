//! The Postgres server of a whole run: private, on a free port, and waiting for no disk.
use std::env;
use std::path::Path;
use std::process::Command;

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
        Err(ServerError::Missing) if install() => Server::start(Disk::NotWaitedFor),
        started => started,
    };
    started.map(Some).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        format!("{error}{}", cause.unwrap_or_default())
    })
}

/// Installs the server's programs, on Debian and its kin, where this process is root; says whether it did.
fn install() -> bool {
    if !Path::new("/etc/debian_version").exists() {
        return false;
    }
    eprintln!("== installing Postgres for the tests: apt-get install postgresql");
    // Without root's rights each of these fails, and nothing is changed.
    let run = |arguments: &[&str]| {
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            // Debian would start a server at once, and nobody asked for that one.
            .env("RUNLEVEL", "1")
            .status();
        status.is_ok_and(|status| status.success())
    };
    let install = ["install", "--yes", "--no-install-recommends", "postgresql"];
    run(&install) || (run(&["update"]) && run(&install))
}
