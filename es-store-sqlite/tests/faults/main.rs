//! What the SQLite store does when things go wrong: real files, processes and kills. Prints a figure for each fault.
//!
//! `cargo test` runs the short form, `cargo xtask faults` the long one (`--long`). A name, or a part of one, runs what it names alone. Started with
//! `child` as its first argument, the program is the process that a fault befalls.
use std::env;
use std::panic;
use std::process::ExitCode;
use std::time::Instant;

mod disk;
mod dropped;
mod edits;
mod kills;
mod lease;
mod limits;
mod log;
mod names;
mod opening;
mod polling;
mod process;
mod processes;
mod sizes;
mod wal;

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
        "a write-ahead log cut at any offset leaves an intact prefix of commits",
        wal::one_cut_anywhere_leaves_a_prefix,
    ),
    (
        "a write-ahead log with a flipped byte at any offset leaves an intact prefix of commits",
        wal::one_flipped_anywhere_leaves_a_prefix,
    ),
    (
        "a file that cannot be opened has its own error and stays what it was",
        opening::each_has_its_own_error,
    ),
    (
        "several who open a new file at once all work",
        opening::several_open_a_new_file_at_once,
    ),
    (
        "a file that another process has for itself is refused in time",
        opening::a_locked_one_is_refused_in_time,
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
        "a file that cannot grow fails, and takes what was pending once it can",
        disk::a_file_that_cannot_grow_fails_and_goes_on_once_it_can,
    ),
    (
        "a full disk fails, and takes what was pending once there is room",
        disk::a_full_disk_fails_and_goes_on_once_there_is_room,
    ),
    (
        "a file or a folder that may only be read is refused",
        disk::a_file_that_may_only_be_read_is_refused,
    ),
    (
        "a file that was replaced takes no commits",
        disk::a_file_that_was_replaced_takes_no_commits,
    ),
    (
        "a locked file fails in time, and takes what was pending once it is free",
        disk::a_locked_file_fails_in_time_and_goes_on_once_it_is_free,
    ),
    (
        "a commit whose caller went away takes no other along, and its outcome is known",
        dropped::others_of_its_group_succeed_and_its_outcome_is_known,
    ),
    (
        "what several processes write is one log",
        processes::what_they_write_is_one_log,
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
        "what another process commits is noticed, at a price",
        polling::what_another_process_commits_is_noticed,
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
    ("deep nesting is an error", sizes::deep_nesting_is_an_error),
    (
        "long streams take no more memory than short ones",
        sizes::long_streams_take_no_more_memory_than_short_ones,
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
