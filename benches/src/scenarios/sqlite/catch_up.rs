//! Reading the whole log from its beginning, with a checkpoint that is on the disk after each page: by a follower, which reads the next page while
//! the one at hand is handled, and by the same by hand.
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use es_core::{BoxError, Follower, Recorded, System};
use es_store_sqlite::SqliteProjection;
use rusqlite::Transaction;

use super::{Bench, DURABLE, register_by_hand, registered};
use crate::by_hand::sqlite::{Pen, Reading, open};
use crate::dog::{self, Dog, DogEvent};
use crate::harness::{Race, Turn};
use crate::scenarios::learned::{Learned, Reader};
use crate::scenarios::named::Named;

const PAGE: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

pub(super) fn run(bench: &Bench<'_>) {
    let dogs = bench.some(2_000);
    let each = bench.effort.short;
    let events = dogs * each;
    let name = format!("catch up on {events} events in SQLite, a checkpoint per {PAGE}");
    if !bench.effort.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.runtime);
    let (app, store) = bench.application(&bench.disk.file("ours-catch-up"));
    let path = bench.disk.file("catch-up");
    let connection = open(&path).expect("the file can be made");
    let mut pen = Pen::new(connection).expect("the tables are there");
    let ours = registered(1, dogs, Dog::register).into_iter().flatten();
    let theirs = registered(1, dogs, register_by_hand).into_iter().flatten();
    for (mut ours, mut theirs) in ours.zip(theirs) {
        for trick in dog::tricks(each - 1) {
            ours.add_trick(trick.as_str());
            theirs.add_trick(trick);
        }
        runtime
            .block_on(app.save(&mut ours))
            .expect("nobody else writes");
        pen.save(&mut theirs).expect("nobody else writes");
    }
    let mut reading =
        Reading::new(open(&path).expect("it was made")).expect("the tables are there");
    let mut whole = Reading::new(open(&path).expect("it was made")).expect("the tables are there");

    let mut round = 0;
    Race::new(name, "event", events, DURABLE)
        .contestant("ours", move || {
            round += 1;
            let name = format!("reader {round}");
            let reader = Reader::default();
            let follower = store.project(reader.clone()).batches_of(PAGE);
            let follower = Named {
                name: name.clone(),
                follower,
            };
            let system = System::new("benches").follow(&app, follower);
            let follower = system.follower(&name);
            let start = Instant::now();
            runtime
                .block_on(follower.catch_up(Duration::ZERO, &mut |_, _| {}))
                .expect("nothing goes wrong");
            Turn {
                taken: start.elapsed(),
                seen: reader.learned(),
            }
        })
        .contestant(
            "by hand, name and payload",
            by_hand(path.clone(), "lean", move |after, learned| {
                reading.page(after, PAGE.get(), |event| learned.by_hand(event))
            }),
        )
        .at_least(0.7)
        .contestant(
            "by hand, all columns",
            by_hand(path, "whole", move |after, learned| {
                whole.whole_page(after, PAGE.get(), |event| learned.by_hand(event))
            }),
        )
        .run(bench.effort);
}

/// Reads pages until there are no more. A thread moves the checkpoint of a follower of its own after each, while the next one is worked on.
fn by_hand(
    path: PathBuf,
    follower: &'static str,
    mut page: impl FnMut(i64, &mut Learned) -> rusqlite::Result<i64>,
) -> impl FnMut() -> Turn<Learned> {
    let mut round = 0;
    move || {
        round += 1;
        let follower = format!("{follower} {round}");
        let path = &path;
        let start = Instant::now();
        let mut learned = Learned::default();
        thread::scope(|scope| {
            let (done, newest) = mpsc::sync_channel(0);
            scope.spawn(move || {
                let connection = open(path).expect("it was made");
                let mut pen = Pen::new(connection).expect("the tables are there");
                for newest in newest {
                    pen.checkpoint(&follower, newest)
                        .expect("nobody else writes");
                }
            });
            let mut after = 0;
            loop {
                let newest = page(after, &mut learned).expect("it can be read");
                if newest == after {
                    break;
                }
                done.send(newest).expect("the thread does not panic");
                after = newest;
            }
        });
        Turn {
            taken: start.elapsed(),
            seen: learned,
        }
    }
}

impl SqliteProjection for Reader {
    fn handle(&mut self, event: Recorded<DogEvent>, _: &Transaction<'_>) -> Result<(), BoxError> {
        self.learn(event.event);
        Ok(())
    }
}
