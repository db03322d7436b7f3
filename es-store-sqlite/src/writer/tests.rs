//! The writer against panics, full files, and whoever goes away.
use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};

use es_core::persistence::{CommitId, Metadata};
use es_core::testing::block_on;
use futures_core::future::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::builder::Settings;
use crate::connection;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

fn writer() -> (TempDir, Writer) {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings::new(folder.path().join("log.db"));
    let pen = connection::writing(&settings).unwrap();
    let sql = Arc::new(Sql::new(&settings.table_prefix));
    let writer = Writer::start(
        pen,
        Place::of(&settings.path),
        sql,
        Arc::new(Event::new()),
        Inline::default(),
        settings.busy_timeout,
    )
    .unwrap();
    (folder, writer)
}

fn commit(size: usize) -> Commit {
    let stream = es_core::StreamId::new("Lamp", CommitId::draw().into());
    Commit {
        id: CommitId::draw(),
        time: std::time::SystemTime::now(),
        metadata: Metadata::new(),
        appends: vec![es_core::persistence::Append {
            stream,
            expected: es_core::Version::NEW,
            events: vec![es_core::persistence::EncodedEvent {
                name: "Switched".into(),
                schema: 1,
                payload: vec![b' '; size].into(),
            }],
        }],
        checkpoint: None,
    }
}

fn poll<T>(future: impl Future<Output = T>) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(pin!(future).poll(&mut context).is_pending());
}

#[test]
fn a_panic_of_the_writer_is_told_to_all_who_wait_and_the_store_goes_on() {
    let (_folder, writer) = writer();
    let writer = Arc::new(writer);
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let (told, answers) = mpsc::channel();
    let ask = |answer: Result<(), String>| told.send(answer).unwrap();
    thread::scope(|scope| {
        // While this one runs, more are waiting than one group takes.
        scope.spawn(|| {
            ask(block_on(writer.run(move |_, _| {
                let _ = wait.lock().unwrap().recv();
                panic!("as a fault of SQLite would, or of ours");
            }))
            .map_err(|e| e.to_string()));
        });
        thread::sleep(Duration::from_millis(50));
        for _ in 0..8 {
            scope.spawn(|| {
                ask(block_on(writer.commit(commit(1)))
                    .map(|_| ())
                    .map_err(|e| e.to_string()))
            });
        }
        thread::sleep(Duration::from_millis(50));
        go.send(()).unwrap();
        let answers: Vec<_> = (0..9)
            .map(|_| answers.recv_timeout(PATIENCE).unwrap())
            .collect();
        assert!(answers.iter().any(Result::is_err));
    });
    block_on(writer.commit(commit(1))).unwrap();
}

#[test]
fn a_full_file_takes_commits_again_once_there_is_room() {
    let (_folder, writer) = writer();
    let pages = |count: u32| {
        block_on(writer.run(move |connection, _| {
            connection.query_row(&format!("PRAGMA max_page_count = {count}"), [], |_| Ok(()))
        }))
        .unwrap();
    };
    pages(1);
    let full = block_on(writer.commit(commit(100_000))).unwrap_err();
    assert!(
        matches!(&full, AppendError::Failed(why) if why.to_string().starts_with("the disk is full")),
        "{full:?}"
    );
    pages(10_000);
    block_on(writer.commit(commit(100_000))).unwrap();
}

/// As a task that its executor left behind: the waker is all that holds it, and it holds the store.
struct Task {
    future: Mutex<Option<BoxFuture<'static, ()>>>,
    _last: Last,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Says whether the thread panics that drops it.
struct Last(mpsc::Sender<bool>);

impl Drop for Last {
    fn drop(&mut self) {
        let _ = self.0.send(thread::panicking());
    }
}

#[test]
fn the_last_store_may_be_dropped_by_the_thread_that_writes() {
    let (folder, writer) = writer();
    let (dropped, is_dropped) = mpsc::channel();
    let (go, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let future = async move {
        let run = writer.run(move |_, _| {
            let _ = wait.lock().unwrap().recv();
            Ok(())
        });
        let _ = run.await;
    };
    let task = Arc::new(Task {
        future: Mutex::new(Some(Box::pin(future))),
        _last: Last(dropped),
    });
    let waker = Waker::from(Arc::clone(&task));
    let mut future = task.future.lock().unwrap();
    let polled = future
        .as_mut()
        .unwrap()
        .as_mut()
        .poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    drop(future);
    drop(waker);
    drop(task);
    go.send(()).unwrap();
    assert_eq!(is_dropped.recv_timeout(PATIENCE), Ok(false));
    drop(folder);
}

#[test]
fn what_was_asked_for_is_done_though_nobody_waits() {
    let (_folder, writer) = writer();
    let sent = commit(1);
    poll(writer.commit(sent.clone()));
    block_on(writer.commit(sent)).unwrap();
}
