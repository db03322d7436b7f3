//! Waiting for a follower (law 19).
use futures_lite::future::poll_once;

use super::*;

const LIST: FollowerId = FollowerId {
    name: std::borrow::Cow::Borrowed("list"),
    log: std::borrow::Cow::Borrowed("school"),
};

async fn advance(store: &MemoryStore, from: u64, to: u64) {
    let commit = Commit {
        id: CommitId::draw(),
        time: SystemTime::UNIX_EPOCH,
        metadata: Metadata::new(),
        appends: Vec::new(),
        checkpoint: Some(Advance::new(LIST, Position::from(from), Position::from(to))),
    };
    store.commit(commit).await.unwrap();
}

#[tokio::test]
async fn waiting_ends_at_once_where_the_follower_was_there() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    advance(&store, 0, 7).await;
    for awaited in [0, 3, 7] {
        let reached = app
            .wait_for(LIST, Position::from(awaited), Duration::ZERO)
            .await?;
        assert_eq!(reached, Position::from(7));
    }
    assert_eq!(
        app.wait_for(LIST, None, Duration::ZERO).await?,
        Position::from(7)
    );
    Ok(())
}

#[tokio::test]
async fn a_store_takes_its_time_also_where_the_clock_hurries() -> Result<()> {
    let store = MemoryStore::new();
    let slow = Intercepted(slow::Slow(store.clone()));
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH).hurried();
    let app = Application::builder(slow).clock(clock).build();
    advance(&store, 0, 7).await;
    let reached = app
        .wait_for(LIST, Position::from(7), Duration::ZERO)
        .await?;
    assert_eq!(reached, Position::from(7));
    Ok(())
}

#[tokio::test]
async fn waiting_ends_when_the_follower_gets_there() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    let mut waiting = Box::pin(app.wait_for(LIST, Position::from(2), Duration::from_secs(600)));
    assert!(poll_once(&mut waiting).await.is_none());
    advance(&store, 0, 1).await;
    assert!(poll_once(&mut waiting).await.is_none());
    advance(&store, 1, 4).await;
    assert_eq!(waiting.await?, Position::from(4));
    Ok(())
}

#[tokio::test]
async fn waiting_ends_in_time() {
    let clock = VirtualClock::at(SystemTime::UNIX_EPOCH).hurried();
    let app = Application::builder(MemoryStore::new())
        .clock(clock.clone())
        .build();
    let error = app
        .wait_for(LIST, Position::from(2), Duration::from_secs(90))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, Error::Wait(WaitError::TimedOut { awaited, reached, .. })
            if awaited.get() == 2 && *reached == Position::START),
        "{error:?}"
    );
    assert_eq!(
        clock.now(),
        SystemTime::UNIX_EPOCH + Duration::from_secs(90)
    );
    let text = error.to_string();
    assert!(
        text.contains("`list` on the log of `school` has reached position 0 after 90s, not 2"),
        "{text}"
    );
}

#[tokio::test]
async fn a_reader_that_polls_keeps_its_place_and_moves_it_forward_only() -> Result<()> {
    let app = app();
    let (start, one, three) = (Position::START, Position::FIRST, Position::from(3));
    assert_eq!(app.checkpoint(LIST).await?, start);
    app.advance(LIST, start, three).await?;
    assert_eq!(app.checkpoint(LIST).await?, three);
    for (from, to) in [(start, three), (three, one), (three, three)] {
        let error = app.advance(LIST, from, to).await.unwrap_err();
        assert!(
            matches!(&error, Error::Save(SaveError::Store(AppendError::Checkpoint { actual, .. })) if *actual == three),
            "{error:?}"
        );
    }
    Ok(())
}
