//! The whole way: an application on the Postgres store, beside tokio-postgres and nothing else, on one server.
//!
//! Clients are tasks, ours and those by hand on the same runtime: of two workers, and where it says so of the one thread that waits for it.

mod append;
mod catch_up;
mod children;
mod command;
mod follow;
mod load;
mod own_transaction;
mod project;
mod server;

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use es_core::Application;
use es_store_postgres::PostgresStore;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::by_hand;
use crate::by_hand::postgres::Place;
use crate::dog::Dog;
use crate::harness::Effort;
pub(super) use server::Server;

pub(crate) use children::child;

const DURABLE: &str = "durable: fsync, synchronous_commit";
const READ: &str = "read only";

pub(super) fn run(effort: &Effort) {
    effort.report.table("Postgres");
    let bench = Bench {
        effort,
        server: OnceCell::new(),
        workers: Rc::new(runtime(Builder::new_multi_thread().worker_threads(2))),
        thread: Rc::new(runtime(&mut Builder::new_current_thread())),
    };
    append::run(&bench);
    load::run(&bench);
    catch_up::run(&bench);
    command::run(&bench);
    own_transaction::run(&bench);
    follow::run(&bench);
    project::run(&bench);
}

fn runtime(builder: &mut Builder) -> Runtime {
    builder
        .enable_all()
        .build()
        .expect("threads can be started")
}

/// What every scenario needs.
struct Bench<'e> {
    effort: &'e Effort,
    /// Started for the first scenario that is asked for; `None` where there is none.
    server: OnceCell<Option<Server>>,
    /// Of two workers, as servers have.
    workers: Rc<Runtime>,
    /// Of the thread that waits for what is done on it.
    thread: Rc<Runtime>,
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

    /// Whether a scenario is asked for, and there is a server for it.
    fn wants(&self, name: &str) -> bool {
        let server = || Server::of(self.effort);
        self.effort.wants(name) && self.server.get_or_init(server).is_some()
    }

    fn server(&self) -> &Server {
        let server = self.server.get().and_then(Option::as_ref);
        server.expect("no scenario begins without it")
    }

    /// An application on an empty log in a schema of that name.
    fn application(&self, runtime: &Runtime, schema: &str) -> (Application, PostgresStore) {
        let store = runtime.block_on(async {
            let store = store(self.server().url(), &self.server().schema(schema)).await;
            store.migrate().await.expect("the schema is new");
            store
        });
        (Application::new(store.clone()), store)
    }

    /// The tables by hand, in a schema of that name.
    fn place(&self, schema: &str) -> Place {
        let schema = self.server().schema(schema);
        let made = Place::new(self.server().url(), &schema);
        self.workers.block_on(made).expect("the schema is new")
    }
}

async fn store(url: &str, schema: &str) -> PostgresStore {
    let builder = PostgresStore::builder(url).schema(schema);
    builder.connect().await.expect("the server answers")
}

/// Lets each client do its part as a task, and says how long all took.
fn tasks<C, F>(runtime: &Runtime, clients: Vec<C>, work: impl Fn(C) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    runtime.block_on(all(clients, work));
    start.elapsed()
}

async fn all<C, F>(clients: Vec<C>, work: impl Fn(C) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let running: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(work(client)))
        .collect();
    for client in running {
        client.await.expect("no client panics");
    }
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

/// Saves each dog in a commit of its own.
async fn save_each(app: Application, dogs: Vec<Dog>) {
    for mut dog in dogs {
        app.save(&mut dog).await.expect("nobody else writes");
    }
}
