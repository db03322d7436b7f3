//! What the framework costs beside the same thing written by hand: see the README.

mod by_hand;
mod dog;
mod harness;
mod scenarios;

use std::process::ExitCode;

use harness::Effort;

fn main() -> ExitCode {
    match Effort::from_arguments(std::env::args().skip(1)) {
        Ok(effort) => {
            scenarios::all(&effort);
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}\n{}", Effort::USAGE);
            ExitCode::FAILURE
        }
    }
}
