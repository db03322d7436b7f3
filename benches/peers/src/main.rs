//! The framework beside others of its kind, as published, each used as its own documentation and source say it is used best.
//!
//! See the README, which also says what is unlike.

#[expect(dead_code, unused_imports, reason = "not all of it is used here")]
#[path = "../../src/harness/mod.rs"]
mod harness;

mod cqrs;
mod disintegrate;
mod es_entity;
mod esrs;
mod memory;
mod ours;
mod place;
mod python;
mod races;
mod school;
mod sourcery;

use std::process::ExitCode;

use harness::Effort;

fn main() -> ExitCode {
    let effort = match Effort::from_arguments(std::env::args().skip(1)) {
        Ok(effort) => effort,
        Err(message) => {
            eprintln!("{message}\n{}", Effort::USAGE);
            return ExitCode::FAILURE;
        }
    };
    memory::run(&effort);
    races::run(&effort);
    match effort.write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
