//! Getting dogs whose events came in turns with those of other dogs.
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use es_core::{Aggregate, Application};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Bench, READ, register_by_hand, registered, tasks};
use crate::by_hand::postgres::{Pen, Reading};
use crate::dog::{Dog, KeptDog, keeping};
use crate::harness::{Race, Turn};

/// How many events come in one commit.
const AT_ONCE: usize = 10;

/// How many events an application reads at once.
const PAGE: i64 = 1_000;

pub(super) fn run(bench: &Bench<'_>) {
    load(bench, &bench.workers, "", bench.effort.short, 200, 1_000);
    load(
        bench,
        &bench.thread,
        ", one thread",
        bench.effort.short,
        200,
        1_000,
    );
    load(bench, &bench.workers, "", bench.effort.long, 2, 40);
}

fn load(
    bench: &Bench<'_>,
    runtime: &Rc<Runtime>,
    how: &str,
    events: usize,
    dogs: usize,
    loads: usize,
) {
    let name = format!("load {events} events from Postgres{how}");
    if !bench.wants(&name) {
        return;
    }
    let (dogs, loads) = (bench.some(dogs), bench.some(loads));
    let schema = |form: &str| format!("{form}_load_{events}_{}", how.len());
    let (app, store) = bench.application(runtime, &schema("ours"));
    let place = bench.place(&schema("reading"));
    let [reading, needed, whole] = [(); 3].map(|()| {
        let reading = runtime.block_on(async {
            let client = place.connect().await.expect("the server answers");
            Reading::new(client).await.expect("the tables are there")
        });
        Arc::new(reading)
    });

    let mut ours = registered(1, dogs, Dog::register).remove(0);
    let mut theirs = registered(1, dogs, register_by_hand).remove(0);
    runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        let pen = Pen::new(client).await.expect("the tables are there");
        for number in 1..events {
            let trick = format!("trick number {number}");
            ours.iter_mut()
                .for_each(|dog| dog.add_trick(trick.as_str()));
            theirs
                .iter_mut()
                .for_each(|dog| dog.add_trick(trick.as_str()));
            if number % AT_ONCE == 0 || number == events - 1 {
                app.save(&mut ours[..]).await.expect("nobody else writes");
                pen.save_all(&mut theirs).await.expect("nobody else writes");
            }
        }
    });
    let ids: Vec<_> = ours.iter().map(Dog::id).collect();
    let [snapshots, cache] = runtime.block_on(keeping(store, &ids));
    let ids: Vec<_> = ids.iter().copied().cycle().take(loads).collect();
    let whole_streams = got::<Dog>(runtime, app, &ids);
    let from_snapshots = got::<KeptDog>(runtime, snapshots, &ids);
    let cached = got::<KeptDog>(runtime, cache, &ids);
    let same: Vec<_> = theirs.iter().map(|dog| dog.id()).collect();
    let same: Vec<_> = same.iter().copied().cycle().take(loads).collect();
    let [third, fourth] = [(); 2].map(|()| same.clone());
    let [beside, paged, again] = [(); 3].map(|()| Rc::clone(runtime));

    Race::new(name, "load", loads, READ)
        .contestant("ours", whole_streams)
        .contestant("by hand, name and payload", move || {
            let seen = Arc::new(AtomicU64::new(0));
            let taken = tasks(&beside, vec![same.clone()], |ids| {
                let (reading, seen) = (Arc::clone(&reading), Arc::clone(&seen));
                async move {
                    for id in ids {
                        let dog = reading.load(id).await.expect("it was saved");
                        seen.fetch_add(dog.saved_version(), Ordering::Relaxed);
                    }
                }
            });
            Turn {
                taken,
                seen: seen.load(Ordering::Relaxed),
            }
        })
        .says("read only, and nothing is checked")
        .at_least(0.75)
        .contestant("by hand, what replay needs, paged", move || {
            let seen = Arc::new(AtomicU64::new(0));
            let taken = tasks(&paged, vec![third.clone()], |ids| {
                let (reading, seen) = (Arc::clone(&needed), Arc::clone(&seen));
                async move {
                    for id in ids {
                        let dog = reading.load_needed(id, PAGE).await;
                        let dog = dog.expect("it was saved");
                        seen.fetch_add(dog.saved_version(), Ordering::Relaxed);
                    }
                }
            });
            Turn {
                taken,
                seen: seen.load(Ordering::Relaxed),
            }
        })
        .contestant("by hand, all columns", move || {
            let seen = Arc::new(AtomicU64::new(0));
            let taken = tasks(&again, vec![fourth.clone()], |ids| {
                let (reading, seen) = (Arc::clone(&whole), Arc::clone(&seen));
                async move {
                    for id in ids {
                        let dog = reading.load_whole(id).await.expect("it was saved");
                        seen.fetch_add(dog.saved_version(), Ordering::Relaxed);
                    }
                }
            });
            Turn {
                taken,
                seen: seen.load(Ordering::Relaxed),
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
        let seen = Arc::new(AtomicU64::new(0));
        let taken = tasks(&runtime, vec![ids.clone()], |ids| {
            let (app, seen) = (app.clone(), Arc::clone(&seen));
            async move {
                for id in ids {
                    let dog: D = app.get(id).await.expect("it was saved");
                    seen.fetch_add(dog.version().get(), Ordering::Relaxed);
                }
            }
        });
        Turn {
            taken,
            seen: seen.load(Ordering::Relaxed),
        }
    }
}
