//! A subscription in one process, commits in another.
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use es_core::persistence::{EventStore, Filter, Span};
use es_core::{Application, Position};
use es_store_sqlite::SqliteStore;
use rusqlite::Connection;
use trials::block_on;
use trials::faults::idle::{FOLLOWERS, resting};

use crate::{Effort, file, log, process};

pub(crate) fn what_another_process_commits_is_noticed(effort: Effort) -> String {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("log.db");
    let commits = effort.of(20, 300);
    let looking = latencies(&path, commits, SqliteStore::builder(&path));
    // As it would be without looking: once a second every subscription reads by itself.
    let seldom = SqliteStore::builder(&path).poll_interval(Duration::from_secs(3_600));
    let without = latencies(&path, effort.of(3, 30), seldom);

    let told = path.to_str().expect("a path of letters");
    let seconds = effort.of(2, 60);
    let command = process::command(&["idle", told, &seconds.to_string()]);
    let (mut child, mut lines) = process::start(command);
    let idle = lines.next().and_then(Result::ok).unwrap_or_default();
    assert!(child.wait().expect("it ends").success());

    let (look, page) = costs(&path);
    format!(
        "from commit to event {looking}; without looking {without}; {idle}; a look costs {:.1} µs, an empty page {:.1} µs",
        look.as_secs_f64() * 1e6,
        page.as_secs_f64() * 1e6
    )
}

/// How long it takes from a commit in another process until a subscription in this one has the event.
fn latencies(path: &Path, commits: u64, builder: es_store_sqlite::SqliteStoreBuilder) -> String {
    let app = Application::new(pollster::block_on(builder.open()).expect("the file opens"));
    let head = pollster::block_on(app.log().head()).expect("it can be read");
    let mut subscription = app.log().subscribe(head);
    let told = path.to_str().expect("a path of letters");
    let command = process::command(&["commit-slowly", told, &commits.to_string()]);
    let (mut child, lines) = process::start(command);
    let committed = thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .map(|line| line.parse().expect("microseconds"))
            .collect::<Vec<u64>>()
    });
    let mut seen = Vec::new();
    for number in 1..=commits {
        let record = pollster::block_on(subscription.next());
        let record = record.expect("it goes on").expect("it can be read");
        assert_eq!(record.position.get(), head.get() + number);
        seen.push(microseconds());
    }
    let committed = committed.join().expect("it only reads");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(committed.len(), seen.len());
    let mut taken: Vec<_> = seen
        .iter()
        .zip(committed)
        .map(|(seen, committed)| seen.saturating_sub(committed))
        .collect();
    taken.sort_unstable();
    format!(
        "{:.1} ms in the middle, {:.1} at most ({commits} commits)",
        taken[taken.len() / 2] as f64 / 1e3,
        taken[taken.len() - 1] as f64 / 1e3
    )
}

/// The child: commits now and then, and says when each was there.
pub(crate) fn commit_slowly(path: &Path, count: u64) {
    let store = file::open(path);
    for _ in 0..count {
        // Any time after the last look.
        thread::sleep(Duration::from_micros(fastrand::u64(20_000..120_000)));
        pollster::block_on(store.commit(log::one(fastrand::u128(..), 0))).expect("it is stored");
        process::say(&microseconds().to_string());
    }
}

/// The child: waits for events that do not come, and says what it did meanwhile.
pub(crate) fn idle(path: &Path, seconds: u64) {
    let store = file::open(path);
    let app = Application::new(store.clone());
    let head = pollster::block_on(app.log().head()).expect("it can be read");
    let mut subscription = app.log().subscribe(head);
    let stopper = subscription.stopper();
    let waiting = thread::spawn(move || pollster::block_on(subscription.next()).is_none());
    // The threads are there, and have opened what they need.
    thread::sleep(Duration::from_millis(500));
    let (processor, looks) = (nanoseconds_of_processor(), wake_ups());
    thread::sleep(Duration::from_secs(seconds));
    let a_minute = |count: u64| count as f64 * 60.0 / seconds as f64;
    let processor = a_minute(nanoseconds_of_processor() - processor) / 1e6;
    let looks = a_minute(wake_ups() - looks);
    assert!(looks > 0.0, "it looks");
    stopper.stop();
    assert!(waiting.join().expect("no panic"), "nothing came");
    let running = resting(&store);
    let before = nanoseconds_of_processor();
    thread::sleep(Duration::from_secs(seconds));
    let follow = a_minute(nanoseconds_of_processor() - before) / 1e6;
    block_on(running.stop()).expect("they were told to");
    process::say(&format!(
        "idle, per minute: {looks:.0} looks and a page of 4 statements a second, {processor:.1} ms of a processor; \
         with {FOLLOWERS} followers {follow:.1} ms, which is {:.2} % of one",
        follow / 600.0
    ));
}

/// What the threads of this process have had of a processor.
fn nanoseconds_of_processor() -> u64 {
    of_threads(|_, folder| {
        let schedule = fs::read_to_string(folder.join("schedstat")).unwrap_or_default();
        schedule
            .split(' ')
            .next()
            .and_then(|time| time.parse().ok())
    })
}

/// How often the thread that watches went to sleep.
fn wake_ups() -> u64 {
    of_threads(|name, folder| {
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let mut lines = status.lines();
        let count = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        (name == "es-sqlite-watch").then(|| count?.trim().parse().ok())?
    })
}

fn of_threads(figure: impl Fn(&str, &Path) -> Option<u64>) -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("the system says which there are");
    threads
        .filter_map(|thread| {
            let folder = thread.ok()?.path();
            let name = fs::read_to_string(folder.join("comm")).ok()?;
            figure(name.trim(), &folder)
        })
        .sum()
}

/// What a look costs, and what it would cost to read instead.
fn costs(path: &Path) -> (Duration, Duration) {
    const TIMES: u32 = 2_000;
    let connection = Connection::open(path).expect("it opens");
    let mut look = connection
        .prepare("PRAGMA data_version")
        .expect("it can be");
    let started = Instant::now();
    for _ in 0..TIMES {
        let version: rusqlite::Result<i64> = look.query_row([], |row| row.get(0));
        black_box(version.expect("it is told"));
    }
    let looks = started.elapsed();
    let store = file::open(path);
    let head = pollster::block_on(store.head()).expect("it can be read");
    let everything = Filter::everything();
    let started = Instant::now();
    for _ in 0..TIMES {
        let page = store.read_log(Span::after(head).limit(1_000), &everything);
        let page = pollster::block_on(page).expect("it can be read");
        assert!(page.records.is_empty() && head > Position::START);
    }
    (looks / TIMES, started.elapsed() / TIMES)
}

fn microseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("it is later than 1970").as_micros();
    u64::try_from(since).expect("not in our time")
}
