//! The log as it grows.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_lite::future::poll_once;

use super::*;

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position.get()).collect()
}

#[tokio::test]
async fn it_gives_what_is_there_and_then_what_comes() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 2).await;
    let mut subscription = app.log().subscribe(Position::FIRST);
    assert_eq!(
        subscription.next().await.unwrap()?.position,
        Position::from(2)
    );
    assert!(poll_once(subscription.next()).await.is_none(), "it waits");
    app.update(lamp.id(), Lamp::switch).await?;
    assert_eq!(
        subscription.next().await.unwrap()?.position,
        Position::from(3)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_readers_see_everything_in_order_while_others_write() -> Result<()> {
    const WRITERS: u64 = 4;
    const EACH: u64 = 200;
    let app = slow_app(false);
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut subscription = app.log().subscribe(Position::START);
                let mut seen = Vec::new();
                while seen.len() < usize::try_from(WRITERS * EACH).unwrap() {
                    // Given up where it has to wait, which loses nothing.
                    if let Some(record) = poll_once(subscription.next()).await {
                        seen.push(record.unwrap().unwrap());
                    } else {
                        tokio::task::yield_now().await;
                    }
                }
                seen
            })
        })
        .collect();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                let mut purse = Purse::open(0);
                for _ in 0..EACH {
                    app.save(&mut purse).await.unwrap();
                    purse.put(1);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for reader in readers {
        assert_eq!(
            positions(&reader.await.unwrap()),
            (1..=WRITERS * EACH).collect::<Vec<_>>()
        );
    }
    Ok(())
}

#[tokio::test]
async fn it_ends_when_told() -> Result<()> {
    let app = app();
    saved_lamp(&app, 5).await;
    let mut subscription = app.log().subscribe(Position::START);
    subscription.next().await.unwrap()?;
    let stopper = subscription.stopper();
    stopper.stop();
    assert!(subscription.next().await.is_none(), "though four are left");
    assert!(subscription.next().await.is_none());

    let mut waiting = app.log().subscribe(Position::from(5));
    let stopper = waiting.stopper();
    let waiting = tokio::spawn(async move { waiting.next().await.is_none() });
    tokio::task::yield_now().await;
    stopper.stop();
    assert!(waiting.await.unwrap());
    Ok(())
}

#[tokio::test]
async fn a_filter_leaves_out_and_loses_nothing() -> Result<()> {
    let app = app();
    let mut subscription = app
        .log()
        .only(Filter::category("Purse"))
        .subscribe(Position::START);
    for _ in 0..3 {
        saved_lamp(&app, 4).await;
        app.save(&mut Purse::open(1)).await?;
    }
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(subscription.next().await.unwrap()?);
    }
    assert_eq!(positions(&seen), [5, 10, 15]);
    saved_lamp(&app, 1).await;
    assert!(poll_once(subscription.next()).await.is_none());
    Ok(())
}

/// A store whose log cannot be read now and then, and that never says when it changes.
#[derive(Clone, Default)]
struct Unreliable {
    store: MemoryStore,
    broken: Arc<AtomicBool>,
    reads: Arc<AtomicU64>,
}

impl Intercept for Unreliable {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn read_log<'a>(
        &'a self,
        span: Span,
        filter: &'a Filter,
    ) -> BoxFuture<'a, std::result::Result<LogPage, ReadError>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.broken.load(Ordering::SeqCst) {
            return Box::pin(async { Err(ReadError::Unavailable("the line broke".into())) });
        }
        self.store.read_log(span, filter)
    }

    fn changed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_broken_line_is_told_and_taken_up_again_where_it_broke() -> Result<()> {
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH).hurried();
    let store = Unreliable::default();
    let app = Application::builder(Intercepted(store.clone()))
        .clock(clock.clone())
        .build();
    let lamp = saved_lamp(&app, 2).await;
    let mut subscription = app.log().subscribe(Position::START);
    for position in [1, 2] {
        assert_eq!(subscription.next().await.unwrap()?.position.get(), position);
    }
    app.update(lamp.id(), Lamp::switch).await?;
    store.broken.store(true, Ordering::SeqCst);
    let begin = clock.now();
    for _ in 0..12 {
        let error = subscription.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Log(LogError::Store(_))), "{error:?}");
    }
    let waited = clock.now().duration_since(begin).unwrap();
    assert!(
        (Duration::from_millis(50)..Duration::from_secs(100)).contains(&waited),
        "{waited:?}"
    );
    store.broken.store(false, Ordering::SeqCst);
    assert_eq!(subscription.next().await.unwrap()?.position.get(), 3);
    Ok(())
}

#[tokio::test]
async fn a_change_that_nobody_told_of_is_found_within_a_second() -> Result<()> {
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH);
    let store = Unreliable::default();
    let app = Application::builder(Intercepted(store.clone()))
        .clock(clock.clone())
        .build();
    let mut subscription = app.log().subscribe(Position::START);
    assert!(poll_once(subscription.next()).await.is_none());
    saved_lamp(&app, 1).await;
    for _ in 0..100 {
        assert!(
            poll_once(subscription.next()).await.is_none(),
            "no time has passed"
        );
    }
    assert_eq!(
        store.reads.load(Ordering::SeqCst),
        1,
        "who waits does not read"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        subscription.next().await.unwrap()?.position,
        Position::FIRST
    );
    Ok(())
}

#[tokio::test]
async fn it_ends_after_a_position_that_it_is_told() -> Result<()> {
    let app = app();
    saved_lamp(&app, 5).await;
    let head = app.log().head().await?;
    saved_lamp(&app, 2).await;
    let mut seen = Vec::new();
    let mut subscription = app.log().subscribe(Position::START).up_to(head);
    while let Some(record) = subscription.next().await {
        seen.push(record?);
    }
    assert_eq!(positions(&seen), [1, 2, 3, 4, 5]);
    let mut later = app
        .log()
        .only(Filter::category("Purse"))
        .subscribe(Position::START)
        .up_to(Position::from(9));
    assert!(
        poll_once(later.next()).await.is_none(),
        "the log is not there yet"
    );
    saved_lamp(&app, 3).await;
    assert!(
        later.next().await.is_none(),
        "it is, without one that is admitted"
    );
    Ok(())
}
