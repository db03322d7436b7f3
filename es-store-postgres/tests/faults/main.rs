//! What the Postgres store does when things go wrong: real servers, processes and kills. Prints a figure for each fault.
//!
//! The server is a private one, which waits for its disk. `cargo test` runs the short form, `cargo xtask faults` the long one (`--long`). A name,
//! or a part of one, runs what it names alone. Started with `child` as its first argument, the program is the process that a fault befalls.
use std::env;
use std::panic;
use std::process::ExitCode;
use std::time::Instant;

mod dropped;
mod dump;
mod edits;
mod kills;
mod lease;
mod limits;
mod locks;
mod log;
mod migrations;
mod names;
mod process;
mod processes;
mod server;
mod sizes;
mod terminations;

/// How much is tried.
#[derive(Clone, Copy)]
struct Effort {
    long: bool,
}

impl Effort {
    fn of<T>(self, short: T, long: T) -> T {
        if self.long { long } else { short }
    }
}

/// What must hold, as a sentence, and what tries it and gives a figure.
type Fault = (&'static str, fn(Effort) -> String);

const FAULTS: &[Fault] = &[
    (
        "a killed process loses nothing that it acknowledged and leaves no half commit",
        kills::a_killed_process_loses_nothing_that_it_acknowledged,
    ),
    (
        "the fate of every commit is known when sessions are ended beside 8 writers",
        terminations::every_fate_is_known_when_sessions_are_ended,
    ),
    (
        "a line that breaks after any byte loses and doubles nothing",
        terminations::a_line_that_breaks_after_any_byte_loses_and_doubles_nothing,
    ),
    (
        "the fate of every commit is known when the server is restarted beside 8 writers",
        terminations::every_fate_is_known_when_the_server_is_restarted,
    ),
    (
        "what several processes write is one log, of which a reader misses nothing",
        processes::what_they_write_is_one_log,
    ),
    (
        "a commit whose caller went away takes no other along, and its outcome is known",
        dropped::others_of_its_group_succeed_and_its_outcome_is_known,
    ),
    (
        "a log that somebody holds fails in time, and goes on once it is free",
        locks::a_held_log_fails_in_time_and_goes_on_once_it_is_free,
    ),
    (
        "a server that does not answer is given up",
        locks::a_server_that_does_not_answer_is_given_up,
    ),
    (
        "tables that are not as they have to be have their own error",
        migrations::each_has_its_own_error,
    ),
    (
        "of several who migrate at once one does",
        migrations::one_of_several_migrates,
    ),
    (
        "a migration that fails leaves nothing",
        migrations::a_failed_migration_leaves_nothing,
    ),
    (
        "a log restored into another cluster goes on where it was",
        dump::a_restored_log_goes_on_where_it_was,
    ),
    (
        "a follower that was frozen past its lease is refused",
        lease::a_frozen_holder_is_refused,
    ),
    (
        "a writer that is killed leaves with every event what is made inside of its commit",
        lease::a_killed_writer_leaves_what_is_made_inside_of_its_commits,
    ),
    (
        "a follower that is killed loses nothing and repeats nothing",
        lease::a_killed_follower_loses_and_repeats_nothing,
    ),
    (
        "versions and positions at the limit of i64 are refused",
        limits::the_largest_numbers_are_refused,
    ),
    (
        "columns that no store wrote are errors",
        limits::columns_that_no_store_wrote_are_errors,
    ),
    (
        "times far away come back as they were",
        limits::times_far_away_come_back,
    ),
    (
        "edits by hand are refused, and found where the triggers are bypassed",
        edits::triggers_refuse_them_and_verify_finds_what_is_bypassed,
    ),
    (
        "names come back as they were, and none is taken for another",
        names::they_come_back_and_none_is_taken_for_another,
    ),
    (
        "what is too large is refused before it is written",
        sizes::what_is_too_large_is_refused_before_it_is_written,
    ),
    (
        "what the database refuses fails alone",
        sizes::what_the_database_refuses_fails_alone,
    ),
    ("deep nesting is an error", sizes::deep_nesting_is_an_error),
    (
        "a long stream is loaded in little memory",
        sizes::a_long_stream_is_loaded_in_little_memory,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let Some((first, rest)) = arguments.split_first()
        && first == "child"
    {
        process::child(rest);
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
    for (name, run) in FAULTS.iter().filter(|(name, _)| is_wanted(name)) {
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
