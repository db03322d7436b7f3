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
    let refused = app
        .update(id(1), |purse: &mut Option<Purse>| {
            *purse = None;
            Err::<(), _>(Empty)
        })
        .await;
    assert!(
        matches!(refused, Err(UpdateError::Refused(Empty))),
        "what is refused is not saved, whatever it is"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_created_without_looking_exists_already_where_it_does() -> Result<()> {
    let app = app();
    let create = |purse: &mut Option<Purse>| *purse = Some(Purse::open_as(id(1), 5));
    app.update(id(1), create).await?;
    let again = app.update(id(1), create).await;
    assert!(matches!(
        again,
        Err(UpdateError::Failed(Error::Save(
            SaveError::AlreadyExists { .. }
        )))
    ));
    Ok(())
}

#[tokio::test]
async fn what_no_event_created_is_told_under_any_id() {
    let app = app();
    app.save(&mut Purse::open_as(id(1), 0)).await.unwrap();
    for id in [Uuid::nil(), id(1), id(2)] {
        let blank = app
            .update(id, |purse: &mut Option<Purse>| {
                purse.insert(Purse::blank()).put(1);
            })
            .await;
        assert!(matches!(
            blank,
            Err(UpdateError::Failed(Error::Save(
                SaveError::NotCreated { .. }
            )))
        ));
    }
}

#[tokio::test]
async fn who_is_too_late_and_does_not_try_again_has_a_conflict() -> Result<()> {
    let app = Application::builder(MemoryStore::new())
        .retry(Retry::never())
        .build();
    let late = app
        .update(id(1), |purse: &mut Option<Purse>| {
            pollster::block_on(app.save(&mut Purse::open_as(id(1), 5))).unwrap();
            put(id(1))(purse);
        })
        .await;
    let Err(UpdateError::Failed(Error::Save(SaveError::Conflict {
        expected, actual, ..
    }))) = late
    else {
        panic!("{late:?}");
    };
    assert_eq!((expected, actual), (Version::NEW, Version::FIRST));
    Ok(())
}

#[tokio::test]
async fn a_vec_keeps_its_length() -> Result<()> {
    let app = app();
    let push_one = |purses: &mut Vec<Option<Purse>>| purses.push(Some(Purse::open_as(id(2), 0)));
    let push_none = |purses: &mut Vec<Option<Purse>>| {
        put(id(1))(&mut purses[0]);
        purses.push(None);
    };
    let pop = |purses: &mut Vec<Option<Purse>>| drop(purses.pop());
    type Resize = fn(&mut Vec<Option<Purse>>);
    let cases: [(Vec<Uuid>, Resize, usize); 4] = [
        (vec![], push_one, 1),
        (vec![id(1)], push_one, 2),
        (vec![id(1)], push_none, 2),
        (vec![id(1)], pop, 0),
    ];
    for (ids, resize, expected) in cases {
        let asked = ids.len();
        let resized = app
            .update_all((ids,), |(purses,): (&mut Vec<Option<Purse>>,)| {
                resize(purses)
            })
            .await;
        let Err(UpdateError::Failed(Error::Save(SaveError::Resized { given, left }))) = resized
        else {
            panic!("{resized:?}");
        };
        assert_eq!((given, left), (asked, expected));
    }
    assert_eq!(app.log().head().await?, Position::START);
    Ok(())
}

#[tokio::test]
async fn an_id_that_occurs_twice_in_several_is_refused_in_any_form() {
    let app = app();
    let twice = app
        .update_all(
            (id(1), vec![id(1)]),
            |_: (&mut Option<Purse>, &mut Vec<Purse>)| (),
        )
        .await;
    assert!(matches!(
        twice,
        Err(UpdateError::Failed(Error::Save(SaveError::Twice { .. })))
    ));
}
