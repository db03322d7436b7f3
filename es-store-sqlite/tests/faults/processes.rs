//! Several processes write to one file.
use std::collections::HashSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use es_core::persistence::{AppendError, EventStore};
use es_core::{Application, Position};

use crate::{Effort, file, log, process};

const PROCESSES: u64 = 3;

pub(crate) fn what_they_write_is_one_log(effort: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let commits: usize = effort.of(100, 2_000);
    let store = file::open(&path);
    let app = Application::new(store.clone());
    let all = PROCESSES * commits as u64 * 2;
    let mut subscription = app.log().subscribe(Position::START).up_to(all.into());
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| {
            let path = path.to_str().expect("a path of letters");
            let command = process::command(&["append-many", path, &commits.to_string()]);
            let (mut child, lines) = process::start(command);
            let stopper = subscription.stopper();
            // Read as they are said: a child that nobody listens to stands still once the pipe is full.
            thread::spawn(move || {
                let said: Vec<_> = lines.map_while(Result::ok).collect();
                let well = child.wait().expect("it ends").success();
                if !well {
                    // What it would have written will not come.
                    stopper.stop();
                }
                (well, said)
            })
        })
        .collect();
    let started = Instant::now();
    let mut seen = Position::START;
    while let Some(record) = pollster::block_on(subscription.next()) {
        let record = record.expect("it can be read");
        assert_eq!(record.position, seen.next());
        seen = record.position;
    }
    let took = started.elapsed();
    let mut acknowledged = HashSet::new();
    let mut slowest = Duration::ZERO;
    for child in children {
        let (well, said) = child.join().expect("it only reads");
        assert!(well, "all can write");
        for line in said {
            let (id, millis) = line.split_once(' ').expect("two words");
            assert!(acknowledged.insert(id.to_owned()), "{id} twice");
            slowest = slowest.max(Duration::from_millis(millis.parse().expect("a number")));
        }
    }
    assert_eq!(seen.get(), all);
    let whole = log::whole(&store);
    let stored: HashSet<_> = whole.commits.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(stored, acknowledged);
    assert_eq!(whole.partial, 0);
    format!(
        "processes {PROCESSES}, acknowledged {}, lost = 0, twice = 0, seen by a subscription in another process {seen}, in {:.1} s; slowest commit {} ms",
        acknowledged.len(),
        took.as_secs_f64(),
        slowest.as_millis()
    )
}

/// The child.
pub(crate) fn append_many(path: &Path, count: usize) {
    let store = file::open(path);
    let mut version = 0;
    let mut done = 0;
    while done < count {
        // All write to stream 1.
        let both = [
            (log::stream(1), version.into(), 1),
            (log::stream(fastrand::u128(..)), 0.into(), 1),
        ];
        let commit = log::commit(&both, 0);
        let id = commit.id;
        let started = Instant::now();
        match pollster::block_on(store.commit(commit)) {
            Ok(_) => {
                process::say(&format!("{id} {}", started.elapsed().as_millis()));
                version += 1;
                done += 1;
            }
            Err(AppendError::Conflict { actual, .. }) => version = actual.get(),
            Err(other) => panic!("nothing else is in its way: {other:?}"),
        }
    }
}
