//! What the Postgres store does when things go wrong: real servers, processes and kills. Prints a figure for each fault.
//!
//! The server is a private one, which waits for its disk. What may befall every store, and how to run some of it, is in `trials::faults`.
use std::process::ExitCode;

use trials::faults::{Effort, Fault, Part, process, run};
use trials::log;

mod dump;
mod idle;
mod lease;
mod locks;
mod migrations;
mod place;
mod processes;
mod server;
mod sizes;
mod terminations;

const FAULTS: &[Fault] = &[
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
        "a log that somebody holds fails in time, and goes on once it is free",
        locks::a_held_log_fails_in_time_and_goes_on_once_it_is_free,
    ),
    (
        "who vanishes with the log keeps it for a moment alone",
        locks::who_vanishes_with_the_log_keeps_it_for_a_moment_alone,
    ),
    (
        "a large commit over a slow line is stored under the lock",
        locks::a_large_commit_over_a_slow_line_is_stored_under_the_lock,
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
        "a system with nothing to do asks the server once a second",
        idle::a_system_with_nothing_to_do_asks_once_a_second,
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
        "what the database refuses fails alone",
        sizes::what_the_database_refuses_fails_alone,
    ),
    (
        "a long stream is loaded in little memory",
        sizes::a_long_stream_is_loaded_in_little_memory,
    ),
];

/// What a child is told first, and what it does.
const PARTS: &[Part] = &[
    ("append-many", processes::append_many),
    ("migrate", migrations::migrate_one),
    ("load", sizes::load),
];

fn main() -> ExitCode {
    run::<place::Place>(FAULTS, PARTS)
}
