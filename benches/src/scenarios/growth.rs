//! What becomes of speed as a log, or a stream in it, grows.
//!
//! Each log is made beforehand: dogs of a hundred events each, that came ten at a time in turns with those of ninety-nine other dogs. Half of the
//! dogs are loaded, spread over the whole log; the others each learn a trick now and then. The sizes take turns.
use std::cell::Cell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, Instant};

use es_core::{Aggregate, Application};
use es_store_memory::MemoryStore;
use es_store_postgres::PostgresStore;
use es_store_sqlite::SqliteStore;
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use super::postgres::Server;
use crate::dog::Dog;
use crate::harness::{Curve, Disk, Effort, Growth, picture};

/// How many dogs have their turns together, and how many events each has.
const LITTER: usize = 100;
const EVENTS: usize = 100;
/// How many events of a dog come at once.
const AT_ONCE: usize = 10;

/// How many events of a long stream are saved at once.
const COMMIT: usize = 1_000;

const LOG_SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
const STREAM_SIZES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];

/// What is done in a turn.
const LOADS: usize = 400;
const APPENDS: usize = 200;

pub(super) fn run(effort: &Effort) {
    let growing = Growing {
        effort,
        runtime: Rc::new(
            Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("threads can be started"),
        ),
    };
    effort.report.begin("growth", Growth::COLUMNS);
    let (mut logs, mut streams) = (Vec::new(), Vec::new());
    let mut store = |kept: Kept| {
        logs.extend(growing.log(&kept));
        streams.extend(growing.stream(&kept));
    };
    store(Kept::Memory);
    if effort.wants("growth in SQLite") {
        let disk = Disk::of(effort).expect("there is a folder that files can be made in");
        if effort.tiny || disk.is_one(effort).expect("the folder can be written to") {
            store(Kept::Sqlite(disk));
        }
    }
    if effort.wants("growth in Postgres")
        && let Some(server) = Server::of(effort)
    {
        store(Kept::Postgres(server));
    }
    let Some(folder) = &effort.pictures else {
        return;
    };
    let pictures = [
        (
            "growth-of-the-log.svg",
            "A dog of 100 events in a growing log",
            "events in the log",
            logs,
        ),
        (
            "growth-of-a-stream.svg",
            "Loading a growing dog",
            "events of the dog",
            streams,
        ),
    ];
    for (file, title, across, curves) in pictures {
        if let Some(svg) = picture(title, across, &curves) {
            fs::write(folder.join(file), svg).expect("the folder for pictures can be written to");
        }
    }
}

/// Where logs are kept.
enum Kept {
    Memory,
    Sqlite(Disk),
    Postgres(Server),
}

impl Kept {
    fn name(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "Postgres",
        }
    }

    fn durability(&self) -> &'static str {
        match self {
            Self::Memory => "nothing is kept",
            Self::Sqlite(_) => "durable: WAL, FULL",
            Self::Postgres(_) => "durable: fsync, synchronous_commit",
        }
    }

    /// An application on an empty log.
    async fn application(&self, name: &str) -> Application {
        match self {
            Self::Memory => Application::new(MemoryStore::new()),
            Self::Sqlite(disk) => {
                let store = SqliteStore::open(disk.file(name)).await;
                Application::new(store.expect("the file can be made"))
            }
            Self::Postgres(server) => {
                let schema = server.schema(name);
                let builder = PostgresStore::builder(server.url()).schema(schema);
                let store = builder.connect().await.expect("the server answers");
                store.migrate().await.expect("the schema is new");
                Application::new(store)
            }
        }
    }
}

struct Growing<'e> {
    effort: &'e Effort,
    runtime: Rc<Runtime>,
}

impl Growing<'_> {
    /// So many events, or a handful where results alone are wanted.
    fn some(&self, events: usize) -> usize {
        if self.effort.tiny {
            events / 1_000
        } else {
            events
        }
    }

    fn log(&self, kept: &Kept) -> Vec<Curve> {
        let store = kept.name();
        let load = format!("growth in {store}: load {EVENTS} events");
        let append = format!("growth in {store}: save 1 event");
        if !self.effort.wants(&load) && !self.effort.wants(&append) {
            return Vec::new();
        }
        let mut sizes = LOG_SIZES.to_vec();
        if self.effort.huge && matches!(kept, Kept::Sqlite(_)) {
            sizes.push(10_000_000);
        }
        let (loads, appends) = if self.effort.tiny {
            (1, 1)
        } else {
            (LOADS, APPENDS)
        };
        let mut loading = Growth::new(&load, "load", loads, "read only").at_most(1.3);
        let mut appending = Growth::new(&append, "commit", appends, kept.durability()).at_most(1.2);
        for size in sizes {
            let log = Log::of(&self.runtime, kept, self.some(size));
            let same = Rc::clone(&log);
            loading = loading.size(size, move || log.load(loads));
            appending = appending.size(size, move || same.append(appends));
        }
        let growths = [(load, loading), (append, appending)];
        let wanted = growths
            .into_iter()
            .filter(|(name, _)| self.effort.wants(name));
        wanted
            .filter_map(|(_, growth)| growth.run(self.effort))
            .collect()
    }

    fn stream(&self, kept: &Kept) -> Option<Curve> {
        let name = format!("growth in {}: load a growing dog", kept.name());
        if !self.effort.wants(&name) {
            return None;
        }
        let mut growth = Growth::new(&name, "load", 1, "read only").per_event();
        for size in STREAM_SIZES {
            let events = if self.effort.tiny { size.min(20) } else { size };
            // As many events are read at each size, but no size is loaded so often that its turn is all that is waited for.
            let loads = (20_000 / events).clamp(1, 400);
            let app = self
                .runtime
                .block_on(kept.application(&format!("stream_{size}")));
            let runtime = Rc::clone(&self.runtime);
            let id = self.runtime.block_on(grown(&app, events));
            growth = growth.size(size, move || {
                let app = app.clone();
                let start = Instant::now();
                let loading = runtime.spawn(async move {
                    for _ in 0..loads {
                        let dog: Dog = app.get(id).await.expect("it was saved");
                        assert_eq!(dog.version().get(), events as u64);
                    }
                });
                runtime.block_on(loading).expect("it does not panic");
                start.elapsed() / u32::try_from(loads).expect("they are few")
            });
        }
        growth.run(self.effort)
    }
}

/// A log of some size.
struct Log {
    runtime: Rc<Runtime>,
    app: Application,
    /// Those that are loaded, and those that learn more.
    loaded: Vec<Uuid>,
    learning: Vec<Uuid>,
    next: Cell<usize>,
}

impl Log {
    fn of(runtime: &Rc<Runtime>, kept: &Kept, events: usize) -> Rc<Self> {
        let (app, mut dogs) = runtime.block_on(async {
            let app = kept.application(&format!("log_{events}")).await;
            let mut dogs = Vec::new();
            while dogs.len() * EVENTS < events {
                dogs.extend(litter(&app, (events / EVENTS).clamp(2, LITTER)).await);
            }
            (app, dogs)
        });
        spread_out(&mut dogs);
        let learning = dogs.split_off(dogs.len() / 2);
        Rc::new(Self {
            runtime: Rc::clone(runtime),
            app,
            loaded: dogs,
            learning,
            next: Cell::new(0),
        })
    }

    /// The next so many of them, again from the first after the last.
    fn some(&self, of: &[Uuid], count: usize) -> Vec<Uuid> {
        let from = self.next.get();
        self.next.set(from + count);
        of.iter()
            .cycle()
            .skip(from % of.len())
            .take(count)
            .copied()
            .collect()
    }

    fn load(&self, count: usize) -> Duration {
        let (app, ids) = (self.app.clone(), self.some(&self.loaded, count));
        let start = Instant::now();
        let loading = self.runtime.spawn(async move {
            for id in ids {
                let dog: Dog = app.get(id).await.expect("it was saved");
                assert_eq!(dog.version().get(), EVENTS as u64);
            }
        });
        self.runtime.block_on(loading).expect("it does not panic");
        start.elapsed()
    }

    fn append(&self, count: usize) -> Duration {
        let app = self.app.clone();
        // One after the other: the same dog may come again in one turn.
        let ids = self.some(&self.learning, count);
        let saving = self.runtime.spawn(async move {
            let mut taken = Duration::ZERO;
            for id in ids {
                let mut dog: Dog = app.get(id).await.expect("it was saved");
                dog.add_trick("sit");
                let start = Instant::now();
                app.save(&mut dog).await.expect("nobody else writes");
                taken += start.elapsed();
            }
            taken
        });
        self.runtime.block_on(saving).expect("it does not panic")
    }
}

/// Dogs whose events come in turns.
async fn litter(app: &Application, count: usize) -> Vec<Uuid> {
    let mut dogs: Vec<_> = (0..count)
        .map(|_| Dog::register(&Uuid::now_v7().to_string()))
        .collect();
    for number in 1..EVENTS {
        let trick = format!("trick number {number}");
        dogs.iter_mut()
            .for_each(|dog| dog.add_trick(trick.as_str()));
        if (number + 1) % AT_ONCE == 0 {
            app.save(&mut dogs[..]).await.expect("nobody else writes");
        }
    }
    dogs.iter().map(Dog::id).collect()
}

/// A dog of so many events, saved in several commits.
async fn grown(app: &Application, events: usize) -> Uuid {
    let mut dog = Dog::register(&Uuid::now_v7().to_string());
    for number in 1..events {
        dog.add_trick(format!("trick number {number}"));
        if (number + 1) % COMMIT == 0 {
            app.save(&mut dog).await.expect("nobody else writes");
        }
    }
    app.save(&mut dog).await.expect("nobody else writes");
    dog.id()
}

/// Puts what came one after the other far from each other. Names are hashed into ids, so their order is as good as drawn.
fn spread_out(ids: &mut [Uuid]) {
    ids.sort_unstable();
}
