//! A school and its office, with their management binary: the office counts the tricks that the dogs of the school learn.
//!
//! `certificate.rs` is what the office keeps and the process manager that makes it so, `system.rs` says who follows whom. Where the events are kept
//! is said by the environment or the command line: in files, in two schemas of a server, or in memory.
//!
//! ```sh
//! export SCHOOL_ES_STORE=sqlite:school.db OFFICE_ES_STORE=sqlite:office.db
//! school_system migrate
//! dog_school --store sqlite:school.db
//! school_system sync-followers
//! school_system events --app office
//! ```
mod certificate;
#[path = "../dog_school/school.rs"]
#[expect(dead_code, reason = "the school itself is another program")]
mod school;
mod system;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    es_manage::main(system::system)
}
