//! What goes wrong: each fault befalls real files, servers and processes, and gives a figure.
//!
//! A store has a program of faults, a test without a harness, since it starts itself as other processes: its `main` is [`run`], which is told the
//! store, as a [`Log`], and what can only befall this one.
//!
//! `cargo test` runs the short form, `cargo xtask faults` the long one (`--long`). A name, or a part of one, runs what it names alone. Started with
//! `child` as its first argument, the program is the process that a fault befalls.
use std::env;
use std::panic;
use std::process::ExitCode;
use std::time::Instant;

mod by_hand;
mod dropped;
mod edits;
mod given_again;
pub mod idle;
mod inside;
mod kills;
pub mod lease;
mod limits;
mod log;
mod names;
pub mod process;
pub mod sizes;

pub use log::Log;

/// How much is tried.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Whether there are some minutes.
    pub long: bool,
}

impl Effort {
    /// The one or the other.
    pub fn of<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}

/// What must hold, as a sentence, and what tries it and gives a figure.
pub type Fault = (&'static str, fn(Effort) -> String);

/// The part that a child is told to play, and what it does, told the rest.
pub type Part = (&'static str, fn(&[&str]));

/// What may befall every store.
fn of_every_store<L: Log>() -> [Fault; 12] {
    [
        (
            "a killed process loses nothing that it acknowledged and leaves no half commit",
            kills::a_killed_process_loses_nothing_that_it_acknowledged::<L>,
        ),
        (
            "a commit whose caller went away takes no other along, and its outcome is known",
            dropped::others_of_its_group_succeed_and_its_outcome_is_known::<L>,
        ),
        (
            "a follower that is killed loses nothing and repeats nothing",
            lease::a_killed_follower_loses_and_repeats_nothing::<L>,
        ),
        (
            "a writer that is killed leaves with every event what is made inside of its commit",
            inside::a_killed_writer_leaves_what_is_made_inside_of_its_commits::<L>,
        ),
        (
            "commands that are given again under their keys, by whoever lives, are done once",
            given_again::commands_that_are_given_again_are_done_once::<L>,
        ),
        (
            "versions and positions at the limit of i64 are refused",
            limits::the_largest_numbers_are_refused::<L>,
        ),
        (
            "columns that no store wrote are errors",
            by_hand::columns_that_no_store_wrote_are_errors::<L>,
        ),
        (
            "times far away come back as they were",
            limits::times_far_away_come_back::<L>,
        ),
        (
            "edits by hand are refused, and found where the triggers are bypassed",
            edits::triggers_refuse_them_and_verify_finds_what_is_bypassed::<L>,
        ),
        (
            "names come back as they were, and none is taken for another",
            names::they_come_back_and_none_is_taken_for_another::<L>,
        ),
        (
            "what is too large is refused before it is written",
            sizes::what_is_too_large_is_refused_before_it_is_written::<L>,
        ),
        (
            "deep nesting is an error",
            sizes::deep_nesting_is_an_error::<L>,
        ),
    ]
}

/// The parts that children of every store play.
fn parts_of_every_store<L: Log>() -> [Part; 4] {
    [
        ("append", kills::append::<L>),
        ("commit-inside", inside::commit::<L>),
        ("give-again", given_again::give::<L>),
        ("follow-notes", lease::follow::<L>),
    ]
}

/// Runs the faults that are asked for, or plays the part of a child.
pub fn run<L: Log>(own: &[Fault], own_parts: &[Part]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "child"
    {
        let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
        let parts = parts_of_every_store::<L>();
        let mut parts = parts.iter().chain(own_parts);
        let part = parts.find(|(name, _)| rest.first() == Some(name));
        let (_, play) = part.unwrap_or_else(|| panic!("no child is told {rest:?}"));
        play(&rest[1..]);
        return ExitCode::SUCCESS;
    }
    // A test runner asks for names, of which there are none that it could run one by one.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let long = arguments.iter().any(|argument| argument == "--long");
    let wanted: Vec<_> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    let mut failed = 0;
    let faults = of_every_store::<L>();
    for (name, run) in faults.iter().chain(own).filter(|(name, _)| is_wanted(name)) {
        let started = Instant::now();
        let figure = panic::catch_unwind(|| run(Effort { long }));
        failed += u32::from(figure.is_err());
        println!(
            "{name}: {} ({:.1} s)",
            figure.as_deref().unwrap_or("FAILED"),
            started.elapsed().as_secs_f64()
        );
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        eprintln!("{failed} failed");
        ExitCode::FAILURE
    }
}
