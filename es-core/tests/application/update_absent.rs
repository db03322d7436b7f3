//! Deciding about what need not exist.
use super::*;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// Puts a coin into a purse that is opened where there is none.
fn put(id: Uuid) -> impl FnMut(&mut Option<Purse>) + Send {
    move |purse| {
        purse.get_or_insert_with(|| Purse::open_as(id, 0)).put(1);
    }
}

#[tokio::test]
async fn what_is_not_there_is_created_and_what_is_there_is_changed() -> Result<()> {
    let app = app();
    let created = app.update(id(1), put(id(1))).await?;
    assert_eq!(
        (created.version, created.position),
        (Version::from(2), Some(Position::from(2)))
    );
    let changed = app.update(id(1), put(id(1))).await?;
    assert_eq!(changed.version, Version::from(3));
    assert_eq!(app.get::<Purse>(id(1)).await?.coins(), 2);
    Ok(())
}

#[tokio::test]
async fn where_nothing_is_decided_nothing_is_created() -> Result<()> {
    let app = app();
    let looked = app
        .update(id(1), |purse: &mut Option<Purse>| {
            Ok::<_, Empty>(purse.is_some())
        })
        .await?;
    assert_eq!(
        (looked.value, looked.version, looked.position),
        (false, Version::NEW, None)
    );
    let refused = app
        .update(id(1), |purse: &mut Option<Purse>| {
            purse
                .get_or_insert_with(|| Purse::open_as(id(1), 0))
                .take(1)
        })
        .await;
    assert!(matches!(refused, Err(UpdateError::Refused(Empty))));
    assert_eq!(app.log().head().await?, Position::START);
    Ok(())
}

#[tokio::test]
async fn of_many_at_once_one_creates_and_all_land() -> Result<()> {
    for cached in [false, true] {
        let app = slow_app(cached);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            tasks.spawn(app.update(id(1), put(id(1))));
        }
        for updated in tasks.join_all().await {
            updated?;
        }
        assert_eq!(app.get::<Purse>(id(1)).await?.coins(), 100);
    }
    Ok(())
}

#[tokio::test]
async fn one_that_is_created_meanwhile_is_seen_where_it_was_only_looked_at() -> Result<()> {
    let app = app();
    app.save(&mut Purse::open_as(id(2), 0)).await?;
    let mut decided = 0;
    let updated = app
        .update_all(
            (id(1), id(2)),
            |(limit, purse): (&mut Option<Purse>, &mut Purse)| {
                decided += 1;
                if decided == 1 {
                    pollster::block_on(app.save(&mut Purse::open_as(id(1), 5))).unwrap();
                }
                purse.put(limit.as_ref().map_or(100, Purse::coins));
            },
        )
        .await?;
    assert_eq!(decided, 2);
    assert_eq!(updated.version, (Version::FIRST, Version::from(2)));
    assert_eq!(app.get::<Purse>(id(2)).await?.coins(), 5);
    Ok(())
}

#[tokio::test]
async fn what_is_refused_because_one_is_absent_is_decided_again_where_it_is_created_meanwhile()
-> Result<()> {
    let app = app();
    app.save(&mut Purse::open_as(id(2), 0)).await?;
    let mut decided = 0;
    let updated = app
        .update_all(
            (id(1), id(2)),
            |(from, _): (&mut Option<Purse>, &mut Purse)| {
                decided += 1;
                if decided == 1 {
                    pollster::block_on(app.save(&mut Purse::open_as(id(1), 5))).unwrap();
                }
                from.as_ref().map(Purse::coins).ok_or(Empty)
            },
        )
        .await?;
    assert_eq!((decided, updated.value), (2, 5));
    Ok(())
}

#[tokio::test]
async fn some_of_several_may_be_absent_in_any_form() -> Result<()> {
    let app = app();
    let lamp = saved_lamp(&app, 1).await.id();
    let ids = vec![id(1), id(2)];
    let updated = app
        .update_all(
            (lamp, ids),
            |(lamp, purses): (&mut Lamp, &mut Vec<Option<Purse>>)| {
                lamp.switch();
                put(id(1))(&mut purses[0]);
            },
        )
        .await?;
    assert_eq!(
        updated.version,
        (Version::from(2), vec![Version::from(2), Version::NEW])
    );
    let updated = app
        .update_all(vec![id(1), id(2)], |purses: &mut [Option<Purse>]| {
            put(id(1))(&mut purses[0]);
            put(id(2))(&mut purses[1]);
        })
        .await?;
    assert_eq!(updated.version, [Version::from(3), Version::from(2)]);
    let log = app.log().read(Position::from(4), 10).await?;
    assert!(log.iter().all(|record| record.commit == log[0].commit));
    Ok(())
}

#[tokio::test]
async fn another_one_in_its_place_or_nothing_is_told() -> Result<()> {
    let app = app();
    let replaced = |refused| match refused {
        Err(UpdateError::Failed(Error::Save(error @ SaveError::Replaced { .. }))) => {
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    let other_id = app
        .update(id(1), |purse: &mut Option<Purse>| {
            *purse = Some(Purse::open(1));
        })
        .await;
    let told = replaced(other_id);
    assert!(told.contains("`#[event(.., id = ..)]`"), "{told}");
    app.update(id(1), put(id(1))).await?;
    let nothing = app
        .update(id(1), |purse: &mut Option<Purse>| *purse = None)
        .await;
    replaced(nothing);
    let shorter = app
        .update_all(
            (vec![id(1)], id(2)),
            |(purses, other): (&mut Vec<Purse>, &mut Option<Purse>)| {
                purses.clear();
                put(id(2))(other);
            },
        )
        .await;
    let Err(UpdateError::Failed(Error::Save(SaveError::Replaced { stream }))) = shorter else {
        panic!("{shorter:?}");
    };
    assert_eq!(stream.id, id(1));
    Ok(())
}

#[tokio::test]
async fn one_that_is_put_beside_those_of_a_vec_is_told() -> Result<()> {
    let app = app();
    for ids in [vec![], vec![id(1)]] {
        let one_more = app
            .update_all((ids,), |(purses,): (&mut Vec<Option<Purse>>,)| {
                purses.push(Some(Purse::open_as(id(2), 0)));
            })
            .await;
        let Err(UpdateError::Failed(Error::Save(SaveError::Replaced { stream }))) = one_more else {
            panic!("{one_more:?}");
        };
        assert_eq!(stream.id, id(2));
    }
    Ok(())
}

#[tokio::test]
async fn an_id_that_occurs_twice_in_several_is_refused_in_any_form() -> Result<()> {
    let app = app();
    let twice = app
        .update(
            (id(1), vec![id(1)]),
            |_: &mut (Option<Purse>, Vec<Purse>)| (),
        )
        .await;
    assert!(matches!(
        twice,
        Err(UpdateError::Failed(Error::Save(SaveError::Twice { .. })))
    ));
    Ok(())
}
