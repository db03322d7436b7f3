//! Sessions are ended while they are used: by the server at random, and by a line that breaks after any byte.
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use es_core::persistence::{AppendError, CommitId, EventStore};
use es_store_postgres::PostgresStore;
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use trials::block_on;
use trials::faults::Log;

use crate::place::Place;
use crate::{Effort, log, server};

const WRITERS: usize = 8;

/// What the writers of a log have been told.
#[derive(Default)]
struct Told {
    acknowledged: AtomicUsize,
    unknown: AtomicUsize,
    /// Those unknown that were stored, and those that were not.
    found: AtomicUsize,
    not_found: AtomicUsize,
}

/// Commits until told to stop; learns the fate of each commit by its id where it was not told.
async fn write(store: PostgresStore, stop: Arc<AtomicBool>, told: Arc<Told>) -> HashSet<CommitId> {
    let mut rng = Rng::new();
    let mut stored = HashSet::new();
    let mut version = 0;
    let stream = log::stream(rng.u128(..));
    while !stop.load(Ordering::Relaxed) {
        let count = rng.usize(1..4);
        let commit = log::commit(&[(stream.clone(), version.into(), count)], 0);
        let id = commit.id;
        match store.commit(commit.clone()).await {
            Ok(_) => {
                told.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err(AppendError::Unavailable(_)) => {
                told.unknown.fetch_add(1, Ordering::Relaxed);
                let before = known(&store, id).await;
                let counter = if before { &told.found } else { &told.not_found };
                counter.fetch_add(1, Ordering::Relaxed);
                again(&store, commit).await;
            }
            Err(other) => panic!("nobody else writes to this stream: {other:?}"),
        }
        stored.insert(id);
        version += count as u64;
    }
    stored
}

/// Sends a commit in doubt until there is an answer.
async fn again(store: &PostgresStore, commit: es_core::persistence::Commit) {
    loop {
        match store.commit(commit.clone()).await {
            Ok(_) => return,
            Err(AppendError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(2)).await,
            Err(other) => panic!("sent again it is what it was: {other:?}"),
        }
    }
}

/// Whether a commit is stored, asked until there is an answer.
async fn known(store: &PostgresStore, id: CommitId) -> bool {
    loop {
        match store.outcome(id).await {
            Ok(outcome) => return outcome.is_some(),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// Lets writers write while something is done to them, and then finds every commit once.
fn beside_writers(what: impl AsyncFnOnce(&Place) -> usize) -> String {
    let place = Place::fresh();
    let store = place.open();
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Told::default()));
    let (times, stored) = block_on(async {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| tokio::spawn(write(store.clone(), Arc::clone(&stop), Arc::clone(&told))))
            .collect();
        let times = what(&place).await;
        stop.store(true, Ordering::Relaxed);
        let mut stored = HashSet::new();
        for writer in writers {
            stored.extend(writer.await.expect("a writer does not panic"));
        }
        (times, stored)
    });
    let whole = log::whole(&place.open());
    let there: HashSet<_> = whole.by_id.keys().copied().collect();
    assert_eq!(there, stored, "twice, lost, or never sent");
    assert_eq!((whole.partial, whole.commits.len()), (0, stored.len()));
    let [acknowledged, unknown, found, not_found] = [
        &told.acknowledged,
        &told.unknown,
        &told.found,
        &told.not_found,
    ]
    .map(|counter| counter.load(Ordering::Relaxed));
    format!(
        "{times} times, commits {}, acknowledged at once {acknowledged}, unknown {unknown} (of these stored {found}, not stored {not_found}), \
         lost = 0, twice = 0, partial = 0",
        stored.len()
    )
}

pub(crate) fn every_fate_is_known_when_sessions_are_ended(effort: Effort) -> String {
    let terminations = effort.of(60, 500);
    beside_writers(async |place| {
        let session = place.session().await;
        let mut ended = 0;
        let mut rng = Rng::new();
        while ended < terminations {
            tokio::time::sleep(Duration::from_micros(rng.u64(..20_000))).await;
            ended += place.terminate(&session).await;
        }
        ended
    })
}

pub(crate) fn every_fate_is_known_when_the_server_is_restarted(effort: Effort) -> String {
    let restarts = effort.of(2, 20);
    beside_writers(async |_| {
        for _ in 0..restarts {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let restarted = tokio::task::spawn_blocking(|| server::server().restart());
            restarted
                .await
                .expect("it does not panic")
                .expect("it starts again");
        }
        restarts
    })
}

/// A line to the server that breaks after so many bytes, once it is told to.
pub(crate) struct Line {
    pub(crate) port: u16,
    /// How many connections were made.
    made: Arc<AtomicUsize>,
    /// Of so many that were made first, what the server says does not arrive, and of so many nothing does; nobody is told.
    deaf: Arc<AtomicUsize>,
    forgotten: Arc<AtomicUsize>,
    /// Bytes that pass still, from the client and from the server; without end where it is negative.
    passing: Arc<[AtomicI64; 2]>,
    passed: Arc<[AtomicUsize; 2]>,
    /// How many milliseconds each piece takes from the client.
    pace: Arc<AtomicU64>,
}

impl Line {
    pub(crate) async fn new(to: u16) -> Self {
        let [made, deaf, forgotten]: [Arc<AtomicUsize>; 3] = Default::default();
        let (counted, without) = (
            Arc::clone(&made),
            [Arc::clone(&forgotten), Arc::clone(&deaf)],
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let passing: Arc<[AtomicI64; 2]> = Arc::new([AtomicI64::new(-1), AtomicI64::new(-1)]);
        let passed: Arc<[AtomicUsize; 2]> = Arc::default();
        let (passes, counts) = (Arc::clone(&passing), Arc::clone(&passed));
        let pace: Arc<AtomicU64> = Arc::default();
        let paced = Arc::clone(&pace);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (passing, passed) = (Arc::clone(&passes), Arc::clone(&counts));
                let place = counted.fetch_add(1, Ordering::SeqCst);
                let (without, paced) = (without.clone(), Arc::clone(&paced));
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else {
                        return;
                    };
                    let _ = client.set_nodelay(true).and(server.set_nodelay(true));
                    let (client, server) = (client.into_split(), server.into_split());
                    let is_without = |which: usize| place < without[which].load(Ordering::SeqCst);
                    let (forgotten, deaf) = (|| is_without(0), || is_without(0) || is_without(1));
                    // Both directions break with the one that ends first.
                    tokio::select! {
                        _ = pass(client.0, server.1, &passing, &passed, 0, &forgotten, Some(&paced)) => {}
                        _ = pass(server.0, client.1, &passing, &passed, 1, &deaf, None) => {}
                    }
                });
            }
        });
        Self {
            port,
            made,
            deaf,
            forgotten,
            passing,
            passed,
            pace,
        }
    }

    /// Has each piece of 8 KiB from the client take so many milliseconds.
    pub(crate) fn slow_down(&self, pace: u64) {
        self.pace.store(pace, Ordering::SeqCst);
    }

    /// What the server says over the connections that there are does not arrive any more.
    pub(crate) fn deafen(&self) {
        let made = self.made.load(Ordering::SeqCst);
        self.deaf.store(made, Ordering::SeqCst);
    }

    /// The connections that there are carry nothing any more, and nobody is told: as where a firewall forgot them.
    pub(crate) fn forget(&self) {
        let made = self.made.load(Ordering::SeqCst);
        self.forgotten.store(made, Ordering::SeqCst);
    }

    fn break_after(&self, direction: usize, bytes: usize) {
        let bytes = i64::try_from(bytes).expect("it is small");
        self.passing[direction].store(bytes, Ordering::SeqCst);
    }

    fn passed(&self) -> [usize; 2] {
        [0, 1].map(|direction| self.passed[direction].load(Ordering::SeqCst))
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    passing: &[AtomicI64; 2],
    passed: &[AtomicUsize; 2],
    direction: usize,
    vanishes: &(dyn Fn() -> bool + Sync),
    pace: Option<&AtomicU64>,
) -> io::Result<()> {
    let mut bytes = [0; 8192];
    loop {
        let read = from.read(&mut bytes).await?;
        if vanishes() {
            std::future::pending::<()>().await;
        }
        if read == 0 {
            return Ok(());
        }
        let left = passing[direction].load(Ordering::SeqCst);
        let fits = usize::try_from(left).unwrap_or(usize::MAX);
        passed[direction].fetch_add(read.min(fits), Ordering::SeqCst);
        if read > fits {
            // The next one is whole again.
            passing[direction].store(-1, Ordering::SeqCst);
            let _ = to.write_all(&bytes[..fits]).await;
            return Ok(());
        }
        if left >= 0 {
            passing[direction].fetch_sub(i64::try_from(read).unwrap_or(0), Ordering::SeqCst);
        }
        to.write_all(&bytes[..read]).await?;
        match pace.map_or(0, |pace| pace.load(Ordering::SeqCst)) {
            0 => {}
            pace => tokio::time::sleep(Duration::from_millis(pace)).await,
        }
    }
}

/// What is committed while the line breaks: by one statement, alone or in a group, and under the lock.
const FORMS: [(&str, usize, bool); 3] = [
    ("a commit alone", 1, false),
    ("a commit of three events", 3, false),
    ("a commit under the lock", 1, true),
];

pub(crate) fn a_line_that_breaks_after_any_byte_loses_and_doubles_nothing(
    effort: Effort,
) -> String {
    let port = server::server().port();
    let place = Place::fresh();
    let (mut tried, mut at_once, mut unknown) = (0, 0, 0);
    let direct = place.open();
    block_on(async {
        let line = Line::new(port).await;
        let url = format!("postgres://es@127.0.0.1:{}/postgres", line.port);
        let store = PostgresStore::builder(&url)
            .schema(place.schema())
            .connect()
            .await
            .expect("the server answers");
        for (form, events, locked) in FORMS {
            let commit = || log::commit(&[(log::stream(fastrand::u128(..)), 0.into(), events)], 0);
            let prepare = async || {
                // So that the writer is connected, and knows where the log ends; or not.
                again(&store, log::one(fastrand::u128(..), 0)).await;
                again(&store, log::one(fastrand::u128(..), 0)).await;
                if locked {
                    again(&direct, log::one(fastrand::u128(..), 0)).await;
                    again(&store, log::one(fastrand::u128(..), 0)).await;
                }
            };
            prepare().await;
            let before = line.passed();
            store.commit(commit()).await.expect("the line is whole");
            let after = line.passed();
            for direction in [0, 1] {
                let bytes = after[direction] - before[direction];
                assert!(bytes > 20, "{form}: only {bytes} bytes");
                for cut in (0..bytes).step_by(effort.of(29, 1)) {
                    prepare().await;
                    let commit = commit();
                    line.break_after(direction, cut);
                    match store.commit(commit.clone()).await {
                        Ok(_) => at_once += 1,
                        Err(AppendError::Unavailable(_)) => unknown += 1,
                        Err(other) => panic!("{form}, cut after {cut}: {other:?}"),
                    }
                    line.break_after(direction, 0);
                    line.passing[direction].store(-1, Ordering::SeqCst);
                    again(&store, commit.clone()).await;
                    let outcome = direct.outcome(commit.id).await.expect("it can be read");
                    assert!(outcome.is_some(), "{form}, cut after {cut}");
                    tried += 1;
                }
            }
        }
    });
    let whole = log::whole(&direct);
    assert_eq!(whole.partial, 0);
    format!(
        "offsets tried {tried}, in both directions of {} forms of commits: settled by itself {at_once}, unknown {unknown} and then found out, \
         lost = 0, twice = 0",
        FORMS.len()
    )
}
