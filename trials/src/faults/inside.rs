//! A process is killed that has notes made inside of its commits, and another goes on.
use es_core::Application;
use es_core::persistence::EventStore;

use super::{Effort, Log, process};
use crate::{block_on, log};

/// How many write at once.
const WRITERS: usize = 4;

/// The child: commits without end, with the notes inside of each commit, and says what is acknowledged.
pub(super) fn commit<L: Log>(told: &[&str]) {
    let store = L::at(told[0]).open();
    block_on(async {
        let app = Application::new(store.clone());
        L::note_inside(&store, &app).await;
        let writers = (0..WRITERS).map(|_| tokio::spawn(commit_without_end(store.clone())));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.expect("a task does not panic");
        }
    });
}

async fn commit_without_end(store: impl EventStore) {
    loop {
        let stored = store.commit(log::one(fastrand::u128(..), 0)).await;
        let position = stored.expect("nobody else writes there").position;
        let position = position.expect("of an event");
        process::say(&format!("acknowledged {position} ."));
    }
}

pub(super) fn a_killed_writer_leaves_what_is_made_inside_of_its_commits<L: Log>(
    effort: Effort,
) -> String {
    let kills = effort.of(8, 200);
    let place = L::fresh();
    let (mut acknowledged, mut newest) = (0, 0);
    for _ in 0..kills {
        let command = process::command(&["commit-inside", &place.address()]);
        let (mut child, mut lines) = process::start(command);
        for _ in 0..fastrand::u8(1..40) {
            let line = lines.next().expect("it speaks").expect("it speaks");
            acknowledged += 1;
            newest = position(&line).expect("a whole line").max(newest);
        }
        process::signal(child.id(), "-KILL");
        child.wait().expect("it was killed");
        // The last may be cut off.
        let rest = lines.map_while(Result::ok);
        for position in rest.map_while(|line| position(&line)) {
            acknowledged += 1;
            newest = newest.max(position);
        }
        place.left_behind();
        let head = block_on(place.open().head()).expect("it can be read").get();
        assert!(head >= newest, "what was acknowledged is there");
        let expected: Vec<_> = (1..=head).collect();
        let mut noted = place.noted();
        noted.sort_unstable();
        assert_eq!(noted, expected, "with every event its note");
    }
    format!(
        "kills {kills}, acknowledged {acknowledged}, events {newest} or more, missing = 0, twice = 0"
    )
}

fn position(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("acknowledged ")?;
    rest.strip_suffix(" .")?.parse().ok()
}
