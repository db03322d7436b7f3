//! Programs of others that the checks need, installed where that may be done.
use std::path::Path;
use std::process::Command;

/// Installs a package, on Debian and its kin, where this process is root; says whether it did.
pub(crate) fn install(package: &str) -> bool {
    if !Path::new("/etc/debian_version").exists() {
        return false;
    }
    eprintln!("== installing: apt-get install {package}");
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
    let install = ["install", "--yes", "--no-install-recommends", package];
    run(&install) || (run(&["update"]) && run(&install))
}
