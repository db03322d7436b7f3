//! An event beside a row of the caller's, in the caller's transaction: what that costs, and what it does to those who save meanwhile.
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use es_core::Application;
use es_store_postgres::PostgresStore;
use tokio::sync::Mutex;
use tokio_postgres::Client;

use super::{Bench, DURABLE, register_by_hand, registered, save_each, tasks};
use crate::by_hand::postgres::{Place, WithLock};
use crate::dog::Dog;
use crate::harness::{Race, Turn};

const INVOICES: &str = "CREATE TABLE invoices (dog uuid NOT NULL)";
const INVOICE: &str = "INSERT INTO invoices (dog) VALUES ($1)";

pub(super) fn run(bench: &Bench<'_>) {
    alone(bench);
    beside(bench);
}

fn alone(bench: &Bench<'_>) {
    let name = "save 1 event and a row in the caller's transaction in Postgres, 1 client";
    if !bench.wants(name) {
        return;
    }
    let runtime = Rc::clone(&bench.workers);
    let dogs = bench.some(400);
    let (app, store, client) = ours(bench, "own_alone");
    let place = bench.place("locked_alone");
    let (locking, invoice) = runtime.block_on(async {
        let client = place.connect().await.expect("the server answers");
        client.batch_execute(INVOICES).await.expect("it is new");
        let locking = WithLock::connect(&place)
            .await
            .expect("the tables are there");
        let invoice = locking.prepare(INVOICE).await.expect("it is there");
        (Arc::new(locking), invoice)
    });
    let same = Rc::clone(&runtime);
    Race::new(name, "commit", dogs, DURABLE)
        .contestant("ours, commit_with", move || {
            let litter = registered(1, dogs, Dog::register);
            let taken = tasks(&runtime, litter, |dogs| {
                let own = (app.clone(), store.clone(), Arc::clone(&client));
                async move {
                    for dog in dogs {
                        save_with_row(&own, dog).await;
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .contestant("by hand, LOCK TABLE", move || {
            let litter = registered(1, dogs, register_by_hand);
            let taken = tasks(&same, litter, |dogs| {
                let (locking, invoice) = (Arc::clone(&locking), invoice.clone());
                async move {
                    for mut dog in dogs {
                        let saved = locking.save_with_row(&invoice, &mut dog).await;
                        saved.expect("nobody else writes");
                    }
                }
            });
            Turn { taken, seen: () }
        })
        .run(bench.effort);
}

/// Eight clients who save, while somebody writes in transactions of his own without a pause, and while nobody does.
fn beside(bench: &Bench<'_>) {
    const CLIENTS: usize = 8;
    let name = format!(
        "save 1 event per commit in Postgres, {CLIENTS} clients beside one in its own transactions"
    );
    if !bench.wants(&name) {
        return;
    }
    let runtime = Rc::clone(&bench.workers);
    let each = bench.some(300);
    let (app, store, client) = ours(bench, "own_beside");
    let (undisturbed, same) = (
        bench.application(&runtime, "own_nobody").0,
        Rc::clone(&runtime),
    );
    Race::new(name, "commit", each * CLIENTS, DURABLE)
        .contestant("beside commit_with", move || {
            let done = Arc::new(AtomicBool::new(false));
            let other = runtime.spawn({
                let (own, done) = (
                    (app.clone(), store.clone(), Arc::clone(&client)),
                    Arc::clone(&done),
                );
                async move {
                    while !done.load(Ordering::Relaxed) {
                        let dog = registered(1, 1, Dog::register).remove(0).remove(0);
                        save_with_row(&own, dog).await;
                    }
                }
            });
            let litter = registered(CLIENTS, each, Dog::register);
            let start = Instant::now();
            tasks(&runtime, litter, |dogs| save_each(app.clone(), dogs));
            let taken = start.elapsed();
            done.store(true, Ordering::Relaxed);
            runtime.block_on(other).expect("it does not panic");
            Turn { taken, seen: () }
        })
        .contestant("beside nobody", move || {
            let litter = registered(CLIENTS, each, Dog::register);
            let taken = tasks(&same, litter, |dogs| save_each(undisturbed.clone(), dogs));
            Turn { taken, seen: () }
        })
        .run(bench.effort);
}

/// A log, and a connection of the caller's with a table beside it.
fn ours(bench: &Bench<'_>, schema: &str) -> (Application, PostgresStore, Arc<Mutex<Client>>) {
    let (app, store) = bench.application(&bench.workers, schema);
    let place = Place::at(bench.server().url(), &bench.server().schema(schema));
    let client = bench.workers.block_on(async {
        app.claim().await.expect("the log is new");
        let client = place.connect().await.expect("the server answers");
        client.batch_execute(INVOICES).await.expect("it is new");
        client
    });
    (app, store, Arc::new(Mutex::new(client)))
}

async fn save_with_row(
    (app, store, client): &(Application, PostgresStore, Arc<Mutex<Client>>),
    mut dog: Dog,
) {
    use es_core::Aggregate;
    let mut client = client.lock().await;
    let transaction = client.transaction().await.expect("the server answers");
    let row = transaction.execute(INVOICE, &[&dog.id()]).await;
    row.expect("the table is there");
    let staged = app.stage(&mut dog).expect("nothing is in doubt");
    let committed = store.commit_with(transaction, staged).await;
    committed.expect("nobody else has this dog");
}
