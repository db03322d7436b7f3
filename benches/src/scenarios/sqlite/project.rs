//! A read model: one row for each dog, inserted once and updated by each of its tricks, of a log that is there already, and inside of each commit.
//!
//! Catching up is a share of one thread: of what it costs beyond the same loop by hand, most is reading records of ten columns where by hand three
//! are enough.
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use es_core::{Application, BoxError, Projection, Recorded, System};
use es_store_sqlite::{SqliteProjection, Tables};
use rusqlite::{Connection, Transaction};

use super::{Bench, DURABLE, register_by_hand, registered, tasks};
use crate::by_hand::sqlite::{Modelled, Pen, open};
use crate::dog::{self, Dog, DogEvent};
use crate::harness::{Race, Turn};
use crate::scenarios::named::Named;

/// How often each dog did something.
struct Deeds;

impl Projection for Deeds {
    const NAME: &'static str = "deeds";
    type Events = DogEvent;
}

impl SqliteProjection for Deeds {
    fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let deeds = tx.table("deeds");
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {deeds} (id BLOB PRIMARY KEY, name TEXT NOT NULL, tricks INTEGER NOT NULL) STRICT"
        );
        Ok(tx.execute_batch(&create)?)
    }

    fn handle(&mut self, event: Recorded<DogEvent>, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let (deeds, id) = (tx.table("deeds"), event.stream.id);
        match event.event {
            DogEvent::Registered { name } => {
                let insert = format!("INSERT INTO {deeds} VALUES (?1, ?2, 0)");
                tx.prepare_cached(&insert)?.execute((id, name))?;
            }
            DogEvent::TrickAdded { .. } => {
                let update = format!("UPDATE {deeds} SET tricks = tricks + 1 WHERE id = ?1");
                tx.prepare_cached(&update)?.execute([id])?;
            }
        }
        Ok(())
    }
}

/// How many dogs there are, and how many tricks they did.
fn seen(connection: &Connection) -> (i64, i64) {
    let all = "SELECT count(*), coalesce(sum(tricks), 0) FROM deeds";
    let row = connection.query_row(all, [], |row| Ok((row.get(0)?, row.get(1)?)));
    row.expect("the table is there")
}

pub(super) fn run(bench: &Bench<'_>) {
    catch_up(bench);
    inside(bench, 1, 800);
    inside(bench, 8, 4_800);
}

fn catch_up(bench: &Bench<'_>) {
    let dogs = bench.some(2_000);
    let each = bench.effort.short;
    let events = dogs * each;
    let name = format!("project {events} events onto a table in SQLite");
    if !bench.effort.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.runtime);
    let file = bench.disk.file("ours-project");
    let (app, store) = bench.application(&file);
    let path = bench.disk.file("project");
    let mut pen = Pen::new(open(&path).expect("the file can be made")).expect("it has its tables");
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

    let beside = Connection::open(&file).expect("it was made");
    let mut round = 0;
    let race = Race::new(name, "event", events, DURABLE).contestant("ours", move || {
        round += 1;
        let name = format!("deeds {round}");
        let follower = Named {
            name: name.clone(),
            follower: store.project(Deeds),
        };
        beside
            .execute_batch("DROP TABLE IF EXISTS deeds")
            .expect("nobody else uses it");
        let system = System::new("benches").follow(&app, follower);
        let follower = system.follower(&name);
        let start = Instant::now();
        runtime
            .block_on(follower.catch_up(Duration::ZERO, &mut |_, _| {}))
            .expect("nothing goes wrong");
        Turn {
            taken: start.elapsed(),
            seen: seen(&beside),
        }
    });
    let by_hand = |batch: usize, whole: bool| {
        let connection = open(&path).expect("it was made");
        let mut round = 0;
        move || {
            round += 1;
            Modelled::drop(connection).expect("nobody else uses it");
            let start = Instant::now();
            let mut modelled = Modelled::new(connection).expect("the tables are there");
            let follower = format!("deeds {batch} {whole} {round}");
            let mut after = 0;
            loop {
                let newest = modelled.batch(&follower, after, batch, whole);
                let newest = newest.expect("nobody else writes");
                if newest == after {
                    break;
                }
                after = newest;
            }
            Turn {
                taken: start.elapsed(),
                seen: seen(connection),
            }
        }
    };
    race.contestant("by hand, batches of 10 000", by_hand(10_000, false))
        .at_least(0.6)
        .contestant("by hand, batches of 1 000", by_hand(1_000, false))
        .at_least(0.6)
        .contestant("by hand, 1 000, all columns", by_hand(1_000, true))
        .run(bench.effort);
}

/// New dogs, each in a commit together with its row.
fn inside(bench: &Bench<'_>, clients: usize, commits: usize) {
    let name = format!("save a dog and its row in one commit in SQLite, {clients} client(s)");
    if !bench.effort.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.runtime);
    let each = bench.some(commits / clients);
    let file = |form: &str| bench.disk.file(&format!("{form}-inside-{clients}"));
    let (app, store) = bench.application(&file("ours"));
    runtime
        .block_on(store.inline(&app, Deeds))
        .expect("it is empty");
    let (without, _) = bench.application(&file("without"));
    let by_hand = open(&file("by-hand")).expect("the file can be made");
    let mut pen = Pen::new(by_hand).expect("the tables are there");
    let modelled = Modelled::new(by_hand).expect("the tables are there");
    let modelled = Rc::new(RefCell::new(modelled));
    let save = |runtime: &Rc<tokio::runtime::Runtime>, app: &Application| {
        let (runtime, app) = (Rc::clone(runtime), app.clone());
        move || {
            let dogs = registered(clients, each, Dog::register);
            let taken = tasks(&runtime, dogs, |dogs| {
                let app = app.clone();
                async move {
                    for mut dog in dogs {
                        app.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        }
    };
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", save(&runtime, &app))
        .contestant("by hand, one after the other", move || {
            let dogs = registered(clients, each, register_by_hand);
            let start = Instant::now();
            for mut dog in dogs.into_iter().flatten() {
                let (id, name) = (dog.id(), dog.name().to_owned());
                pen.save_with(&mut dog, || modelled.borrow_mut().insert(id, &name))
                    .expect("nobody else writes");
            }
            Turn {
                taken: start.elapsed(),
                seen: (),
            }
        })
        .contestant("ours without it", save(&runtime, &without))
        .run(bench.effort);
}
