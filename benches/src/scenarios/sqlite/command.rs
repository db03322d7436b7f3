//! A command: a dog is loaded, decides, and is saved.
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::{Aggregate, Application};
use uuid::Uuid;

use super::{Bench, DURABLE, register_by_hand, registered, tasks};
use crate::by_hand;
use crate::by_hand::sqlite::{Group, Pen, Reading, open};
use crate::dog::{self, Dog};
use crate::harness::{Race, Turn};

/// How many events a dog has before a command.
const KNOWN: usize = 20;

pub(super) fn run(bench: &Bench<'_>) {
    alone(bench, 600);
    together(bench, 8, 2_400);
}

fn alone(bench: &Bench<'_>, commands: usize) {
    let name = format!("load {KNOWN} events, decide, save in SQLite, 1 client");
    if !bench.effort.wants(&name) {
        return;
    }
    let commands = bench.some(commands);
    let runtime = Rc::clone(&bench.runtime);
    let (app, _) = bench.application(&bench.disk.file("ours-command"));
    let connection = open(&bench.disk.file("command")).expect("the file can be made");
    let mut pen = Pen::new(connection).expect("the tables are there");
    let mut reading = Reading::new(connection).expect("the tables are there");
    Race::new(name, "command", commands, DURABLE)
        .contestant("ours", move || {
            let ids = runtime.block_on(known(&app, 1, commands));
            let taken = tasks(&runtime, ids, |ids| commanded(app.clone(), ids));
            Turn { taken, seen: () }
        })
        .contestant("by hand, on the client's thread", move || {
            let mut dogs = known_by_hand(1, commands).remove(0);
            pen.save_all(&mut dogs).expect("nobody else writes");
            let start = Instant::now();
            for dog in dogs {
                let mut dog = reading.load(dog.id()).expect("it was saved");
                dog.add_trick("sit");
                pen.save(&mut dog).expect("nobody else writes");
            }
            Turn {
                taken: start.elapsed(),
                seen: (),
            }
        })
        .at_least(0.75)
        .run(bench.effort);
}

fn together(bench: &Bench<'_>, clients: usize, commands: usize) {
    let name = format!("load {KNOWN} events, decide, save in SQLite, {clients} clients");
    if !bench.effort.wants(&name) {
        return;
    }
    let each = bench.some(commands / clients);
    let runtime = Rc::clone(&bench.runtime);
    let (app, _) = bench.application(&bench.disk.file("ours-commands"));
    let path = bench.disk.file("commands");
    let group = Group::open(&path, Duration::ZERO).expect("the file can be made");
    let (tasks_path, same) = (
        bench.disk.file("commands-of-tasks"),
        Rc::clone(&bench.runtime),
    );
    let tasks_group =
        Arc::new(Group::open(&tasks_path, Duration::ZERO).expect("the file can be made"));
    Race::new(name, "command", each * clients, DURABLE)
        .contestant("ours", move || {
            let ids = runtime.block_on(known(&app, clients, each));
            let taken = tasks(&runtime, ids, |ids| commanded(app.clone(), ids));
            Turn { taken, seen: () }
        })
        .contestant("by hand, group commit, threads", move || {
            let mut dogs = known_by_hand(clients, each);
            for dog in dogs.iter_mut().flatten() {
                group.save_and_wait(dog).expect("nobody else writes");
            }
            let start = Instant::now();
            std::thread::scope(|scope| {
                for dogs in dogs {
                    let (group, path) = (&group, &path);
                    scope.spawn(move || {
                        let connection = open(path).expect("it was made");
                        let mut reading = Reading::new(connection).expect("the tables are there");
                        for dog in dogs {
                            let mut dog = reading.load(dog.id()).expect("it was saved");
                            dog.add_trick("sit");
                            group.save_and_wait(&mut dog).expect("nobody else writes");
                        }
                    });
                }
            });
            Turn {
                taken: start.elapsed(),
                seen: (),
            }
        })
        .at_least(0.75)
        .contestant("by hand, group commit, tasks", move || {
            let mut dogs = known_by_hand(clients, each);
            for dog in dogs.iter_mut().flatten() {
                tasks_group.save_and_wait(dog).expect("nobody else writes");
            }
            let taken = tasks(&same, dogs, |dogs| {
                let (group, path) = (Arc::clone(&tasks_group), tasks_path.clone());
                async move {
                    for dog in dogs {
                        let mut dog = READING.with_borrow_mut(|reading| {
                            reading
                                .get_or_insert_with(|| {
                                    let connection = open(&path).expect("it was made");
                                    Reading::new(connection).expect("the tables are there")
                                })
                                .load(dog.id())
                                .expect("it was saved")
                        });
                        dog.add_trick("sit");
                        group.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .at_least(0.75)
        .run(bench.effort);
}

thread_local! {
    static READING: std::cell::RefCell<Option<Reading<'static>>> = const { std::cell::RefCell::new(None) };
}

async fn known(app: &Application, clients: usize, each: usize) -> Vec<Vec<Uuid>> {
    let mut dogs = registered(clients, each, |name| {
        let mut dog = Dog::register(name);
        dog::tricks(KNOWN - 1)
            .into_iter()
            .for_each(|trick| dog.add_trick(trick));
        dog
    });
    for dogs in &mut dogs {
        app.save(&mut dogs[..]).await.expect("nobody else writes");
    }
    let ids = |dogs: Vec<Dog>| dogs.iter().map(Dog::id).collect();
    dogs.into_iter().map(ids).collect()
}

async fn commanded(app: Application, ids: Vec<Uuid>) {
    for id in ids {
        let updated = app.update(id, |dog: &mut Dog| dog.add_trick("sit"));
        updated.await.expect("nobody else writes");
    }
}

fn known_by_hand(clients: usize, each: usize) -> Vec<Vec<by_hand::Dog>> {
    registered(clients, each, |name| {
        let mut dog = register_by_hand(name);
        dog::tricks(KNOWN - 1)
            .into_iter()
            .for_each(|trick| dog.add_trick(trick));
        dog
    })
}
