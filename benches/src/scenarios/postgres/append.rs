//! Saving new dogs: one event or a hundred in a commit, one client or many, in one process or in several.
use std::rc::Rc;

use tokio::runtime::Runtime;

use super::children::Writers;
use super::{Bench, DURABLE, all, register_by_hand, registered, save_each, tasks};
use crate::by_hand::postgres::{Group, Pen, WithLock};
use crate::dog::{self, Dog};
use crate::harness::{Race, Turn};

pub(super) fn run(bench: &Bench<'_>) {
    alone(bench, &bench.workers, "", 1, 800, 0.75);
    alone(bench, &bench.thread, ", one thread", 1, 800, 0.75);
    alone(bench, &bench.workers, "", bench.effort.short, 150, 0.75);
    together(bench, 8, 4_800);
    together(bench, 64, 12_800);
    for processes in [1, 2, 4] {
        in_processes(bench, processes, 64, 12_800);
    }
}

fn alone(
    bench: &Bench<'_>,
    runtime: &Rc<Runtime>,
    how: &str,
    events: usize,
    dogs: usize,
    at_least: f64,
) {
    let name = format!("save {events} event(s) per commit in Postgres, 1 client{how}");
    if !bench.wants(&name) {
        return;
    }
    let dogs = bench.some(dogs);
    let schema = |form: &str| format!("{form}_{events}_{}", how.len());
    let (app, store) = bench.application(runtime, &schema("ours"));
    let place = bench.place(&schema("pen"));
    let (beside, same) = (Rc::clone(runtime), Rc::clone(runtime));
    let runtime = Rc::clone(runtime);
    let pen = runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        Pen::new(client).await.expect("the tables are there")
    });
    let pen = std::sync::Arc::new(pen);
    let (own, mut line) = runtime.block_on(async {
        let (client, mut line) = place.dial().await.expect("the server answers");
        let pen = line.drive(Pen::new(client)).await;
        (pen.expect("the tables are there"), line)
    });
    let (operation, count) = if events == 1 {
        ("commit", dogs)
    } else {
        ("event", dogs * events)
    };
    let by_hand = move || {
        registered(1, dogs, |name| {
            let mut dog = register_by_hand(name);
            dog::tricks(events - 1)
                .into_iter()
                .for_each(|trick| dog.add_trick(trick));
            dog
        })
    };
    Race::new(name, operation, count, DURABLE)
        .contestant("ours", move || {
            let litter = registered(1, dogs, |name| {
                let mut dog = Dog::register(name);
                dog::tricks(events - 1)
                    .into_iter()
                    .for_each(|trick| dog.add_trick(trick));
                dog
            });
            let taken = tasks(&runtime, litter, |dogs| save_each(app.clone(), dogs));
            let _ = &store;
            Turn { taken, seen: () }
        })
        .contestant("by hand", move || {
            let taken = tasks(&beside, by_hand(), |dogs| {
                let pen = std::sync::Arc::clone(&pen);
                async move {
                    for mut dog in dogs {
                        pen.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .at_least(at_least)
        .contestant("by hand, in one task", move || {
            let litter = by_hand();
            let start = std::time::Instant::now();
            same.block_on(line.drive(async {
                for mut dog in litter.into_iter().flatten() {
                    own.save(&mut dog).await.expect("nobody else writes");
                }
            }));
            Turn {
                taken: start.elapsed(),
                seen: (),
            }
        })
        .run(bench.effort);
}

fn together(bench: &Bench<'_>, clients: usize, commits: usize) {
    let name = format!("save 1 event per commit in Postgres, {clients} clients");
    if !bench.wants(&name) {
        return;
    }
    let each = bench.some(commits / clients);
    // One by one it takes so long that a part says enough.
    let some = bench.some(commits / clients / 8);
    let (app, _) = bench.application(&bench.workers, &format!("ours_of_{clients}"));
    let place = bench.place(&format!("group_of_{clients}"));
    let group = bench.workers.block_on(Group::start(&place));
    let group = group.expect("the server answers");
    let locked = bench.place(&format!("lock_of_{clients}"));
    let locking: Vec<_> = (0..clients)
        .map(|_| {
            let connected = bench.workers.block_on(WithLock::connect(&locked));
            std::sync::Arc::new(connected.expect("the server answers"))
        })
        .collect();
    let [runtime, same, again] = [(); 3].map(|()| Rc::clone(&bench.workers));
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || {
            let dogs = registered(clients, each, Dog::register);
            let taken = tasks(&runtime, dogs, |dogs| save_each(app.clone(), dogs));
            Turn { taken, seen: () }
        })
        .contestant("by hand, group commit with a lock", move || {
            let dogs = registered(clients, each, register_by_hand);
            let taken = tasks(&same, dogs, |dogs| {
                let group = group.clone();
                async move {
                    for mut dog in dogs {
                        group.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .at_least(0.7)
        .contestant("by hand, LOCK TABLE per insert", move || {
            let dogs = registered(clients, some, register_by_hand);
            let clients = dogs.into_iter().zip(&locking).collect();
            let start = std::time::Instant::now();
            again.block_on(all(clients, |(dogs, locking)| {
                let locking = std::sync::Arc::clone(locking);
                async move {
                    for mut dog in dogs {
                        locking
                            .save_one(&mut dog)
                            .await
                            .expect("nobody else writes");
                    }
                }
            }));
            let share = u32::try_from(each / some).unwrap_or(1);
            Turn {
                taken: start.elapsed() * share,
                seen: (),
            }
        })
        .at_least(if clients == 64 { 10.0 } else { 1.0 })
        .run(bench.effort);
}

/// As many clients, in processes that begin at the same time.
fn in_processes(bench: &Bench<'_>, processes: usize, clients: usize, commits: usize) {
    let name = format!(
        "save 1 event per commit in Postgres, {clients} clients in {processes} other process(es)"
    );
    if !bench.wants(&name) {
        return;
    }
    let each = bench.some(commits / clients);
    let (app, _) = bench.application(&bench.workers, &format!("ours_in_{processes}"));
    drop(app);
    let place = bench.place(&format!("group_in_{processes}"));
    let writers = |form: &'static str, schema: String| Writers {
        form,
        url: bench.server().url().to_owned(),
        schema,
        processes,
        clients: clients / processes,
        each,
    };
    let ours = writers(
        "write-ours",
        bench.server().schema(&format!("ours_in_{processes}")),
    );
    let by_hand = writers("write-by-hand", place.schema().to_owned());
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || Turn {
            taken: ours.write(),
            seen: (),
        })
        .contestant("by hand, group commit with a lock", move || Turn {
            taken: by_hand.write(),
            seen: (),
        })
        .at_least(0.7)
        .run(bench.effort);
}
