//! What the SQLite store does when things go wrong: real files, processes and kills. Prints a figure for each fault.
//!
//! What may befall every store, and how to run some of it, is in `trials::faults`.
use std::path::Path;
use std::process::ExitCode;

use trials::faults::{Effort, Fault, Part, process, run};
use trials::log;

mod disk;
mod file;
mod lease;
mod opening;
mod polling;
mod processes;
mod sizes;
mod wal;

const FAULTS: &[Fault] = &[
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
        "a file that was replaced is neither written nor read",
        disk::a_file_that_was_replaced_is_neither_written_nor_read,
    ),
    (
        "a locked file fails in time, and takes what was pending once it is free",
        disk::a_locked_file_fails_in_time_and_goes_on_once_it_is_free,
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
        "what another process commits is noticed, at a price",
        polling::what_another_process_commits_is_noticed,
    ),
    (
        "long streams take no more memory than short ones",
        sizes::long_streams_take_no_more_memory_than_short_ones,
    ),
];

/// What a child is told first, and what it does at the path that it is told next.
const PARTS: &[Part] = &[
    ("append-one", |told| opening::append_one(Path::new(told[0]))),
    ("append-many", |told| {
        processes::append_many(Path::new(told[0]), told[1].parse().expect("a count"));
    }),
    ("commit-slowly", |told| {
        polling::commit_slowly(Path::new(told[0]), told[1].parse().expect("a count"));
    }),
    ("idle", |told| {
        polling::idle(Path::new(told[0]), told[1].parse().expect("seconds"));
    }),
    ("fill", |told| disk::fill(Path::new(told[0]))),
    ("fill-disk", |told| disk::fill_disk(Path::new(told[0]))),
    ("may-write", |told| disk::may_write(Path::new(told[0]))),
    ("may-read", |told| disk::may_read(Path::new(told[0]))),
    ("load", |told| sizes::load(Path::new(told[0]))),
    ("follow", |told| sizes::follow(Path::new(told[0]))),
    ("history", |told| sizes::history(Path::new(told[0]))),
];

fn main() -> ExitCode {
    run::<file::File>(FAULTS, PARTS)
}
