//! Stores on a disk: each does the same in its turn, on one file or one server, as durable as ours.
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::harness::{Disk, Effort, Race, Turn};
use crate::place::{Databases, Place};
use crate::python::Python;
use crate::school::{Dog, Follows, Learned, School, trick};
use crate::{cqrs, disintegrate, es_entity, esrs, ours, sourcery};

/// How many events a dog has before a command.
pub(crate) const KNOWN: usize = 20;

/// What is known of a framework beside its speed: what of this a reader would miss is said in the row.
const OURS: &str = "ordered log without gaps, group commit, commit ids, checksums";
const NO_LOG: &str = "no log over streams, no commit ids, no checksums";
const BY_CLOCK: &str = "log sorted by clocks, no commit ids, no checksums";
const GAPS: &str = "a reader can miss what commits late, no commit ids, no checksums";
const VALIDATED: &str = "ordered log, SERIALIZABLE, no commit ids, no checksums";
const PYTHON: &str = "ordered log, no commit ids, no checksums";

pub(crate) fn run(effort: &Effort) {
    effort.report.table("peers on SQLite");
    let disk = Disk::of(effort).expect("there is a folder that files can be made in");
    if !effort.tiny && !disk.is_one(effort).expect("the folder can be written to") {
        return;
    }
    let bench = Bench {
        effort,
        disk,
        databases: None,
        runtime: Rc::new(runtime()),
        places: Cell::new(0),
    };
    all(&bench);

    effort.report.table("peers on Postgres");
    let Some(databases) = Databases::start(effort) else {
        return;
    };
    let bench = Bench {
        databases: Some(databases),
        ..bench
    };
    all(&bench);
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started")
}

fn all(bench: &Bench<'_>) {
    append(bench, 1, 1, 400);
    append(bench, 8, 1, 1_600);
    append(bench, 64, 1, 3_200);
    append(bench, 1, bench.effort.short, 40);
    load(bench, bench.effort.short, 100, 400);
    load(bench, bench.effort.long, 2, 10);
    catch_up(bench, 2_000, bench.effort.short);
    command(bench, 1, 300);
    command(bench, 8, 800);
}

/// What every scenario needs.
struct Bench<'e> {
    effort: &'e Effort,
    disk: Disk,
    /// `None` where files are measured.
    databases: Option<Databases>,
    runtime: Rc<Runtime>,
    places: Cell<usize>,
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

    fn store(&self) -> &'static str {
        match self.databases {
            None => "SQLite",
            Some(_) => "Postgres",
        }
    }

    /// An empty place that nobody else has.
    fn place(&self) -> Place {
        let number = self.places.get();
        self.places.set(number + 1);
        let name = format!("log_{number}");
        match &self.databases {
            None => Place::File(self.disk.file(&name)),
            Some(databases) => self.runtime.block_on(databases.database(&name)),
        }
    }

    /// A framework on an empty log, and what is said of it.
    fn open<S: School>(&self, gives: &str) -> (S, String) {
        let place = self.place();
        self.runtime.block_on(async {
            let school = S::open(&place).await;
            let durability = school.durability().await;
            (school, format!("{durability}; {gives}"))
        })
    }
}

/// Something that is measured of every framework: made ready once, and then done in each turn.
trait Work: Clone + 'static {
    fn contestant<S: School>(
        &self,
        bench: &Bench<'_>,
        school: S,
    ) -> Box<dyn FnMut() -> Turn<usize>>;
    /// What the Python program is told to make ready, and to do.
    fn told(&self) -> [String; 2];
}

/// Lets all frameworks of that store do the same.
fn race(bench: &Bench<'_>, race: Race<usize>, work: &impl Work) {
    let race = entrant::<ours::Ours>(bench, race, work, "ours", OURS);
    let race = if bench.databases.is_none() {
        entrant::<cqrs::Persisted<cqrs::Sqlite>>(bench, race, work, "cqrs-es, sqlite-es", NO_LOG)
    } else {
        let race = entrant::<cqrs::Persisted<cqrs::Postgres>>(
            bench,
            race,
            work,
            "cqrs-es, postgres-es",
            NO_LOG,
        );
        let race = entrant::<esrs::Esrs>(bench, race, work, "esrs", BY_CLOCK);
        let race = entrant::<es_entity::EsEntityDogs>(bench, race, work, "es-entity", NO_LOG);
        let race = entrant::<sourcery::Postgres>(bench, race, work, "sourcery", GAPS);
        entrant::<disintegrate::Disintegrate>(bench, race, work, "disintegrate", VALIDATED)
    };
    python(bench, race, work.told(), |seen| seen).run(bench.effort);
}

fn entrant<S: School>(
    bench: &Bench<'_>,
    race: Race<usize>,
    work: &impl Work,
    who: &'static str,
    gives: &str,
) -> Race<usize> {
    let (school, says) = bench.open::<S>(gives);
    race.contestant(who, work.contestant(bench, school))
        .says(says)
}

fn python<T: PartialEq + std::fmt::Debug>(
    bench: &Bench<'_>,
    race: Race<T>,
    [ready, turn]: [String; 2],
    see: impl Fn(usize) -> T + 'static,
) -> Race<T> {
    let Some(mut python) = Python::start(&bench.place()) else {
        return race;
    };
    let says = format!("{}; {PYTHON}", python.durability());
    python.tell(&ready);
    race.contestant("eventsourcing (Python)", move || {
        let (taken, seen) = python.tell(&turn);
        let seen = see(seen);
        Turn { taken, seen }
    })
    .says(says)
}

/// Lets each client do its part as a task, and says how long all took.
fn tasks<C, F>(runtime: &Runtime, clients: Vec<C>, work: impl Fn(C) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let start = Instant::now();
    runtime.block_on(async {
        let running: Vec<_> = clients
            .into_iter()
            .map(|client| tokio::spawn(work(client)))
            .collect();
        for client in running {
            client.await.expect("no client panics");
        }
    });
    start.elapsed()
}

fn litter(clients: usize, each: usize) -> Vec<Vec<Dog>> {
    let dogs = || (0..each).map(|_| Dog::new()).collect();
    (0..clients).map(|_| dogs()).collect()
}

/// New dogs, so many events in a commit.
#[derive(Clone)]
struct Append {
    clients: usize,
    each: usize,
    events: usize,
}

fn append(bench: &Bench<'_>, clients: usize, events: usize, commits: usize) {
    let name = format!(
        "save {events} event(s) per commit in {}, {clients} client(s)",
        bench.store()
    );
    if !bench.effort.wants(&name) {
        return;
    }
    let each = bench.some(commits / clients);
    let operation = if events == 1 { "commit" } else { "event" };
    let done = clients * each * events;
    let work = Append {
        clients,
        each,
        events,
    };
    race(bench, Race::new(name, operation, done, ""), &work);
}

impl Work for Append {
    fn contestant<S: School>(
        &self,
        bench: &Bench<'_>,
        school: S,
    ) -> Box<dyn FnMut() -> Turn<usize>> {
        let runtime = Rc::clone(&bench.runtime);
        let Self {
            clients,
            each,
            events,
        } = *self;
        Box::new(move || {
            let dogs = litter(clients, each);
            let last: Vec<_> = dogs
                .iter()
                .filter_map(|dogs| dogs.last().cloned())
                .collect();
            let taken = tasks(&runtime, dogs, |dogs| {
                let school = school.clone();
                async move {
                    for dog in dogs {
                        school.register(&dog, events - 1).await;
                    }
                }
            });
            let seen = runtime.block_on(async {
                let mut seen = 0;
                for dog in last {
                    seen += 1 + school.tricks(&dog).await;
                }
                seen
            });
            Turn { taken, seen }
        })
    }

    fn told(&self) -> [String; 2] {
        let Self {
            clients,
            each,
            events,
        } = self;
        [
            "nothing".to_owned(),
            format!("append {clients} {each} {events}"),
        ]
    }
}

/// Dogs of so many events, each got again and again.
#[derive(Clone)]
struct Load {
    events: usize,
    dogs: usize,
    loads: usize,
}

fn load(bench: &Bench<'_>, events: usize, dogs: usize, loads: usize) {
    let name = format!("load {events} events from {}", bench.store());
    if !bench.effort.wants(&name) {
        return;
    }
    let work = Load {
        events,
        dogs: bench.some(dogs),
        loads: bench.some(loads),
    };
    race(
        bench,
        Race::new(name, "load", work.loads, "read only"),
        &work,
    );
}

impl Work for Load {
    fn contestant<S: School>(
        &self,
        bench: &Bench<'_>,
        school: S,
    ) -> Box<dyn FnMut() -> Turn<usize>> {
        let dogs = litter(1, self.dogs).remove(0);
        bench.runtime.block_on(async {
            for dog in &dogs {
                school.register(dog, self.events - 1).await;
            }
        });
        let order: Vec<Dog> = dogs.iter().cycle().take(self.loads).cloned().collect();
        let runtime = Rc::clone(&bench.runtime);
        Box::new(move || {
            let seen = Arc::new(AtomicUsize::new(0));
            let taken = tasks(&runtime, vec![order.clone()], |dogs| {
                let (school, seen) = (school.clone(), Arc::clone(&seen));
                async move {
                    for dog in dogs {
                        seen.fetch_add(school.tricks(&dog).await, Ordering::Relaxed);
                    }
                }
            });
            let seen = seen.load(Ordering::Relaxed);
            Turn { taken, seen }
        })
    }

    fn told(&self) -> [String; 2] {
        let Self {
            events,
            dogs,
            loads,
        } = self;
        [format!("make {dogs} {events}"), format!("load {loads}")]
    }
}

/// Dogs that are loaded, decide, and are saved.
#[derive(Clone)]
struct Commands {
    clients: usize,
    each: usize,
}

fn command(bench: &Bench<'_>, clients: usize, commands: usize) {
    let name = format!(
        "load {KNOWN} events, decide, save in {}, {clients} client(s)",
        bench.store()
    );
    if !bench.effort.wants(&name) {
        return;
    }
    let each = bench.some(commands / clients);
    let race_of = Race::new(name, "command", clients * each, "");
    race(bench, race_of, &Commands { clients, each });
}

impl Work for Commands {
    fn contestant<S: School>(
        &self,
        bench: &Bench<'_>,
        school: S,
    ) -> Box<dyn FnMut() -> Turn<usize>> {
        let runtime = Rc::clone(&bench.runtime);
        let Self { clients, each } = *self;
        Box::new(move || {
            let dogs = litter(clients, each);
            let last: Vec<_> = dogs
                .iter()
                .filter_map(|dogs| dogs.last().cloned())
                .collect();
            runtime.block_on(async {
                for dog in dogs.iter().flatten() {
                    school.register(dog, KNOWN - 1).await;
                }
            });
            let taken = tasks(&runtime, dogs, |dogs| {
                let school = school.clone();
                async move {
                    for dog in dogs {
                        school.add_trick(&dog, &trick(KNOWN)).await;
                    }
                }
            });
            let seen = runtime.block_on(async {
                let mut seen = 0;
                for dog in last {
                    seen += school.tricks(&dog).await;
                }
                seen
            });
            Turn { taken, seen }
        })
    }

    fn told(&self) -> [String; 2] {
        let Self { clients, each } = self;
        [
            "nothing".to_owned(),
            format!("command {clients} {each} {KNOWN}"),
        ]
    }
}

/// Reads the whole log of so many dogs.
fn catch_up(bench: &Bench<'_>, dogs: usize, each: usize) {
    let dogs = bench.some(dogs);
    let events = dogs * each;
    let name = format!("catch up on {events} events in {}", bench.store());
    if !bench.effort.wants(&name) {
        return;
    }
    let race = Race::new(name, "event", events, "");
    let pages = format!("a checkpoint per 1000; {OURS}");
    let race = follower::<ours::Ours>(bench, race, [dogs, each], "ours", &pages);
    let without = |what: &str| format!("no checkpoint; {what}");
    let race = if bench.databases.is_none() {
        let who = "cqrs-es, sqlite-es";
        follower::<cqrs::Persisted<cqrs::Sqlite>>(bench, race, [dogs, each], who, &without(NO_LOG))
    } else {
        let who = "cqrs-es, postgres-es";
        let size = [dogs, each];
        let race =
            follower::<cqrs::Persisted<cqrs::Postgres>>(bench, race, size, who, &without(NO_LOG));
        let race = follower::<esrs::Esrs>(bench, race, size, "esrs", &without(BY_CLOCK));
        let race = follower::<sourcery::Postgres>(bench, race, size, "sourcery", &without(GAPS));
        let pages = format!("a checkpoint per 1000; {VALIDATED}");
        follower::<disintegrate::Disintegrate>(bench, race, size, "disintegrate", &pages)
    };
    let told = [format!("make {dogs} {each}"), "follow".to_owned()];
    python(bench, race, told, move |letters| Learned {
        dogs,
        tricks: events - dogs,
        letters,
    })
    .run(bench.effort);
}

fn follower<S: Follows>(
    bench: &Bench<'_>,
    race: Race<Learned>,
    [dogs, each]: [usize; 2],
    who: &'static str,
    gives: &str,
) -> Race<Learned> {
    let (school, says) = bench.open::<S>(gives);
    bench.runtime.block_on(async {
        for _ in 0..dogs {
            school.register(&Dog::new(), each - 1).await;
        }
    });
    let runtime = Rc::clone(&bench.runtime);
    let (round, events) = (RefCell::new(0), dogs * each);
    race.contestant(who, move || {
        *round.borrow_mut() += 1;
        let (school, follower) = (school.clone(), *round.borrow());
        let start = Instant::now();
        let following = runtime.spawn(async move { school.catch_up(follower, events).await });
        let seen = runtime.block_on(following).expect("it does not panic");
        let taken = start.elapsed();
        Turn { taken, seen }
    })
    .says(says)
}
