//! Getting dogs whose events came in turns with those of other dogs.
use std::rc::Rc;
use std::time::Instant;

use es_core::{Aggregate, Application};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Bench, READ, register_by_hand, registered};
use crate::by_hand::sqlite::{Pen, Reading, open};
use crate::dog::{Dog, KeptDog, keeping};
use crate::harness::{Race, Turn};

/// How many events come in one commit.
const AT_ONCE: usize = 10;

pub(super) fn run(bench: &Bench<'_>) {
    load(bench, bench.effort.short, 200, 2_000);
    load(bench, bench.effort.long, 2, 50);
}

fn load(bench: &Bench<'_>, events: usize, dogs: usize, loads: usize) {
    let name = format!("load {events} events from SQLite");
    if !bench.effort.wants(&name) {
        return;
    }
    let (dogs, loads) = (bench.some(dogs), bench.some(loads));
    let runtime = Rc::clone(&bench.runtime);
    let (app, store) = bench.application(&bench.disk.file(&format!("ours-load-{events}")));
    let path = bench.disk.file(&format!("reading-{events}"));
    let connection = open(&path).expect("the file can be made");
    let mut pen = Pen::new(connection).expect("the tables are there");

    let mut ours = registered(1, dogs, Dog::register).remove(0);
    let mut theirs = registered(1, dogs, register_by_hand).remove(0);
    for number in 1..events {
        let trick = format!("trick number {number}");
        ours.iter_mut()
            .for_each(|dog| dog.add_trick(trick.as_str()));
        theirs
            .iter_mut()
            .for_each(|dog| dog.add_trick(trick.as_str()));
        if number % AT_ONCE == 0 || number == events - 1 {
            for (ours, theirs) in ours.iter_mut().zip(&mut theirs) {
                runtime
                    .block_on(app.save(ours))
                    .expect("nobody else writes");
                pen.save(theirs).expect("nobody else writes");
            }
        }
    }
    let ids: Vec<_> = ours.iter().map(Dog::id).collect();
    let same: Rc<[_]> = theirs.iter().map(|dog| dog.id()).collect();
    let once_more = Rc::clone(&same);
    let mut whole = Reading::new(open(&path).expect("it was made")).expect("the tables are there");
    let mut reading =
        Reading::new(open(&path).expect("it was made")).expect("the tables are there");

    let [snapshots, cache] = runtime.block_on(keeping(store, &ids));
    let ids: Vec<_> = ids.into_iter().cycle().take(loads).collect();
    let whole_streams = got::<Dog>(&runtime, app, &ids);
    let from_snapshots = got::<KeptDog>(&runtime, snapshots, &ids);
    let cached = got::<KeptDog>(&runtime, cache, &ids);

    Race::new(name, "load", loads, READ)
        .contestant("ours", whole_streams)
        .contestant("by hand, name and payload", move || {
            let start = Instant::now();
            let mut seen = 0;
            for id in same.iter().cycle().take(loads) {
                let dog = reading.load(*id).expect("it was saved");
                seen += dog.saved_version();
            }
            Turn {
                taken: start.elapsed(),
                seen,
            }
        })
        .says("read only, and nothing is checked")
        .at_least(0.75)
        .contestant("by hand, all columns", move || {
            let start = Instant::now();
            let mut seen = 0;
            for id in once_more.iter().cycle().take(loads) {
                let dog = whole.load_whole(*id).expect("it was saved");
                seen += dog.saved_version();
            }
            Turn {
                taken: start.elapsed(),
                seen,
            }
        })
        .contestant("ours, from a snapshot", from_snapshots)
        .contestant("ours, cached", cached)
        .run(bench.effort);
}

/// Gets dogs by an application.
fn got<D: Aggregate<Id = Uuid>>(
    runtime: &Rc<Runtime>,
    app: Application,
    ids: &[Uuid],
) -> impl FnMut() -> Turn<u64> + 'static {
    let (runtime, ids) = (Rc::clone(runtime), ids.to_vec());
    move || {
        let start = Instant::now();
        let mut seen = 0;
        runtime.block_on(async {
            for id in &ids {
                let dog: D = app.get(*id).await.expect("it was saved");
                seen += dog.version().get();
            }
        });
        Turn {
            taken: start.elapsed(),
            seen,
        }
    }
}
