//! The whole way: an application on the SQLite store, beside rusqlite and nothing else.
//!
//! Our clients are tasks on a tokio runtime of two workers; those by hand are whatever was faster.

mod append;
mod catch_up;
mod command;
mod load;
mod project;

use std::future::Future;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use es_core::Application;
use es_store_sqlite::SqliteStore;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::by_hand;
use crate::dog::Dog;
use crate::harness::{Disk, Effort};

const DURABLE: &str = "durable: WAL, FULL";
const READ: &str = "read only";

pub(super) fn run(effort: &Effort) {
    effort.report.table("SQLite");
    let disk = Disk::of(effort).expect("there is a folder that files can be made in");
    if !effort.tiny && !disk.is_one(effort).expect("the folder can be written to") {
        return;
    }
    let bench = Bench {
        effort,
        disk,
        runtime: Rc::new(runtime()),
    };
    append::run(&bench);
    load::run(&bench);
    catch_up::run(&bench);
    command::run(&bench);
    project::run(&bench);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("threads can be started")
}

/// What every scenario needs.
struct Bench<'e> {
    effort: &'e Effort,
    disk: Disk,
    runtime: Rc<Runtime>,
}

impl Bench<'_> {
    /// So many, or a handful where results alone are wanted.
    fn some(&self, count: usize) -> usize {
        if self.effort.tiny {
            count.min(2)
        } else {
            count
        }
    }

    fn application(&self, path: &Path) -> (Application, SqliteStore) {
        let store = self
            .runtime
            .block_on(SqliteStore::open(path))
            .expect("the file can be made");
        (Application::new(store.clone()), store)
    }
}

/// Lets each client do its part as a task, and says how long all took.
fn tasks<C, F>(runtime: &Runtime, clients: Vec<C>, work: impl Fn(C) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    let running: Vec<_> = clients
        .into_iter()
        .map(|client| runtime.spawn(work(client)))
        .collect();
    runtime.block_on(async {
        for client in running {
            client.await.expect("no client panics");
        }
    });
    start.elapsed()
}

/// Dogs of one event each, so many for each client, whose names no other dog has.
fn registered<D>(clients: usize, each: usize, register: impl Fn(&str) -> D) -> Vec<Vec<D>> {
    let litter = Uuid::now_v7();
    let dogs = |client| {
        (0..each)
            .map(|number| register(&format!("{litter} {client} {number}")))
            .collect()
    };
    (0..clients).map(dogs).collect()
}

fn register_by_hand(name: &str) -> by_hand::Dog {
    by_hand::Dog::register(Dog::id_for(name), name)
}

/// Lets each client do its part on a thread of its own, and says how long all took.
fn threads<D: Send>(clients: Vec<Vec<D>>, work: impl Fn(D) + Sync) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for dogs in clients {
            let work = &work;
            scope.spawn(move || dogs.into_iter().for_each(work));
        }
    });
    start.elapsed()
}
