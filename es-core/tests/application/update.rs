//! Deciding on a fresh aggregate, and again on conflict.
use es_core::persistence::TokioClock;
use futures_lite::future;

use super::*;

#[tokio::test]
async fn a_conflict_that_never_ends_is_given_back() -> Result<()> {
    let app = Application::builder(MemoryStore::new())
        .retry(Retry::attempts(16))
        .clock(VirtualClock::at(SystemTime::UNIX_EPOCH).hurried())
        .build();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            decided += 1;
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
            lamp.switch();
        })
        .await;
    let Err(UpdateError::Failed(conflict @ Error::Save(SaveError::Conflict { .. }))) = refused
    else {
        panic!("{refused:?}")
    };
    assert!(
        conflict.to_string().contains("the application's `Retry`"),
        "it does not advise what was done, but says what can be set: {conflict}"
    );
    assert_eq!(decided, 16);
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(17), "its own events are not stored");
    Ok(())
}

/// Two attempts, as those need who have to be in each other's way once.
fn of_two_attempts() -> Application {
    let retry = Retry::attempts(2).pauses(Duration::ZERO..=Duration::ZERO);
    Application::builder(Intercepted(Slow(MemoryStore::new())))
        .retry(retry)
        .build()
}

#[tokio::test]
async fn those_who_decide_again_take_turns() -> Result<()> {
    let app = of_two_attempts();
    let lamp = saved_lamp(&app, 1).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        tasks.spawn(app.update(lamp.id(), Lamp::switch));
    }
    for updated in tasks.join_all().await {
        updated?;
    }
    let version = app.get::<Lamp>(lamp.id()).await?.version();
    assert_eq!(version, Version::from(101));
    // Nobody stands in line any more.
    app.update(lamp.id(), Lamp::switch).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_used_is_waited_for_no_longer_than_two_seconds() -> Result<()> {
    let retry = Retry::attempts(3).pauses(Duration::from_secs(60)..=Duration::from_secs(60));
    let app = Application::builder(Intercepted(Slow(MemoryStore::new())))
        .retry(retry)
        .clock(TokioClock)
        .build();
    let lamp = saved_lamp(&app, 1).await;
    let mut first = Box::pin(app.update(lamp.id(), Lamp::switch));
    let mut second = Box::pin(app.update(lamp.id(), Lamp::switch));
    // Both have read before either of them saves, so one has to decide again, and pauses in its turn, where nobody polls it any more.
    let is_first = loop {
        let saved = future::poll_once(first.as_mut()).await;
        if saved.is_some() {
            break true;
        }
        if future::poll_once(second.as_mut()).await.is_some() {
            break false;
        }
    };
    let mut pausing = if is_first { second } else { first };
    for _ in 0..20 {
        assert!(future::poll_once(pausing.as_mut()).await.is_none());
    }
    let since = tokio::time::Instant::now();
    app.update(lamp.id(), Lamp::switch).await?;
    assert_eq!(since.elapsed().as_secs(), 2, "of the test's own time");
    pausing.await?;
    assert_eq!(
        app.get::<Lamp>(lamp.id()).await?.version(),
        Version::from(4)
    );
    Ok(())
}

#[tokio::test]
async fn an_update_decides_saves_and_answers() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let updated = app.update(lamp.id(), Lamp::switch).await?;
    assert_eq!(
        (updated.version, updated.position),
        (Version::from(2), Some(Position::from(2)))
    );
    let updated = app
        .update(lamp.id(), |lamp: &mut Lamp| Ok::<_, Burnt>(lamp.is_on()))
        .await?;
    assert_eq!((updated.value, updated.position), (true, None));
    Ok(())
}

#[tokio::test]
async fn a_refusal_changes_nothing_and_keeps_its_type() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let refused = app
        .update(lamp.id(), |lamp: &mut Lamp| {
            lamp.switch();
            Err::<(), _>(Burnt)
        })
        .await;
    assert!(matches!(refused, Err(UpdateError::Refused(Burnt))));
    assert!(
        matches!(Error::from(refused.unwrap_err()), Error::Refused(refusal) if refusal.is::<Burnt>())
    );
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}

#[test]
fn what_an_update_passes_on_keeps_its_cause() {
    let unknown = || SaveError::Unknown {
        commit: CommitId::from(Uuid::nil()),
        source: Some("the line broke".into()),
    };
    let errors = [
        UpdateError::Refused(unknown()),
        UpdateError::Failed(unknown().into()),
    ];
    for error in errors {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(cause.as_deref(), Some("the line broke"), "{error:?}");
    }
}

#[tokio::test]
async fn an_update_decides_again_when_another_writer_was_faster() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await;
    let mut decided = 0;
    app.update(lamp.id(), |lamp: &mut Lamp| {
        decided += 1;
        if decided < 4 {
            // Another writer, between getting and saving.
            let mut other = pollster::block_on(app.get::<Lamp>(lamp.id())).unwrap();
            other.switch();
            pollster::block_on(app.save(&mut other)).unwrap();
        }
        lamp.switch();
    })
    .await?;
    assert_eq!(decided, 4);
    assert_eq!(
        app.get::<Lamp>(lamp.id()).await?.version(),
        Version::from(5)
    );
    Ok(())
}

#[tokio::test]
async fn between_two_decisions_it_waits_by_the_clock() -> Result<()> {
    let (begin, pause) = (SystemTime::UNIX_EPOCH, Duration::from_secs(3600));
    let clock = VirtualClock::at(begin).hurried();
    let app = Application::builder(MemoryStore::new())
        .retry(Retry::attempts(9).pauses(pause..=pause * 2))
        .clock(clock.clone())
        .build();
    let lamp = saved_lamp(&app, 1).await;
    let mut times = Vec::new();
    app.update(lamp.id(), |lamp: &mut Lamp| {
        times.push(clock.now());
        if times.len() < 9 {
            interfere(&app, lamp.id());
        }
        lamp.switch();
    })
    .await?;
    let pauses = times
        .windows(2)
        .map(|two| two[1].duration_since(two[0]).unwrap());
    let limits = [1, 2, 2, 2, 2, 2, 2, 2].map(|times| pause * times);
    assert!(
        pauses
            .clone()
            .zip(limits)
            .all(|(pause, limit)| pause <= limit)
    );
    assert!(
        pauses.skip(1).any(|pause| !pause.is_zero()),
        "eight pauses are drawn, and more than the first is some"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_tasks_updating_one_aggregate_each_land_once() -> Result<()> {
    const TASKS: u64 = 100;
    for app in [slow_app(false), slow_app(true)] {
        let mut purse = Purse::open(0);
        app.save(&mut purse).await?;
        let id = purse.id();
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let app = app.clone();
                tokio::spawn(async move { app.update(id, |purse: &mut Purse| purse.put(1)).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        let purse = app.get::<Purse>(id).await?;
        assert_eq!((purse.coins(), purse.version().get()), (TASKS, 1 + TASKS));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_tasks_updating_many_aggregates_lose_and_double_nothing() -> Result<()> {
    const TASKS: usize = 64;
    const PURSES: usize = 8;
    const EACH: usize = 10;
    for app in [slow_app(false), slow_app(true)] {
        let mut purses: Vec<_> = (0..PURSES).map(|_| Purse::open(100)).collect();
        app.save(&mut purses).await?;
        let ids: Vec<_> = purses.iter().map(Purse::id).collect();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let (app, ids) = (app.clone(), ids.clone());
                tokio::spawn(async move {
                    for turn in 0..EACH {
                        let from = ids[(task + turn) % PURSES];
                        let to = ids[(task + 3 * turn + 1) % PURSES];
                        if from == to {
                            app.update(to, |purse: &mut Purse| purse.put(0)).await?;
                            continue;
                        }
                        let moved = app
                            .update_all((from, to), |(from, to): (&mut Purse, &mut Purse)| {
                                from.take(3)?;
                                to.put(3);
                                Ok::<_, Empty>(())
                            })
                            .await;
                        match moved {
                            Ok(_) | Err(UpdateError::Refused(Empty)) => {}
                            Err(UpdateError::Failed(error)) => return Err(error),
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        let mut coins = 0;
        for id in ids {
            let purse = app.get::<Purse>(id).await?;
            assert_eq!(purse, *app.get_at::<Purse>(id, purse.version()).await?);
            coins += purse.coins();
        }
        assert_eq!(coins, 100 * PURSES as u64);
    }
    Ok(())
}

fn interfere(app: &Application, id: Uuid) {
    let mut other = pollster::block_on(app.get::<Lamp>(id)).unwrap();
    other.switch();
    pollster::block_on(app.save(&mut other)).unwrap();
}
