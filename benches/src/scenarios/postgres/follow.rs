//! From the beginning of a save until a follower in another process has the event.
//!
//! Either side writes and reads by itself: ours saves and subscribes; by hand it is an insert that notifies, LISTEN, and one SELECT. How long
//! the commit alone takes is printed too.
use std::sync::Arc;

use super::children::{Other, micros};
use super::{Bench, DURABLE, register_by_hand, registered};
use crate::by_hand::postgres::Pen;
use crate::dog::Dog;
use crate::harness::Waits;

/// How many commits are not measured: by then the follower listens, and everything is prepared.
const WARMING_UP: usize = 20;

pub(super) fn run(bench: &Bench<'_>) {
    let name = "commit in Postgres, follower in another process has it".to_owned();
    if !bench.wants(&name) {
        return;
    }
    let commits = bench.some(300);
    let (app, _) = bench.application(&bench.workers, "ours_followed");
    let place = bench.place("followed");
    let pen = bench.workers.block_on(async {
        let client = place.connect().await.expect("the server answers");
        Pen::new(client).await.expect("the tables are there")
    });
    let pen = Arc::new(pen);
    let ours = bench.server().schema("ours_followed");
    let mut ours = Other::start(&["follow-ours", place.url(), &ours]);
    let mut theirs = Other::start(&["follow-by-hand", place.url(), place.schema()]);
    let (runtime, same) = (&bench.workers, &bench.workers);
    Waits::new(name, commits, DURABLE)
        .contestant("ours", |commits| {
            let dogs = registered(1, commits, Dog::register).remove(0);
            followed(&mut ours, dogs, |mut dog| {
                let app = app.clone();
                let saving = runtime.spawn(async move {
                    app.save(&mut dog).await.expect("nobody else writes");
                    micros()
                });
                runtime.block_on(saving).expect("it does not panic")
            })
        })
        .contestant("by hand: LISTEN and one SELECT", |commits| {
            let dogs = registered(1, commits, register_by_hand).remove(0);
            followed(&mut theirs, dogs, |mut dog| {
                let pen = Arc::clone(&pen);
                let saving = same.spawn(async move {
                    let saved = pen.save_and_notify(&mut dog).await;
                    saved.expect("nobody else writes");
                    micros()
                });
                same.block_on(saving).expect("it does not panic")
            })
        })
        .at_most(1.5)
        .warm_up(WARMING_UP.min(bench.some(WARMING_UP)))
        .run(bench.effort);
}

/// Saves one after the other, each once the follower has the one before; for each, the microseconds until it was saved and until the follower
/// had it.
fn followed<D>(follower: &mut Other, dogs: Vec<D>, save: impl Fn(D) -> u128) -> Vec<[f64; 2]> {
    let mut waits = Vec::with_capacity(dogs.len());
    for dog in dogs {
        let start = micros();
        let saved = save(dog);
        let line = follower.line();
        let (_, seen) = line.split_once(' ').expect("a position and a time");
        let seen: u128 = seen.parse().expect("it is a number");
        waits.push([saved, seen].map(|end| end.saturating_sub(start) as f64));
    }
    waits
}
