//! Saving new dogs: one event or a hundred in a commit, one client or many, in one process or in several.
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use es_core::Application;
use tokio::runtime::Runtime;

use super::children::Writers;
use super::{Bench, DURABLE, register_by_hand, registered, save_each, tasks};
use crate::by_hand::postgres::{Group, Pen, Place, WithLock};
use crate::dog::{self, Dog};
use crate::harness::{Race, Turn};

/// How long a group waits for those who come again.
const MOMENT: Duration = Duration::from_micros(30);

/// How a client waits: on which runtime.
struct How<'b> {
    runtime: &'b Rc<Runtime>,
    said: &'static str,
}

pub(super) fn run(bench: &Bench<'_>) {
    let workers = How {
        runtime: &bench.workers,
        said: "",
    };
    let thread = How {
        runtime: &bench.thread,
        said: ", one thread",
    };
    alone(bench, &workers, 1, 800);
    alone(bench, &thread, 1, 800);
    alone(bench, &workers, bench.effort.short, 150);
    together(bench, 8, 4_800);
    together(bench, 64, 12_800);
    for processes in [1, 2, 4] {
        in_processes(bench, processes, 64, 12_800);
    }
}

/// What was saved, and how much of it is not there.
struct Saved {
    runtime: Rc<Runtime>,
    log: Log,
    events: i64,
}

enum Log {
    Ours(Application),
    ByHand(Place),
}

impl Saved {
    fn in_ours(runtime: &Rc<Runtime>, app: &Application) -> Self {
        Self {
            runtime: Rc::clone(runtime),
            log: Log::Ours(app.clone()),
            events: 0,
        }
    }

    fn by_hand(runtime: &Rc<Runtime>, place: &Place) -> Self {
        Self {
            runtime: Rc::clone(runtime),
            log: Log::ByHand(place.clone()),
            events: 0,
        }
    }

    /// A turn in which so many events more were saved; what is seen is how many of all are missing.
    fn turn(&mut self, taken: Duration, events: usize) -> Turn<i64> {
        self.events += i64::try_from(events).expect("they fit into a log");
        let stored = self.runtime.block_on(async {
            match &self.log {
                Log::Ours(app) => {
                    let head = app.log().head().await.expect("it can be read");
                    head.get().cast_signed()
                }
                Log::ByHand(place) => place.count().await.expect("it can be read"),
            }
        });
        Turn {
            taken,
            seen: self.events - stored,
        }
    }
}

fn alone(bench: &Bench<'_>, how: &How<'_>, events: usize, dogs: usize) {
    let How { runtime, said } = how;
    let name = format!("save {events} event(s) per commit in Postgres, 1 client{said}");
    if !bench.wants(&name) {
        return;
    }
    let dogs = bench.some(dogs);
    let schema = |form: &str| format!("{form}_{events}_{}", said.len());
    let (app, _) = bench.application(runtime, &schema("ours"));
    let mut ours = Saved::in_ours(runtime, &app);
    let [beside, within] = ["beside", "within"].map(|form| bench.place(&schema(form)));
    let mut by_hand = Saved::by_hand(runtime, &beside);
    let pen = runtime.block_on(async {
        let client = beside.connect().await.expect("the server answers");
        Pen::new(client).await.expect("the tables are there")
    });
    let pen = Arc::new(pen);
    let mut in_one = Saved::by_hand(runtime, &within);
    let (own, mut line) = runtime.block_on(async {
        let (client, mut line) = within.dial().await.expect("the server answers");
        let pen = line.drive(Pen::new(client)).await;
        (pen.expect("the tables are there"), line)
    });
    let (operation, count) = if events == 1 {
        ("commit", dogs)
    } else {
        ("event", dogs * events)
    };
    let litter = move || {
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
            let taken = tasks(&ours.runtime, litter, |dogs| save_each(app.clone(), dogs));
            ours.turn(taken, dogs * events)
        })
        .contestant("by hand", move || {
            let taken = tasks(&by_hand.runtime, litter(), |dogs| {
                let pen = Arc::clone(&pen);
                async move {
                    for mut dog in dogs {
                        pen.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            by_hand.turn(taken, dogs * events)
        })
        .at_least(0.75)
        .contestant("by hand, in one task", move || {
            let litter = litter();
            let start = Instant::now();
            in_one.runtime.block_on(line.drive(async {
                for mut dog in litter.into_iter().flatten() {
                    own.save(&mut dog).await.expect("nobody else writes");
                }
            }));
            in_one.turn(start.elapsed(), dogs * events)
        })
        .run(bench.effort);
}

fn together(bench: &Bench<'_>, clients: usize, commits: usize) {
    let name = format!("save 1 event per commit in Postgres, {clients} clients");
    if !bench.wants(&name) {
        return;
    }
    let runtime = &bench.workers;
    let each = bench.some(commits / clients);
    // One by one it takes so long that a part says enough.
    let some = bench.some(commits / clients / 8);
    let (app, _) = bench.application(runtime, &format!("ours_of_{clients}"));
    let mut ours = Saved::in_ours(runtime, &app);
    let place = bench.place(&format!("group_of_{clients}"));
    let mut in_groups = Saved::by_hand(runtime, &place);
    let group = runtime.block_on(Group::start(&place, MOMENT));
    let group = group.expect("the server answers");
    let place = bench.place(&format!("lock_of_{clients}"));
    let mut one_by_one = Saved::by_hand(runtime, &place);
    let locking: Vec<_> = (0..clients)
        .map(|_| {
            let connected = runtime.block_on(WithLock::connect(&place));
            Arc::new(connected.expect("the server answers"))
        })
        .collect();
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || {
            let dogs = registered(clients, each, Dog::register);
            let taken = tasks(&ours.runtime, dogs, |dogs| save_each(app.clone(), dogs));
            ours.turn(taken, clients * each)
        })
        .contestant("by hand, group commit with a lock", move || {
            let dogs = registered(clients, each, register_by_hand);
            let taken = tasks(&in_groups.runtime, dogs, |dogs| {
                let group = group.clone();
                async move {
                    for mut dog in dogs {
                        group.save(&mut dog).await.expect("nobody else writes");
                    }
                }
            });
            in_groups.turn(taken, clients * each)
        })
        .at_least(0.7)
        .contestant("by hand, LOCK TABLE per insert", move || {
            let dogs = registered(clients, some, register_by_hand);
            let each_one = dogs.into_iter().zip(&locking).collect();
            let taken = tasks(&one_by_one.runtime, each_one, |(dogs, locking)| {
                let locking = Arc::clone(locking);
                async move {
                    for mut dog in dogs {
                        let saved = locking.save_one(&mut dog).await;
                        saved.expect("nobody else writes");
                    }
                }
            });
            let turn = one_by_one.turn(taken, clients * some);
            Turn {
                taken: taken.mul_f64(each as f64 / some as f64),
                ..turn
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
    let runtime = &bench.workers;
    let each = bench.some(commits / clients);
    let schema = format!("ours_in_{processes}");
    let (app, _) = bench.application(runtime, &schema);
    let mut ours = Saved::in_ours(runtime, &app);
    let place = bench.place(&format!("group_in_{processes}"));
    let mut by_hand = Saved::by_hand(runtime, &place);
    let writers = |form, schema: &str| Writers {
        form,
        url: bench.server().url().to_owned(),
        schema: schema.to_owned(),
        processes,
        clients: clients / processes,
        each,
    };
    let our_writers = writers("write-ours", &bench.server().schema(&schema));
    let their_writers = writers("write-by-hand", place.schema());
    // Each process saves one more before they begin.
    let events = clients * each + processes;
    Race::new(name, "commit", each * clients, DURABLE)
        .contestant("ours", move || ours.turn(our_writers.write(), events))
        .contestant("by hand, group commit with a lock", move || {
            by_hand.turn(their_writers.write(), events)
        })
        .run(bench.effort);
}
