//! A command: a dog is loaded, decides, and is saved.
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use es_core::{Aggregate, Application};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Bench, DURABLE, register_by_hand, registered, tasks};
use crate::by_hand;
use crate::by_hand::postgres::{Group, Pen, Place, Reading};
use crate::dog::{self, Dog};
use crate::harness::{Race, Turn};

/// How many events a dog has before a command.
const KNOWN: usize = 20;

pub(super) fn run(bench: &Bench<'_>) {
    alone(bench, &bench.workers, "", 500);
    alone(bench, &bench.thread, ", one thread", 500);
    together(bench, 8, 2_400);
}

fn alone(bench: &Bench<'_>, runtime: &Rc<Runtime>, how: &str, commands: usize) {
    let name = format!("load {KNOWN} events, decide, save in Postgres, 1 client{how}");
    if !bench.wants(&name) {
        return;
    }
    let commands = bench.some(commands);
    let (app, _) = bench.application(runtime, &format!("ours_command_{}", how.len()));
    let place = bench.place(&format!("command_{}", how.len()));
    let (pen, reading) = runtime.block_on(async { (pen(&place).await, reading(&place).await) });
    let (pen, reading) = (Arc::new(pen), Arc::new(reading));
    let [runtime, same] = [(); 2].map(|()| Rc::clone(runtime));
    Race::new(name, "command", commands, DURABLE)
        .contestant("ours", move || {
            let ids = runtime.block_on(known(&app, 1, commands));
            let taken = tasks(&runtime, ids, |ids| commanded(app.clone(), ids));
            Turn { taken, seen: () }
        })
        .contestant("by hand", move || {
            let ids = same.block_on(known_by_hand(&pen, 1, commands));
            let taken = tasks(&same, ids, |ids| {
                let (pen, reading) = (Arc::clone(&pen), Arc::clone(&reading));
                async move {
                    for id in ids {
                        let mut dog = reading.load(id).await.expect("it was saved");
                        dog.add_trick("sit");
                        pen.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .at_least(0.75)
        .run(bench.effort);
}

fn together(bench: &Bench<'_>, clients: usize, commands: usize) {
    let name = format!("load {KNOWN} events, decide, save in Postgres, {clients} clients");
    if !bench.wants(&name) {
        return;
    }
    let each = bench.some(commands / clients);
    let (app, _) = bench.application(&bench.workers, "ours_commands");
    let runtime = Rc::clone(&bench.workers);
    Race::new(name, "command", each * clients, DURABLE)
        .contestant("ours", move || {
            let ids = runtime.block_on(known(&app, clients, each));
            let taken = tasks(&runtime, ids, |ids| commanded(app.clone(), ids));
            Turn { taken, seen: () }
        })
        .contestant(
            "by hand, a connection each",
            together_by_hand(bench, clients, each, clients),
        )
        .at_least(0.75)
        .contestant(
            "by hand, one that all read by",
            together_by_hand(bench, clients, each, 1),
        )
        .run(bench.effort);
}

/// Reads by so many connections, and writes by a group.
fn together_by_hand(
    bench: &Bench<'_>,
    clients: usize,
    each: usize,
    connections: usize,
) -> impl FnMut() -> Turn<()> + use<> {
    let runtime = Rc::clone(&bench.workers);
    let place = bench.place(&format!("commands_by_{connections}"));
    let (pen, group, readings) = runtime.block_on(async {
        let mut readings = Vec::new();
        for _ in 0..connections {
            readings.push(Arc::new(reading(&place).await));
        }
        let group = Group::start(&place, Duration::ZERO)
            .await
            .expect("the server answers");
        (pen(&place).await, group, readings)
    });
    move || {
        let ids = runtime.block_on(known_by_hand(&pen, clients, each));
        let ids = ids.into_iter().zip(readings.iter().cycle()).collect();
        let taken = tasks(&runtime, ids, |(ids, reading)| {
            let (group, reading) = (group.clone(), Arc::clone(reading));
            async move {
                for id in ids {
                    let mut dog = reading.load(id).await.expect("it was saved");
                    dog.add_trick("sit");
                    group.save(&mut dog).await.expect("nobody else writes");
                }
            }
        });
        Turn { taken, seen: () }
    }
}

async fn pen(place: &Place) -> Pen {
    let client = place.connect().await.expect("the server answers");
    Pen::new(client).await.expect("the tables are there")
}

async fn reading(place: &Place) -> Reading {
    let client = place.connect().await.expect("the server answers");
    Reading::new(client).await.expect("the tables are there")
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

async fn known_by_hand(pen: &Pen, clients: usize, each: usize) -> Vec<Vec<Uuid>> {
    let mut dogs = registered(clients, each, |name| {
        let mut dog = register_by_hand(name);
        dog::tricks(KNOWN - 1)
            .into_iter()
            .for_each(|trick| dog.add_trick(trick));
        dog
    });
    for dogs in &mut dogs {
        pen.save_all(dogs).await.expect("nobody else writes");
    }
    let ids = |dogs: Vec<by_hand::Dog>| dogs.iter().map(by_hand::Dog::id).collect();
    dogs.into_iter().map(ids).collect()
}
