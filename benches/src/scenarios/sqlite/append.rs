//! Saving new dogs: one event or a hundred in a commit, one client or many.
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Bench, DURABLE, register_by_hand, registered, tasks};
use crate::by_hand::sqlite::{Group, Pen, WithOne, head, open};
use crate::dog::{self, Dog};
use crate::harness::{Race, Turn};

/// How long a group waits for tasks that come again.
const MOMENT: Duration = Duration::from_micros(80);

pub(super) fn run(bench: &Bench<'_>) {
    alone(bench, 1, 1_000, 0.85);
    alone(bench, bench.effort.short, 300, 0.75);
    together(bench, 8, 4_800);
    together(bench, 64, 9_600);
}

fn alone(bench: &Bench<'_>, events: usize, dogs: usize, at_least: f64) {
    let name = format!("save {events} event(s) per commit in SQLite, 1 client");
    if !bench.effort.wants(&name) {
        return;
    }
    let dogs = bench.some(dogs);
    let runtime = Rc::clone(&bench.runtime);
    let (app, _) = bench.application(&bench.disk.file(&format!("ours-{events}")));
    let connection =
        open(&bench.disk.file(&format!("pen-{events}"))).expect("the file can be made");
    let mut pen = Pen::new(connection).expect("the tables are there");
    let (operation, count) = if events == 1 {
        ("commit", dogs)
    } else {
        ("event", dogs * events)
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
            let taken = tasks(&runtime, litter, |dogs| {
                let app = app.clone();
                async move {
                    for mut dog in dogs {
                        app.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            let head = runtime.block_on(app.log().head()).expect("it can be read");
            Turn {
                taken,
                seen: i64::try_from(head.get()).ok(),
            }
        })
        .contestant("by hand, on the client's thread", move || {
            let litter = registered(1, dogs, |name| {
                let mut dog = register_by_hand(name);
                dog::tricks(events - 1)
                    .into_iter()
                    .for_each(|trick| dog.add_trick(trick));
                dog
            });
            let start = Instant::now();
            for mut dog in litter.into_iter().flatten() {
                pen.save(&mut dog).expect("nobody else writes");
            }
            Turn {
                taken: start.elapsed(),
                seen: head(connection).ok(),
            }
        })
        .at_least(at_least)
        .run(bench.effort);
}

fn together(bench: &Bench<'_>, clients: usize, commits: usize) {
    let name = format!("save 1 event per commit in SQLite, {clients} clients");
    if !bench.effort.wants(&name) {
        return;
    }
    let each = bench.some(commits / clients);
    let file = |form: &str| bench.disk.file(&format!("{form}-of-{clients}"));
    let (app, _) = bench.application(&file("ours"));
    let group = Arc::new(Group::open(&file("group"), MOMENT).expect("the file can be made"));
    let threads = Group::open(&file("threads"), Duration::ZERO).expect("the file can be made");
    let one = WithOne::open(&file("one")).expect("the file can be made");
    let (runtime, same) = (Rc::clone(&bench.runtime), Rc::clone(&bench.runtime));
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || {
            let taken = tasks(&runtime, registered(clients, each, Dog::register), |dogs| {
                let app = app.clone();
                async move {
                    for mut dog in dogs {
                        app.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .contestant("by hand, group commit, tasks", move || {
            let dogs = registered(clients, each, register_by_hand);
            let taken = tasks(&same, dogs, |dogs| {
                let group = Arc::clone(&group);
                async move {
                    for mut dog in dogs {
                        group.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .at_least(0.75)
        .contestant("by hand, group commit, threads", move || {
            let dogs = registered(clients, each, register_by_hand);
            let taken = super::threads(dogs, |mut dog| {
                threads.save_and_wait(&mut dog).expect("nobody else writes");
            });
            Turn { taken, seen: () }
        })
        .contestant("by hand, a mutex", move || {
            let dogs = registered(clients, each, register_by_hand);
            let taken = super::threads(dogs, |mut dog| {
                one.save_one(&mut dog).expect("nobody else writes");
            });
            Turn { taken, seen: () }
        })
        .at_least(if clients == 64 { 8.0 } else { 1.0 })
        .run(bench.effort);
}
