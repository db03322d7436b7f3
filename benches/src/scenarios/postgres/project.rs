//! A read model: one row for each dog, inserted once and updated by each of its tricks, of a log that is there already, and inside of each commit.
//!
//! What takes the time is a statement for each event, whose answer the handler waits for, and so does the same loop by hand; or they are queued, and
//! by hand sent together.
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::{BoxError, Projection, Recorded, System};
use es_store_postgres::{PostgresProjection, Tables};
use tokio_postgres::Transaction;

use super::{Bench, DURABLE, register_by_hand, registered, save_each, tasks};
use crate::by_hand::postgres::{Both, Modelled, Pen, Place};
use crate::dog::{self, Dog, DogEvent};
use crate::harness::{Race, Turn};
use crate::scenarios::named::Named;

/// How many dogs are saved at once.
const LITTER: usize = 10;

/// How often each dog did something.
struct Deeds {
    queues: bool,
}

impl Projection for Deeds {
    const NAME: &'static str = "deeds";
    type Events = DogEvent;
}

impl PostgresProjection for Deeds {
    async fn create(&mut self, tx: &Transaction<'_>) -> Result<(), BoxError> {
        let deeds = tx.table("deeds");
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {deeds} (id uuid PRIMARY KEY, name text NOT NULL, tricks bigint NOT NULL)"
        );
        Ok(tx.batch_execute(&create).await?)
    }

    async fn handle(
        &mut self,
        event: Recorded<DogEvent>,
        tx: &Transaction<'_>,
    ) -> Result<(), BoxError> {
        let (deeds, id) = (tx.table("deeds"), event.stream.id);
        match event.event {
            DogEvent::Registered { name } if self.queues => {
                let insert = format!("INSERT INTO {deeds} VALUES ($1, $2, 0)");
                tx.queue(&insert, (id, name)).await?;
            }
            DogEvent::TrickAdded { .. } if self.queues => {
                let update = format!("UPDATE {deeds} SET tricks = tricks + 1 WHERE id = $1");
                tx.queue(&update, (id,)).await?;
            }
            DogEvent::Registered { name } => {
                let insert = format!("INSERT INTO {deeds} VALUES ($1, $2, 0)");
                let insert = tx.prepared(&insert).await?;
                tx.execute(&insert, &[&id, &name]).await?;
            }
            DogEvent::TrickAdded { .. } => {
                let update = format!("UPDATE {deeds} SET tricks = tricks + 1 WHERE id = $1");
                let update = tx.prepared(&update).await?;
                tx.execute(&update, &[&id]).await?;
            }
        }
        Ok(())
    }
}

pub(super) fn run(bench: &Bench<'_>) {
    catch_up(bench, false);
    catch_up(bench, true);
    inside(bench, 1, 800);
    inside(bench, 8, 4_800);
}

fn catch_up(bench: &Bench<'_>, queues: bool) {
    let dogs = bench.some(2_000);
    let each = bench.effort.short;
    let events = dogs * each;
    let how = if queues { ", queued" } else { "" };
    let name = format!("project {events} events onto a table in Postgres{how}");
    if !bench.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.workers);
    let (app, store) = bench.application(&runtime, &format!("ours_project_{queues}"));
    let place = bench.place(&format!("project_{queues}"));
    let mut ours = registered(1, dogs, Dog::register).remove(0);
    let mut theirs = registered(1, dogs, register_by_hand).remove(0);
    for (ours, theirs) in ours.iter_mut().zip(&mut theirs) {
        for trick in dog::tricks(each - 1) {
            ours.add_trick(trick.as_str());
            theirs.add_trick(trick);
        }
    }
    // What is read of our table is read as the other is.
    let beside = Place::at(
        bench.server().url(),
        &bench.server().schema(&format!("ours_project_{queues}")),
    );
    let beside = runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        let pen = Pen::new(client).await.expect("the tables are there");
        for (ours, theirs) in ours.chunks_mut(LITTER).zip(theirs.chunks_mut(LITTER)) {
            app.save(ours).await.expect("nobody else writes");
            pen.save_all(theirs).await.expect("nobody else writes");
        }
        beside.connect().await.expect("the server answers")
    });

    let mut round = 0;
    let workers = Rc::clone(&runtime);
    let race = Race::new(name, "event", events, DURABLE).contestant("ours", move || {
        round += 1;
        let name = format!("deeds {round}");
        let follower = Named {
            name: name.clone(),
            follower: store.project(Deeds { queues }),
        };
        let dropped = beside.batch_execute("DROP TABLE IF EXISTS deeds");
        workers.block_on(dropped).expect("nobody else uses it");
        let system = System::new("benches").follow(&app, follower);
        let follower = system.follower(&name);
        let start = Instant::now();
        let catching_up =
            workers.spawn(async move { follower.catch_up(Duration::ZERO, &mut |_, _| {}).await });
        let caught_up = workers.block_on(catching_up).expect("it does not panic");
        caught_up.expect("nothing goes wrong");
        let taken = start.elapsed();
        let all = "SELECT count(*), coalesce(sum(tricks), 0)::int8 FROM deeds";
        let seen = workers.block_on(beside.query_one(all, &[]));
        let seen = seen.expect("it can be read");
        Turn {
            taken,
            seen: (seen.get(0), seen.get(1)),
        }
    });
    let by_hand = |page: i64, pipelined: bool| {
        let runtime = Rc::clone(&runtime);
        let modelled = runtime.block_on(Modelled::new(&place));
        let modelled = Arc::new(modelled.expect("the server answers"));
        let mut round = 0;
        move || {
            round += 1;
            let follower = format!("deeds {page} {pipelined} {round}");
            let emptied = runtime.block_on(modelled.empty());
            emptied.expect("nobody else uses it");
            let start = Instant::now();
            let working = Arc::clone(&modelled);
            let working =
                runtime.spawn(async move { working.all(&follower, page, pipelined).await });
            let worked = runtime.block_on(working).expect("it does not panic");
            worked.expect("nobody else writes");
            let taken = start.elapsed();
            let seen = runtime.block_on(modelled.seen()).expect("it can be read");
            Turn { taken, seen }
        }
    };
    if queues {
        race.contestant(
            "by hand, batches of 1 000, sent together",
            by_hand(1_000, true),
        )
        .at_least(0.6)
        .run(bench.effort);
        return;
    }
    race.contestant("by hand, batches of 1 000", by_hand(1_000, false))
        .at_least(0.6)
        .contestant("by hand, batches of 10 000", by_hand(10_000, false))
        .at_least(0.6)
        .run(bench.effort);
}

/// New dogs, each in a commit together with its row.
fn inside(bench: &Bench<'_>, clients: usize, commits: usize) {
    let name = format!("save a dog and its row in one commit in Postgres, {clients} client(s)");
    if !bench.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.workers);
    let each = bench.some(commits / clients);
    let (app, store) = bench.application(&runtime, &format!("ours_inside_{clients}"));
    runtime
        .block_on(store.inline(&app, Deeds { queues: false }))
        .expect("it is empty");
    let (without, _) = bench.application(&runtime, &format!("without_{clients}"));
    let place = bench.place(&format!("inside_{clients}"));
    // A connection each, and no lock: positions may have holes, and come in any order.
    let both: Vec<_> = (0..clients)
        .map(|_| {
            let both = runtime.block_on(Both::new(&place));
            Arc::new(both.expect("the server answers"))
        })
        .collect();
    let (one, two) = (Rc::clone(&runtime), Rc::clone(&runtime));
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || {
            let dogs = registered(clients, each, Dog::register);
            let taken = tasks(&one, dogs, |dogs| save_each(app.clone(), dogs));
            Turn { taken, seen: () }
        })
        .contestant("by hand, a connection each, no lock", move || {
            let dogs = registered(clients, each, register_by_hand);
            let all = dogs.into_iter().zip(both.iter().cloned()).collect();
            let taken = tasks(
                &runtime,
                all,
                |(dogs, both): (Vec<_>, Arc<Both>)| async move {
                    for mut dog in dogs {
                        both.save(&mut dog).await.expect("nobody else writes");
                    }
                },
            );
            Turn { taken, seen: () }
        })
        .contestant("ours without it", move || {
            let dogs = registered(clients, each, Dog::register);
            let taken = tasks(&two, dogs, |dogs| save_each(without.clone(), dogs));
            Turn { taken, seen: () }
        })
        .run(bench.effort);
}
