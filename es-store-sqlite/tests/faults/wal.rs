//! The write-ahead log is damaged: cut off, or a byte of it flipped.
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, thread};

use es_core::Version;
use es_core::persistence::EventStore;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{Effort, file, log};
use trials::log::Whole;

/// Of one to nine events each, small and large, a third of them in the database already.
const COMMITS: u64 = 6;

/// After how many offsets it is also tried that the file takes another commit.
const GOES_ON: usize = 16;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// How many frames of a write-ahead log come after the last one that ends a transaction. <https://www.sqlite.org/fileformat2.html#walformat>
pub(crate) fn unfinished_frames(wal: &[u8]) -> usize {
    let mut unfinished = 0;
    for frame in frames(wal) {
        let size_after_commit = number(&wal[frame + 4..]);
        unfinished = if size_after_commit > 0 {
            0
        } else {
            unfinished + 1
        };
    }
    unfinished
}

/// How many transactions a write-ahead log has.
fn finished(wal: &[u8]) -> usize {
    frames(wal)
        .iter()
        .filter(|frame| number(&wal[**frame + 4..]) > 0)
        .count()
}

/// Where the frames begin that are no older than the log's header.
fn frames(wal: &[u8]) -> Vec<usize> {
    if wal.len() < HEADER {
        return Vec::new();
    }
    let step = FRAME_HEADER + page_size(wal);
    (HEADER..)
        .step_by(step)
        .take_while(|frame| frame + step <= wal.len())
        .take_while(|frame| wal[frame + 8..frame + 16] == wal[16..24])
        .collect()
}

fn page_size(wal: &[u8]) -> usize {
    usize::try_from(number(&wal[8..])).expect("it fits")
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().expect("four bytes"))
}

pub(crate) fn one_cut_anywhere_leaves_a_prefix(effort: Effort) -> String {
    damaged(effort, |wal, offset| wal.truncate(offset))
}

pub(crate) fn one_flipped_anywhere_leaves_a_prefix(effort: Effort) -> String {
    damaged(effort, |wal, offset| wal[offset] ^= 1 << (offset % 8))
}

/// A file and its write-ahead log as a crash leaves them.
struct Crashed {
    database: Vec<u8>,
    wal: Vec<u8>,
}

impl Crashed {
    /// Commits of all sizes, of which the first are in the database itself.
    fn new(commits: u64) -> Self {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("written.db");
        let store = file::open(&path);
        let mut versions = [0; 3];
        for number in 0..commits {
            if number == commits / 3 {
                let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
                Connection::open(&path)
                    .and_then(|connection| connection.query_row(checkpoint, [], |_| Ok(())))
                    .expect("nobody is in the way");
            }
            let appends: Vec<_> = (0..1 + usize::try_from(number % 3).expect("small"))
                .map(|stream| {
                    let count = 1 + stream * 2;
                    let expected = Version::from(versions[stream]);
                    versions[stream] += count as u64;
                    (log::stream(stream as u128), expected, count)
                })
                .collect();
            let size = if number % 4 == 0 { 3_000 } else { 50 };
            pollster::block_on(store.commit(log::commit(&appends, size))).expect("it is stored");
        }
        Self {
            database: fs::read(&path).expect("it is there"),
            wal: fs::read(path.with_extension("db-wal")).expect("it is there"),
        }
    }

    /// The frames that come before the one at `offset`.
    fn before(&self, offset: usize) -> &[u8] {
        let step = FRAME_HEADER + page_size(&self.wal);
        match offset.checked_sub(HEADER) {
            Some(at) => &self.wal[..HEADER + at / step * step],
            None => &[],
        }
    }

    /// Lays the files out as they are found after the crash, with this write-ahead log.
    fn lay_out(&self, folder: &Path, wal: &[u8]) -> PathBuf {
        let path = folder.join("found.db");
        let _ = fs::remove_file(path.with_extension("db-shm"));
        fs::write(&path, &self.database).expect("there is room");
        fs::write(path.with_extension("db-wal"), wal).expect("there is room");
        path
    }
}

fn damaged(effort: Effort, damage: fn(&mut Vec<u8>, usize)) -> String {
    let crashed = Crashed::new(COMMITS);
    let folder = quick_folder();
    let all = log::whole(&file::open(&crashed.lay_out(folder.path(), &crashed.wal)));
    let step = FRAME_HEADER + page_size(&crashed.wal);
    let is_tried = |offset: &usize| match offset.checked_sub(HEADER) {
        // Every byte of the headers; of the pages, whose bytes are all alike to the checksum, some.
        Some(at) => effort.long || at % step < FRAME_HEADER || at % 997 == 0,
        None => true,
    };
    let offsets: Vec<usize> = (0..crashed.wal.len()).filter(is_tried).collect();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let (crashed, all) = (&crashed, &all);
    let lengths: HashSet<usize> = thread::scope(|scope| {
        let running: Vec<_> = offsets
            .chunks(offsets.len().div_ceil(threads))
            .map(|part| {
                scope.spawn(move || {
                    let folder = quick_folder();
                    let length = |offset: &usize| {
                        let mut wal = crashed.wal.clone();
                        damage(&mut wal, *offset);
                        let path = crashed.lay_out(folder.path(), &wal);
                        intact_commits(crashed, all, &path, *offset)
                    };
                    part.iter().map(length).collect::<Vec<_>>()
                })
            })
            .collect();
        let lengths = running
            .into_iter()
            .flat_map(|thread| thread.join().expect("all hold"));
        lengths.collect()
    });
    format!(
        "offsets {}, of a write-ahead log of {} frames; commits {}, prefixes of {} lengths, not a prefix = 0",
        offsets.len(),
        frames(&crashed.wal).len(),
        all.commits.len(),
        lengths.len()
    )
}

/// How many commits are left after damage at an offset.
fn intact_commits(crashed: &Crashed, all: &Whole, path: &Path, offset: usize) -> usize {
    let store = file::open(path);
    let found = log::whole(&store);
    assert_eq!(found.partial, 0, "offset {offset}: half a commit");
    assert!(
        all.commits.starts_with(&found.commits),
        "offset {offset}: not a prefix"
    );
    let untouched = all.commits.len() - finished(&crashed.wal) + finished(crashed.before(offset));
    assert!(
        found.commits.len() >= untouched,
        "offset {offset}: {} commits, of {untouched} that the damage did not hit",
        found.commits.len()
    );
    if offset.is_multiple_of(GOES_ON) {
        let version = found.versions.get(&log::stream(0)).copied().unwrap_or(0);
        pollster::block_on(store.commit(log::one(0, version)))
            .unwrap_or_else(|error| panic!("offset {offset}: {error:?}"));
    }
    found.commits.len()
}

/// A folder in memory where there is one: nothing here is about the disk, and there is much to write.
fn quick_folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("there is room")
}
