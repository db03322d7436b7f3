//! Commands that are done once, however often they are given.
use std::sync::atomic::{AtomicU8, Ordering};

use es_core::ErrorKind;
use es_core::application::Done;
use es_core::persistence::Committed;
use proptest::prelude::*;

use super::*;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

const KEY: Uuid = Uuid::from_u128(77);

fn take(coins: u64) -> impl FnMut(&mut Purse) -> std::result::Result<(), Empty> + Send {
    move |purse| purse.take(coins)
}

#[tokio::test]
async fn an_update_that_is_given_again_is_not_decided_again() -> Result<()> {
    let app = app();
    app.save(&mut Purse::open_as(id(1), 10)).await?;
    let mut decided = 0;
    for again in [false, true, true] {
        let done = app
            .once(KEY)
            .update(id(1), |purse: &mut Purse| {
                decided += 1;
                purse.take(4)
            })
            .await?;
        assert_eq!(done.position(), Some(Position::from(2)));
        match done {
            Done::Now(updated) if !again => assert_eq!(updated.version, Version::from(2)),
            Done::Before(before) if again => {
                let was = app.get_at::<Purse>(id(1), before.version).await?;
                assert_eq!((was.coins(), before.stream.id), (6, id(1)));
            }
            other => panic!("{other:?}"),
        }
        app.update(id(1), |purse: &mut Purse| purse.put(1)).await?;
    }
    assert_eq!(decided, 1);
    assert_eq!(app.get::<Purse>(id(1)).await?.coins(), 9);
    Ok(())
}

#[tokio::test]
async fn what_is_created_is_created_once_with_who_and_why() -> Result<()> {
    let app = app().with(Metadata::new().actor("ann"));
    for again in [false, true] {
        let done = app
            .once(KEY)
            .update(KEY, |purse: &mut Option<Purse>| {
                purse.get_or_insert_with(|| Purse::open_as(KEY, 1)).put(1);
            })
            .await?;
        assert_eq!(matches!(done, Done::Before(_)), again);
        if let Done::Before(before) = done {
            assert_eq!(before.metadata.get_actor(), Some("ann"));
        }
        app.update(KEY, take(1)).await?;
    }
    let stored = app.log().read(Position::START, 10).await?;
    assert_eq!(stored.len(), 4);
    assert_eq!(stored[0].metadata.get_actor(), Some("ann"));
    assert_eq!(stored[1].commit, KEY.into());
    Ok(())
}

#[tokio::test]
async fn a_transfer_that_is_given_again_moves_nothing() -> Result<()> {
    let app = app();
    app.save((
        &mut Purse::open_as(id(1), 10),
        &mut Purse::open_as(id(2), 0),
    ))
    .await?;
    for again in [false, true] {
        let moved = app
            .once(KEY)
            .update_all(
                (id(1), id(2)),
                |(from, to): (&mut Purse, &mut Option<Purse>)| {
                    from.take(4)?;
                    to.as_mut().ok_or(Empty)?.put(4);
                    Ok::<_, Empty>(())
                },
            )
            .await?;
        assert_eq!(matches!(moved, Done::Before(_)), again);
        assert_eq!(moved.position(), Some(Position::from(4)));
    }
    assert_eq!(app.get::<Purse>(id(1)).await?.coins(), 6);
    assert_eq!(app.get::<Purse>(id(2)).await?.coins(), 4);
    Ok(())
}

#[tokio::test]
async fn what_leaves_nothing_is_decided_again() -> Result<()> {
    let app = app();
    app.save(&mut Purse::open_as(id(1), 1)).await?;
    let refused = app.once(KEY).update(id(1), take(4)).await;
    assert!(matches!(refused, Err(UpdateError::Refused(Empty))));
    let looked = app.once(KEY).update(id(1), |_: &mut Purse| ()).await?;
    assert!(matches!(looked, Done::Now(updated) if updated.position.is_none()));
    app.update(id(1), |purse: &mut Purse| purse.put(9)).await?;
    let done = app.once(KEY).update(id(1), take(4)).await?;
    assert!(matches!(done, Done::Now(_)));
    Ok(())
}

#[tokio::test]
async fn the_key_of_another_command_is_refused() -> Result<()> {
    let app = app();
    app.save((
        &mut Purse::open_as(id(1), 10),
        &mut Purse::open_as(id(2), 10),
    ))
    .await?;
    let head = {
        app.once(KEY).update(id(1), take(1)).await?;
        app.log().head().await?
    };
    let other = app.once(KEY).update(id(2), take(1)).await.unwrap_err();
    let UpdateError::Failed(error) = &other else {
        panic!("{other:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(
        other.to_string(),
        format!(
            "key `{KEY}` was used before, by a command that changed `Purse/{}`; give every command a key of its own",
            id(1)
        )
    );
    assert_eq!(app.log().head().await?, head);

    // What a query gives once there is nothing left to do is no other command.
    let done = app
        .once(KEY)
        .update_all(Vec::new(), |_: &mut [Purse]| ())
        .await?;
    assert!(matches!(done, Done::Before(_)));
    Ok(())
}

/// The purse has four coins, so whoever comes second would be refused; it must be told that the command is done.
#[tokio::test]
async fn of_many_at_once_under_one_key_one_is_stored_and_all_are_told() -> Result<()> {
    let store = Slow(MemoryStore::new());
    let apps = [false, true].map(|cached| {
        Application::builder(Intercepted(store.clone()))
            .cache(if cached { 100 } else { 0 })
            .build()
    });
    for round in 1..=20 {
        let key = id(1_000 + round);
        apps[0].save(&mut Purse::open_as(id(round), 4)).await?;
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16 {
            let app = apps[number % 2].clone();
            tasks.spawn(async move {
                // Each would store something else.
                let decide = move |purse: &mut Purse| {
                    purse.take(4)?;
                    purse.put(1 + number as u64);
                    Ok::<_, Empty>(())
                };
                app.once(key).update(id(round), decide).await
            });
        }
        let mut now = 0;
        for done in tasks.join_all().await {
            now += u32::from(matches!(done?, Done::Now(_)));
        }
        assert_eq!(now, 1);
        let purse = apps[1].get::<Purse>(id(round)).await?;
        assert_eq!(purse.version(), Version::from(3));
    }
    Ok(())
}

/// Says at first that a commit is not stored, then the truth, or nothing where its line is cut.
struct Blind(MemoryStore, AtomicU8, bool);

impl Intercept for Blind {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn outcome(
        &self,
        commit: CommitId,
    ) -> BoxFuture<'_, std::result::Result<Option<Committed>, ReadError>> {
        let asked = self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match asked {
                0 => Ok(None),
                _ if self.2 => Err(ReadError::Unavailable("the line is cut".into())),
                _ => self.0.outcome(commit).await,
            }
        })
    }
}

/// Who is refused because the command was done just then, and cannot find that out, is not told that it is refused: that would be the last word.
#[tokio::test]
async fn a_refusal_is_told_only_where_it_is_known_that_nothing_is_done() -> Result<()> {
    let store = MemoryStore::new();
    let app = Application::new(store.clone());
    app.save((&mut Purse::open_as(id(1), 4), &mut Purse::open_as(id(2), 4)))
        .await?;
    app.once(KEY).update(id(1), take(4)).await?;
    let late = |cut| Application::new(Intercepted(Blind(store.clone(), AtomicU8::new(0), cut)));

    let seen = late(false).once(KEY).update(id(1), take(4)).await?;
    assert!(matches!(seen, Done::Before(_)));
    let unknown = late(true).once(KEY).update(id(1), take(4)).await;
    let Err(UpdateError::Failed(error)) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    // Also where its commit meets the other.
    let other = late(false).once(KEY).update(id(2), take(4)).await;
    let Err(UpdateError::Failed(error)) = other else {
        panic!("{other:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Invalid);
    Ok(())
}

/// Answers a commit, loses it before it is stored, or loses its answer, as it is told for each of those that come next: two bits for each.
struct Line(MemoryStore, AtomicU8);

impl Intercept for Line {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }

    fn commit(&self, commit: Commit) -> BoxFuture<'_, std::result::Result<Committed, AppendError>> {
        let next = self.1.load(Ordering::SeqCst);
        self.1.store(next >> 2, Ordering::SeqCst);
        Box::pin(async move {
            let lost = || AppendError::Unavailable("the line is cut".into());
            match next & 3 {
                1 => Err(lost()),
                2 => self.0.commit(commit).await.and(Err(lost())),
                _ => self.0.commit(commit).await,
            }
        })
    }
}

proptest! {
    /// Whoever gets no answer gives the command again, in a process that knows nothing of the first.
    #[test]
    fn who_gives_it_until_there_is_an_answer_has_it_done_once(told: u8, cached: bool) {
        pollster::block_on(async {
            let store = MemoryStore::new();
            let first = Application::new(store.clone());
            first.save(&mut Purse::open_as(id(1), 0)).await.unwrap();
            let mut told = told;
            let done = loop {
                let line = Line(store.clone(), AtomicU8::new(told));
                told >>= 2;
                let app = Application::builder(Intercepted(line));
                let app = app.cache(if cached { 10 } else { 0 }).build();
                match app.once(KEY).update(id(1), |purse: &mut Purse| purse.put(1)).await {
                    Ok(done) => break done,
                    Err(UpdateError::Failed(error)) => prop_assert_eq!(error.kind(), ErrorKind::Unknown),
                    Err(UpdateError::Refused(never)) => match never {},
                }
            };
            prop_assert_eq!(done.position(), Some(Position::from(2)));
            prop_assert_eq!(first.get::<Purse>(id(1)).await.unwrap().coins(), 1);
            Ok(())
        })?;
    }
}
