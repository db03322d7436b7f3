//! What the framework costs beside the same thing written by hand: see the README.

mod by_hand;
mod dog;
mod harness;
mod scenarios;

use std::process::ExitCode;

use harness::Effort;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "child"
    {
        scenarios::child(rest);
        return ExitCode::SUCCESS;
    }
    if let [first, name, done, times] = &arguments[..]
        && first == "instructions"
        && let Ok(times) = times.parse()
    {
        let counted = scenarios::instructions(name, done == "done", times);
        return counted.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    match Effort::from_arguments(arguments.into_iter()) {
        Ok(effort) => {
            scenarios::all(&effort);
            match effort.write() {
                Ok(()) => ExitCode::SUCCESS,
                Err(message) => {
                    eprintln!("{message}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(message) => {
            eprintln!("{message}\n{}", Effort::USAGE);
            ExitCode::FAILURE
        }
    }
}
