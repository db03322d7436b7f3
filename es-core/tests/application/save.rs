//! Saving one aggregate, or several.
use super::*;

#[tokio::test]
async fn what_was_saved_is_got_again() -> Result<()> {
    let app = app();
    let mut lamp = Lamp::mount("kitchen");
    lamp.switch();
    let saved = app.save(&mut lamp).await?;
    assert_eq!(
        (saved.version, saved.position),
        (Version::from(2), Some(Position::from(2)))
    );
    assert!(lamp.pending().is_empty());
    assert_eq!(lamp.version(), Version::from(2));

    let again = app.get::<Lamp>(lamp.id()).await?;
    assert_eq!(again, lamp);
    assert_eq!(again.created_at(), lamp.created_at());
    assert_eq!(again.modified_at(), lamp.modified_at());
    assert!(again.created_at().is_some());
    Ok(())
}

#[tokio::test]
async fn saving_goes_on_where_it_ended() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    for version in 2..6 {
        lamp.switch();
        assert_eq!(app.save(&mut lamp).await?.version, Version::from(version));
    }
    assert_eq!(app.get::<Lamp>(lamp.id()).await?, lamp);
    Ok(())
}

/// A store that must not be asked.
struct Unasked;

impl Intercept for Unasked {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        panic!("the store was asked");
    }
}

#[tokio::test]
async fn saving_with_nothing_pending_does_nothing() -> Result<()> {
    let mut lamp = saved_lamp(&app(), 3).await;
    let saved = Application::new(Intercepted(Unasked))
        .save(&mut lamp)
        .await?;
    assert_eq!((saved.version, saved.position), (Version::from(3), None));
    Ok(())
}

#[tokio::test]
async fn several_aggregates_are_saved_all_or_none() -> Result<()> {
    let app = app();
    let (mut one, mut two, mut three) = (Lamp::mount("a"), Lamp::mount("b"), Lamp::mount("c"));
    two.switch();
    let saved = app.save((&mut one, (&mut two, &mut three))).await?;
    assert_eq!(
        saved.version,
        (Version::from(1), (Version::from(2), Version::from(1)))
    );
    assert_eq!(saved.position, Some(Position::from(4)));

    let mut stale = app.get::<Lamp>(two.id()).await?;
    two.switch();
    app.save(&mut two).await?;
    one.switch();
    stale.switch();
    let refused = app.save(vec![&mut one, &mut stale]).await.unwrap_err();
    assert!(
        matches!(&refused, Error::Save(SaveError::Conflict { stream: conflict, expected, actual })
            if *conflict == stream(&two) && expected.get() == 2 && actual.get() == 3),
        "{refused:?}"
    );
    assert_eq!(
        one.pending(),
        [LampEvent::Switched {}],
        "nothing pending is lost"
    );
    assert_eq!(app.get::<Lamp>(one.id()).await?.version(), Version::from(1));
    let alone = app.save(&mut one).await?;
    assert_eq!(alone.version, Version::from(2), "the other is not needed");

    let mut lamps = [Lamp::mount("d"), Lamp::mount("e")];
    assert_eq!(app.save(&mut lamps[..]).await?.version, [Version::FIRST; 2]);
    Ok(())
}

#[tokio::test]
async fn what_has_nothing_pending_is_in_nobodys_way_however_old_it_is() -> Result<()> {
    let app = app();
    let mut stale = saved_lamp(&app, 1).await;
    app.update(stale.id(), Lamp::switch).await?;
    let mut lamp = Lamp::mount("hall");
    let saved = app.save((&mut stale, &mut lamp)).await?;
    assert_eq!(saved.version, (Version::FIRST, Version::FIRST));
    Ok(())
}

#[tokio::test]
async fn many_aggregates_are_saved_in_every_form() -> Result<()> {
    let app = app();
    let lamps = || [Lamp::mount("a"), Lamp::mount("b")];
    let (mut one, mut two, mut three, mut four, mut five) =
        (lamps(), lamps(), lamps().to_vec(), lamps(), lamps());
    assert_eq!(app.save(&mut one).await?.version, [Version::FIRST; 2]);
    assert_eq!(app.save(&mut two[..]).await?.version, [Version::FIRST; 2]);
    assert_eq!(app.save(&mut three).await?.version, [Version::FIRST; 2]);
    assert_eq!(
        app.save(four.each_mut()).await?.version,
        [Version::FIRST; 2]
    );
    assert_eq!(
        app.save(five.iter_mut().collect::<Vec<_>>()).await?.version,
        [Version::FIRST; 2]
    );
    let (mut six, mut purse) = (lamps(), Purse::open(1));
    let mut batch: Vec<Box<dyn Save<Versions = Version> + '_>> = vec![Box::new(&mut purse)];
    for lamp in &mut six {
        batch.push(Box::new(lamp));
    }
    let saved = app.save(batch).await?;
    assert_eq!(saved.version, [Version::FIRST; 3]);
    let purse = purse.id();
    assert_eq!(app.get::<Purse>(purse).await?.version(), Version::FIRST);
    for lamp in one
        .iter()
        .chain(&two)
        .chain(&three)
        .chain(&four)
        .chain(&five)
        .chain(&six)
    {
        assert_eq!(app.get::<Lamp>(lamp.id()).await?, *lamp);
    }
    Ok(())
}

#[tokio::test]
async fn the_times_of_an_aggregate_are_those_of_its_own_events() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    let created = lamp.created_at();
    let mut other = saved_lamp(&app, 1).await;
    while other.modified_at() == created {
        other.switch();
        app.save((&mut lamp, &mut other)).await?;
    }
    assert_eq!(
        lamp.modified_at(),
        created,
        "it took part with nothing pending"
    );

    lamp.switch();
    assert_eq!(
        (lamp.created_at(), lamp.modified_at()),
        (created, created),
        "what is pending has no time yet"
    );
    app.save(&mut lamp).await?;
    assert_eq!(lamp.created_at(), created);
    assert!(lamp.modified_at() > created);
    let again = app.get::<Lamp>(lamp.id()).await?;
    assert_eq!(
        (again.created_at(), again.modified_at()),
        (created, lamp.modified_at())
    );
    let since_1970 = again
        .modified_at()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    assert_eq!(since_1970.subsec_nanos() % 1_000, 0, "whole microseconds");
    Ok(())
}

#[tokio::test]
async fn two_of_the_same_state_are_equal_only_as_the_same_one_at_the_same_version() -> Result<()> {
    let app = app();
    let [mut purse, other] = [5, 5].map(Purse::open);
    assert_ne!(purse, other);
    app.save(&mut purse).await?;
    let before = app.get::<Purse>(purse.id()).await?;
    assert_eq!(before, purse);
    purse.put(0);
    assert_ne!(before, purse);
    Ok(())
}

#[tokio::test]
async fn the_same_aggregate_twice_in_one_save_is_refused() -> Result<()> {
    let app = app();
    let mut lamp = saved_lamp(&app, 1).await;
    let mut copy = app.get::<Lamp>(lamp.id()).await?;
    lamp.switch();
    copy.switch();
    let refused = app.save((&mut lamp, &mut copy)).await.unwrap_err();
    assert!(
        matches!(refused, Error::Save(SaveError::Twice { .. })),
        "{refused:?}"
    );
    Ok(())
}

#[tokio::test]
async fn an_aggregate_that_no_event_created_cannot_be_saved() {
    #[derive(Aggregate)]
    #[aggregate("Ghost")]
    struct Ghost {
        root: Root<Self>,
    }

    #[events]
    impl Ghost {
        #[event("Appeared")]
        fn appear() -> Self {
            Self { root: Root::new() }
        }

        #[event("Haunted")]
        fn haunt(&mut self) {}
    }

    let mut ghost = Ghost { root: Root::new() };
    ghost.haunt();
    assert!(ghost.pending().is_empty());
    let refused = app().save(&mut ghost).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Error::Save(SaveError::NotCreated { category: "Ghost" })
        ),
        "{refused:?}"
    );
    assert_eq!(
        app().save(&mut Ghost::appear()).await.unwrap().version,
        Version::FIRST
    );
}

#[tokio::test]
async fn an_aggregate_of_another_store_is_told_from_one_that_somebody_else_changed() -> Result<()> {
    let mut lamp = saved_lamp(&app(), 2).await;
    lamp.switch();
    let stream = StreamId::new("Lamp", lamp.id());
    let Err(Error::Save(refused)) = app().save(&mut lamp).await else {
        panic!("the store has none of its events")
    };
    assert_eq!(
        refused.to_string(),
        format!(
            "this store has no events of `{stream}`, which was got at version 2: it was got from another store, or the log was restored from a backup"
        )
    );
    assert!(matches!(refused, SaveError::Conflict { .. }), "{refused:?}");
    Ok(())
}
